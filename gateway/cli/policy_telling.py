"""What `policy explain` and `policy diff` say alike: signs, reasons, and what becomes of the whole message."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.output import say

if TYPE_CHECKING:
    from gateway.policy.telling.diff import Outcome

__all__ = ["SIGNS", "Columns", "outcome_members", "say_outcome", "why"]

SIGNS: Final = {"kept": "=", "changed": "~", "withheld": "-"}
"""How what became of a value is shown."""

Columns = Annotated[int | None, typer.Option("--width", help="Columns to use; the terminal's without it.", min=20)]

_STANDS: Final = re.compile(r":[0-9]+$")


def why(rule: str, reason: str, legal: str, note: str) -> str:
    """Return in one line what decided: what is to be noted, the reason, the law, and where the rule stands.

    The file is named without its folders, as in a view's refusal; JSON has it whole.
    """
    place = rule.rpartition("/")[2] if _STANDS.search(rule) else ""
    return " · ".join(filter(None, (note, f"{reason} ({legal})" if reason and legal else reason or legal, place)))


def outcome_members(outcome: "Outcome", counts: Mapping[str, int]) -> dict[str, Any]:
    """Return as JSON has it what became of a whole document under one policy. `counts`: of its values, by mark."""
    policy = outcome.policy.policy
    return {
        "policy": policy.id,
        "version": policy.version,
        "sha256": policy.sha256,
        "sent": outcome.view is not None,
        **counts,
        "code": outcome.code,
        "detail": outcome.detail,
        "held": [demand.reason for demand in outcome.held],
    }


def say_outcome(outcome: "Outcome", counts: Mapping[str, int]) -> None:
    """Say for people what became of a whole document under one policy."""
    policy = outcome.policy.policy
    told = ", ".join(f"{number} {mark}" for mark, number in counts.items())
    say(f"{told} under {policy.id} version {policy.version}")
    for demand in outcome.held:
        say(f"HELD for release: {demand.reason}{f' ({demand.legal})' if demand.legal else ''}")
    if outcome.view is None:
        say(f"REFUSED {outcome.code}: {outcome.detail}")
