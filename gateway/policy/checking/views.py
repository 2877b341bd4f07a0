"""The part of the static check that asks, in every world, whether the views of a policy could stand.

The pass goes down the tree with the rules that decide, then up again asking of every class whether its view could be
written: whatever the schema requires in an element of which something is kept must be kept too. And what is kept must
still mean what it meant: the kind of the message, and values that lean on prefixes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.errors import Finding
from gateway.policy.checking.rules import action_of, drop_whole, finding, such_as
from gateway.policy.checking.worlds import World, Worlds
from gateway.policy.language.rules import Action, Policy, Rule
from gateway.schema import SchemaNode

__all__ = ["view_findings"]

# How a message shows its kind (gateway/document/facts.py); without these the receiver would take it for another.
_KIND_LEAVES: Final = ("FunctionCode", "TypeCode")
# A value of these types means something only together with the prefixes of its document, which a view does not keep.
_PREFIXED_TYPES: Final = frozenset({"QName", "NOTATION"})


def view_findings(policy: Policy, worlds: Worlds) -> Iterator[Finding]:
    """Return why views would lack what the schema requires or lose what they mean, each once, with when it is so."""
    found: dict[Finding, list[World]] = {}
    count = 0
    for world in worlds.all():
        count += 1
        for one in dict.fromkeys(_View(policy, worlds, world).findings()):
            found.setdefault(one, []).append(world)
    for one, seen in found.items():
        is_always = len(seen) == count
        yield one if is_always else replace(one, problem=f"{one.problem} ({worlds.when(seen)})")


@dataclass(slots=True)
class _Standing:
    """What the way up found: whether anything below is kept, and whether the element could be written."""

    has_kept: bool
    can_be_written: bool


@dataclass(slots=True)
class _View:
    """One policy in one world."""

    policy: Policy
    worlds: Worlds
    world: World
    lost: list[Finding] = field(default_factory=list)
    kept: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        deciding = ((anchor.path, self.world.deciding[anchor]) for anchor in self.worlds.elements)
        self.kept = frozenset(path for path, rule in deciding if rule is not None and rule.is_keeping)

    def findings(self) -> Iterator[Finding]:
        yield from self.missing_attributes()
        standings = [self.stand(home) for home in self.worlds.tree.homes]
        if not any(standing.has_kept for standing in standings):
            fix = "Add a rule such as `keep: /MetaData/Declaration/FunctionCode`"
            yield finding(self.policy, None, "rules", "keep nothing at all", fix)
            return
        yield from self.lost
        yield from self.prefixed()
        yield from self.kind()

    def is_kept(self, path: str) -> bool:
        return path in self.kept

    # ── what the schema requires ─────────────────────────────────────────────────────────────────────────────────

    def missing_attributes(self) -> Iterator[Finding]:
        """Attributes that the schema requires of what is kept, and that are not."""
        missing: dict[tuple[int, str], tuple[Rule | None, list[str]]] = {}
        for anchor, leaves in self.world.attributes.items():
            node = self.worlds.tree.nodes[anchor.path]
            if leaves or not node.attributes[anchor.attribute].required or not self.is_kept(anchor.path):
                continue
            decided = self.world.deciding[anchor]
            if decided is not None and self.worlds.standing(decided, anchor) == anchor:
                problem = f"drops {anchor.text}, an attribute that the schema requires"
                fix = f"Keep {anchor.text}, or drop the element {anchor.path}"
                yield finding(self.policy, decided, decided.action, problem, fix)
                continue
            rule = self.world.rule(anchor.path)
            missing.setdefault((id(rule), anchor.attribute), (rule, []))[1].append(anchor.path)
        for (_, name), (rule, paths) in missing.items():
            problem = f"keeps {such_as(paths)} without the attribute {name}, which the schema requires"
            fix = f"Add {name} to `attributes`, write `attributes: required`, or drop the element"
            yield finding(self.policy, rule, "attributes", problem, fix)

    def stand(self, node: SchemaNode) -> _Standing:
        if node.is_leaf:
            return _Standing(self.is_kept(node.path), self.is_kept(node.path))
        below = [(child, self.stand(child)) for child in node.children]
        if not any(standing.can_be_written for _, standing in below):
            return _Standing(any(standing.has_kept for _, standing in below), can_be_written=False)
        for child, standing in below:
            if child.least and not standing.can_be_written:
                self.lost.append(self.lacking(node, child))
        return _Standing(has_kept=True, can_be_written=True)

    def lacking(self, node: SchemaNode, child: SchemaNode) -> Finding:
        """The finding for a required child that is not kept while its parent is."""
        dropping = self.world.rule(child.path)
        fix = f"Keep {child.path}, or {drop_whole(self.policy, self.worlds, node.path)}"
        if dropping is not None and not dropping.is_keeping:
            problem = f"drops {child.path}, which the schema requires in every {node.name} that is kept"
            return finding(self.policy, dropping, Action.DROP, problem, fix)
        inside = [rule for rule in self.policy.rules if rule.is_keeping and self.stands_in(rule, node)]
        keeping = min(inside, key=lambda rule: rule.line) if inside else self.world.rule(node.path)
        problem = f"keeps a part of {node.path} without {child.name}, which the schema requires in it"
        return finding(self.policy, keeping, Action.KEEP, problem, fix)

    def stands_in(self, rule: Rule, node: SchemaNode) -> bool:
        return any(f"{anchor.path}/".startswith(f"{node.path}/") for anchor in self.worlds.anchors[id(rule)])

    # ── what would lose its meaning ──────────────────────────────────────────────────────────────────────────────

    def prefixed(self) -> Iterator[Finding]:
        """Values that mean nothing without prefixes."""
        for anchor, rule in self.world.deciding.items():
            value = self.worlds.tree.nodes[anchor.path].value
            if anchor.attribute or value is None or value.base not in _PREFIXED_TYPES or not self.is_kept(anchor.path):
                continue
            problem = f"keeps {anchor.path}, whose value refers to a prefix that a view does not have"
            yield finding(self.policy, rule, Action.KEEP, problem, f"Add `drop: {anchor.path}`")

    def kind(self) -> Iterator[Finding]:
        """Codes without which the kind of message can not be told, in a set for several kinds."""
        if len(self.worlds.kinds) < 2:
            return
        for body in map(self.worlds.tree.home, self.worlds.tree.roots):
            node = self.worlds.tree.node(body)
            for leaf in node.children if node is not None and node.name == "Declaration" else ():
                rule = self.world.rule(leaf.path)
                if leaf.name not in _KIND_LEAVES or (rule is not None and rule.action is Action.KEEP):
                    continue
                lacks = f"lack {leaf.path}"
                if rule is not None:
                    lacks = f"{'drops' if rule.action is Action.DROP else 'changes'} {leaf.path}"
                problem = f"{lacks}, without which the receiver can not tell the kind of message"
                yield finding(self.policy, rule, action_of(rule), problem, f"Keep {leaf.name}")
