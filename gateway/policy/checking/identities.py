"""The part of the static check that looks at what a schema tells apart: xs:unique, xs:key and xs:keyref.

Two values that differ may be made one by a change, a key may be withheld of what stays, and what is referred to may go.
Nothing of that shows in single values; the schema refuses the view as a whole. Pseudonyms of different values differ.
"""

from collections.abc import Iterator
from typing import Final

from gateway.errors import Finding, Level
from gateway.policy.checking.contents import Fate
from gateway.policy.checking.rules import action_of, drop_whole, finding
from gateway.policy.checking.standing import Standing, can_fail
from gateway.policy.checking.worlds import Worlds
from gateway.policy.language.changes import ChangeKind
from gateway.policy.language.rules import Action, Policy, Rule
from gateway.policy.language.selectors import Anchor
from gateway.schema import Identity, SchemaNode, Way

__all__ = ["identity_findings"]

_REFUSED: Final = "such messages are refused"


def identity_findings(policy: Policy, worlds: Worlds, standing: Standing) -> Iterator[Finding]:
    """Return warnings about values that a schema tells apart by, or refers to, and that may not be so in a view."""
    look = _Apart(policy, worlds, standing)
    for node in worlds.tree.places.values():
        for identity in node.identities:
            if identity.kind == "keyref":
                yield from look.referring(node, identity)
            else:
                yield from look.telling(node, identity)


