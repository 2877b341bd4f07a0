"""Why each value of a document leaves, as it is or changed, or stays: each with the rule that decided.

For people: officers before a release, auditors after. What becomes of a value is read from a copy that was cut as apply
cuts it, so the counts are those of the view; which rule decided is found beside it (deciding.py). Slower than apply,
yet linear.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from gateway.document import fixed_copy, segment, split_name
from gateway.policy.changing.pseudonyms import Pseudonyms
from gateway.policy.language.changes import told
from gateway.policy.language.rules import Rule
from gateway.policy.language.selectors import Anchor
from gateway.policy.ruling.deciding import Held, Question
from gateway.policy.ruling.ways import is_below
from gateway.policy.views.compiled import CompiledPolicy
from gateway.policy.views.cut import Cut, Given, cut_by_places, is_nil
from gateway.schema import ValidDocument

__all__ = ["Explained", "explain"]

_MENDED: Final = {
    "sequence": "numbered anew",
    "counts": "counted anew",
    "totals": "summed up anew",
    "pointers": "follows what it points to",
}
# What a pseudonym is does not show here, only that there is one: any key does.
_ANY: Final = Pseudonyms(key=bytes(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One leaf or attribute: where it stands (with indexes, an attribute after `/@`), and whether it leaves.

    `changed`: it leaves with another value. `rule`: `file:line` of the rule that decided, or the file alone for default
    deny; `reason` and `legal` are that rule's. `note`: what else decided, or how it is changed. `is_empty`: there is
    nothing in it on either side, so it does not count as kept or withheld.
    """

    path: str
    kept: bool
    is_empty: bool
    rule: str
    reason: str
    legal: str
    note: str = ""
    changed: bool = False


def explain(document: ValidDocument, policy: CompiledPolicy, pseudonyms: Pseudonyms | None = None) -> list[Explained]:
    """Return every leaf and attribute of `document` in document order, explained. Holds no values.

    Pseudonyms count as changes, whether or not those of the agreement are given.
    """
    root = document.root
    shown = f"/{split_name(str(root.tag))[1]}"
    walk = _Walk(document, policy, _Fate(document, policy, pseudonyms or _ANY))
    return list(walk.below(root, shown, policy.homes.get(shown, shown), frozenset()))


class _Fate:
    """What became of each element of a document in a copy of it that was cut."""

    __slots__ = ("cut", "twins")

    def __init__(self, document: ValidDocument, policy: CompiledPolicy, pseudonyms: Pseudonyms) -> None:
        self.cut: Cut | None = None
        self.twins: dict[etree._Element, etree._Element] = {}
        place = policy.roots.get(document.root.tag)
        if place is None:
            return
        copy = fixed_copy(document.root, policy.prefixes)
        self.twins = dict(zip(document.root.iter(), copy.iter(), strict=True))
        whole = Cut(root=copy, withheld=etree.Element("withheld"))
        self.cut = cut_by_places(Given(document, policy, place, pseudonyms), whole)

    def of(self, element: etree._Element) -> etree._Element | None:
        """Return the element in the view; None when it is not there."""
        twin = self.twins.get(element)
        return twin if twin is not None and self.cut is not None and is_below(twin, self.cut.root) else None

    def mending(self, element: etree._Element) -> str:
        """Say what was mended in an element, or would have to be; of a pointer that was taken out, why."""
        twin, cut = self.twins.get(element), self.cut
        if twin is None or cut is None:
            return ""
        above = twin.getparent()
        if above is not None and cut.mended.get(above) == "pointers":
            return "it points to what is withheld"
        if twin in cut.mended:
            return _MENDED[cut.mended[twin]]
        parts = [mend.part for mend in cut.inconsistent if mend.element in (twin, above)]
        return f"`consistency` lets {parts[0]} not be mended: the message is refused" if parts else ""


