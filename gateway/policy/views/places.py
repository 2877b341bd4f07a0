"""The places of a compiled policy: one `Place` per element of which anything can be kept.

Places hang together as the elements do, each finding its children by qualified name, so deciding about an element is
one look into a dictionary whatever the number of rules. What is not in the dictionary does not leave.

Where conditions are asked in an element, its place holds a `Choice` instead: the answers choose the place that counts
in that very element. Places are made when answers first call for them and shared by all answers that come to the same,
so what conditions cost is asking them; below a choice there is nothing more to decide.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from gateway.domain.message import MessageKind
from gateway.policy.changing.actions import changed, is_changed
from gateway.policy.changing.pseudonyms import Pseudonyms
from gateway.policy.language.changes import Change
from gateway.policy.language.rules import Action, Rule
from gateway.policy.language.selectors import Anchor
from gateway.policy.ruling.deciding import Deciding, Held, Question
from gateway.schema import SchemaNode, ValueFacts

__all__ = ["Changing", "Choice", "Place", "Places"]

# Each answer to the questions of one place that ever came has a place of its own; who sends documents decides how many.
_MOST_PLACES: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Changing:
    """How the values of one place are changed: what a rule asks for, within what bounds the values of that place."""

    change: Change
    facts: ValueFacts = field(repr=False)

    def made(self, value: str, pseudonyms: Pseudonyms | None) -> str | None:
        """Return what stands in a view in place of `value`; None when it can not be changed as asked."""
        return changed(self.change, value, self.facts, pseudonyms)

    def may_have_made(self, value: str) -> bool:
        """Tell whether a value that arrived could be a result."""
        return is_changed(self.change, value, self.facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What happens to the elements at one path of which something is kept.

    `attributes` are kept; `attribute_changes` has those of them that leave as others, `plain_attributes` the rest.
    `children` by qualified name (lxml types a tag wider than str). `required`: qualified names of children with the
    least number the schema asks for. `may_be_empty`: a class that the schema requires and a rule keeps; an empty one is
    written empty. `change`: of a leaf that leaves as another; `is_plain`: a leaf that leaves as it is;
    `takes_elements`: a leaf of any type, which may hold elements too, and has no place where it does. `choice`: the
    answers in each element choose; nothing else here counts then. `is_special`: more than the name has to be looked at.
    """

    path: str
    is_leaf: bool
    attributes: tuple[str, ...]
    children: Mapping[object, "Place"] = field(repr=False)
    required: tuple[tuple[str, int], ...]
    may_be_empty: bool
    change: "Changing | None" = None
    attribute_changes: Mapping[str, "Changing"] = field(default_factory=dict, repr=False)
    plain_attributes: frozenset[str] = frozenset()
    choice: "Choice | None" = field(default=None, repr=False)
    is_plain: bool = False
    takes_elements: bool = False
    is_special: bool = field(init=False)

    def __post_init__(self) -> None:
        special = self.choice or self.change or self.may_be_empty or self.takes_elements
        object.__setattr__(self, "is_special", bool(special))

    def chosen(self, element: etree._Element, kind: MessageKind) -> "Place | None":
        """Return the place that counts in one element of a message of this kind; None: nothing of it is kept."""
        return self if self.choice is None else self.choice.place(element, kind)


class Choice:
    """The places of one path, by what is answered in an element. Fills up as answers come; stays in its process."""

    __slots__ = ("_by_answers", "_held", "_node", "_numbers", "_places", "_questions")

    def __init__(self, places: "Places", node: SchemaNode, held: Held, asked: Held) -> None:
        self._places: Final = places
        self._node: Final = node
        self._held: Final = held
        self._numbers: Final = tuple(sorted(asked))
        self._questions: Final[tuple[Question, ...]] = tuple(
            places.deciding.question(number, node.path) for number in self._numbers
        )
        self._by_answers: Final[dict[tuple[bool, ...], Place | None]] = {}

    def place(self, element: etree._Element, kind: MessageKind) -> Place | None:
        """Return the place that counts in an element of a message of this kind; None: nothing of it is kept."""
        answers = tuple([question.holds(element, kind) for question in self._questions])
        try:
            return self._by_answers[answers]
        except KeyError:
            if len(self._by_answers) >= _MOST_PLACES:
                self._by_answers.clear()
            true = frozenset(number for number, holds in zip(self._numbers, answers, strict=True) if holds)
            found = self._by_answers[answers] = self._places.decided(self._node, self._held | true)
            return found


