"""The receiver's look at what arrived: is there anything in it that the policy does not keep?

A sender may be wrong or worse, and what was not agreed must not be stored here. A document in the fixed form of views,
as honest senders write it, is looked at by names (quick.py); any other, and one in which names find something, is
walked beside the places of the compiled policy, as in cut.py. Refused are elements without a place, attributes that no
rule names (`xsi:` ones too), classes that stand there empty, comments, processing instructions, CDATA sections, and
declared namespaces the schema set does not have: each could carry what the agreement keeps back. Prefixes and white
space between elements carry nothing that was agreed or not, and other people's XML libraries write their own: they
pass.
"""

import re
from collections.abc import Iterator
from typing import Final

from lxml import etree

from gateway.document import indexed_path
from gateway.errors import PolicyError
from gateway.policy.compiled import CompiledPolicy, Place
from gateway.policy.quick import Quick, place_of
from gateway.schema import ValidDocument

__all__ = ["inspect"]

_MOST_PATHS: Final = 20
# In a well-formed document without DOCTYPE, `<!` opens a comment or a CDATA section and `<?` an instruction.
_MARKUP: Final = re.compile(rb"<!--|<!\[CDATA\[|<\?(?!xml[ \t\r\n])")
_MARKUP_NAMES: Final = {b"<!--": "comment()", b"<![CDATA[": "cdata()"}
_DECLARATION: Final = re.compile(rb"""xmlns(?::[^\s=]+)?\s*=\s*(?:"([^"]*)"|'([^']*)')""")
# A text that begins with white space, be it written out or by reference.
_MAY_BE_BLANK: Final = re.compile(rb">(?:[ \t\r\n]|&#)")
_HAS_EMPTY: Final = etree.XPath("count(//*/node()[1]) != count(//*)")
_DECLARED: Final = etree.XPath("//namespace::*[name() != 'xml']")


def inspect(document: ValidDocument, policy: CompiledPolicy) -> None:
    """Raise PolicyError `policy.over_shared`, naming at most 20 paths, if `document` holds more than `policy` keeps."""
    root, place = document.root, policy.roots.get(document.root.tag)
    found = [*_markup(document), *_namespaces(document, policy)]
    if place is None:
        found.append(indexed_path(root))
    elif found or not (_is_plainly_within(document, place, policy.quick) or _is_within(root, place)):
        found += [*_attributes(root, place), *_beyond(root, place)]
    if found:
        raise PolicyError(
            "policy.over_shared",
            f"The message holds {len(found)} thing{'s' if len(found) != 1 else ''} that the policy does not keep",
            facts={"paths": found[:_MOST_PATHS]},
        )


def _markup(document: ValidDocument) -> Iterator[str]:
    """What the parser already left out, seen in the bytes."""
    for match in _MARKUP.finditer(document.document.raw):
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
    if next(quick.beyond(root, place), None) is not None:
        return False
    found = quick.attributed(root)
    return found is not None and all(_has_kept_attributes(one, place_of(one, root, place)) for one in found.doubtful)


def _has_kept_attributes(element: etree._Element, place: Place | None) -> bool:
    names = element.keys()
    return not names or (place is not None and set(names) <= set(place.attributes))


def _is_within(source: etree._Element, place: Place) -> bool:
    """Tell whether nothing at and below `source` is beyond the policy; `_beyond` then says what is."""
    places = place.children
    if not _has_kept_attributes(source, place):
        return False
    for child in source:
        below = places.get(child.tag)
        if below is None:
            return False
        if below.is_leaf:
            if not _has_kept_attributes(child, below):
                return False
        elif not (_is_within(child, below) and (len(child) or below.may_be_empty)):
            return False
    return True


def _beyond(source: etree._Element, place: Place) -> Iterator[str]:
    for child in source:
        below = place.children.get(child.tag)
        if below is None:
            yield indexed_path(child)
            continue
        yield from _attributes(child, below)
        if below.is_leaf:
            continue
        if len(child) == 0 and not below.may_be_empty:
            yield indexed_path(child)
        yield from _beyond(child, below)


def _attributes(element: etree._Element, place: Place) -> Iterator[str]:
    for name in element.keys():  # noqa: SIM118 - an element iterates over its children
        if name not in place.attributes:
            yield f"{indexed_path(element)}/@{etree.QName(name).localname}"
