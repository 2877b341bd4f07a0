"""Why each value of a document leaves or stays: every leaf and attribute with the rule that decided.

For people: officers before a release, auditors after. Slower than apply, yet linear; it decides by itself what apply
would write, so that a test can hold one against the other.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from gateway.document import segment, split_name
from gateway.policy.check import is_kept
from gateway.policy.compiled import CompiledPolicy, Place
from gateway.policy.cut import is_nil
from gateway.policy.rules import Rule
from gateway.schema import ValidDocument

__all__ = ["Explained", "explain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One leaf or attribute: where it stands (with indexes, an attribute after `/@`), and whether it leaves.

    `rule`: `file:line` of the rule that speaks for it, or the file alone for default deny; `reason` and `legal` are
    that rule's. `note`: what else decided. `is_empty`: it holds nothing, so it does not count as kept or withheld.
    """

    path: str
    kept: bool
    is_empty: bool
    rule: str
    reason: str
    legal: str
    note: str = ""


def explain(document: ValidDocument, policy: CompiledPolicy) -> list[Explained]:
    """Return every leaf and attribute of `document` in document order, explained. Holds no values."""
    root = document.root
    written: set[etree._Element] = set()
    place = policy.roots.get(root.tag)
    if place is not None and _writes(root, place, written):
        written.add(root)
    shown = f"/{split_name(str(root.tag))[1]}"
    return list(_Walk(policy, written).below(root, shown, policy.homes.get(shown, shown), place))


def _writes(source: etree._Element, place: Place, written: set[etree._Element]) -> bool:
    """Add what apply writes below `source` to `written`; return whether `source` itself is written."""
    below: set[etree._Element] = set()
    counts: Counter[object] = Counter()
    has_content = False
    for child in source:
        there = place.children.get(child.tag)
        if there is None or is_nil(child):
            continue
        stands = there.is_leaf or _writes(child, there, below)
        if stands or (there.may_be_empty and len(child) == 0):
            below.add(child)
            counts[child.tag] += 1
            has_content = has_content or stands
    if not has_content or any(counts[tag] < least for tag, least in place.required):
        return False
    written |= below
    return True


class _Walk:
    """Goes through a document beside the places of a policy and says of each value what became of it."""

    def __init__(self, policy: CompiledPolicy, written: set[etree._Element]) -> None:
        self.policy = policy
        self.written = written

    def below(self, element: etree._Element, shown: str, path: str, place: Place | None) -> Iterator[Explained]:
        """`shown`: the path with indexes; `path`: the one that rules are about; `place` None: nothing is kept."""
        rule, stands = self.policy.rulings.get(path), element in self.written
        for name, value in element.items():
            kept = stands and place is not None and name in place.attributes
            note = "" if kept or not is_kept(rule) else "the rule does not name this attribute"
            yield self.entry(f"{shown}/@{split_name(name)[1]}", value, rule, kept=kept, note=note)
        if len(element) == 0:
            note = "" if stands or not is_kept(rule) else _why_not(element)
            yield self.entry(shown, element.text or "", rule, kept=stands, note=note)
            return
        totals = Counter(child.tag for child in element)
        seen: Counter[object] = Counter()
        for child in element:
            seen[child.tag] += 1
            step = segment(str(child.tag), str(element.tag))
            index = f"[{seen[child.tag]}]" if totals[child.tag] > 1 else ""
            there = place.children.get(child.tag) if place is not None else None
            yield from self.below(child, f"{shown}/{step}{index}", f"{path}/{step}", there)

    def entry(self, shown: str, value: str, rule: Rule | None, *, kept: bool, note: str) -> Explained:
        return Explained(
            path=shown,
            kept=kept,
            is_empty=not value,
            rule=self.policy.policy.place(rule),
            reason=rule.reason if rule is not None else "no rule keeps it",
            legal=rule.legal if rule is not None else "",
            note=note,
        )


def _why_not(element: etree._Element) -> str:
    if is_nil(element):
        return "it says that it has no value"
    return "an element above it would lack what the schema requires, or there is nothing in it"
