"""The life of a transfer and of a hand-over, as two literal tables.

A transfer is one view on its way to one partner. Its state changes only by a pair that stands in TRANSITIONS; any
other pair raises. The store applies a change as compare-and-set on (state, version) in the same transaction as its
audit record, so a stale worker can never overwrite. Four rules explain the table:

1. Only a verified, signed refusal bound to the message digest may dead-letter by itself (`refused`); every unsigned
   or unbound answer is `failed`, which tries again until attempts or time are used up (`exhausted`).
2. A valid accepted receipt wins from every state but CANCELLED, however late: the partner has the message.
3. `cancelled` is possible only while no byte was ever sent, or when the partner has sworn that it never accepted the
   message (`not_seen`); the guard is the operator's act, not this table.
4. What was held and never released goes back to HELD when an operator requeues it: no dead letter skips an approval.

5. `superseded` changes the message of a transfer, not the transfer; `skipped` gives a transfer up for good, so that
   those behind it in its conversation may go. Neither is done while the partner may yet accept the message of before.
6. `given_back` undoes a claim of which nothing was sent, by whoever holds its lease: it counts as no attempt.

`docs/architecture.md` draws its diagram from these tables (`mermaid`).
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.errors import TransferError


class TransferState(StrEnum):
    """Where a transfer stands. DELIVERED and CANCELLED are final."""

    QUEUED = "QUEUED"
    HELD = "HELD"
    IN_FLIGHT = "IN_FLIGHT"
    AWAITING_RECEIPT = "AWAITING_RECEIPT"
    DELIVERED = "DELIVERED"
    DEAD_LETTERED = "DEAD_LETTERED"
    CANCELLED = "CANCELLED"


class TransferEvent(StrEnum):
    """What may happen to a transfer."""

    CLAIMED = "claimed"
    HELD = "held"
    RELEASED = "released"
    ACCEPTED = "accepted"
    TAKEN = "taken"
    FAILED = "failed"
    GIVEN_BACK = "given_back"
    LEASE_LOST = "lease_lost"
    REFUSED = "refused"
    EXHAUSTED = "exhausted"
    OVERDUE = "overdue"
    DEADLINE = "deadline"
    REQUEUED = "requeued"
    CANCELLED = "cancelled"
    NOT_SEEN = "not_seen"
    SUPERSEDED = "superseded"
    SKIPPED = "skipped"


class HandOverState(StrEnum):
    """Where an inbox message stands on its way to the back end."""

    PENDING = "PENDING"
    IN_FLIGHT = "IN_FLIGHT"
    HANDED_OVER = "HANDED_OVER"
    QUARANTINED = "QUARANTINED"


class HandOverEvent(StrEnum):
    """What may happen to a hand-over."""

    CLAIMED = "claimed"
    ACKNOWLEDGED = "acknowledged"
    FAILED = "failed"
    LEASE_LOST = "lease_lost"
    EXHAUSTED = "exhausted"
    RELEASED = "released"


class NoticeState(StrEnum):
    """Whether the sender of a message that was handed over knows of it. All but OWED are final."""

    OWED = "OWED"
    GIVEN = "GIVEN"
    GIVEN_UP = "GIVEN_UP"


_S, _E = TransferState, TransferEvent

TRANSITIONS: Final[Mapping[tuple[TransferState, TransferEvent], TransferState]] = MappingProxyType(
    {
        (_S.QUEUED, _E.CLAIMED): _S.IN_FLIGHT,
        (_S.QUEUED, _E.HELD): _S.HELD,
        (_S.QUEUED, _E.DEADLINE): _S.DEAD_LETTERED,
        (_S.QUEUED, _E.ACCEPTED): _S.DELIVERED,
        (_S.QUEUED, _E.CANCELLED): _S.CANCELLED,
        (_S.QUEUED, _E.NOT_SEEN): _S.QUEUED,
        (_S.QUEUED, _E.SUPERSEDED): _S.QUEUED,
        (_S.IN_FLIGHT, _E.ACCEPTED): _S.DELIVERED,
        (_S.IN_FLIGHT, _E.TAKEN): _S.AWAITING_RECEIPT,
        (_S.IN_FLIGHT, _E.FAILED): _S.QUEUED,
        (_S.IN_FLIGHT, _E.GIVEN_BACK): _S.QUEUED,
        (_S.IN_FLIGHT, _E.LEASE_LOST): _S.QUEUED,
        (_S.IN_FLIGHT, _E.REFUSED): _S.DEAD_LETTERED,
        (_S.IN_FLIGHT, _E.EXHAUSTED): _S.DEAD_LETTERED,
        (_S.AWAITING_RECEIPT, _E.ACCEPTED): _S.DELIVERED,
        (_S.AWAITING_RECEIPT, _E.REFUSED): _S.DEAD_LETTERED,
        (_S.AWAITING_RECEIPT, _E.TAKEN): _S.AWAITING_RECEIPT,
        (_S.AWAITING_RECEIPT, _E.NOT_SEEN): _S.QUEUED,
        (_S.AWAITING_RECEIPT, _E.OVERDUE): _S.QUEUED,
        (_S.AWAITING_RECEIPT, _E.DEADLINE): _S.DEAD_LETTERED,
        (_S.HELD, _E.RELEASED): _S.QUEUED,
        (_S.HELD, _E.ACCEPTED): _S.DELIVERED,
        (_S.HELD, _E.DEADLINE): _S.DEAD_LETTERED,
        (_S.HELD, _E.CANCELLED): _S.CANCELLED,
        (_S.HELD, _E.NOT_SEEN): _S.HELD,
        (_S.HELD, _E.SUPERSEDED): _S.HELD,
        (_S.HELD, _E.SKIPPED): _S.DEAD_LETTERED,
        (_S.DEAD_LETTERED, _E.ACCEPTED): _S.DELIVERED,
        (_S.DEAD_LETTERED, _E.REQUEUED): _S.QUEUED,
        (_S.DEAD_LETTERED, _E.HELD): _S.HELD,
        (_S.DEAD_LETTERED, _E.CANCELLED): _S.CANCELLED,
        (_S.DEAD_LETTERED, _E.NOT_SEEN): _S.DEAD_LETTERED,
        (_S.DEAD_LETTERED, _E.SUPERSEDED): _S.QUEUED,
        (_S.DEAD_LETTERED, _E.SKIPPED): _S.DEAD_LETTERED,
    }
)
"""(state, event) → state. Creation (→ QUEUED or HELD) is `submit`'s and has no state before it."""

