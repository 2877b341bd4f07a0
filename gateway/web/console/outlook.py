"""What a transfer waits for, what the gateway will do next, and what a person can do about it. Pure.

Said as ids of texts with what is filled in, so that every language has its own sentences. The reasons are those the
claim itself goes by: the partner's back-off, the conversation's order, the transfer's own next attempt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.domain.hold import Hold, HoldCause
from gateway.domain.lifecycle import TransferState
from gateway.domain.records import PartnerHealth, TransferDetail, TransferRow
from gateway.domain.waiting import as_it_waits
from gateway.web.shapes import timestamp

__all__ = ["ACTS", "Act", "Outlook", "Sentence", "is_left_alone", "outlook"]


ACTS: Final = ("requeue", "cancel", "hold", "release", "skip")
"""What has a form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence: the id of its text and the words to fill in. `at`: a time to show with it."""

    text: str
    values: Mapping[str, str | int] = field(default_factory=dict)
    at: str | None = None
    code: str = ""
    detail: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What a person can do: an act with a form (`verb` of ACTS), or only advice (`verb` empty)."""

    text: str
    verb: str = ""

    @property
    def words(self) -> str:
        """Under which id the texts of the form stand: releasing a message to a back end is another act."""
        return "release_transfer" if self.verb == "release" else self.verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """`why`: what it waits for or why it rests, if there is anything to say. `following`: what comes next by itself."""

    why: Sentence | None
    following: Sentence
    can: tuple[Act, ...]


def is_left_alone(health: PartnerHealth | None, now: datetime) -> bool:
    """Tell whether nothing is sent to a partner for now, because it could not be reached."""
    return health is not None and health.not_before is not None and health.not_before > now


def outlook(found: TransferDetail, health: PartnerHealth | None, now: datetime) -> Outlook:
    """Return the outlook of a transfer. `health`: of its recipient, None when nothing was ever sent there."""
    row = found.row
    match row.state:
        case TransferState.QUEUED:
            why, following = _queued(found, health, now)
        case TransferState.AWAITING_RECEIPT:
            why, following = None, Sentence(text="next.AWAITING_RECEIPT", at=timestamp(row.next_attempt_at))
        case TransferState.DELIVERED if row.handed_over is None:
            why, following = None, Sentence(text="next.not_handed_over", values={"partner": row.recipient})
        case TransferState.DELIVERED:
            taken = Sentence(text="why.handed_over", values={"partner": row.recipient}, at=timestamp(row.handed_over))
            why, following = taken, Sentence(text="next.DELIVERED")
        case TransferState.DEAD_LETTERED:
            why, following = _difficulty(row), Sentence(text="next.DEAD_LETTERED")
        case TransferState.HELD:
            why, following = _held(found.unreleased), Sentence(text="next.HELD", at=timestamp(row.deadline))
        case _:
            why, following = None, Sentence(text=f"next.{row.state}")
    return Outlook(why=why, following=following, can=tuple(_can(found, now)))


def _queued(found: TransferDetail, health: PartnerHealth | None, now: datetime) -> tuple[Sentence | None, Sentence]:
    row, ahead = found.row, found.ahead
    if ahead is not None:
        values = {"sequence": ahead.sequence}
        why = Sentence(text=f"why.behind.{_rests(ahead)}", values=values, link=ahead.id)
        return why, Sentence(text="next.behind", values=values)
    if health is not None and health.last_code:
        return _unreachable(row, health, now)
    if row.next_attempt_at is not None and row.next_attempt_at > now:
        return _difficulty(row), Sentence(text="next.again", at=timestamp(row.next_attempt_at))
    return _difficulty(row), Sentence(text="next.soon")


def _unreachable(row: TransferRow, health: PartnerHealth, now: datetime) -> tuple[Sentence, Sentence]:
    """Return why `row` waits for its partner, as `domain.waiting` derives it, and when that is tried again."""
    waiting = as_it_waits(row, {row.recipient: health})
    values = {"partner": row.recipient}
    why = Sentence(text="why.unreachable", values=values, code=health.last_code, detail=health.last_detail)
    if waiting.next_attempt_at is None or waiting.next_attempt_at <= now:
        return why, Sentence(text="next.soon")
    return why, Sentence(text="next.unreachable", values=values, at=timestamp(waiting.next_attempt_at))


def _rests(ahead: TransferRow) -> str:
    return "resting" if ahead.state in {TransferState.DEAD_LETTERED, TransferState.HELD} else "moving"


def _difficulty(row: TransferRow) -> Sentence | None:
    if not row.last_code or row.last_code == "ok":
        return None
    return Sentence(text="why.difficulty", code=row.last_code, detail=row.last_detail)


def _held(hold: Hold | None) -> Sentence | None:
    if hold is None:
        return None
    return Sentence(text=f"why.held.{hold.start.cause}", detail=hold.start.reason)


def _can(found: TransferDetail, now: datetime) -> list[Act]:
    row, waits = found.row, found.unreleased
    acts: list[Act] = []
    if row.state is TransferState.HELD and waits is not None:
        acts.append(Act(text=_what_a_release_does(waits), verb="release"))
    if row.state is TransferState.DEAD_LETTERED and not row.skipped:
        acts.append(_again(row, waits, now))
    if row.state is TransferState.QUEUED:
        acts.append(Act(text="can.hold", verb="hold"))
    if row.state in {TransferState.QUEUED, TransferState.HELD, TransferState.DEAD_LETTERED}:
        acts.append(Act(text="can.cancel" if row.outcome_known else "can.cancel_sent", verb="cancel"))
    if row.state in {TransferState.HELD, TransferState.DEAD_LETTERED} and not row.skipped:
        acts.append(Act(text="can.skip", verb="skip"))
    return acts or [Act(text="can.nothing")]


def _what_a_release_does(waits: Hold) -> str:
    if waits.start.cause is HoldCause.AGREEMENT:
        return "can.release_agreement"
    return "can.release_one" if waits.missing == 1 else "can.release_more"


def _again(row: TransferRow, waits: Hold | None, now: datetime) -> Act:
    if row.signed and now >= row.expires:
        return Act(text="can.resubmit")
    return Act(text="can.requeue" if waits is None else "can.hold_again", verb="requeue")
