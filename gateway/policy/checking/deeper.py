"""The part of the static check that looks at rules inside what another rule drops.

What stands deeper decides, whatever it is written like. That is how one leaf is kept of a class that is dropped; but it
is hardly meant where a privacy class, which nobody wrote for this place, takes back a drop, nor where a class is
dropped under a condition and rules inside it speak on.
"""

from collections.abc import Iterable, Iterator, Mapping

from gateway.errors import Finding, Level
from gateway.policy.checking.rules import finding, such_as
from gateway.policy.checking.worlds import Worlds
from gateway.policy.language.rules import Action, Policy, Rule
from gateway.policy.language.selectors import MAX_LEAPS, Anchor, SelectorKind
from gateway.policy.ruling.rulings import standing_rules

__all__ = ["deeper_findings"]


def deeper_findings(policy: Policy, worlds: Worlds) -> Iterator[Finding]:
    """Return warnings about rules that keep something inside of what another drops, where that is hardly meant."""
    standing = standing_rules(policy, worlds.tree)
    for keeping, dropping, paths in _taking_back(policy, worlds, standing):
        problem = f"keeps {such_as(paths)}, though {policy.place(dropping)} drops what is around it ({dropping.path})"
        everything = _everything_in(dropping, worlds.anchors[id(dropping)], paths)
        fix = f"What stands deeper decides: write `drop: {everything}`, or name what is to leave"
        yield finding(policy, keeping, keeping.action, problem, fix, Level.WARNING)
    for dropping, keeping, path, inside in _speaking_on(policy, worlds, standing):
        asked = " and ".join(one.text for one in dropping.conditions)
        problem = f"drops {path} {asked}, while {policy.place(keeping)} keeps {such_as(inside)} in it then too"
        fix = f"What stands deeper decides: add `drop: {inside[0]}` with the same condition"
        yield finding(policy, dropping, dropping.action, problem, fix, Level.WARNING)


Standing = Mapping[Anchor, list[Rule]]


# ── a privacy class that takes back a drop ───────────────────────────────────────────────────────────────────────────


def _taking_back(policy: Policy, worlds: Worlds, standing: Standing) -> Iterator[tuple[Rule, Rule, list[str]]]:
    found: dict[tuple[int, int], tuple[Rule, Rule, list[str]]] = {}
    for rule in policy.rules:
        if not rule.is_keeping:
            continue
        for anchor in _by_privacy(rule, worlds):
            ruling = worlds.rulings[anchor]
            around = _around(anchor, standing)
            if around is None or not any(one is rule for one in ruling.candidates[: ruling.own]):
                continue
            if around.action is Action.DROP and around.selector.kind is not SelectorKind.PRIVACY:
                found.setdefault((id(rule), id(around)), (rule, around, []))[2].append(anchor.text)
    yield from found.values()


def _everything_in(dropping: Rule, around: Iterable[Anchor], paths: list[str]) -> str:
    """What goes before a privacy class on all that a rule drops, or on what is around these paths of it."""
    selector = dropping.selector
    is_path = selector.kind in (SelectorKind.PLAIN, SelectorKind.WILDCARD, SelectorKind.ANYWHERE)
    if is_path and selector.steps.count("") < MAX_LEAPS:
        return f"{selector.text}//*"
    classes = [one.path for one in around if any(path.startswith(f"{one.path}/") for path in paths)]
    written = ", ".join(f"{one}//*" for one in classes)
    return f"[{written}]" if len(classes) > 1 else written


def _by_privacy(rule: Rule, worlds: Worlds) -> Iterator[Anchor]:
    """What a rule stands on for the privacy class alone."""
    members = rule.selector.members or (rule.selector,)
    written = {one for each in members if each.kind is not SelectorKind.PRIVACY for one in each.matches(worlds.tree)}
    for each in members:
        if each.kind is SelectorKind.PRIVACY:
            # An attribute leaves with its element only.
            yield from (one for one in each.matches(worlds.tree) if one not in written and not one.attribute)


def _around(anchor: Anchor, standing: Standing) -> Rule | None:
    """The rule that goes first on the nearest class around an anchor that has any."""
    path = anchor.path
    while path := path.rpartition("/")[0]:
        rules = standing.get(Anchor(path))
        if rules:
            return rules[0]
    return None


# ── a drop under a condition, and rules inside that speak on ─────────────────────────────────────────────────────────


def _speaking_on(policy: Policy, worlds: Worlds, standing: Standing) -> Iterator[tuple[Rule, Rule, str, list[str]]]:
    found: dict[tuple[int, int], tuple[Rule, Rule, str, list[str]]] = {}
    for rule in policy.rules:
        if rule.action is not Action.DROP or not rule.conditions:
            continue
        for anchor in worlds.anchors[id(rule)]:
            if anchor.attribute or worlds.tree.nodes[anchor.path].is_leaf:
                continue
            for node in worlds.tree.below(worlds.tree.nodes[anchor.path]):
                inside = Anchor(node.path)
                keeping = None if inside == anchor or inside not in standing else _kept_then(rule, inside, worlds)
                if keeping is not None:
                    named = found.setdefault((id(rule), id(keeping)), (rule, keeping, anchor.path, []))[3]
                    named.append(node.path)
    yield from found.values()


def _kept_then(dropping: Rule, inside: Anchor, worlds: Worlds) -> Rule | None:
    """The rule on an anchor that keeps it where the conditions of `dropping` hold, if one may."""
    ruling = worlds.rulings[inside]
    for rule in ruling.candidates[: ruling.own]:
        if any(one.excludes(other, single=False) for one in rule.conditions for other in dropping.conditions):
            continue
        if rule.is_keeping:
            return rule
        if all(one in dropping.conditions for one in rule.conditions):
            return None
    return None
