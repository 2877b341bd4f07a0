"""Transfers: claim and settle.

A claim takes only heads of conversations (see `tables.py`), earliest due first. It asks once more that nothing
unfinished stands before each, so that even a wrong mark could only delay a message, never let it overtake. What is due
under an agreement that no longer holds is not claimed but held, in the same transaction.

Every change goes through `lifecycle.advance` and an UPDATE that names the state, the version and, under a lease, the
fence that the caller saw: when no row matches, somebody was faster and nothing is written.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, exists, literal_column, select, update

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.hold import HoldCause, HoldStart
from gateway.domain.ids import PartyId
from gateway.domain.lifecycle import FINAL, TransferEvent, TransferState, advance
from gateway.domain.limits import MAX_BATCH_BYTES
from gateway.domain.priority import HEAD_START
from gateway.domain.records import Attempt, TransferRow
from gateway.domain.statement import Receipt, Verdict
from gateway.errors import CATALOGUE, TransferError
from gateway.storage import conversations, health, holds
from gateway.storage.engine import Connection, Row, Transaction, insert_into
from gateway.storage.inbox_tables import LEASED
from gateway.storage.tables import DUE, UNFINISHED_AHEAD, attempt, receipt, transfer
from gateway.storage.values import (
    micros,
    micros_or_none,
    span,
    time_or_none,
    transfer_row,
)

_PARTNER_MAY_HAVE_IT: Final = frozenset(
    {TransferEvent.ACCEPTED, TransferEvent.LEASE_LOST, TransferEvent.REFUSED, TransferEvent.TAKEN}
)
_REST: Final = FINAL | {TransferState.DEAD_LETTERED}
"""Where a transfer that was skipped may stand: those behind it went, so it can not go any more."""
_BEGINS_ANEW: Final = frozenset({TransferEvent.RELEASED, TransferEvent.REQUEUED})
_ANSWERED: Final = frozenset(
    {TransferEvent.ACCEPTED, TransferEvent.NOT_SEEN, TransferEvent.REFUSED, TransferEvent.TAKEN}
)
_NOT_SEEN: Final = CATALOGUE["message.not_seen"].code
_HEAD_START: Final = {lane: span(start) for lane, start in HEAD_START.items()}
_RECOVER_AT_ONCE: Final = 500
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


# ── claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def claim(
    transaction: Transaction,
    recipient: PartyId,
    *,
    limit: int,
    now: datetime,
    lease: timedelta,
    in_force: Collection[str] | None = None,
) -> list[tuple[TransferRow, int]]:
    """Lease what is due to `recipient`: at most `limit`, and at most MAX_BATCH_BYTES but for a single one. Return each
    with its fence.

    What they hold is read after the commit: a page that can not be read would spoil the transaction. `in_force`: see
    `ports.Store.claim`.
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
            hold_ended(transaction, transfer_row(row), now)
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
            {"of": row["id"], "seen": row["version"], "becomes": becomes.value, "until": until, "at": micros(now)}
            for row in taken
        ],
    )
    return [_claimed(transaction, row, becomes, now) for row in taken]


def _due_rows(connection: Connection, asked: dict[str, Any]) -> list[Row]:
    """Return what is due in all lanes, each lane with its head start; see `domain.priority`."""
    rows = [row for lane in HEAD_START for row in connection.rows(_DUE, {**asked, "lane": lane})]
    rows.sort(key=lambda row: (row["next_attempt_at"] + _HEAD_START[row["lane"]], row["id"]))
    return rows[: asked["limit"]]


def hold_ended(transaction: Transaction, row: TransferRow, now: datetime) -> TransferRow:
    """Hold one that waits under an agreement which is not in force, and return it as it stands then."""
    agreed = f"Agreement {row.agreement.id} version {row.agreement.version}, as it was signed, is not in force"
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
    held = settle(
        transaction, row, TransferEvent.HELD, audit=audit, now=now, deadline=row.expires, code=code, detail=agreed
    )
    holds.begin(transaction.connection, row.id, start, now)
    return held


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
    row = replace(
        transfer_row(before),
        state=state,
        version=before["version"] + 1,
        attempts=before["attempts"] + 1,
        next_attempt_at=None,
        updated=now,
    )
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


# ── settle ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def settle(
    transaction: Transaction,
    row: TransferRow,
    event: TransferEvent,
    *,
    audit: AuditEntry,
    now: datetime,
    fence: int | None = None,
    attempt: Attempt | None = None,
    sent: bool = False,
    receipt: tuple[Receipt, str] | None = None,
    next_attempt_at: datetime | None = None,
    deadline: datetime | None = None,
    code: str = "",
    detail: str = "",
    again: bool = False,
) -> TransferRow:
    """Move one transfer, with all that belongs to it; see `ports.Store.settle`.

    `again`: the commit of this same change is unknown; if it happened, it is not made twice.
    """
    if event is TransferEvent.CLAIMED:
        raise TransferError("transfer.illegal_transition", "Only a claim claims a transfer")
    connection = transaction.connection
    state = advance(row.state, event)
    if row.skipped and state not in _REST:
        raise TransferError("transfer.skipped")
    settled = replace(
        row,
        state=state,
        version=row.version + 1,
        # Either is a person's word to begin anew; the attempts made so far stay in their own table.
        attempts=0 if event in _BEGINS_ANEW else row.attempts,
        ever_sent=row.ever_sent or sent or event in _PARTNER_MAY_HAVE_IT,
        not_seen=row.not_seen or event is TransferEvent.NOT_SEEN or _swears(receipt),
        skipped=row.skipped or event is TransferEvent.SKIPPED,
        updated=now,
        deadline=deadline or row.deadline,
        next_attempt_at=_due(state, next_attempt_at, now),
        last_code=code,
        last_detail=detail,
    )
    lost = event is TransferEvent.LEASE_LOST
    if not _move(connection, row, settled, fence=fence, lease_lost=lost):
        if again and _is_settled(connection, settled, None if fence is None else fence + int(lost)):
            return settled
        raise why_not(connection, row, fence)
    if attempt is not None:
        connection.run(_INSERT_ATTEMPT, _attempt_values(attempt))
    if receipt is not None:
        connection.run(_INSERT_RECEIPT, _receipt_values(row, *receipt, now))
    if event in _ANSWERED:
        health.succeeded(connection, row.recipient, now)
    if state in FINAL or settled.skipped:
        conversations.let_next_go(connection, party=row.sender, partner=row.recipient, of=row.conversation)
    transaction.record(audit)
    return settled


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


def _move(
    connection: Connection, row: TransferRow, settled: TransferRow, *, fence: int | None, lease_lost: bool
) -> bool:
    values: dict[str, Any] = {
        "of": row.id,
        "was": row.state.value,
        "seen": row.version,
        "becomes": settled.state.value,
        # Whoever held the lost lease must find that its fence no longer fits, even before the next claim.
        "fence_step": int(lease_lost),
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
    if fence is None:
        return connection.run(_SETTLE, values) == 1
    return connection.run(_SETTLE_UNDER_LEASE, {**values, "held": fence}) == 1


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
        "verdict": given.verdict.value,
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
    settle(
        transaction,
        row,
        TransferEvent.LEASE_LOST,
        audit=AuditEntry(
            event=AuditEvent.TRANSFER_LEASE_LOST,
            at=now,
            actor="system",
            transfer_id=row.id,
            message_id=row.message_id,
            facts={"fence": fence, "attempt": row.attempts, "code": "transfer.lease_lost"},
        ),
        now=now,
        code="transfer.lease_lost",
        detail=detail,
    )
