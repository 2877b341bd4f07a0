"""The part of the static check that asks whether numbers, counts, sums and pointers could come apart (relating.py).

Where they could, and `consistency` says to refuse, messages will be refused that somebody may have meant to send.
"""

from collections.abc import Iterator
from typing import Final

from lxml import etree

from gateway.errors import Finding, Level
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
    """Return a warning for each word of `consistency` that is left at `refuse` where it will be needed."""
    deciding = Deciding(policy, worlds.tree, worlds.rulings)
    found: dict[str, list[str]] = {part: [] for part in MENDING}
    for home in worlds.tree.homes:
        one = relations(deciding, home)
        found["sequence"] += [_path(home, *each.parents, each.member, each.number) for each in one.sequences]
        found["counts"] += [_path(home, *each.holder, each.leaf) for each in one.counts]
        found["totals"] += [_path(home, *each.holder, each.leaf) for each in one.totals]
        found["pointers"] += [_path(home, *each.body, *each.holders, each.pointer) for each in one.pointers]
    for part, paths in found.items():
        if paths and getattr(policy.consistency, part) == REFUSE:
            problem = f"is to refuse, and the policy keeps {such_as(paths)}, while {_WHY[part]}"
            fix = f"Add `consistency: {{{part}: {MENDING[part]}}}`; as it stands, such messages are refused"
            yield finding(policy, None, f"consistency.{part}", problem, fix, Level.WARNING)


def _path(home: SchemaNode, *steps: str) -> str:
    return "/".join((home.path, *(etree.QName(step).localname for step in steps)))
