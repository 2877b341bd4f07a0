"""Cuts a copy of a document down to what a policy keeps: the heart of apply.py, whose rules stand there.

By places: every element is asked about, from the root down; nothing stays but by having a place. By names (quick.py):
only what may have to go is looked at; where anything is found that names can not decide, such as a class that ends up
empty and is required, the copy is thrown away and the places decide. Both come to the same bytes.

On the way values are changed as their places say; a value that can not be changed as asked is withheld with its leaf.
Last, what the cut left inconsistent is mended, or noted for the message to be refused (consistency.py).
"""

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from lxml import etree

from gateway.document import Document, built, fixed_copy, wco_path
from gateway.domain.limits import DocumentLimits
from gateway.domain.message import MessageKind
from gateway.policy.changing.pseudonyms import Pseudonyms
from gateway.policy.consistency.mending import Mend, Observed, Relations, observe, settle
from gateway.policy.language.rules import REFUSE
from gateway.policy.ruling.ways import is_below
from gateway.policy.views.compiled import CompiledPolicy
from gateway.policy.views.places import Changing, Place
from gateway.policy.views.quick import Placing, Quick
from gateway.schema import ValidDocument

__all__ = ["Cut", "Given", "cut_by_places", "cut_document", "is_nil"]

_NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_MAY_SAY_NIL: Final = b":nil"
# What `kept` and `withheld` count: leaves with text, and attributes with a value. In a view only leaves have text.
_TEXTS: Final = etree.XPath("count(//text())")
_ATTRIBUTES: Final = etree.XPath("count(//@*[. != ''])")
_WITHHELD: Final = etree.XPath("count(//*[not(*)]/text()) + count(//@*[. != ''])")
_EARLY_BYTES: Final = 1024
# In the fixed form, where ">" stands nowhere but at the end of a tag: a text that begins with white space.
_BLANK: Final = re.compile(rb">(?:[ \t\n]|&#13;)")
# The same in bytes as they come, be it written out, by reference, or after what the parser leaves out.
_MAY_BE_BLANK: Final = re.compile(rb">(?:[ \t\r\n]|&#|<[!?])")
_EMPTY: Final = b"/>"
_POINTERS: Final = b"Pointer"
# Pointers are followed after numbers; what they empty goes, which may be what others point to.
_MOST_TURNS: Final = 8


@dataclass(frozen=True, slots=True)
class Given:
    """What is cut, by what: a document, a policy, the place of its root, the pseudonyms of the agreement, if any."""

    document: ValidDocument
    policy: CompiledPolicy
    place: Place
    pseudonyms: Pseudonyms | None = None

    @property
    def relations(self) -> Relations | None:
        """What may come apart in this document; None: nothing."""
        found = self.policy.relations[self.document.root.tag]
        if found.is_empty or (found.has_only_pointers and _POINTERS not in self.document.document.raw):
            return None
        return found


@dataclass(slots=True)
class Cut:
    """A tree that becomes a view. `withheld` holds the elements taken out; `values`: how many values were besides.

    `changes`: the elements of which a value is another now, once for each. `attributes`: how many with content are
    kept, if someone had to count them. `inconsistent`: what would have to be mended where the policy says to refuse;
    `mended`: the leaves that were, and the pointers that were taken out.
    """

    root: etree._Element
    withheld: etree._Element
    values: int = 0
    changes: list[etree._Element] = field(default_factory=list)
    attributes: int | None = None
    inconsistent: list[Mend] = field(default_factory=list)
    mended: dict[etree._Element, str] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """How many of the values that are kept are others than in the document."""
        return sum(is_below(element, self.root) for element in (*self.changes, *self.mended))

    def counts(self) -> tuple[int, int]:
        """Return how many leaves and attributes with content are kept, changed or not, and how many are withheld."""
        attributes = _number(_ATTRIBUTES, self.root) if self.attributes is None else self.attributes
        withheld = _number(_WITHHELD, self.withheld) if len(self.withheld) else 0
        return _number(_TEXTS, self.root) + attributes, self.values + withheld


