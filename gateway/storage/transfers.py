"""Transfers: claim, settle, and everything that asks about them.

A claim takes only heads of conversations (see `tables.py`), earliest due first. It asks once more that nothing
unfinished stands before each, so that even a wrong mark could only delay a message, never let it overtake.

Every change goes through `lifecycle.advance` and an UPDATE that names the state, the version and, under a lease, the
fence that the caller saw: when no row matches, somebody was faster and nothing is written.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, bindparam, exists, literal_column, select, update

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import MessageId, PartyId, TransferId
from gateway.domain.jobs import ReferenceKind, SealedReference
from gateway.domain.lifecycle import FINAL, TransferEvent, TransferState, advance
from gateway.domain.limits import MAX_BATCH_BYTES
from gateway.domain.records import Attempt, ClaimedTransfer, StoredReceipt, TransferDetail, TransferRow
from gateway.domain.statement import Receipt
from gateway.errors import TransferError
from gateway.storage import answers, conversations, health, notices
from gateway.storage.engine import Connection, Row, Transaction, insert_into
from gateway.storage.submissions import AFTER_ALL
from gateway.storage.tables import (
    AWAITING,
    BOUND_BY_DEADLINE,
    DUE,
    LEASED,
    NORMAL_LANE,
    UNFINISHED,
    attempt,
    payload,
    receipt,
    reference,
    transfer,
)
from gateway.storage.values import (
    attempt_of,
    micros,
    micros_or_none,
    received_receipt,
    time_of,
    transfer_row,
)

_PARTNER_MAY_HAVE_IT: Final = frozenset(
    {TransferEvent.ACCEPTED, TransferEvent.LEASE_LOST, TransferEvent.REFUSED, TransferEvent.TAKEN}
)
_ANSWERED: Final = frozenset({TransferEvent.ACCEPTED, TransferEvent.REFUSED, TransferEvent.TAKEN})
_RECOVER_AT_ONCE: Final = 500

_ahead = transfer.alias("ahead")
_BLOCKED = exists(
    select(literal_column("1")).where(
        _ahead.c.sender == transfer.c.sender,
        _ahead.c.recipient == transfer.c.recipient,
        _ahead.c.conversation == transfer.c.conversation,
        _ahead.c.sequence < transfer.c.sequence,
        literal_column(f"ahead.{UNFINISHED}"),
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
_PAYLOAD = select(payload.c.sealed).where(payload.c.transfer_id == bindparam("transfer_id"))
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
_BY_MESSAGE = select(transfer).where(transfer.c.message_id == bindparam("message_id"))
_ATTEMPTS = select(attempt).where(attempt.c.transfer_id == bindparam("transfer_id")).order_by(attempt.c.id)
_RECEIPT = (
    select(receipt)
    .where(receipt.c.message_id == bindparam("message_id"))
    .order_by(receipt.c.verdict, receipt.c.id.desc())  # accepted sorts before refused, and is the last word
    .limit(1)
)
_AHEAD = (
    select(transfer)
    .where(
        transfer.c.sender == bindparam("sender"),
        transfer.c.recipient == bindparam("recipient"),
        transfer.c.conversation == bindparam("conversation"),
        transfer.c.sequence < bindparam("sequence"),
        literal_column(UNFINISHED),
    )
    .order_by(transfer.c.sequence)
    .limit(1)
)
_REFERENCES = select(reference.c.kind, reference.c.key_index, reference.c.sealed).where(
    reference.c.subject_kind == "submission", reference.c.subject_id == bindparam("submission_id")
)
_NEXT_DUE = (
    select(transfer.c.next_attempt_at)
    .where(
        transfer.c.recipient == bindparam("recipient"),
        transfer.c.lane == bindparam("lane"),
        literal_column(DUE),
    )
    .order_by(transfer.c.next_attempt_at)
    .limit(1)
)
_LEASE_ENDED = (
    select(transfer)
    .where(literal_column(LEASED), transfer.c.lease_until <= bindparam("now"))
    .order_by(transfer.c.lease_until)
    .limit(bindparam("limit"))
)
_RECEIPT_OVERDUE = (
    select(transfer)
    .where(literal_column(AWAITING), transfer.c.next_attempt_at <= bindparam("now"))
    .order_by(transfer.c.next_attempt_at)
    .limit(bindparam("limit"))
)
_PAST_DEADLINE = (
    select(transfer)
    .where(literal_column(BOUND_BY_DEADLINE), transfer.c.deadline <= bindparam("now"))
    .order_by(transfer.c.deadline)
    .limit(bindparam("limit"))
)
_LEASED = select(transfer).where(literal_column(LEASED)).order_by(transfer.c.lease_until).limit(bindparam("limit"))


# ── claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def claim(
    transaction: Transaction, recipient: PartyId, *, limit: int, now: datetime, lease: timedelta
) -> list[ClaimedTransfer]:
    """Lease what is due to `recipient`: at most `limit`, and at most MAX_BATCH_BYTES but for a single one."""
    connection = transaction.connection
    if health.is_backing_off(connection, recipient, now):
        return []
    due = connection.rows(_DUE, {"recipient": recipient, "lane": NORMAL_LANE, "now": micros(now), "limit": limit})
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


def _within_bytes(rows: list[Row]) -> list[Row]:
    taken: list[Row] = []
    total = 0
    for row in rows:
        total += row["sealed_bytes"]
        if taken and total > MAX_BATCH_BYTES:
            break
        taken.append(row)
    return taken


def _claimed(transaction: Transaction, before: Row, state: TransferState, now: datetime) -> ClaimedTransfer:
    row = replace(
        transfer_row(before),
        state=state,
        version=before["version"] + 1,
        attempts=before["attempts"] + 1,
        next_attempt_at=None,
        updated=now,
    )
    fence = before["fence"] + 1
    transaction.record(
        AuditEntry(
            event=AuditEvent.TRANSFER_CLAIMED,
            at=now,
            actor="system",
            transfer_id=row.id,
            message_id=row.message_id,
            facts={"recipient": row.recipient, "attempt": row.attempts, "fence": fence},
        )
    )
    sealed = transaction.connection.rows(_PAYLOAD, {"transfer_id": row.id})[0]["sealed"]
    return ClaimedTransfer(row=row, fence=fence, sealed_jws=sealed)


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
) -> TransferRow:
    """Move one transfer, with all that belongs to it; see `ports.Store.settle`."""
    if event is TransferEvent.CLAIMED:
        raise TransferError("transfer.illegal_transition", "Only a claim claims a transfer")
    connection = transaction.connection
    state = advance(row.state, event)
    settled = replace(
        row,
        state=state,
        version=row.version + 1,
        # A requeue is an operator's word to begin anew; the attempts made so far stay in their own table.
        attempts=0 if event is TransferEvent.REQUEUED else row.attempts,
        ever_sent=row.ever_sent or sent or event in _PARTNER_MAY_HAVE_IT,
        updated=now,
        deadline=deadline or row.deadline,
        next_attempt_at=_due(state, next_attempt_at, now),
        last_code=code,
        last_detail=detail,
    )
    if not _move(connection, row, settled, fence=fence, lease_lost=event is TransferEvent.LEASE_LOST):
        raise _why_not(connection, row, fence)
    if attempt is not None:
        connection.run(_INSERT_ATTEMPT, _attempt_values(attempt))
    if receipt is not None:
        connection.run(_INSERT_RECEIPT, _receipt_values(row, *receipt, now))
    if event in _ANSWERED:
        health.succeeded(connection, row.recipient, now)
    if state in FINAL:
        conversations.let_next_go(connection, party=row.sender, partner=row.recipient, of=row.conversation)
    transaction.record(audit)
    return settled


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
        "until": micros(settled.deadline),
        "due": micros_or_none(settled.next_attempt_at),
        "code": settled.last_code,
        "detail": settled.last_detail,
        "at": micros(settled.updated),
    }
    if fence is None:
        return connection.run(_SETTLE, values) == 1
    return connection.run(_SETTLE_UNDER_LEASE, {**values, "held": fence}) == 1


def _why_not(connection: Connection, row: TransferRow, fence: int | None) -> TransferError:
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
        row = transfer_row(found)
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
                facts={"fence": found["fence"], "attempt": row.attempts, "code": "transfer.lease_lost"},
            ),
            now=now,
            code="transfer.lease_lost",
            detail="The gateway stopped while it was sending",
        )
    return len(rows)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_one(connection: Connection, transfer_id: TransferId) -> TransferDetail | None:
    """Return a transfer with its attempts, receipt, notice, references and answers, or None."""
    found = connection.one(_ONE, {"id": transfer_id})
    if found is None:
        return None
    row = transfer_row(found)
    references = connection.rows(_REFERENCES, {"submission_id": row.submission_id})
    return TransferDetail(
        row=row,
        attempts=tuple(attempt_of(each) for each in connection.rows(_ATTEMPTS, {"transfer_id": row.id})),
        receipt=read_receipt(connection, row.message_id),
        references=tuple(
            SealedReference(kind=ReferenceKind(each["kind"]), index=each["key_index"], sealed=each["sealed"])
            for each in references
        ),
        notice=notices.read_of(connection, row.id),
        answers=answers.read(connection, row),
        ahead=_read_ahead(connection, row),
    )


def _read_ahead(connection: Connection, row: TransferRow) -> TransferRow | None:
    """Return the first transfer that `row` waits for: of its conversation, before it, unfinished."""
    place = {name: getattr(row, name) for name in ("sender", "recipient", "conversation", "sequence")}
    found = connection.one(_AHEAD, place)
    return None if found is None else transfer_row(found)


def read_by_message(connection: Connection, message_id: MessageId) -> TransferRow | None:
    """Return the transfer that carries a message, or None."""
    row = connection.one(_BY_MESSAGE, {"message_id": message_id})
    return None if row is None else transfer_row(row)


def read_receipt(connection: Connection, message_id: MessageId) -> StoredReceipt | None:
    """Return the receipt we got for a message: an accepted one if there is any, else the newest."""
    row = connection.one(_RECEIPT, {"message_id": message_id})
    return None if row is None else received_receipt(row)


def read_signed_view(connection: Connection, transfer_id: TransferId) -> bytes | None:
    """Return the sealed JWS of a transfer, or None."""
    row = connection.one(_PAYLOAD, {"transfer_id": transfer_id})
    return None if row is None else bytes(row["sealed"])


_LISTS: Final[dict[tuple[bool, bool, bool, bool], Any]] = {}


def _list_statement(*, state: bool, recipient: bool, reference_index: bool, oldest_first: bool) -> Any:
    shape = (state, recipient, reference_index, oldest_first)
    if shape not in _LISTS:
        conditions = [transfer.c.id < bindparam("before")]
        if state:
            conditions.append(transfer.c.state == bindparam("state"))
        if recipient:
            conditions.append(transfer.c.recipient == bindparam("recipient"))
        if reference_index:
            conditions.append(
                transfer.c.submission_id.in_(
                    select(reference.c.subject_id).where(
                        reference.c.subject_kind == "submission",
                        reference.c.key_index == bindparam("reference_index"),
                    )
                )
            )
        order = transfer.c.id.asc() if oldest_first else transfer.c.id.desc()
        _LISTS[shape] = select(transfer).where(and_(*conditions)).order_by(order).limit(bindparam("limit"))
    return _LISTS[shape]


def read_many(
    connection: Connection,
    *,
    limit: int,
    before: TransferId | None,
    state: TransferState | None,
    recipient: PartyId | None,
    reference_index: str | None,
    oldest_first: bool,
) -> list[TransferRow]:
    """Return transfers that fit, newest first unless told otherwise."""
    statement = _list_statement(
        state=state is not None,
        recipient=recipient is not None,
        reference_index=reference_index is not None,
        oldest_first=oldest_first,
    )
    values: dict[str, Any] = {"before": before or AFTER_ALL, "limit": limit}
    if state is not None:
        values["state"] = state.value
    if recipient is not None:
        values["recipient"] = recipient
    if reference_index is not None:
        values["reference_index"] = reference_index
    return [transfer_row(row) for row in connection.rows(statement, values)]


def read_due_at(connection: Connection, recipient: PartyId) -> datetime | None:
    """Return when the next transfer may go: its own time, or the end of the partner's back-off if that is later."""
    row = connection.one(_NEXT_DUE, {"recipient": recipient, "lane": NORMAL_LANE})
    if row is None:
        return None
    due = time_of(row["next_attempt_at"])
    not_before = health.not_before(connection, recipient)
    return due if not_before is None else max(due, not_before)


def read_overdue(connection: Connection, *, now: datetime, limit: int) -> list[TransferRow]:
    """Return transfers whose lease ended, whose deadline passed or whose receipt is overdue; each once."""
    found: dict[str, Row] = {}
    for statement in (_LEASE_ENDED, _PAST_DEADLINE, _RECEIPT_OVERDUE):
        for row in connection.rows(statement, {"now": micros(now), "limit": limit}):
            found.setdefault(row["id"], row)
    return [transfer_row(row) for row in list(found.values())[:limit]]