class _Apart:
    def __init__(self, policy: Policy, worlds: Worlds, standing: Standing) -> None:
        self.policy: Final = policy
        self.worlds: Final = worlds
        self.standing: Final = standing
        places = worlds.tree.places.values()
        self.keys: Final = {one.name: (node, one) for node in places for one in node.identities if one.kind != "keyref"}

    def telling(self, node: SchemaNode, identity: Identity) -> Iterator[Finding]:
        """A unique or key of which values may come to the same, or, of a key, be withheld."""
        by = f"by which the schema tells each {{}} apart (xs:{identity.kind} {identity.name.rpartition('}')[2]})"
        for selected, anchor in self.values(node, identity):
            if Fate.STANDS not in self.standing.fates[selected.path]:
                continue
            whole = drop_whole(self.policy, self.worlds, selected.path)
            for rule in self.changing(anchor):
                problem = f"changes {anchor.text}, {by.format(selected.path)}: where two come to the same, {_REFUSED}"
                fix = f"Keep it as it is, or pseudonymise it, or {whole}"
                yield finding(self.policy, rule, rule.action, problem, fix, Level.WARNING)
            if identity.kind == "key" and self.may_be_missing(selected, anchor):
                problem = f"may withhold {anchor.text}, {by.format(selected.path)}: {_REFUSED}"
                fix = f"Keep {anchor.text} as it is and at all times, or {whole}"
                about = self.about(anchor) or self.standing.keeping(selected)
                yield finding(self.policy, about, action_of(about), problem, fix, Level.WARNING)

    def referring(self, node: SchemaNode, identity: Identity) -> Iterator[Finding]:
        """A keyref of which the key may go, or leave otherwise."""
        if identity.refers not in self.keys:
            return
        keys = list(self.values(*self.keys[identity.refers]))
        for selected, anchor in self.values(node, identity):
            if Fate.STANDS not in self.standing.fates[anchor.path] or not self.leaves(anchor):
                continue
            for of, key in keys:
                if (
                    not self.surely(of, key)
                    or self.may_be_missing(of, key)
                    or self.changes(anchor) != self.changes(key)
                ):
                    problem = (
                        f"keeps {anchor.text}, which refers to {key.text} (xs:keyref), and that may be withheld or "
                        f"leave as another: {_REFUSED}"
                    )
                    fix = f"Keep {of.path} at all times and do the same with both values, or drop {anchor.text}"
                    about = self.about(anchor) or self.standing.keeping(selected)
                    yield finding(self.policy, about, action_of(about), problem, fix, Level.WARNING)
                    break

    # ── places ───────────────────────────────────────────────────────────────────────────────────────────────────

    def values(self, node: SchemaNode, identity: Identity) -> Iterator[tuple[SchemaNode, Anchor]]:
        """Yield what a constraint selects, each with the places of its fields."""
        for selected in dict.fromkeys(one.path for way in identity.selected for one in _found(node, way)):
            element = self.worlds.tree.nodes[selected]
            for way in (way for ways in identity.fields for way in ways):
                for one in _found(element, way):
                    if not way.attribute or way.attribute in one.attributes:
                        yield element, Anchor(one.path, way.attribute)

    def rules(self, anchor: Anchor) -> tuple[Rule | None, ...]:
        return self.standing.deciding(anchor) if anchor in self.worlds.rulings else ()

    def changes(self, anchor: Anchor) -> set[object]:
        """What may be done to a value; a change goes by the type it fits, so by the facts too."""
        facts = self.worlds.facts(anchor.text)
        own = [rule for rule in self.rules(anchor) if rule is not None and self.is_changed_by(rule, anchor)]
        return {(rule.change, facts) for rule in own}

    def is_changed_by(self, rule: Rule, anchor: Anchor) -> bool:
        ruling = self.worlds.rulings[anchor]
        stands = not anchor.attribute or any(one is rule for one in ruling.candidates[: ruling.own])
        return rule.change is not None and stands

    def changing(self, anchor: Anchor) -> Iterator[Rule]:
        for rule in self.rules(anchor):
            if rule is None or rule.change is None or rule.change.kind is ChangeKind.PSEUDONYM:
                continue
            if self.is_changed_by(rule, anchor):
                yield rule

    def about(self, anchor: Anchor) -> Rule | None:
        return next((rule for rule in self.rules(anchor) if rule is not None), None)

    def leaves(self, anchor: Anchor) -> bool:
        """Whether an attribute may leave with its element; an element's value does."""
        if not anchor.attribute:
            return True
        ruling, facts = self.worlds.rulings[anchor], self.worlds.tree.nodes[anchor.path].attributes[anchor.attribute]
        return any(ruling.attribute_action(at, facts) is not Action.DROP for at in range(len(ruling.candidates)))

    def may_be_missing(self, selected: SchemaNode, anchor: Anchor) -> bool:
        """Whether what is selected may stand in a view without the value. What the schema requires goes with it."""
        path = anchor.path
        while path != selected.path:
            node = self.worlds.tree.nodes[path]
            if not node.least and self.standing.fates[path] != {Fate.STANDS}:
                return True
            path = path.rpartition("/")[0]
        if not anchor.attribute:
            return False
        ruling, facts = self.worlds.rulings[anchor], self.worlds.tree.nodes[anchor.path].attributes[anchor.attribute]
        rules = ruling.candidates
        dropped = any(ruling.attribute_action(at, facts) is Action.DROP for at in range(len(rules)))
        return dropped or not rules or any(can_fail(rule) and self.is_changed_by(rule, anchor) for rule in rules)

    def surely(self, node: SchemaNode, key: Anchor) -> bool:
        """Whether an element stands in every view of a document in which it has a key. One that has none may go."""
        if key.attribute:
            return self.standing.fates[node.path] == {Fate.STANDS}
        return Fate.LOST not in self.standing.fates[node.path] and self.standing.fates[key.path] == {Fate.STANDS}


def _found(node: SchemaNode, way: Way) -> list[SchemaNode]:
    """The places at the end of a way from a place; those of an attribute are the elements that take it."""
    found = [node]
    if way.is_anywhere:
        todo = [node]
        while todo:
            todo = [child for one in todo for child in one.children]
            found += todo
        if not way.steps:
            return found
    for step in way.steps:
        found = [child for one in found for child in one.children if _is(child, step)]
    return found


def _is(node: SchemaNode, step: str) -> bool:
    if step.endswith("}*"):
        return node.namespace == step[1:-2]
    return step in ("*", node.qualified)
