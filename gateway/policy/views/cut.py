"""Cuts a copy of a document down to what a policy keeps: the heart of apply.py, whose rules stand there.

By places: every element is asked about, from the root down; nothing stays but by having a place. Nothing is cut or
changed before all is decided, for conditions look at the whole document, and what can come apart by what goes is noted
first (consistency.py). By names (quick.py): only what may have to go is looked at; where anything is found that names
can not decide, such as a class that ends up empty and is required, the copy is thrown away and the places decide. Both
come to the same bytes.

Values are changed as their places say; a value that can not be changed as asked is withheld with its leaf. Last, what
the cut left inconsistent is mended, or noted for the message to be refused.
"""

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from lxml import etree

from gateway.document import Document, built, fixed_copy, wco_path
from gateway.domain.limits import DocumentLimits
from gateway.domain.message import MessageKind
from gateway.policy.changing.pseudonyms import Pseudonyms
from gateway.policy.consistency.mending import Mend, Observed, observe, settle
from gateway.policy.language.rules import REFUSE
from gateway.policy.ruling.ways import is_below
from gateway.policy.views.compiled import CompiledPolicy
from gateway.policy.views.places import Changing, Place
from gateway.policy.views.quick import Placing, Quick
from gateway.schema import ValidDocument

__all__ = ["Cut", "Given", "cut_by_places", "cut_document", "is_nil"]

_NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"
# What `kept` and `withheld` count: leaves with text, and attributes with a value. In a view only leaves have text.
_TEXTS: Final = etree.XPath("count(/descendant::text())")
_ATTRIBUTES: Final = etree.XPath("count(/descendant::*/@*[. != ''])")
_WITHHELD: Final = etree.XPath("count(/descendant::*[not(*)]/text()) + count(/descendant::*/@*[. != ''])")
_EARLY_BYTES: Final = 1024
# In the fixed form, where ">" stands nowhere but at the end of a tag: a text that begins with white space.
_BLANK: Final = re.compile(rb">(?:[ \t\n]|&#13;)")
_EMPTY: Final = re.compile(rb"/>")  # a pattern leaps to the sign, where `in` takes twice as long over two bytes
# Pointers are followed after numbers; what they empty goes, which may be what others point to.
_MOST_TURNS: Final = 8


@dataclass(frozen=True, slots=True)
class Given:
    """What is cut, by what: a document, a policy, the place of its root, the pseudonyms of the agreement, if any."""

    document: ValidDocument
    policy: CompiledPolicy
    place: Place
    pseudonyms: Pseudonyms | None = None


@dataclass(slots=True)
class Cut:
    """A tree that becomes a view. `withheld` holds the elements taken out; `values`: how many values were besides.

    `changes`: the elements of which a value is another now, once for each. `inconsistent`: what would have to be mended
    where the policy says to refuse; `mended`: the leaves that were, and the pointers that were taken out.
    """

    root: etree._Element
    withheld: etree._Element
    values: int = 0
    changes: list[etree._Element] = field(default_factory=list)
    inconsistent: list[Mend] = field(default_factory=list)
    mended: dict[etree._Element, str] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """How many of the values that are kept are others than in the document."""
        return sum(is_below(element, self.root) for element in (*self.changes, *self.mended))

    def counts(self) -> tuple[int, int]:
        """Return how many leaves and attributes with content are kept, changed or not, and how many are withheld."""
        withheld = _number(_WITHHELD, self.withheld) if len(self.withheld) else 0
        return _number(_TEXTS, self.root) + _number(_ATTRIBUTES, self.root), self.values + withheld


def is_nil(element: etree._Element) -> bool:
    """Tell whether an element says that it has no value (XSD 1.0 part 1, 2.6.2)."""
    return (element.get(_NIL) or "").strip() in ("true", "1")


def cut_document(given: Given, limits: DocumentLimits) -> tuple[Cut, Document] | None:
    """Return what the policy keeps of a document, cut and written; None when nothing may stand.

    Raises DocumentError when it is larger than `limits` allow.
    """
    document, quick = given.document.document, given.policy.quick
    if quick is not None:
        cut = _copied(given)
        if _cut_by_names(cut, given, quick):
            # What is compact at its start mostly is to its end.
            if cut.root.text is not None or _BLANK.search(document.raw, 0, _EARLY_BYTES):
                _take_out_blanks(cut.root)
            made = built(cut.root, limits)
            if not _EMPTY.search(made.raw) and not _BLANK.search(made.raw):
                return cut, made
    found = cut_by_places(given)
    return None if found is None else (found, built(found.root, limits))


def _copied(given: Given) -> Cut:
    return Cut(root=fixed_copy(given.document.root, given.policy.prefixes), withheld=etree.Element("withheld"))


