"""Which rule decides about a place in one document: who may decide (rulings.py), and what the document answers.

A condition is asked in the element of its scope: a rule on an item asks in that item, one on the header in the whole
declaration. Each condition of a candidate, at the scope it has where the rule stands, is one *question*, known here by
a number. Whoever goes through a document gathers the numbers of the questions that hold, from the root down; at any
place, these tell which candidate speaks.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import InitVar, dataclass, field
from typing import Final

from lxml import etree

from gateway.domain.message import MessageKind
from gateway.policy.language.conditions import Condition, scope_of
from gateway.policy.language.rules import Policy, Rule
from gateway.policy.language.selectors import Anchor, Selector
from gateway.policy.ruling.rulings import Rulings, rulings
from gateway.policy.ruling.ways import Way, at, way
from gateway.schema import SchemaNode, SchemaTree

__all__ = ["Deciding", "Held", "Question"]

Held = frozenset[int]
"""Numbers of questions that hold where we are."""

_Needs = tuple[Held, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whether a condition holds in one element. `ways`: from there to the criterion's places, each with an attribute or
    nothing."""

    condition: Condition
    ways: tuple[tuple[Way, str], ...]

    def holds(self, element: etree._Element, kind: MessageKind) -> bool:
        """Ask it of an element of a message of this kind."""
        return self.condition.holds(self._answers(element, kind))

    def _answers(self, element: etree._Element, kind: MessageKind) -> Iterator[str]:
        if self.condition.criterion.selector is None:
            yield kind.value
        for steps, attribute in self.ways:
            for found in at(element, steps):
                text = found.get(attribute) if attribute else found.text
                if text:
                    yield text


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question as the rules ask it: in elements at `scope` (empty: at the root)."""

    condition: Condition
    scope: str
    places: tuple[Anchor, ...]


@dataclass(slots=True)
class Deciding:
    """One policy held against one tree. `given`: its rulings, where somebody has them already.

    `used`: path → the questions that decide about anything at it or below.
    """

    policy: Policy
    tree: SchemaTree
    given: InitVar[Rulings | None] = None
    rulings: Rulings = field(init=False, repr=False)
    used: dict[str, Held] = field(init=False, repr=False)
    _asked: list[_Asked] = field(init=False, repr=False)
    _needs: dict[Anchor, _Needs] = field(init=False, repr=False)

    def __post_init__(self, given: Rulings | None) -> None:
        self.rulings = rulings(self.policy, self.tree) if given is None else given
        self.used, self._asked, self._needs = {}, [], {}
        reading = _Reading(self)
        for home in self.tree.homes:
            reading.spread(home, ())

    def rule(self, anchor: Anchor, held: Collection[int]) -> tuple[Rule | None, int]:
        """Return the rule that decides at an anchor where these questions hold, and its index; None: default deny."""
        for index, (rule, needs) in enumerate(zip(self.rulings[anchor].candidates, self._needs[anchor], strict=True)):
            if needs.issubset(held):
                return rule, index
        return None, -1

    def asked_at(self, root_path: str, path: str) -> Held:
        """Return the questions asked in elements at `path`. Those of elements above a root are asked in the root."""
        used = self.used[path]
        if not used:
            return used
        is_root = path == root_path
        scopes = ((number, self._asked[number].scope) for number in used)
        return frozenset(
            number for number, scope in scopes if scope == path or (is_root and f"{path}/".startswith(f"{scope}/"))
        )

    def question(self, number: int, path: str) -> Question:
        """Return a question as it is asked in elements at `path`, its scope or a root below that."""
        asked = self._asked[number]
        ways = ((way(self.tree, path, place.path), place.attribute) for place in asked.places)
        return Question(condition=asked.condition, ways=tuple((one, name) for one, name in ways if one is not None))


class _Reading:
    """Numbers the questions of a policy and notes which of them each candidate needs."""

    def __init__(self, deciding: Deciding) -> None:
        self.deciding: Final = deciding
        self.tree: Final = deciding.tree
        self.numbers: Final[dict[_Asked, int]] = {}
        self.places: Final[dict[Selector, tuple[Anchor, ...]]] = {}

    def spread(self, node: SchemaNode, above: _Needs) -> Held:
        """Read a place and all below it. `above`: what the candidates of the place around it need."""
        here = self.needs(Anchor(node.path), node, above)
        used = frozenset().union(*here)
        for name in node.attributes:
            used = used.union(*self.needs(Anchor(node.path, name), node, here))
        for child in node.children:
            used |= self.spread(child, here)
        self.deciding.used[node.path] = used
        return used

    def needs(self, anchor: Anchor, node: SchemaNode, above: _Needs) -> _Needs:
        ruling = self.deciding.rulings[anchor]
        own = tuple(
            frozenset(self.number(condition, node) for condition in rule.conditions)
            for rule in ruling.candidates[: ruling.own]
        )
        needs = own + above[: len(ruling.candidates) - ruling.own]
        self.deciding._needs[anchor] = needs
        return needs

    def number(self, condition: Condition, node: SchemaNode) -> int:
        """The number of a condition of a rule that stands on `node`."""
        anchors = self.anchors(condition)
        by_path: Mapping[str, Anchor] = {one.path: one for one in anchors}
        scope = scope_of(node.path, is_leaf=node.is_leaf, places=tuple(by_path))
        asked = _Asked(condition, scope.path, tuple(one for one in anchors if one.path in scope.places))
        if asked not in self.numbers:
            self.numbers[asked] = len(self.numbers)
            self.deciding._asked.append(asked)
        return self.numbers[asked]

    def anchors(self, condition: Condition) -> tuple[Anchor, ...]:
        selector = condition.criterion.selector
        if selector is None:
            return ()
        if selector not in self.places:
            self.places[selector] = selector.matches(self.tree)
        return self.places[selector]