class _Walk:
    """Goes through a document and says of each value what became of it, and by which rule."""

    def __init__(self, document: ValidDocument, policy: CompiledPolicy, fate: _Fate) -> None:
        self.kind: Final = document.document.kind
        self.policy: Final = policy
        self.deciding: Final = policy.deciding
        self.fate: Final = fate
        root = f"/{split_name(str(document.root.tag))[1]}"
        self.root: Final = policy.homes.get(root, root)
        self.questions: Final[dict[str, tuple[tuple[int, Question], ...]]] = {}

    def below(self, element: etree._Element, shown: str, path: str, held: Held) -> Iterator[Explained]:
        """`shown`: the path with indexes; `path`: the one that rules are about; `held`: what holds around it."""
        twin, held = self.fate.of(element), held | self.asked(element, path)
        for name, value in element.items():
            yield self.attribute(Anchor(path, name), f"{shown}/@{split_name(name)[1]}", value, twin, held)
        if len(element) == 0:
            yield self.leaf(element, shown, path, twin, held)
            return
        totals = Counter(child.tag for child in element)
        seen: Counter[object] = Counter()
        for child in element:
            seen[child.tag] += 1
            step = segment(str(child.tag), str(element.tag))
            index = f"[{seen[child.tag]}]" if totals[child.tag] > 1 else ""
            yield from self.below(child, f"{shown}/{step}{index}", f"{path}/{step}", held)

    def asked(self, element: etree._Element, path: str) -> Held:
        """The questions that hold in an element."""
        if path not in self.questions:
            numbers = self.deciding.asked_at(self.root, path) if path in self.deciding.used else ()
            self.questions[path] = tuple((number, self.deciding.question(number, path)) for number in numbers)
        return frozenset(number for number, one in self.questions[path] if one.holds(element, self.kind))

    # ── values ───────────────────────────────────────────────────────────────────────────────────────────────────

    def leaf(
        self, element: etree._Element, shown: str, path: str, twin: etree._Element | None, held: Held
    ) -> Explained:
        rule, _, passed = self.decided(Anchor(path), held)
        value, sent = element.text or "", None if twin is None else twin.text or ""
        note = self.fate.mending(element)
        if not note and twin is None and rule is not None and rule.is_keeping:
            note = _why_not(element, rule)
        return self.entry(shown, value, sent, rule, (note, passed))

    def attribute(self, anchor: Anchor, shown: str, value: str, twin: etree._Element | None, held: Held) -> Explained:
        rule, is_own, passed = self.decided(anchor, held)
        sent, note = None if twin is None else twin.get(anchor.attribute), ""
        if sent is None and rule is not None and rule.is_keeping:
            note = "the rule does not name this attribute"
            if is_own:
                note = "its element is not kept" if twin is None else _not_changed(rule)
        return self.entry(shown, value, sent, rule, (note, passed))

    def decided(self, anchor: Anchor, held: Held) -> tuple[Rule | None, bool, str]:
        """The rule that decides, whether it stands on this very anchor, and what to say of those that got no turn."""
        known = anchor if anchor in self.deciding.rulings else Anchor(anchor.path)
        if known not in self.deciding.rulings:
            return None, False, ""
        rule, index = self.deciding.rule(known, held)
        ruling = self.deciding.rulings[known]
        passed = ruling.candidates if rule is None else ruling.candidates[:index]
        lines = ", ".join(self.policy.policy.place(one).rpartition("/")[2] for one in passed)
        return rule, index < ruling.own and known == anchor, f"the conditions of {lines} do not hold" if passed else ""

    def entry(self, shown: str, value: str, sent: str | None, rule: Rule | None, notes: tuple[str, ...]) -> Explained:
        kept = sent is not None and (bool(sent) or not value)
        changed = kept and sent != value
        how = told(rule.change) if changed and rule is not None and rule.change is not None else ""
        return Explained(
            path=shown,
            kept=kept,
            changed=changed,
            is_empty=not value and not sent,
            rule=self.policy.policy.place(rule),
            reason=rule.reason if rule is not None else "no rule keeps it",
            legal=rule.legal if rule is not None else "",
            note="; ".join(filter(None, (how, *notes))),
        )


def _why_not(element: etree._Element, rule: Rule) -> str:
    if is_nil(element):
        return "it says that it has no value"
    if rule.change is not None and element.text:
        return _not_changed(rule)
    return "an element above it would lack what the schema requires, or there is nothing in it"


def _not_changed(rule: Rule) -> str:
    return "" if rule.change is None else f"it can not be {told(rule.change)}"