def cut_document(given: Given, limits: DocumentLimits) -> tuple[Cut, Document] | None:
    """Return what the policy keeps of a document, cut and written; None when nothing may stand.

    Raises DocumentError when it is larger than `limits` allow.
    """
    document, quick = given.document, given.policy.quick
    if quick is not None and given.relations is None:
        cut = _copied(given)
        if _cut_by_names(cut, given, quick):
            # What is compact at its start mostly is to its end.
            if cut.root.text is not None or _BLANK.search(document.document.raw, 0, _EARLY_BYTES):
                _take_out_blanks(cut.root)
            made = built(cut.root, limits)
            if _EMPTY not in made.raw and not _BLANK.search(made.raw):
                return cut, made
    found = cut_by_places(given)
    return None if found is None else (found, built(found.root, limits))


def is_nil(element: etree._Element) -> bool:
    """Tell whether an element says that it has no value (XSD 1.0 part 1, 2.6.2)."""
    return (element.get(_NIL) or "").strip() in ("true", "1")


def _copied(given: Given) -> Cut:
    prefixes = dict(given.policy.prefixes)
    return Cut(root=fixed_copy(given.document.root, prefixes), withheld=etree.Element("withheld", nsmap=prefixes))


# ── by names ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _cut_by_names(cut: Cut, given: Given, quick: Quick) -> bool:
    """Take out what is not kept, and tell whether that was decided; blanks and empty elements are for the caller."""
    root = cut.root
    placing = Placing(root, given.place)
    for element in dict.fromkeys(quick.beyond(root, placing)):
        if not _taken_out(element, cut, quick):
            return False
    if len(root) == 0:
        return False
    cutting = _Cutting(cut, given.document.document.kind, given.pseudonyms, may_hold_nil=False)
    # What can not be changed is taken out, so the tree must not be gone through meanwhile.
    for leaf, change in list(quick.to_change(root, placing)):
        if not cutting.change(leaf, change) and not _taken_out(leaf, cut, quick, is_kept=True):
            return False
    found = quick.attributed(root)
    if found is None or len(root) == 0:
        return False
    values = cut.values
    for owner in found.doubtful:
        there = placing.of(owner)
        if there is None:
            return False
        cutting.attributes(owner, there)
    cut.attributes = found.filled - (cut.values - values)
    return True


def _taken_out(element: etree._Element, cut: Cut, quick: Quick, *, is_kept: bool = False) -> bool:
    """Take out an element and what is empty then, and tell whether that was decided. `is_kept`: its place keeps it."""
    if is_kept and element.tag in quick.required:
        return False
    parent = element.getparent()
    cut.withheld.append(element)
    while parent is not None and len(parent) == 0:
        if parent is cut.root or parent.tag in quick.required:
            return False
        parent.text = None
        above = parent.getparent()
        cut.withheld.append(parent)
        parent = above
    return True


def _take_out_blanks(root: etree._Element) -> None:
    for element in root.iter():
        element.tail = None
        if len(element):
            element.text = None


# ── by places ────────────────────────────────────────────────────────────────────────────────────────────────────────


def cut_by_places(given: Given, whole: Cut | None = None) -> Cut | None:
    """Return what the policy keeps of a document; None when nothing may stand. `whole`: its copy, if there is one."""
    cut, kind = _copied(given) if whole is None else whole, given.document.document.kind
    place, relations = given.place.chosen(cut.root, kind), given.relations
    if place is None:
        return None
    observed = None if relations is None else observe(cut.root, relations)
    raw = given.document.document.raw
    cutting = _Cutting(
        cut,
        kind,
        given.pseudonyms,
        may_hold_nil=_MAY_SAY_NIL in raw,
        may_hold_blanks=given.policy.has_mixed or _MAY_BE_BLANK.search(raw) is not None,
    )
    if not cutting.below(cut.root, place):
        return None
    cutting.attributes(cut.root, place)
    if observed is not None and not _mend(cut, observed, given.policy):
        return None
    return cut


