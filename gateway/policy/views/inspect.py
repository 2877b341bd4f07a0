"""The receiver's look at what arrived: is there anything in it that the policy does not keep?

A sender may be wrong or worse, and what was not agreed must not be stored here. A document in the fixed form of views,
as honest senders write it, is looked at by names (quick.py); any other, and one in which names find something, is
walked beside the places of the compiled policy, as in cut.py; conditions are asked of what arrived, for what they ask
leaves unchanged. Refused are elements without a place, values that can not be what a rule makes of any, attributes that
no rule names (`xsi:` ones too), classes that stand there empty, comments, processing instructions, CDATA sections, and
declared namespaces the schema set does not have: each could carry what the agreement keeps back. Prefixes and white
space between elements carry nothing that was agreed or not, and other people's XML libraries write their own: they
pass.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from lxml import etree

from gateway.document import indexed_path
from gateway.domain.message import MessageKind
from gateway.errors import PolicyError
from gateway.policy.views.compiled import CompiledPolicy
from gateway.policy.views.places import Place
from gateway.policy.views.quick import Placing, Quick
from gateway.schema import ValidDocument

__all__ = ["inspect"]

_MOST_PATHS: Final = 20
# In a well-formed document without DOCTYPE, `<!` opens a comment or a CDATA section and `<?` an instruction.
_MARKUP: Final = re.compile(rb"<!--|<!\[CDATA\[|<\?(?!xml[ \t\r\n])")
_MARKUP_NAMES: Final = {b"<!--": "comment()", b"<![CDATA[": "cdata()"}
_OPENING: Final = b'<?xml version="1.0" encoding="UTF-8"?>'  # as every gateway writes it
_DECLARATION: Final = re.compile(rb"""xmlns(?::[^\s=]+)?\s*=\s*(?:"([^"]*)"|'([^']*)')""")
# A text that begins with white space, be it written out or by reference.
_MAY_BE_BLANK: Final = re.compile(rb">(?:[ \t\r\n]|&#)")
_HAS_EMPTY: Final = etree.XPath("count(/descendant::*) != count(/descendant::*/node()[1])")
_DECLARED: Final = etree.XPath("//namespace::*[name() != 'xml']")


def inspect(document: ValidDocument, policy: CompiledPolicy) -> None:
    """Raise PolicyError `policy.over_shared`, naming at most 20 paths, if `document` holds more than `policy` keeps."""
    root, place = document.root, policy.roots.get(document.root.tag)
    found = [*_markup(document), *_namespaces(document, policy)]
    if place is None:
        found.append(indexed_path(root))
    elif found or not _is_plainly_within(document, place, policy.quick):
        beyond = _Beyond(document.document.kind, has_mixed=policy.has_mixed)
        beyond.at(root, place, root.keys())
        found += beyond.found
    if found:
        raise PolicyError(
            "policy.over_shared",
            f"The message holds {len(found)} thing{'s' if len(found) != 1 else ''} that the policy does not keep",
            facts={"paths": found[:_MOST_PATHS]},
        )


def _markup(document: ValidDocument) -> Iterator[str]:
    """What the parser already left out, seen in the bytes."""
    raw = document.document.raw
    # Hardly a message holds either sign, and to look for one byte is a tenth of the work of the pattern.
    if b"!" not in raw and raw.find(b"?", len(_OPENING) if raw.startswith(_OPENING) else 0) < 0:
        return
    for match in _MARKUP.finditer(raw):
        yield _MARKUP_NAMES.get(match[0], "processing-instruction()")


def _namespaces(document: ValidDocument, policy: CompiledPolicy) -> Iterator[str]:
    """Declared namespaces that are none of the set's: a name in which anything could be written."""
    # The bytes show every declaration, and perhaps texts that look like one; only then the tree must be asked, because
    # its namespace axis has every namespace at every element.
    seen = {(match[1] or match[2] or b"").decode() for match in _DECLARATION.finditer(document.document.raw)}
    if not seen <= policy.namespaces and not {uri for _, uri in _DECLARED(document.root)} <= policy.namespaces:
        yield "namespace::*"


def _is_plainly_within(document: ValidDocument, place: Place, quick: Quick | None) -> bool:
    """Tell by names whether nothing is beyond the policy; False where they do not tell."""
    root = document.root
    if quick is None or _MAY_BE_BLANK.search(document.document.raw) or _HAS_EMPTY(root):
        return False
    placing = Placing(root, place)
    if next(quick.beyond(root, placing), None) is not None:
        return False
    if not all(change.may_have_made(leaf.text or "") for leaf, change in quick.to_change(root, placing)):
        return False
    found = quick.doubtful(root)
    return found is not None and all(_has_kept_attributes(one, placing.of(one)) for one in found)


def _has_kept_attributes(element: etree._Element, place: Place | None) -> bool:
    return place is not None and set(element.keys()) <= place.plain_attributes


class _Beyond:
    """A walk beside the places of a policy that finds what has none. `kind`: the message's; `has_mixed`: text may stand
    between elements of the set; `found`: paths."""

    __slots__ = ("found", "has_mixed", "kind")

    def __init__(self, kind: MessageKind, *, has_mixed: bool) -> None:
        self.kind: Final = kind
        self.has_mixed: Final = has_mixed
        self.found: Final[list[str]] = []

    def at(self, element: etree._Element, place: Place | None, names: list[str]) -> None:
        """Look at an element with attributes of these names, and at what is below it."""
        if place is not None and place.choice is not None:
            place = place.chosen(element, self.kind)
        if place is None:
            self.found.append(indexed_path(element))
            return
        if names and (len(names) > 1 or names[0] not in place.plain_attributes):
            self.attributes(element, place, names)
        if place.is_leaf:
            if place.takes_elements and len(element):
                self.found.append(indexed_path(element))
                return
            if place.change is not None and not place.change.may_have_made(element.text or ""):
                self.found.append(indexed_path(element))
        elif len(element) == 0 and not place.may_be_empty:
            self.found.append(indexed_path(element))
        else:
            if self.has_mixed and any(text.strip() for text in (element.text or "", *_tails(element))):
                self.found.append(f"{indexed_path(element)}/text()")
            self.below(element, place.children)

    def below(self, element: etree._Element, places: Mapping[object, Place]) -> None:
        for child in element:
            place = places.get(child.tag)
            names = child.keys()
            # Most of a message are leaves that leave as they are: they take no call.
            if place is None or names or not place.is_plain:
                self.at(child, place, names)

    def attributes(self, element: etree._Element, place: Place, names: list[str]) -> None:
        for name in names:
            change = place.attribute_changes.get(name)
            if name not in place.attributes or (change and not change.may_have_made(element.get(name) or "")):
                self.found.append(f"{indexed_path(element)}/@{etree.QName(name).localname}")


def _tails(element: etree._Element) -> Iterator[str]:
    return (child.tail or "" for child in element)
