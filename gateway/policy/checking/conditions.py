"""The part of the static check that looks at conditions: whether they can be asked, can hold, and are answered alike.

The receiver sees only the view, and a policy applied to its own view must change nothing. So what a rule asks must
stand in the view as it stood in the document: kept as it is, without a condition, in classes that can not go.
"""

from collections.abc import Iterable, Iterator
from itertools import combinations

from gateway.errors import Finding, Level
from gateway.policy.changing.fitting import may_be
from gateway.policy.checking.rules import facts_of, finding, listing, or_shared, several, such_as
from gateway.policy.checking.worlds import Worlds
from gateway.policy.consistency.pointers import POINTER_CLASS
from gateway.policy.language.changes import ChangeKind
from gateway.policy.language.conditions import BUILT_IN, KIND, Condition
from gateway.policy.language.rules import REFUSE, Action, Demand, Policy, Rule
from gateway.policy.language.selectors import Anchor
from gateway.schema import SchemaNode

__all__ = ["asked_places", "condition_findings"]


def condition_findings(policy: Policy, worlds: Worlds) -> Iterator[Finding]:
    """Return what is wrong with the conditions of rules, `require` and `hold`."""
    look = _Asking(policy, worlds)
    entries: Iterable[Rule | Demand] = (*policy.rules, *policy.require, *policy.hold)
    for entry in entries:
        yield from look.never(entry)
    for rule in policy.rules:
        for condition in rule.conditions:
            yield from look.unanswered(rule, condition)


def asked_places(worlds: Worlds, rule: Rule, condition: Condition) -> list[tuple[str, str]]:
    """Return the places at which a condition of a rule is looked up, each with its scope, wherever the rule stands."""
    if condition.criterion.name == KIND:
        return []
    found: dict[tuple[str, str], None] = {}
    for anchor in worlds.anchors[id(rule)]:
        scope = worlds.atom(condition, anchor).scope
        found.update(dict.fromkeys((place, scope.path) for place in scope.places))
    return list(found)


