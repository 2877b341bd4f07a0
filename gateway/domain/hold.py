"""Holds: a transfer waits for a person. Why, since when, and who approved that it goes.

A hold is one spell of waiting; a transfer may have several in its life, and only the newest counts. What a rule asks a
person to look at is held with its view **unsigned**: nothing that could be sent exists before the last approval. What
an operator, or the end of an agreement, stops on its way was signed before and keeps its signature.

A transfer that is held is bound by the lifetime of its message, not by the deadline for sending: that one counts from
its release.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.ids import PartyId, TransferId
from gateway.errors import TransferError, Violation


class HoldCause(StrEnum):
    """Why a transfer is held."""

    RULES = "rules"
    """A rule of the agreement asks for a person."""
    CHANGED = "changed"
    """What was approved is no longer what would be sent; it was prepared again."""
    OPERATOR = "operator"
    AGREEMENT = "agreement"
    """The agreement it was signed under is no longer in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldStart:
    """How a hold begins. `by`: an audit actor. `reason`: what that person wrote, or what the gateway found.

    `reasons`: the rules that ask for a person, and where; no value of the document. `approvals`: how many officers it
    takes.
    """

    cause: HoldCause
    by: str
    reason: str = ""
    reasons: tuple[Violation, ...] = ()
    approvals: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One officer's word that the transfer may go."""

    officer: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold as it stands. `released`: when the last approval let the transfer go; None while it waits, and for ever if
    the transfer ended another way."""

    start: HoldStart
    since: datetime
    approvals: tuple[Approval, ...]
    released: datetime | None

    @property
    def missing(self) -> int:
        """How many approvals it still takes."""
        return max(0, self.start.approvals - len(self.approvals))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldQuery:
    """Which held transfers are meant: those to `recipient`, with `code` as why they wait (`transfer.held`,
    `agreement.not_in_force`), held by the `rule` of this code, held at `since` or later, with ids after `after`.

    `up_to`: of those only what was held when they were counted (HeldCount). What left since does not come back into
    it, not even held anew, so the same query with it never means more than was counted."""

    recipient: PartyId | None = None
    code: str | None = None
    rule: str | None = None
    since: datetime | None = None
    after: TransferId | None = None
    up_to: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCount:
    """How many held transfers fit, and how many of those an officer can not release: handed in by that very client, or
    approved by that officer before. `up_to`: the number of the newest hold among them, 0 where none fits."""

    fit: int
    own: int = 0
    approved: int = 0
    up_to: int = 0


def check_officer(hold: Hold, *, officer: str, submitter: str) -> None:
    """Raise TransferError unless `officer` may add an approval: not who handed the document in, and not twice."""
    if officer == submitter:
        raise TransferError("transfer.own_submission", "Whoever handed the document in can not release it")
    if any(one.officer == officer for one in hold.approvals):
        raise TransferError("transfer.approved_before", "It takes another officer: this one has approved already")


def difficulty(start: HoldStart) -> str:
    """Return in one line what a person has to look at; no value of the document."""
    if not start.reasons:
        return start.reason
    first, more = start.reasons[0], len(start.reasons) - 1
    return f"{first.path}: {first.message}" + (f" (and {more} more)" if more else "")
