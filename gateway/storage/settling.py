"""Transfers: settle. What came of an attempt, or what somebody decided, moves a transfer and what belongs to it.

Every change goes through `lifecycle.advance` and an UPDATE that names the state, the version and, under a lease, the
fence that the caller saw: when no row matches, somebody was faster and nothing is written. Several are settled together
by the same statements (`together.py`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, literal_column, select, update

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.lifecycle import FINAL, TransferEvent, TransferState, advance
from gateway.domain.records import Attempt, TransferRow
from gateway.domain.statement import Receipt, Verdict
from gateway.errors import CATALOGUE, TransferError
from gateway.ports import Settlement
from gateway.storage import conversations, health
from gateway.storage.engine import Connection, Transaction, insert_into
from gateway.storage.inbox_tables import LEASED
from gateway.storage.tables import attempt, receipt, transfer
from gateway.storage.together import Together
from gateway.storage.values import micros, micros_or_none, time_or_none, transfer_row

_PARTNER_MAY_HAVE_IT: Final = frozenset(
    {TransferEvent.ACCEPTED, TransferEvent.LEASE_LOST, TransferEvent.REFUSED, TransferEvent.TAKEN}
)
_ENDS_LEASE: Final = frozenset({TransferEvent.GIVEN_BACK, TransferEvent.LEASE_LOST})
"""Whoever held it must find that its fence no longer fits, even before the next claim."""
_REST: Final = FINAL | {TransferState.DEAD_LETTERED}
"""Where a transfer that was skipped may stand: those behind it went, so it can not go any more."""
_BEGINS_ANEW: Final = frozenset({TransferEvent.RELEASED, TransferEvent.REQUEUED})
_ANSWERED: Final = frozenset(
    {TransferEvent.ACCEPTED, TransferEvent.NOT_SEEN, TransferEvent.REFUSED, TransferEvent.TAKEN}
)
_NOT_SEEN: Final = CATALOGUE["message.not_seen"].code
_LEASE_LOST: Final = CATALOGUE["transfer.lease_lost"].code
_RECOVER_AT_ONCE: Final = 500

_SETTLE = (
    update(transfer)
    .where(
        transfer.c.id == bindparam("of"),
        transfer.c.state == bindparam("was"),
        transfer.c.version == bindparam("seen"),
    )
    .values(
        state=bindparam("becomes"),
        version=transfer.c.version + 1,
        fence=transfer.c.fence + bindparam("fence_step"),
        attempts=bindparam("tries"),
        lease_until=None,
        ever_sent=bindparam("sent"),
        not_seen=bindparam("unseen"),
        skipped=bindparam("over"),
        deadline=bindparam("until"),
        next_attempt_at=bindparam("due"),
        last_code=bindparam("code"),
        last_detail=bindparam("detail"),
        updated=bindparam("at"),
    )
)
_SETTLE_UNDER_LEASE = _SETTLE.where(transfer.c.fence == bindparam("held"))

_INSERT_ATTEMPT = insert_into(attempt)
_INSERT_RECEIPT = insert_into(receipt)
_ONE = select(transfer).where(transfer.c.id == bindparam("id"))
_LEASED = select(transfer).where(literal_column(LEASED)).order_by(transfer.c.lease_until).limit(bindparam("limit"))


def settle_all(transaction: Transaction, given: Sequence[Settlement]) -> list[TransferRow]:
    """Move transfers, each with all that belongs to it; see `ports.Store.settle`. Raises for the first that can not be
    moved; what was written of the others must then be taken back."""
    return _settle_all(transaction, given, again=False)


def settle_all_again(transaction: Transaction, given: Sequence[Settlement]) -> list[TransferRow]:
    """Do what `settle_all` does for changes whose commit is unknown: what happened is not made twice."""
    return _settle_all(transaction, given, again=True)


def settle(transaction: Transaction, settlement: Settlement) -> TransferRow:
    """Do what `settle_all` does, for one."""
    (settled,) = settle_all(transaction, (settlement,))
    return settled


def _settle_all(transaction: Transaction, given: Sequence[Settlement], *, again: bool) -> list[TransferRow]:
    connection = transaction.connection
    settled = [_settled(one) for one in given]
    if not _move(connection, given, settled):
        if len(given) > 1:
            raise TransferError("transfer.stale")
        if again and _is_settled(connection, settled[0], _fence_after(given[0])):
            return settled
        raise why_not(connection, given[0].row, given[0].fence)
    _write_evidence(connection, given)
    places = {
        (one.sender, one.recipient, one.conversation): None for one in settled if one.state in FINAL or one.skipped
    }
    conversations.let_next_go(connection, places)
    for one in given:
        transaction.record(one.audit)
    return settled


def _settled(given: Settlement) -> TransferRow:
    """Return a transfer as it is to be left."""
    row, event = given.row, given.event
    if event is TransferEvent.CLAIMED:
        raise TransferError("transfer.illegal_transition", "Only a claim claims a transfer")
    state = advance(row.state, event)
    if row.skipped and state not in _REST:
        raise TransferError("transfer.skipped")
    return replace(
        row,
        state=state,
        version=row.version + 1,
        attempts=_attempts(row, event),
        ever_sent=row.ever_sent or given.sent or event in _PARTNER_MAY_HAVE_IT,
        not_seen=row.not_seen or event is TransferEvent.NOT_SEEN or _swears(given.receipt),
        skipped=row.skipped or event is TransferEvent.SKIPPED,
        updated=given.now,
        deadline=given.deadline or row.deadline,
        next_attempt_at=_due(state, given.next_attempt_at, given.now),
        last_code=given.code,
        last_detail=given.detail,
    )


def _attempts(row: TransferRow, event: TransferEvent) -> int:
    """Return how many attempts count from now on; those made so far stay in their own table."""
    if event in _BEGINS_ANEW:
        return 0  # a person's word
    return row.attempts - int(event is TransferEvent.GIVEN_BACK)  # what its claim had begun was not made


def _write_evidence(connection: Connection, given: Sequence[Settlement]) -> None:
    """Write attempts and receipts, and what the latter say of partners."""
    attempts = [_attempt_values(one.attempt) for one in given if one.attempt is not None]
    receipts = [_receipt_values(one.row, *one.receipt, one.now) for one in given if one.receipt is not None]
    if attempts:
        connection.run_many(_INSERT_ATTEMPT, attempts)
    if receipts:
        connection.run_many(_INSERT_RECEIPT, receipts)
    health.succeeded(connection, {one.row.recipient: one.now for one in given if one.event in _ANSWERED})


def _fence_after(given: Settlement) -> int | None:
    return None if given.fence is None else given.fence + int(given.event in _ENDS_LEASE)


def _is_settled(connection: Connection, settled: TransferRow, fence: int | None) -> bool:
    """Tell whether a row stands exactly as it was to be left: then it was this change that left it so, in a commit
    that was thought to have failed."""
    found = connection.one(_ONE, {"id": settled.id})
    if found is None or (fence is not None and found["fence"] != fence):
        return False
    return transfer_row(found) == replace(settled, handed_over=time_or_none(found["handed_over"]))


def _swears(given: tuple[Receipt, str] | None) -> bool:
    """Tell whether a receipt refuses a message because its id was given up: then it can never be accepted."""
    return given is not None and given[0].verdict is Verdict.REFUSED and given[0].code == _NOT_SEEN


def _due(state: TransferState, given: datetime | None, now: datetime) -> datetime | None:
    if state is TransferState.QUEUED:
        return given or now
    return given if state is TransferState.AWAITING_RECEIPT else None


def _move(connection: Connection, given: Sequence[Settlement], settled: Sequence[TransferRow]) -> bool:
    """Write rows as they are to be left, and tell whether each was as it was thought to be."""
    values = [_move_values(one, becomes) for one, becomes in zip(given, settled, strict=True)]
    free = [one for one in values if one["held"] is None]
    leased = [one for one in values if one["held"] is not None]
    return all(
        connection.run_many(statement, some) == len(some)
        for statement, some in ((_SETTLE, free), (_SETTLE_UNDER_LEASE, leased))
        if some
    )


def _move_values(given: Settlement, settled: TransferRow) -> dict[str, Any]:
    row = given.row
    return {
        "of": row.id,
        "was": row.state._value_,
        "seen": row.version,
        "held": given.fence,
        "becomes": settled.state._value_,
        "fence_step": int(given.event in _ENDS_LEASE),
        "tries": settled.attempts,
        "sent": int(settled.ever_sent),
        "unseen": int(settled.not_seen),
        "over": int(settled.skipped),
        "until": micros(settled.deadline),
        "due": micros_or_none(settled.next_attempt_at),
        "code": settled.last_code,
        "detail": settled.last_detail,
        "at": micros(settled.updated),
    }


def why_not(connection: Connection, row: TransferRow, fence: int | None) -> TransferError:
    """Return why a change that named a version, or a fence, found no such row."""
    found = connection.one(_ONE, {"id": row.id})
    if found is None:
        return TransferError("transfer.not_found")
    if fence is not None and found["fence"] != fence:
        return TransferError("transfer.lease_lost")
    return TransferError("transfer.stale", facts={"state": found["state"]})


def _attempt_values(made: Attempt) -> dict[str, Any]:
    return {
        "transfer_id": made.transfer_id,
        "number": made.number,
        "started": micros(made.started),
        "ended": micros(made.ended),
        "outcome": made.outcome,
        "code": made.code,
        "detail": made.detail,
        "again": micros_or_none(made.again),
    }


def _receipt_values(row: TransferRow, given: Receipt, token: str, now: datetime) -> dict[str, Any]:
    return {
        "transfer_id": row.id,
        "message_id": given.message_id,
        "partner": row.recipient,
        "verdict": given.verdict._value_,
        "code": given.code,
        "digest": given.digest,
        "statement_id": given.statement_id,
        "issued": micros(given.issued_at),
        "received": micros(now),
        "token": token,
    }


def give_back_leases(transaction: Transaction, *, now: datetime) -> int:
    """Give back the leases of a process that is gone, some at a time. Return how many; 0 when none is left."""
    rows = transaction.connection.rows(_LEASED, {"limit": _RECOVER_AT_ONCE})
    for found in rows:
        detail = "The gateway stopped while it was sending"
        give_back(transaction, transfer_row(found), found["fence"], now=now, detail=detail)
    return len(rows)


def give_back(transaction: Transaction, row: TransferRow, fence: int, *, now: datetime, detail: str) -> None:
    """Give back one lease that nobody holds. `row`: as the claim left it. Raises TransferError when it is not so."""
    audit = AuditEntry(
        event=AuditEvent.TRANSFER_LEASE_LOST,
        at=now,
        actor="system",
        transfer_id=row.id,
        message_id=row.message_id,
        facts={"fence": fence, "attempt": row.attempts, "code": _LEASE_LOST},
    )
    event = TransferEvent.LEASE_LOST
    settle(transaction, Settlement(row=row, event=event, audit=audit, now=now, code=_LEASE_LOST, detail=detail))


def give_unheld_back(row: TransferRow, fence: int) -> Together[Settlement, TransferRow]:
    """Return the change that gives a lease back which nobody ever held: the transfer is as if it had not been claimed.

    `row`: as the claim left it."""
    audit = AuditEntry(
        event=AuditEvent.TRANSFER_GIVEN_BACK,
        at=row.updated,
        actor="system",
        transfer_id=row.id,
        message_id=row.message_id,
        facts={"attempt": row.attempts},
    )
    settlement = Settlement(
        row=row,
        event=TransferEvent.GIVEN_BACK,
        audit=audit,
        now=row.updated,
        fence=fence,
        next_attempt_at=min(row.created, row.updated),  # a clock that was set back must not keep it waiting
        code=row.last_code,
        detail=row.last_detail,
    )
    return Together(settle_all, settlement)