class Places:
    """The places below one root, made as they are called for."""

    def __init__(self, deciding: Deciding, root: SchemaNode) -> None:
        self.deciding: Final = deciding
        self.node: Final = root
        self.made: Final[dict[tuple[str, Held], Place | None]] = {}

    def root(self) -> Place | None:
        """Return the place of the root, or None when nothing can be kept."""
        return self.place(self.node, frozenset())

    def place(self, node: SchemaNode, held: Held) -> Place | None:
        """Return the place for `node` where these questions hold above it, or None when nothing of it can be kept."""
        asked = self.deciding.asked_at(self.node.path, node.path)
        if not asked:
            return self.decided(node, held)
        return Place(
            path=node.path,
            is_leaf=False,
            attributes=(),
            children={},
            required=(),
            may_be_empty=False,
            choice=Choice(self, node, held, asked),
        )

    def decided(self, node: SchemaNode, held: Held) -> Place | None:
        """Return the place for `node` where these questions hold above it and in it."""
        key = node.path, held & self.deciding.used[node.path]
        if key not in self.made:
            if len(self.made) >= _MOST_PLACES * len(self.deciding.used):
                self.made.clear()
            self.made[key] = self._make(node, key[1])
        return self.made[key]

    def _make(self, node: SchemaNode, held: Held) -> Place | None:
        rule, _ = self.deciding.rule(Anchor(node.path), held)
        is_kept = rule is not None and rule.is_keeping
        children: dict[object, Place] = {}
        required: dict[str, int] = {}
        for child in node.children:
            place = self.place(child, held)
            if place is not None:
                children[child.qualified] = place
            if child.least:
                required[child.qualified] = required.get(child.qualified, 0) + child.least
        may_be_empty = is_kept and not node.is_leaf and node.least > 0
        if not children and not (node.is_leaf and is_kept) and not may_be_empty:
            return None
        attributes, change = self._attributes(node, held), _changing(rule, node.value)
        changes = {name: change for name, change in attributes.items() if change is not None}
        return Place(
            path=node.path,
            is_leaf=node.is_leaf,
            attributes=tuple(attributes),
            children=children,
            required=tuple(required.items()),
            may_be_empty=may_be_empty,
            change=change,
            is_plain=node.is_leaf and change is None and not node.is_mixed,
            takes_elements=node.is_leaf and node.is_mixed,
            attribute_changes=changes,
            plain_attributes=frozenset(attributes) - frozenset(changes),
        )

    def _attributes(self, node: SchemaNode, held: Held) -> dict[str, "Changing | None"]:
        """The attributes of a place that leave, in the order of the schema, with what changes them."""
        found: dict[str, Changing | None] = {}
        for name, facts in node.attributes.items():
            anchor = Anchor(node.path, name)
            rule, index = self.deciding.rule(anchor, held)
            if rule is None or name.startswith("{"):
                continue
            ruling = self.deciding.rulings[anchor]
            if ruling.attribute_action(index, facts) is not Action.DROP:
                found[name] = _changing(rule, facts.value) if index < ruling.own else None
        return found


def _changing(rule: Rule | None, facts: ValueFacts | None) -> "Changing | None":
    """Return what a rule changes of values with these facts; None when it leaves them as they are."""
    if rule is None or rule.change is None or facts is None:
        return None
    return Changing(change=rule.change, facts=facts)