_H, _V = HandOverState, HandOverEvent

HAND_OVER_TRANSITIONS: Final[Mapping[tuple[HandOverState, HandOverEvent], HandOverState]] = MappingProxyType(
    {
        (_H.PENDING, _V.CLAIMED): _H.IN_FLIGHT,
        (_H.IN_FLIGHT, _V.ACKNOWLEDGED): _H.HANDED_OVER,
        (_H.IN_FLIGHT, _V.FAILED): _H.PENDING,
        (_H.IN_FLIGHT, _V.LEASE_LOST): _H.PENDING,
        (_H.IN_FLIGHT, _V.EXHAUSTED): _H.QUARANTINED,
        (_H.QUARANTINED, _V.RELEASED): _H.PENDING,
    }
)

FINAL: Final = frozenset({TransferState.DELIVERED, TransferState.CANCELLED})
UNFINISHED: Final = frozenset(
    {TransferState.QUEUED, TransferState.HELD, TransferState.IN_FLIGHT, TransferState.AWAITING_RECEIPT}
)


def advance(state: TransferState, event: TransferEvent) -> TransferState:
    """Return the state after `event`. Raises TransferError `transfer.illegal_transition` for an unknown pair."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise TransferError(
            "transfer.illegal_transition",
            f"A transfer that is {state} can not be {event}",
            facts={"state": str(state), "event": str(event)},
        ) from None


def advance_hand_over(state: HandOverState, event: HandOverEvent) -> HandOverState:
    """Return the state after `event`. Raises TransferError `transfer.illegal_transition` for an unknown pair."""
    try:
        return HAND_OVER_TRANSITIONS[state, event]
    except KeyError:
        raise TransferError(
            "transfer.illegal_transition",
            f"A hand-over that is {state} can not be {event}",
            facts={"state": str(state), "event": str(event)},
        ) from None


class SubmissionStatus(StrEnum):
    """The status of a submission, derived from its transfers and never stored."""

    IN_PROGRESS = "in_progress"
    DELIVERED = "delivered"
    ATTENTION = "attention"
    CANCELLED = "cancelled"


def submission_status(states: Iterable[TransferState]) -> SubmissionStatus:
    """Return what a submitter should see for the transfers of one submission.

    `attention` when any is held or dead-lettered, `delivered` when every one that was not cancelled arrived.
    """
    seen = set(states)
    if seen & {TransferState.HELD, TransferState.DEAD_LETTERED}:
        return SubmissionStatus.ATTENTION
    if seen & UNFINISHED:
        return SubmissionStatus.IN_PROGRESS
    return SubmissionStatus.DELIVERED if TransferState.DELIVERED in seen else SubmissionStatus.CANCELLED


def mermaid() -> str:
    """Return the life of a transfer as a Mermaid state diagram, for docs/architecture.md."""
    lines = ["stateDiagram-v2", "    [*] --> QUEUED: accepted", "    [*] --> HELD: accepted, for a human"]
    lines += [f"    {before} --> {after}: {event}" for (before, event), after in TRANSITIONS.items()]
    lines += [f"    {state} --> [*]" for state in sorted(FINAL)]
    return "\n".join(lines)
