"""What may leave of a whole schema set under a policy, before any document is seen: every place, by privacy class.

A place is a leaf or an attribute. What becomes of it is decided by the rules that may speak for it, one after the other
where they have conditions; whether a document has it at all is another matter, so these are counts of places and not of
values.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gateway.policy.language.changes import told
from gateway.policy.language.rules import Action, Policy, Rule
from gateway.policy.language.selectors import Anchor
from gateway.policy.ruling.rulings import Rulings, rulings
from gateway.schema import AttributeFacts, PrivacyClass, SchemaNode, SchemaTree

__all__ = ["CoveredNode", "CoveredPlace", "Fate", "coverage"]


class Fate(StrEnum):
    """What may become of the values at one place. `at_times`: conditions decide, document by document."""

    KEPT = "kept"
    CHANGED = "changed"
    AT_TIMES = "at_times"
    WITHHELD = "withheld"


_FATES: Final[Mapping[Action, Fate]] = {Action.KEEP: Fate.KEPT, Action.DROP: Fate.WITHHELD}
_WORDS: Final[Mapping[Action, str]] = {Action.KEEP: "kept", Action.DROP: "withheld"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredPlace:
    """One leaf, or one attribute (`path` then ends in `/@name`). `how`: what else is to be said, such as the change."""

    path: str
    privacy: PrivacyClass | None
    fate: Fate
    rule: str
    reason: str
    legal: str
    how: str = ""

    @property
    def is_attribute(self) -> bool:
        """Whether it is an attribute and not a leaf."""
        return "/@" in self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredNode:
    """One element of the schema set: its own places (a leaf itself, attributes) and what it holds."""

    path: str
    name: str
    wco_id: str
    own: tuple[CoveredPlace, ...]
    children: tuple["CoveredNode", ...] = field(repr=False)

    def places(self) -> Iterator[CoveredPlace]:
        """Yield all places at and below this element, in document order."""
        yield from self.own
        for child in self.children:
            yield from child.places()

    def counts(self) -> dict[PrivacyClass | None, Counter[Fate]]:
        """Return how many leaves at and below it there are of each privacy class, by what becomes of them."""
        found: dict[PrivacyClass | None, Counter[Fate]] = {}
        for place in self.places():
            if not place.is_attribute:
                found.setdefault(place.privacy, Counter())[place.fate] += 1
        return found

    def fates(self, *, attributes: bool = False) -> Counter[Fate]:
        """Return how many leaves, or attributes, at and below it there are, by what becomes of them."""
        return Counter(place.fate for place in self.places() if place.is_attribute == attributes)


def coverage(policy: Policy, tree: SchemaTree) -> tuple[CoveredNode, ...]:
    """Return what may leave under a policy of everything its schema set has, from each root down."""
    walk = _Walk(policy, rulings(policy, tree))
    return tuple(walk.node(root) for root in tree.homes)


class _Walk:
    """Goes through a schema set beside the rulings of a policy."""

    def __init__(self, policy: Policy, ruled: Rulings) -> None:
        self.policy = policy
        self.rulings = ruled

    def node(self, node: SchemaNode) -> CoveredNode:
        own = [self.attribute(node, one) for one in node.attributes.values()]
        if node.is_leaf:
            ruling = self.rulings[Anchor(node.path)]
            turns = [(rule, rule.action) for rule in ruling.candidates]
            own.append(self.place(node.path, node.privacy, turns))
        return CoveredNode(
            path=node.path,
            name=node.name,
            wco_id=node.wco_id,
            own=tuple(own),
            children=tuple(self.node(child) for child in node.children),
        )

    def attribute(self, node: SchemaNode, facts: AttributeFacts) -> CoveredPlace:
        ruling = self.rulings[Anchor(node.path, facts.name)]
        turns = [(rule, ruling.attribute_action(index, facts)) for index, rule in enumerate(ruling.candidates)]
        return self.place(f"{node.path}/@{facts.name}", facts.privacy, turns)

    def place(self, path: str, privacy: PrivacyClass | None, turns: Sequence[tuple[Rule, Action]]) -> CoveredPlace:
        """`turns`: who may decide and what they then do, in this order; where none does, nothing leaves."""
        first = turns[0][0] if turns else None
        fates = {_FATES.get(action, Fate.CHANGED) for _, action in turns}
        if not turns or turns[-1][0].conditions:
            fates.add(Fate.WITHHELD)
        return CoveredPlace(
            path=path,
            privacy=privacy,
            fate=fates.pop() if len(fates) == 1 else Fate.AT_TIMES,
            rule=self.policy.place(first),
            reason="no rule keeps it" if first is None else first.reason,
            legal="" if first is None else first.legal,
            how="; ".join(filter(None, (_told(rule, action) for rule, action in turns))),
        )


def _told(rule: Rule, action: Action) -> str:
    """Return what one rule does beyond keeping or dropping without condition; nothing when that is all."""
    done = told(rule.change) if action.is_changing and rule.change is not None else ""
    if not rule.conditions:
        return done
    asked = " and ".join(condition.text for condition in rule.conditions)
    return f"{done or _WORDS[action]} {asked}"