@dataclass(slots=True)
class _Cutting:
    """A walk that cuts. `may_hold_nil`: whether the document may say of an element that it has no value;
    `may_hold_blanks`: whether white space, or in a set with mixed content text, may stand between its elements."""

    cut: Cut
    kind: MessageKind
    pseudonyms: Pseudonyms | None
    may_hold_nil: bool
    may_hold_blanks: bool = True

    def below(self, element: etree._Element, place: Place) -> bool:
        """Take out what is not kept below `element`, and tell whether `element` itself may stand."""
        cut, places, required, has_content = self.cut, place.children, place.required, False
        out: list[etree._Element] = []
        standing: list[object] = []
        if self.may_hold_blanks:
            element.text = None
        for child in element:
            tag = child.tag
            if self.may_hold_blanks:
                child.tail = None
            below = places.get(tag)
            if below is not None and below.choice is not None:
                below = below.choice.place(child, self.kind)
            if below is None or (self.may_hold_nil and is_nil(child)):
                out.append(child)
                continue
            if below.is_leaf:
                # A leaf of any type may hold elements that the set does not list: these have no place.
                if below.takes_elements and len(child):
                    out.append(child)
                    continue
                if below.change is not None and not self.change(child, below.change):
                    out.append(child)
                    continue
                has_content = True
            elif len(child) == 0:
                if not below.may_be_empty:
                    out.append(child)
                    continue
                cut.values += child.text is not None
                child.text = None
            elif self.below(child, below):
                has_content = True
            else:
                out.append(child)
                continue
            if child.keys():
                self.attributes(child, below)
            if required:
                standing.append(tag)
        if out:
            cut.withheld.extend(out)
        return has_content and (not required or all(standing.count(tag) >= least for tag, least in required))

    def change(self, leaf: etree._Element, change: Changing) -> bool:
        """Change the value of a leaf, and tell whether that could be done."""
        value = leaf.text or ""
        made = change.made(value, self.pseudonyms)
        if made is None:
            return False
        if made != value:
            leaf.text = made or None
            self.note(leaf, made)
        return True

    def note(self, element: etree._Element, made: str) -> None:
        """Note a value that is another now: of white space, perhaps nothing."""
        if made:
            self.cut.changes.append(element)
        else:
            self.cut.values += 1

    def attributes(self, element: etree._Element, place: Place) -> None:
        """Leave an element the attributes that its place keeps, changed as it says, in the order of the schema."""
        names = element.keys()
        if not names:
            return
        found = element.attrib
        kept = {name: found[name] for name in place.attributes if name in found}
        for name, change in place.attribute_changes.items():
            if name not in kept:
                continue
            made = change.made(kept[name], self.pseudonyms)
            if made is None:
                del kept[name]
            elif made != kept[name]:
                kept[name] = found[name] = made
                self.note(element, made)
        if list(kept) != names:
            self.cut.values += sum(1 for name, value in element.items() if value and name not in kept)
            found.clear()
            found.update(kept)


# ── consistency ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _mend(cut: Cut, observed: Observed, policy: CompiledPolicy) -> bool:
    """Make true again what the cut made untrue, as far as the policy lets; what it does not is noted.

    Tells whether the root may stand then.
    """
    says = asdict(policy.policy.consistency)
    for turn in range(_MOST_TURNS):
        mends = settle(cut.root, observed)
        refused = [mend for mend in mends if says[mend.part] == REFUSE or turn == _MOST_TURNS - 1]
        cut.inconsistent += refused
        if refused or not mends:
            return True
        for mend in mends:
            cut.mended[mend.element] = mend.part
            if mend.text is not None:
                mend.element.text = mend.text
            elif not _take_out(cut, mend.element, policy):
                return False
    return True


def _take_out(cut: Cut, element: etree._Element, policy: CompiledPolicy) -> bool:
    """Take out an element, and what can not stand around it then; tell whether the root can."""
    above = element.getparent()
    cut.withheld.append(element)
    while above is not None and not _stands(above, policy):
        if above is cut.root:
            return False
        emptied, above = above, above.getparent()
        cut.withheld.append(emptied)
    return True


def _stands(element: etree._Element, policy: CompiledPolicy) -> bool:
    """Tell whether an element holds something, and all that the schema requires in it."""
    nodes = policy.deciding.tree.nodes[wco_path(element)].children
    leaves = {node.qualified for node in nodes if node.is_leaf}
    required: dict[object, int] = {}
    for node in nodes:
        required[node.qualified] = required.get(node.qualified, 0) + node.least
    tags: list[object] = [child.tag for child in element]
    return any(child.tag in leaves or len(child) for child in element) and all(
        tags.count(tag) >= least for tag, least in required.items()
    )


def _number(count: etree.XPath, root: etree._Element) -> int:
    found: Any = count(root)
    return int(found)
