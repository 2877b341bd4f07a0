"""A policy compiled against a schema set, once per process: one `Place` per element of which anything can be kept.

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

from gateway.domain.ids import SchemaSetId
from gateway.domain.message import MessageKind
from gateway.errors import ConfigurationError
from gateway.policy.changing.actions import changed, is_changed
from gateway.policy.changing.pseudonyms import Pseudonyms
from gateway.policy.checking.check import check_policy
from gateway.policy.consistency.mending import Relations
from gateway.policy.consistency.relating import relations
from gateway.policy.language.changes import Change
from gateway.policy.language.rules import Action, Policy, Rule
from gateway.policy.language.selectors import Anchor
from gateway.policy.ruling.deciding import Deciding, Held, Question
from gateway.policy.views.demands import Demanded, Demands, demands_of
from gateway.policy.views.quick import Quick, quick
from gateway.schema import CompiledSet, SchemaNode, ValidDocument, ValueFacts

__all__ = ["Changing", "Choice", "CompiledPolicy", "Place", "compile_policy", "demands"]

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

    `attributes` are kept; `attribute_changes` has those of them that leave as others. `children` by qualified name
    (lxml types a tag wider than str). `required`: qualified names of children with the least number the schema asks
    for. `may_be_empty`: a class that the schema requires and a rule keeps; an empty one is written empty. `change`: of
    a leaf that leaves as another; `is_plain`: a leaf that leaves as it is. `choice`: the answers in each element
    choose; nothing else here counts then.
    """

    path: str
    is_leaf: bool
    attributes: tuple[str, ...]
    children: Mapping[object, "Place"] = field(repr=False)
    required: tuple[tuple[str, int], ...]
    may_be_empty: bool
    change: "Changing | None" = None
    attribute_changes: Mapping[str, "Changing"] = field(default_factory=dict, repr=False)
    choice: "Choice | None" = field(default=None, repr=False)

    is_plain: bool = False

    def chosen(self, element: etree._Element, kind: MessageKind) -> "Place | None":
        """Return the place that counts in one element of a message of this kind; None: nothing of it is kept."""
        return self if self.choice is None else self.choice.place(element, kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPolicy:
    """A policy ready to apply. `roots` by qualified name; `prefixes`: how its views are written.

    `homes`: path of each root → path under which rules speak for it (a bare body's is below the envelope).
    `relations` and `demands`: by qualified name of a root, what may come apart when elements go, and what is asked of
    the whole message.
    `quick`: what names alone tell; None where they do not tell enough.
    """

    policy: Policy
    schema_set: SchemaSetId
    schema_set_sha256: str
    roots: Mapping[object, Place] = field(repr=False)
    homes: Mapping[str, str] = field(repr=False)
    deciding: Deciding = field(repr=False)
    relations: Mapping[object, Relations] = field(repr=False)
    demands: Mapping[object, Demands] = field(repr=False)
    prefixes: Mapping[str, str] = field(repr=False)
    namespaces: frozenset[str] = field(repr=False)
    quick: Quick | None = field(default=None, repr=False)

    @property
    def sha256(self) -> str:
        """The policy's hash."""
        return self.policy.sha256


def compile_policy(policy: Policy, compiled: CompiledSet) -> CompiledPolicy:
    """Return the policy compiled against its set. Raises ConfigurationError `policy.invalid` with every finding."""
    findings = tuple(one for one in check_policy(policy, compiled) if one.is_error)
    if findings:
        raise ConfigurationError("policy.invalid", findings=findings)
    tree, deciding = compiled.tree, Deciding(policy, compiled.tree)
    homes = {root.path: tree.home(root) for root in tree.roots}
    nodes: dict[object, SchemaNode] = {root.qualified: tree.nodes[homes[root.path]] for root in tree.roots}
    roots: dict[object, Place] = {}
    for tag, node in nodes.items():
        place = _Places(deciding, node).root()
        if place is not None:
            roots[tag] = place
    return CompiledPolicy(
        policy=policy,
        schema_set=compiled.id,
        schema_set_sha256=compiled.sha256,
        roots=roots,
        homes=homes,
        deciding=deciding,
        relations={tag: relations(deciding, nodes[tag]) for tag in nodes if tag in roots},
        demands=demands_of(policy, tree, nodes),
        prefixes=compiled.prefixes,
        namespaces=frozenset(node.namespace for node in tree.nodes.values()),
        quick=quick(roots, nodes),
    )


def demands(document: ValidDocument, policy: CompiledPolicy) -> Demanded:
    """Return what a policy demands of a document before it is sent: nothing, to refuse it, or a human's release."""
    return policy.demands[document.root.tag].asked_of(document)


class Choice:
    """The places of one path, by what is answered in an element. Fills up as answers come; stays in its process."""

    __slots__ = ("_by_answers", "_held", "_node", "_numbers", "_places", "_questions")

    def __init__(self, places: "_Places", node: SchemaNode, held: Held, asked: Held) -> None:
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


class _Places:
    """The places below one root."""

    def __init__(self, deciding: Deciding, root: SchemaNode) -> None:
        self.deciding: Final = deciding
        self.node: Final = root
        self.made: Final[dict[tuple[str, Held], Place | None]] = {}

    def root(self) -> Place | None:
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
            self.made[key] = self.make(node, key[1])
        return self.made[key]

    def make(self, node: SchemaNode, held: Held) -> Place | None:
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
        attributes, change = self.attributes(node, held), changing(rule, node.value)
        return Place(
            path=node.path,
            is_leaf=node.is_leaf,
            attributes=tuple(attributes),
            children=children,
            required=tuple(required.items()),
            may_be_empty=may_be_empty,
            change=change,
            is_plain=node.is_leaf and change is None,
            attribute_changes={name: change for name, change in attributes.items() if change is not None},
        )

    def attributes(self, node: SchemaNode, held: Held) -> dict[str, "Changing | None"]:
        """The attributes of a place that leave, in the order of the schema, with what changes them."""
        found: dict[str, Changing | None] = {}
        for name, facts in node.attributes.items():
            anchor = Anchor(node.path, name)
            rule, index = self.deciding.rule(anchor, held)
            if rule is None or name.startswith("{"):
                continue
            ruling = self.deciding.rulings[anchor]
            if ruling.attribute_action(index, facts) is not Action.DROP:
                found[name] = changing(rule, facts.value) if index < ruling.own else None
        return found


def changing(rule: Rule | None, facts: ValueFacts | None) -> "Changing | None":
    """Return what a rule changes of values with these facts; None when it leaves them as they are."""
    if rule is None or rule.change is None or facts is None:
        return None
    return Changing(change=rule.change, facts=facts)
