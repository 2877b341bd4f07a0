"""What the APIs tell of a transfer that waits for a person, as frozen values; and reading it from JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.domain.hold import HoldCause
from gateway.errors import Violation

__all__ = ["Approval", "Hold", "OperatorsHold", "read_hold", "read_operators_hold", "read_violation"]

Json = Mapping[str, Any]

_VIOLATION: Final = ("code", "rule", "path", "line", "wco_id", "wco_name", "message", "expected", "fix")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a transfer waits for a person: `cause` is `rules`, `changed`, `operator` or `agreement`.

    `rules`: those that ask for a person, and where; no value of the document.
    """

    cause: HoldCause
    since: datetime
    reason: str
    rules: tuple[Violation, ...]
    approvals_needed: int
    approvals_given: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One officer's word that a held transfer may go."""

    officer: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorsHold(Hold):
    """A hold with who began it, who approved, and when it was released; None while it waits."""

    by: str
    released: datetime | None
    approvals: tuple[Approval, ...]


def read_violation(value: Json) -> Violation:
    """Return what is wrong where. Raises KeyError for another shape."""
    return Violation(**{name: value[name] for name in _VIOLATION})


def _hold(value: Json) -> dict[str, Any]:
    return {
        "cause": HoldCause(value["cause"]),
        "since": _time(value["since"]),
        "reason": value["reason"],
        "rules": tuple(map(read_violation, value["rules"])),
        "approvals_needed": value["approvals_needed"],
        "approvals_given": value["approvals_given"],
    }


def read_hold(value: Json) -> Hold:
    """Return why a transfer waits. This and its sibling raise KeyError, ValueError or TypeError for another shape."""
    return Hold(**_hold(value))


def read_operators_hold(value: Json) -> OperatorsHold:
    """Return a hold as operators see it."""
    return OperatorsHold(
        **_hold(value),
        by=value["by"],
        released=None if value["released"] is None else _time(value["released"]),
        approvals=tuple(
            Approval(officer=one["officer"], reason=one["reason"], at=_time(one["at"])) for one in value["approvals"]
        ),
    )


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without its offset")
    return at
