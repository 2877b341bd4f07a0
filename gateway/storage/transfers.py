"""Transfers: claim. What follows a claim is settled in `settling.py`.

A claim takes only heads of conversations (see `tables.py`), earliest due first. It asks once more that nothing
unfinished stands before each, so that even a wrong mark could only delay a message, never let it overtake. What is due
under an agreement that no longer holds is not claimed but held, in the same transaction.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, exists, literal_column, select, update

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.hold import HoldCause, HoldStart
from gateway.domain.ids import PartyId
from gateway.domain.lifecycle import TransferEvent, TransferState, advance
from gateway.domain.limits import MAX_BATCH_BYTES
from gateway.domain.priority import HEAD_START
from gateway.domain.records import TransferRow
from gateway.ports import Settlement
from gateway.storage import health, holds
from gateway.storage.engine import Connection, Row, Transaction
from gateway.storage.settling import settle
from gateway.storage.tables import DUE, UNFINISHED_AHEAD, transfer
from gateway.storage.values import micros, span, transfer_row

_HEAD_START: Final = {lane: span(start) for lane, start in HEAD_START.items()}
_HOLD_AT_ONCE: Final = 32
"""How often one claim looks again after it held what was due under an agreement that ended."""

_ahead = transfer.alias("ahead")
_BLOCKED = exists(
    select(literal_column("1")).where(
        _ahead.c.sender == transfer.c.sender,
        _ahead.c.recipient == transfer.c.recipient,
        _ahead.c.conversation == transfer.c.conversation,
        _ahead.c.sequence < transfer.c.sequence,
        literal_column(UNFINISHED_AHEAD),
    )
)
_DUE = (
    select(transfer)
    .where(
        transfer.c.recipient == bindparam("recipient"),
        transfer.c.lane == bindparam("lane"),
        transfer.c.next_attempt_at <= bindparam("now"),
        literal_column(DUE),
        ~_BLOCKED,
    )
    .order_by(transfer.c.next_attempt_at, transfer.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)  # for engines with several writers; SQLite has one
)
_CLAIM = (
    update(transfer)
    .where(transfer.c.id == bindparam("of"), transfer.c.version == bindparam("seen"))
    .values(
        state=bindparam("becomes"),
        version=transfer.c.version + 1,
        fence=transfer.c.fence + 1,
        attempts=transfer.c.attempts + 1,
        lease_until=bindparam("until"),
        next_attempt_at=None,
        updated=bindparam("at"),
    )
)


def claim(
    transaction: Transaction,
    recipient: PartyId,
    *,
    limit: int,
    now: datetime,
    lease: timedelta,
    in_force: Collection[str] | None = None,
    stopped: Mapping[str, str] | None = None,
) -> list[tuple[TransferRow, int]]:
    """Lease what is due to `recipient`: at most `limit`, and at most MAX_BATCH_BYTES but for a single one. Return each
    with its fence.

    What they hold is read after the commit: a page that can not be read would spoil the transaction. `in_force`,
    `stopped`: see `ports.Store.claim`.
    """
    connection = transaction.connection
    if health.is_backing_off(connection, recipient, now):
        return []
    asked = {"recipient": recipient, "now": micros(now), "limit": limit}
    due = _due_rows(connection, asked)
    for _ in range(_HOLD_AT_ONCE):
        ended = [] if in_force is None else [row for row in due if row["agreement_sha256"] not in in_force]
        if not ended:
            break
        for row in ended:
            hold_ended(transaction, transfer_row(row), now, stopped)
        due = _due_rows(connection, asked)
    else:
        return []  # the next claim goes on
    taken = _within_bytes(due)
    if not taken:
        return []
    until = micros(now + lease)
    becomes = advance(TransferState.QUEUED, TransferEvent.CLAIMED)
    connection.run_many(
        _CLAIM,
        [
            {"of": row["id"], "seen": row["version"], "becomes": becomes._value_, "until": until, "at": micros(now)}
            for row in taken
        ],
    )
    return [_claimed(transaction, row, becomes, now) for row in taken]


def _due_rows(connection: Connection, asked: dict[str, Any]) -> list[Row]:
    """Return what is due in all lanes, each lane with its head start; see `domain.priority`."""
    rows = [row for lane in HEAD_START for row in connection.rows(_DUE, {**asked, "lane": lane})]
    rows.sort(key=lambda row: (row["next_attempt_at"] + _HEAD_START[row["lane"]], row["id"]))
    return rows[: asked["limit"]]


def hold_ended(
    transaction: Transaction, row: TransferRow, now: datetime, stopped: Mapping[str, str] | None = None
) -> TransferRow:
    """Hold one that waits under an agreement which is not in force, and return it as it stands then."""
    named = f"Agreement {row.agreement.id} version {row.agreement.version}"
    gone = f"{named} is not held here any more as it was signed: it was taken out, or its text changed"
    agreed = (stopped or {}).get(row.agreement.sha256, gone)
    start = HoldStart(cause=HoldCause.AGREEMENT, by="system", reason=agreed)
    facts = {"code": "agreement.not_in_force", "state": row.state.value, "reason": agreed}
    audit = AuditEntry(
        event=AuditEvent.TRANSFER_HELD,
        at=now,
        actor="system",
        transfer_id=row.id,
        message_id=row.message_id,
        facts=facts,
    )
    code = "agreement.not_in_force"
    held = Settlement(
        row=row, event=TransferEvent.HELD, audit=audit, now=now, deadline=row.expires, code=code, detail=agreed
    )
    settled = settle(transaction, held)
    holds.begin(transaction.connection, row.id, start, now)
    return settled


def _within_bytes(rows: list[Row]) -> list[Row]:
    taken: list[Row] = []
    total = 0
    for row in rows:
        total += row["message_bytes"]
        if taken and total > MAX_BATCH_BYTES:
            break
        taken.append(row)
    return taken


def _claimed(transaction: Transaction, before: Row, state: TransferState, now: datetime) -> tuple[TransferRow, int]:
    leased = {"version": before["version"] + 1, "attempts": before["attempts"] + 1, "next_attempt_at": None}
    row = transfer_row({**before, **leased, "state": state._value_, "updated": micros(now)})
    fence = before["fence"] + 1
    transaction.record(claim_entry(row, fence, now))
    return row, fence


def claim_entry(row: TransferRow, fence: int, now: datetime) -> AuditEntry:
    """Return the evidence of a claim. `row` is as the claim left it."""
    return AuditEntry(
        event=AuditEvent.TRANSFER_CLAIMED,
        at=now,
        actor="system",
        transfer_id=row.id,
        message_id=row.message_id,
        facts={"recipient": row.recipient, "attempt": row.attempts, "fence": fence},
    )
