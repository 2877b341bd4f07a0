"""What people do to a transfer that waits for them, each in one transaction: hold, approve, release, prepare again.

An unsigned view becomes a signed message only here, and in the very step that lets the transfer go: `release` puts the
JWS in its place and the state to QUEUED, or neither. The table refuses every other way (`unsigned_stays_here`).
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import bindparam, update

from gateway.audit import AuditEntry
from gateway.domain.hold import Approval, HoldStart, check_officer, difficulty
from gateway.domain.jobs import PreparedTransfer
from gateway.domain.lifecycle import TransferEvent, TransferState
from gateway.domain.message import MessageHeader
from gateway.domain.records import TransferRow
from gateway.errors import TransferError
from gateway.ports import Settlement
from gateway.storage import holds
from gateway.storage.engine import Connection, Transaction
from gateway.storage.settling import settle, why_not
from gateway.storage.tables import payload, transfer
from gateway.storage.values import micros, span

HELD_CODE = "transfer.held"

_PREPARED = (
    update(transfer)
    .where(
        transfer.c.id == bindparam("of"),
        transfer.c.state == TransferState.HELD.value,
        transfer.c.version == bindparam("seen"),
    )
    .values(
        digest=bindparam("mark"),
        message_bytes=bindparam("size"),
        agreement_id=bindparam("agreed"),
        agreement_version=bindparam("agreed_version"),
        agreement_sha256=bindparam("agreed_sha256"),
        retry_first_wait=bindparam("first_wait"),
        retry_cap=bindparam("cap"),
        retry_deadline=bindparam("within"),
        retry_attempts=bindparam("tries"),
        kept=bindparam("left"),
        withheld=bindparam("stayed"),
        expires=bindparam("ends"),
    )
)
_PAYLOAD = update(payload).where(payload.c.transfer_id == bindparam("of")).values(sealed=bindparam("by"))
_TOUCH = (
    update(transfer)
    .where(
        transfer.c.id == bindparam("of"),
        transfer.c.state == TransferState.HELD.value,
        transfer.c.version == bindparam("seen"),
    )
    .values(
        version=transfer.c.version + 1,
        deadline=bindparam("until"),
        last_code=bindparam("code"),
        last_detail=bindparam("words"),
        updated=bindparam("at"),
    )
)
_EXPIRES = update(transfer).where(transfer.c.id == bindparam("of")).values(expires=bindparam("ends"))


def hold(
    transaction: Transaction,
    row: TransferRow,
    start: HoldStart,
    *,
    audit: AuditEntry,
    now: datetime,
    deadline: datetime,
) -> TransferRow:
    """Have a transfer wait for a person; see `ports.Store.hold`."""
    waits = Settlement(
        row=row,
        event=TransferEvent.HELD,
        audit=audit,
        now=now,
        deadline=deadline,
        code=HELD_CODE,
        detail=difficulty(start),
    )
    held = settle(transaction, waits)
    holds.begin(transaction.connection, row.id, start, now)
    if row.signed:
        return held
    # No message was made yet that could expire; what says until when it may be released moves along.
    transaction.connection.run(_EXPIRES, {"of": row.id, "ends": micros(deadline)})
    return replace(held, expires=deadline)


def approve(transaction: Transaction, row: TransferRow, approval: Approval, *, audit: AuditEntry) -> TransferRow:
    """Note one of several approvals; see `ports.Store.approve`."""
    touched = replace(row, version=row.version + 1, updated=approval.at)
    _touch(transaction.connection, row, touched)
    _approve(transaction.connection, row, approval)
    transaction.record(audit)
    return touched


def release(
    transaction: Transaction,
    row: TransferRow,
    last: Approval,
    signed: PreparedTransfer | None,
    *,
    audit: AuditEntry,
    until: datetime,
) -> TransferRow:
    """Let a transfer go with the last approval; see `ports.Store.release`."""
    connection = transaction.connection
    if not row.signed and (signed is None or not signed.signed):
        raise TransferError("transfer.illegal_transition", "A view that is not signed can not be sent")
    _approve(connection, row, last)
    if signed is not None:
        row = _put(connection, row, signed)
    now = last.at
    goes = Settlement(row=row, event=TransferEvent.RELEASED, audit=audit, now=now, next_attempt_at=now, deadline=until)
    released = settle(transaction, goes)
    holds.end(connection, row.id, now)
    return released


def prepare_again(
    transaction: Transaction,
    row: TransferRow,
    prepared: PreparedTransfer,
    start: HoldStart,
    *,
    audit: AuditEntry,
    now: datetime,
) -> TransferRow:
    """Put another unsigned view in place of the one that was held; see `ports.Store.prepare_again`."""
    connection = transaction.connection
    if row.signed or prepared.signed:
        raise TransferError("transfer.illegal_transition", "A signed message is never made anew")
    again = _put(connection, row, prepared)
    touched = replace(
        again,
        version=row.version + 1,
        updated=now,
        deadline=prepared.deadline,
        last_code=HELD_CODE,
        last_detail=difficulty(start),
    )
    _touch(connection, again, touched)
    holds.begin(connection, row.id, start, now)
    transaction.record(audit)
    return touched


def _approve(connection: Connection, row: TransferRow, approval: Approval) -> None:
    newest = holds.read_of(connection, row.id)[-1:]
    if not newest or newest[0].released is not None:
        raise why_not(connection, row, None)
    check_officer(newest[0], officer=approval.officer, submitter=row.client)
    holds.approve(connection, row.id, approval)


def _put(connection: Connection, row: TransferRow, prepared: PreparedTransfer) -> TransferRow:
    """Put a view in place of another; the transfer stays where it is in its conversation, under its ids."""
    header, retry = prepared.header, prepared.retry
    if _place(header) != (row.message_id, row.conversation, row.sequence):
        raise TransferError("transfer.stale", "It was prepared for another place")
    values = {
        "of": row.id,
        "seen": row.version,
        "mark": prepared.digest,
        "size": prepared.size_bytes,
        "agreed": header.agreement.id,
        "agreed_version": header.agreement.version,
        "agreed_sha256": header.agreement.sha256,
        "first_wait": span(retry.first_wait),
        "cap": span(retry.cap),
        "within": span(retry.deadline),
        "tries": retry.attempts,
        "left": prepared.kept,
        "stayed": prepared.withheld,
        "ends": micros(header.expires),
    }
    if connection.run(_PREPARED, values) != 1:
        raise why_not(connection, row, None)
    connection.run(_PAYLOAD, {"of": row.id, "by": prepared.sealed})
    return replace(
        row,
        digest=prepared.digest,
        agreement=header.agreement,
        retry=retry,
        kept=prepared.kept,
        withheld=prepared.withheld,
        expires=header.expires,
    )


def _place(header: MessageHeader) -> tuple[str, str, int]:
    return header.message_id, header.conversation, header.sequence


def _touch(connection: Connection, row: TransferRow, touched: TransferRow) -> None:
    values = {
        "of": row.id,
        "seen": row.version,
        "until": micros(touched.deadline),
        "code": touched.last_code,
        "words": touched.last_detail,
        "at": micros(touched.updated),
    }
    if connection.run(_TOUCH, values) != 1:
        raise why_not(connection, row, None)