class _Asking:
    def __init__(self, policy: Policy, worlds: Worlds) -> None:
        self.policy = policy
        self.worlds = worlds
        self.tree = worlds.tree

    def never(self, entry: Rule | Demand) -> Iterator[Finding]:
        """Conditions that can not be asked here, or never hold."""
        key = entry.action.value if isinstance(entry, Rule) else "when"
        for condition in entry.conditions:
            name = condition.criterion.name
            if name == KIND:
                yield from self.no_kind(entry, key, condition)
            elif not self.worlds.places(condition.criterion) and not entry.shared:
                level = Level.WARNING if name in BUILT_IN or not self.policy.is_own(entry) else Level.ERROR
                problem = f"asks {name}, which no place of the schema set {self.policy.schema_set} answers"
                where = f"Correct `{name}` under `criteria`; {listing(self.policy)}"
                fix = or_shared(self.policy, entry, "Remove the condition" if name in BUILT_IN else where)
                yield finding(self.policy, entry, key, problem, fix, level)
            if not entry.shared:
                yield from self.impossible(entry, key, condition)
        for one, other in combinations(entry.conditions, 2):
            if one.excludes(other, single=False):
                problem = f"never holds: {one.text} and {other.text} exclude each other"
                fix = "Remove the `unless`, or write values in it that leave some of the `when`"
                yield finding(self.policy, entry, key, problem, fix, Level.WARNING)

    def no_kind(self, entry: Rule | Demand, key: str, condition: Condition) -> Iterator[Finding]:
        """A condition on the kind that no message under the set meets."""
        if not self.worlds.may_be_kind(condition):
            kinds = ", ".join(self.worlds.kinds)
            problem = f"speaks {condition.text}, which never holds: messages under {self.policy.schema_set} are {kinds}"
            fix = f"Remove it, or {'leave one of these out' if condition.negated else 'ask for one of these'}"
            yield finding(self.policy, entry, key, problem, fix, Level.WARNING)

    def impossible(self, entry: Rule | Demand, key: str, condition: Condition) -> Iterator[Finding]:
        """Values that nothing the condition asks can have."""
        name, places = condition.criterion.name, self.worlds.places(condition.criterion)
        facts = [one for one in map(self.worlds.facts, places) if one is not None]
        values = [one for one in condition.values if facts and not any(may_be(one, each) for each in facts)]
        if values:
            problem = f"asks whether {name} is {' or '.join(values)}, which no value of {such_as(list(places))} can be"
            shown = facts_of(self.policy, places[0])
            fix = f"Correct the value, or remove it. `{shown}` shows what can be there"
            yield finding(self.policy, entry, key, problem, or_shared(self.policy, entry, fix), Level.WARNING)

    def unanswered(self, rule: Rule, condition: Condition) -> Iterator[Finding]:
        """A rule that asks what the view may not hold: its receiver could not tell whether the rule spoke.

        A rule that drops may ask what it drops itself, or what a rule around it does: then nothing is left to ask.
        """
        name, asked = condition.criterion.name, asked_places(self.worlds, rule, condition)
        missing = [place for place, _ in asked if not self.is_plainly_kept(place, rule)]
        if missing:
            problem = f"asks {name}, while the policy does not keep {such_as(missing)} as it is at all times"
            fix = f"Keep {several(missing)} as it is and without a condition, or ask something else"
            yield finding(self.policy, rule, rule.action, problem, fix)
            return
        for place, scope in asked:
            beside = self.unsure_beside(place, scope, rule)
            if beside is not None:
                holder = beside.path.rpartition("/")[0]
                problem = f"asks {name} at {place}, while {beside.path} may be withheld and {holder} would go with it"
                fix = f"Keep {beside.path} as it is and without a condition, or ask something else"
                yield finding(self.policy, rule, rule.action, problem, fix)
                return

    def is_plainly_kept(self, place: str, asking: Rule) -> bool:
        """Whether a view has what stands at a place as it was, whenever it has what `asking` speaks for."""
        path, _, attribute = place.partition("/@")
        anchor = Anchor(path, attribute)
        ruling = self.worlds.rulings[anchor]
        others = (at for at, one in enumerate(ruling.candidates) if not self.drops_with(one, asking))
        first = next(others, None)
        if first is None or ruling.candidates[first].conditions or ruling.candidates[first].action is not Action.KEEP:
            return False
        if not attribute:
            return True
        facts = self.tree.nodes[path].attributes[attribute]
        return ruling.attribute_action(first, facts) is Action.KEEP

    def drops_with(self, rule: Rule, asking: Rule) -> bool:
        """Whether a rule, where it speaks, drops all that another is about, which drops too."""
        if rule.action is not Action.DROP or asking.action is not Action.DROP or not rule.conditions:
            return False
        around = tuple(f"{anchor.path}/" for anchor in self.worlds.anchors[id(rule)] if not anchor.attribute)
        return all(f"{anchor.path}/".startswith(around) for anchor in self.worlds.anchors[id(asking)])

    def unsure_beside(self, place: str, scope: str, asking: Rule) -> SchemaNode | None:
        """Return what the schema requires beside a place, or beside a class around it, and the view may lack: an
        element that lacks it is not written."""
        path = place.partition("/@")[0]
        while (above := path.rpartition("/")[0]) != scope and above in self.tree.nodes:
            for child in self.tree.nodes[above].children:
                if child.least and child.path != path and not self.stands(child, asking):
                    return child
            path = above
        return None

    def stands(self, node: SchemaNode, asking: Rule) -> bool:
        """Whether a required element is in the view whenever it is in the document."""
        if node.wco_id == POINTER_CLASS and self.policy.consistency.pointers != REFUSE:
            return False
        if node.is_leaf:
            return self.leaf_stands(node, asking)
        required = [child for child in node.children if child.least]
        if required:
            return self.is_filled(node) and all(self.stands(child, asking) for child in required)
        # It may hold anything, so all of it must stay; or nothing: then it is written empty, if a rule keeps it. What
        # holds classes may hold empty ones alone, and then nothing of it is written.
        children = node.children
        return self.is_surely_kept(node, asking) and all(
            one.is_leaf and self.leaf_stands(one, asking) for one in children
        )

    def is_filled(self, node: SchemaNode) -> bool:
        """Whether the schema requires some leaf in an element, directly or in what it requires there."""
        return node.is_leaf or any(self.is_filled(child) for child in node.children if child.least)

    def leaf_stands(self, leaf: SchemaNode, asking: Rule) -> bool:
        candidates = self.worlds.rulings[Anchor(leaf.path)].candidates
        changes = (rule.change for rule in candidates)
        can_fail = any(change is not None and change.kind is not ChangeKind.REPLACE for change in changes)
        return self.is_surely_kept(leaf, asking) and not can_fail and not leaf.nillable

    def is_surely_kept(self, node: SchemaNode, asking: Rule) -> bool:
        candidates = self.worlds.rulings[Anchor(node.path)].candidates
        candidates = tuple(rule for rule in candidates if not self.drops_with(rule, asking))
        return bool(candidates) and not candidates[-1].conditions and all(rule.is_keeping for rule in candidates)