# ── by names ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _cut_by_names(cut: Cut, given: Given, quick: Quick) -> bool:
    """Take out what is not kept, and tell whether that was decided; blanks and empty elements are for the caller."""
    root, document = cut.root, given.document.document
    placing = Placing(root, given.place)
    going = list(dict.fromkeys(quick.beyond(root, placing)))
    relations = given.policy.relations[root.tag]
    if relations.may_part(going, document.raw):
        return False
    must_stay = quick.required | relations.members
    if not all(_taken_out(element, cut, must_stay) for element in going):
        return False
    decided = _Decided(cut, document.kind, given.pseudonyms)
    for leaf, change in quick.to_change(root, placing):
        if not decided.change(leaf, change):
            if leaf.tag in must_stay:
                return False
            decided.going.append(leaf)
    doubtful = quick.doubtful(root)
    if doubtful is None:
        return False
    for owner in doubtful:
        there = placing.of(owner)
        if there is None:
            return False
        decided.owning.append((owner, there))
    decided.carry_out()
    return all(_taken_out(element, cut, must_stay) for element in decided.going) and len(root) > 0


def _taken_out(element: etree._Element, cut: Cut, must_stay: frozenset[str]) -> bool:
    """Take out an element and what is empty then, and tell whether that was decided."""
    parent = element.getparent()
    cut.withheld.append(element)
    while parent is not None and len(parent) == 0:
        if parent is cut.root or parent.tag in must_stay:
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
    place = given.place.chosen(cut.root, kind)
    decided = _Decided(cut, kind, given.pseudonyms)
    if place is None or not decided.below(cut.root, place):
        return None
    decided.owning.append((cut.root, place))
    relations = given.policy.relations[cut.root.tag]
    parts = relations.may_part(decided.going, given.document.document.raw)
    observed = observe(cut.root, relations) if parts else None
    decided.carry_out()
    cut.withheld.extend(decided.going)
    return cut if observed is None or _mend(cut, observed, given.policy) else None


class _Decided:
    """What becomes of a tree. `going`: elements to take out; `changing`: leaves with their new text; `owning`: elements
    of which not all attributes stay as they are."""

    __slots__ = ("changing", "cut", "going", "kind", "owning", "pseudonyms")

    def __init__(self, cut: Cut, kind: MessageKind, pseudonyms: Pseudonyms | None) -> None:
        self.cut: Final = cut
        self.kind: Final = kind
        self.pseudonyms: Final = pseudonyms
        self.going: Final[list[etree._Element]] = []
        self.changing: Final[list[tuple[etree._Element, str]]] = []
        self.owning: Final[list[tuple[etree._Element, Place]]] = []

    def below(self, element: etree._Element, place: Place) -> bool:
        """Decide about all below `element`, and tell whether it may stand itself. Text between elements goes at once:
        it is blank, or what a set with mixed content allows and nobody asked for."""
        if len(element) == 0:
            return False
        find, has_content, out = place.children.get, False, list[etree._Element]()
        element.text = None
        for child in element:
            child.tail = None
            below = find(child.tag)
            names = child.keys()
            if below is not None and (names or below.is_special):
                below = self.standing(child, below, names)
                if below is not None and not below.is_leaf and len(child) == 0:
                    continue  # it may stand, and holds nothing
            elif below is not None and not below.is_leaf and not self.below(child, below):
                below = None
            if below is None:
                out.append(child)
            else:
                has_content = True
        if not out:
            return has_content
        self.going.extend(out)
        return has_content and (not place.required or _has_required(element, place, out))

    def standing(self, element: etree._Element, place: Place, names: list[str]) -> Place | None:
        """Return the place that counts in an element with attributes of these names; None when it may not stand."""
        found = place.chosen(element, self.kind)
        if found is None or (names and _NIL in names and is_nil(element)):
            return None
        if found.is_leaf:
            # A leaf of any type may hold elements that the set does not list: these have no place.
            if found.takes_elements and len(element):
                return None
            if found.change is not None and not self.change(element, found.change):
                return None
        elif len(element):
            if not self.below(element, found):
                return None
        elif found.may_be_empty:
            self.cut.values += element.text is not None
            element.text = None
        else:
            return None
        if names and (len(names) > 1 or names[0] not in found.plain_attributes):
            self.owning.append((element, found))
        return found

    def change(self, leaf: etree._Element, change: Changing) -> bool:
        """Find the new value of a leaf, and tell whether there is one."""
        value = leaf.text or ""
        made = change.made(value, self.pseudonyms)
        if made is None:
            return False
        if made != value:
            self.changing.append((leaf, made))
        return True

    def carry_out(self) -> None:
        """Change what was decided to be changed; what goes is for the caller."""
        for leaf, made in self.changing:
            leaf.text = made or None
            self.note(leaf, made)
        for element, place in self.owning:
            self.attributes(element, place)

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


def _has_required(element: etree._Element, place: Place, out: list[etree._Element]) -> bool:
    """Tell whether an element has what the schema requires in it when these go."""
    gone = set(out)
    standing = [child.tag for child in element if child not in gone]
    return all(standing.count(tag) >= least for tag, least in place.required)


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
