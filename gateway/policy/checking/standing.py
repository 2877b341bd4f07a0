"""The part of the static check that asks which views may fail though each rule by itself is right.

A view goes up from what is kept: an element that lacks what the schema requires is not written, nor what requires that
element. So for every place it is asked what may become of it (contents.py), from the leaves up. What reaches the root
refuses the message; what a choice or a group leaves half refuses it too. First every condition is taken to be free of
every other; only where that finds something, each way the conditions can turn out is looked at by itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import Finding, Level
from gateway.policy.checking.contents import Broken, Fate, Fates, TooMuchError, content_fates
from gateway.policy.checking.rules import action_of, drop_whole, finding
from gateway.policy.checking.worlds import World, Worlds
from gateway.policy.language.changes import ChangeKind
from gateway.policy.language.rules import Policy, Rule
from gateway.policy.language.selectors import Anchor
from gateway.schema import UNLISTED, SchemaNode

__all__ = ["Standing", "can_fail", "standing_findings"]

_STANDS: Final = frozenset({Fate.STANDS})
_EMPTY: Final = frozenset({Fate.EMPTY})
_LOST: Final = frozenset({Fate.LOST})
_GONE: Final = frozenset({Fate.EMPTY, Fate.LOST})


def standing_findings(policy: Policy, worlds: Worlds, free: "Standing") -> Iterator[Finding]:
    """Return warnings about views that the schema would not allow, or that could not stand at all.

    `free`: what may become of every place when the conditions are free of each other.
    """
    found = list(free.findings(policy))
    if found and worlds.atoms and worlds.is_complete:
        found = [one for world in worlds.all() for one in Standing(worlds, world, free).findings(policy)]
    yield from dict.fromkeys(found)
    yield from _attributes(policy, worlds, free)


def _attributes(policy: Policy, worlds: Worlds, free: "Standing") -> Iterator[Finding]:
    """Attributes that the schema requires, and that are withheld where they can not be changed as asked."""
    for anchor, ruling in worlds.rulings.items():
        node = worlds.tree.nodes[anchor.path]
        if not anchor.attribute or not node.attributes[anchor.attribute].required:
            continue
        for rule in ruling.candidates[: ruling.own]:
            if can_fail(rule) and Fate.STANDS in free.fates[anchor.path]:
                problem = (
                    f"withholds {anchor.text} where its value can not be changed as asked: the schema requires it, and "
                    "such messages are refused"
                )
                fix = f"Keep {anchor.text} as it is, or replace it"
                yield finding(policy, rule, rule.action, problem, fix, Level.WARNING)


def can_fail(rule: Rule | None) -> bool:
    """Tell whether a rule may find a value that it can not change as asked, which is withheld then."""
    return rule is not None and rule.change is not None and rule.change.kind is not ChangeKind.REPLACE


@dataclass(slots=True)
class Standing:
    """What may become of every place, in one world or, without one, in all of them. `free`: the same for all."""

    worlds: Worlds
    world: World | None = None
    free: "Standing | None" = None
    fates: dict[str, Fates] = field(default_factory=dict)
    broken: dict[str, Broken | None] = field(default_factory=dict)
    _deciding: dict[Anchor, tuple[Rule | None, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for home in self.worlds.tree.homes:
            for node in reversed(list(self.worlds.tree.below(home))):
                self.fates[node.path] = self.fate(node)

    def deciding(self, anchor: Anchor) -> tuple[Rule | None, ...]:
        """Return the rules that may decide at an anchor; None among them: none."""
        if self.world is not None:
            return (self.world.deciding[anchor],)
        known = self._deciding.get(anchor)
        if known is None:
            candidates = self.worlds.rulings[anchor].candidates
            found: list[Rule | None] = [
                rule for at, rule in enumerate(candidates) if self.worlds.may_decide(anchor, at)
            ]
            known = tuple(found if candidates and not candidates[-1].conditions else [*found, None])
            self._deciding[anchor] = known
        return known

    # ── what may become of a place ───────────────────────────────────────────────────────────────────────────────

    def fate(self, node: SchemaNode) -> Fates:
        """What may become of an element at a place, when all below it is known."""
        rules = self.deciding(Anchor(node.path))
        if node.is_leaf:
            return frozenset(one for rule in rules for one in _leaf_fates(node, rule))
        kept = {rule is not None and rule.is_keeping for rule in rules}
        found: Fates = frozenset()
        for is_kept in kept:
            found |= self.class_fates(node, may_be_empty=is_kept and node.least > 0)
        return found | (_EMPTY if node.nillable else frozenset())

    def class_fates(self, node: SchemaNode, *, may_be_empty: bool) -> Fates:
        """What may become of a class; one that was empty to begin with stands if it `may_be_empty`."""
        below = {child.qualified: self.fates_in(node, child) for child in node.children}
        if not any(Fate.STANDS in one or Fate.LOST in one for one in below.values()):
            return _EMPTY | _STANDS if may_be_empty else _EMPTY
        if node.model is None:
            return _plain_fates(node, below, may_be_empty=may_be_empty)
        least = {child.qualified: child.least for child in node.children if child.least}
        try:
            found, broken = content_fates(node.model, least, {**below, UNLISTED: _EMPTY}, may_be_empty=may_be_empty)
        except TooMuchError:
            found, broken = frozenset(Fate), Broken((), ())
        if broken is not None:
            self.broken.setdefault(node.path, broken)
        return found

    def fates_in(self, node: SchemaNode, child: SchemaNode) -> Fates:
        """What may become of the children of one name; where they may differ beside each other, whatever may."""
        if self.free is None or node.model is None or child.most == 1 or not self.asks_within(child):
            return self.fates[child.path]
        return self.free.fates[child.path]

    def asks_within(self, child: SchemaNode) -> bool:
        return any(
            f"{atom.scope.path}/".startswith(f"{child.path}/") for atom in self.worlds.atoms if atom.scope.places
        )

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────

    def findings(self, policy: Policy) -> Iterator[Finding]:
        """Return what is wrong with what may become of the places."""
        for path, broken in self.broken.items():
            if broken is not None:
                yield self.half(policy, self.worlds.tree.nodes[path], broken)
        for home in self.worlds.tree.homes:
            if Fate.LOST in self.fates[home.path] and Fate.STANDS in self.fates[home.path]:
                yield from self.lost(policy, home)

    def half(self, policy: Policy, node: SchemaNode, broken: Broken) -> Finding:
        """A class of which something is left that the schema does not allow."""
        keeping, whole = self.keeping(node), drop_whole(policy, self.worlds, node.path)
        if not broken.whole:
            problem = (
                f"keeps a part of {node.path}, which the schema lets be filled in too many ways to tell whether a part "
                "can stand"
            )
            fix = f"Keep all of {node.path}, or {whole}"
            return finding(policy, keeping, action_of(keeping), problem, fix, Level.WARNING)
        names = {child.qualified: child for child in node.children}
        gone = _gone(broken)
        told = [names[one].name if one in names else "an element that is not listed" for one in broken.whole]
        left = [names[one].name for one in broken.left]
        problem = (
            f"leaves {' and '.join(left)} of {node.path} where it held {' and '.join(told)}: the schema does not "
            "allow that, and such messages are refused"
        )
        if gone not in names:
            fix = whole[0].upper() + whole[1:]
            return finding(policy, keeping, action_of(keeping), problem, fix, Level.WARNING)
        child = names[gone]
        fix = f"Keep {child.path} at all times, or {whole}"
        rules = [rule for rule in self.deciding(Anchor(child.path)) if rule is not None and not rule.is_keeping]
        about = rules[0] if rules else keeping
        return finding(policy, about, action_of(about), problem, fix, Level.WARNING)

    def lost(self, policy: Policy, home: SchemaNode) -> Iterator[Finding]:
        """A root that may lack what the schema requires, told at the places where that begins.

        That a required class holds nothing of what is kept is not told: such a message is nothing to this partner.
        """
        for node in self.beginnings(home):
            rules = [one for one in self.deciding(Anchor(node.path)) if one is not None]
            rule = next((one for one in rules if can_fail(one)), rules[0] if rules else self.keeping(home))
            problem, fix = self.reason(node, rule, home)
            yield finding(policy, rule, action_of(rule), problem, fix, Level.WARNING)

    def beginnings(self, node: SchemaNode) -> Iterator[SchemaNode]:
        """The places below a class that may go, and take it along."""
        for child in node.children:
            fates = self.fates[child.path]
            takes_along = child.is_alternative or _may_be_all(node)
            if not (fates & _GONE if child.least else takes_along and Fate.LOST in fates):
                continue
            if child.is_leaf or child.nillable:
                yield child
            yield from self.beginnings(child)

    def reason(self, node: SchemaNode, rule: Rule | None, home: SchemaNode) -> tuple[str, str]:
        """Return what is wrong with a place that may go, and the mend."""
        needs = f"no {home.name} can be written without it, and such messages are refused"
        holder = self.worlds.tree.nodes[node.path.rpartition("/")[0]]
        if not node.least and _may_be_all(holder):
            needs = f"where nothing else leaves of {holder.path}, {needs}"
        if can_fail(rule) and node.is_leaf:
            problem = f"withholds {node.path} where its value can not be changed as asked: {needs}"
            return problem, f"Keep {node.path} as it is, or replace it"
        if node.nillable:
            problem = f"keeps {node.path}, which may say that it has no value (xsi:nil) and is withheld then: {needs}"
            return problem, "Use a schema set in which it always has a value, or send no such message under this policy"
        if node.is_open and rule is not None and rule.is_keeping:
            problem = (
                f"keeps {node.path}, which may hold elements that the set does not list and is withheld then: {needs}"
            )
            return problem, "Use a schema set that lists them, or send no such message under this policy"
        return f"may withhold {node.path}: {needs}", f"Keep {node.path} at all times"

    def keeping(self, node: SchemaNode) -> Rule | None:
        """A rule that keeps something of a class."""
        for one in self.worlds.tree.below(node):
            for rule in self.deciding(Anchor(one.path)):
                if rule is not None and rule.is_keeping and Fate.STANDS in self.fates[one.path]:
                    return rule
        return None


def _may_be_all(node: SchemaNode) -> bool:
    """Tell whether each child of a class may be all that it holds."""
    return node.model is None and not any(child.least for child in node.children)


def _leaf_fates(node: SchemaNode, rule: Rule | None) -> Fates:
    if rule is None or not rule.is_keeping:
        return _EMPTY
    goes = node.nillable or can_fail(rule) or (node.is_mixed and node.is_open)
    return _STANDS | _LOST if goes else _STANDS


def _plain_fates(node: SchemaNode, below: Mapping[str, Fates], *, may_be_empty: bool) -> Fates:
    """What may become of a class that is a sequence of its children."""
    required = [below[child.qualified] for child in node.children if child.least]
    others = [below[child.qualified] for child in node.children if not child.least]
    found: set[Fate] = set()
    some_stands = any(Fate.STANDS in one for one in (*required, *others))
    if all(Fate.STANDS in one for one in required) and some_stands:
        found.add(Fate.STANDS)
    for at, one in enumerate(required):
        if not one & _GONE:
            continue
        beside = (*required[:at], *required[at + 1 :], *others)
        if Fate.LOST in one or any(other - _EMPTY for other in beside):
            found.add(Fate.LOST)
        if Fate.EMPTY in one and all(Fate.EMPTY in other for other in required):
            found.add(Fate.EMPTY)
    if not required:
        found.add(Fate.STANDS if may_be_empty else Fate.EMPTY)
        if any(one & _GONE for one in others):
            found |= {Fate.LOST} if any(Fate.LOST in one for one in others) else {Fate.EMPTY}
            if any(Fate.EMPTY in one for one in others):
                found.add(Fate.EMPTY)
    return frozenset(found)


def _gone(broken: Broken) -> str:
    """The last name of which something is missing."""
    left = list(broken.left)
    for name in reversed(broken.whole):
        if left and left[-1] == name:
            left.pop()
        else:
            return name
    return ""
