"""The part of the static check that asks whether numbers, counts, sums and pointers could come apart (relating.py).

Where they could, and `consistency` says to refuse, messages will be refused that somebody may have meant to send.
Where it says to mend them, no condition may ask for them: the answer would be another in the view.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.errors import Finding, Level
from gateway.policy.checking.conditions import asked_places
from gateway.policy.checking.rules import finding, such_as
from gateway.policy.checking.worlds import Worlds
from gateway.policy.consistency.relating import relations
from gateway.policy.language.rules import MENDING, REFUSE, Policy
from gateway.policy.ruling.deciding import Deciding
from gateway.schema import SchemaNode

__all__ = ["consistency_findings"]

_WHY: Final = {
    "sequence": "conditions and changes may take out some of them and leave others",
    "counts": "what they count may be taken out",
    "totals": "what they sum may be taken out",
    "pointers": "they may lead to what does not leave",
}


def consistency_findings(policy: Policy, worlds: Worlds) -> Iterator[Finding]:
    """Return warnings for words of `consistency` that are left at `refuse` where they will be needed, and errors for
    conditions that ask what is mended where they are not."""
    related = _related(policy, worlds)
    refused = [part for part, paths in related.items() if paths and getattr(policy.consistency, part) == REFUSE]
    mended = [part for part in MENDING if part in refused or getattr(policy.consistency, part) != REFUSE]
    words = ", ".join(f"{part}: {MENDING[part]}" for part in mended)
    for part in refused:
        problem = f"is to refuse, and the policy keeps {such_as(related[part])}, while {_WHY[part]}"
        fix = f"Write `consistency: {{{words}}}`; as it stands, such messages are refused"
        yield finding(policy, None, f"consistency.{part}", problem, fix, Level.WARNING)
    yield from _asking_what_is_mended(policy, worlds, related)


def _related(policy: Policy, worlds: Worlds) -> dict[str, list[str]]:
    """The paths, by part, of what may have to be mended: numbers, counts, totals, and pointers with all in them."""
    deciding = Deciding(policy, worlds.tree, worlds.rulings)
    found: dict[str, list[str]] = {part: [] for part in MENDING}
    for home in worlds.tree.homes:
        one = relations(deciding, home)
        found["sequence"] += [_path(home, *each.parents, each.member, each.number) for each in one.sequences]
        found["counts"] += [_path(home, *each.holder, each.leaf) for each in one.counts]
        found["totals"] += [_path(home, *each.holder, each.leaf) for each in one.totals]
        found["pointers"] += [_path(home, *each.body, *each.holders, each.pointer) for each in one.pointers]
    return found


def _path(home: SchemaNode, *steps: str) -> str:
    node = home
    for step in steps:
        node = next(child for child in node.children if child.qualified == step)
    return node.path


def _asking_what_is_mended(policy: Policy, worlds: Worlds, related: Mapping[str, list[str]]) -> Iterator[Finding]:
    """A rule asks for a number that the view may have anew: neither the receiver nor a second time answers alike."""
    for rule in policy.rules:
        asked = {place: one.criterion.name for one in rule.conditions for place, _ in asked_places(worlds, rule, one)}
        for part, paths in related.items():
            if getattr(policy.consistency, part) == REFUSE:
                continue
            inside = tuple(f"{path}/" for path in paths)
            for place in (one for one in asked if f"{one.partition('/@')[0]}/".startswith(inside)):
                problem = f"asks {asked[place]} at {place}, which `{part}: {MENDING[part]}` may change"
                fix = "Ask something that stays as it is, such as a code"
                yield finding(policy, rule, rule.action, problem, fix)
