"""The earlier messages of a transfer: what partners swore never to have had, and what took its place.

A message is superseded in one step: the old one goes to the table of earlier messages, with the digest that a late
receipt for it must name, and the new one takes its place in the transfer, in the same conversation and sequence. The
step is refused while the partner may yet accept the old one.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from gateway.audit import AuditEntry
from gateway.domain.hold import HoldStart, difficulty
from gateway.domain.ids import MessageId, TransferId
from gateway.domain.jobs import PreparedTransfer
from gateway.domain.lifecycle import TransferEvent, TransferState
from gateway.domain.records import SupersededMessage, TransferRow
from gateway.domain.statement import NotSeen
from gateway.errors import TransferError
from gateway.ports import Settlement
from gateway.storage import holds
from gateway.storage.engine import Connection, Row, Transaction, insert_into
from gateway.storage.retention import kept_until
from gateway.storage.settling import settle
from gateway.storage.tables import not_seen, payload, superseded, transfer
from gateway.storage.values import micros, span, time_of

_INSERT = insert_into(superseded)
_INSERT_NOT_SEEN = insert_into(not_seen)
_OF_TRANSFER = (
    select(superseded)
    .where(superseded.c.transfer_id == bindparam("transfer_id"))
    .order_by(superseded.c.superseded, superseded.c.message_id)
)
_ONE = select(superseded).where(superseded.c.message_id == bindparam("message_id"))
_SWORN = select(not_seen.c.token).where(not_seen.c.message_id == bindparam("message_id"))
_RENEW = (
    update(transfer)
    .where(transfer.c.id == bindparam("of"), transfer.c.version == bindparam("seen"))
    .values(
        message_id=bindparam("becomes"),
        supersedes=bindparam("before"),
        digest=bindparam("mark"),
        message_bytes=bindparam("size"),
        ever_sent=0,
        not_seen=0,
        attempts=0,
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
        keep_until=bindparam("kept_until"),
    )
)
_PAYLOAD = update(payload).where(payload.c.transfer_id == bindparam("of")).values(sealed=bindparam("by"))


def note_not_seen(
    transaction: Transaction, row: TransferRow, statement: NotSeen, token: str, *, now: datetime, audit: AuditEntry
) -> TransferRow:
    """Keep what a partner swore about the message of a transfer; see `ports.Store.note_not_seen`."""
    if statement.message_id != row.message_id:
        raise TransferError("transfer.stale", "It is about an earlier message of the transfer")
    sworn = Settlement(
        row=row,
        event=TransferEvent.NOT_SEEN,
        audit=audit,
        now=now,
        next_attempt_at=row.next_attempt_at,
        code=row.last_code,
        detail=row.last_detail,
    )
    noted = settle(transaction, sworn)
    if transaction.connection.one(_SWORN, {"message_id": row.message_id}) is None:
        transaction.connection.run(_INSERT_NOT_SEEN, _sworn_values(row, statement, token, now))
    return noted


def _sworn_values(row: TransferRow, statement: NotSeen, token: str, now: datetime) -> dict[str, Any]:
    return {
        "message_id": statement.message_id,
        "transfer_id": row.id,
        "partner": row.recipient,
        "statement_id": statement.statement_id,
        "issued": micros(statement.issued_at),
        "received": micros(now),
        "token": token,
    }


def supersede(
    transaction: Transaction,
    row: TransferRow,
    prepared: PreparedTransfer,
    start: HoldStart | None,
    *,
    audit: AuditEntry,
    now: datetime,
) -> TransferRow:
    """Put another message in place of a transfer's, as `AuditEvent.TRANSFER_SUPERSEDED` tells; see `ports.Store`."""
    _check(row, prepared, start)
    connection = transaction.connection
    event = TransferEvent.SUPERSEDED
    if start is not None and row.state is not TransferState.HELD:
        event = TransferEvent.HELD
    connection.run(_INSERT, _superseded_values(row, now))
    # The state first: an unsigned view may stand only where nothing is sent from.
    renewed = Settlement(
        row=row,
        event=event,
        audit=audit,
        now=now,
        next_attempt_at=now,
        deadline=prepared.deadline,
        code="" if start is None else "transfer.held",
        detail="" if start is None else difficulty(start),
    )
    settled = settle(transaction, renewed)
    if start is not None:
        holds.begin(connection, row.id, start, now)
    return _renew(connection, settled, prepared)


def _check(row: TransferRow, prepared: PreparedTransfer, start: HoldStart | None) -> None:
    header = prepared.header
    if not row.outcome_known:
        raise TransferError("transfer.outcome_unknown", "The partner may yet accept the message")
    if not row.signed or row.skipped or prepared.signed == (start is not None):
        raise TransferError("transfer.illegal_transition", "This message can not take the place of that one")
    if (header.supersedes, header.conversation, header.sequence) != (row.message_id, row.conversation, row.sequence):
        raise TransferError("transfer.stale", "It was prepared for another place")


def _renew(connection: Connection, row: TransferRow, prepared: PreparedTransfer) -> TransferRow:
    header, retry = prepared.header, prepared.retry
    values = {
        "of": row.id,
        "seen": row.version,
        "becomes": header.message_id,
        "before": row.message_id,
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
        "kept_until": micros(kept_until(header, header.created)),
    }
    if connection.run(_RENEW, values) != 1:
        raise TransferError("transfer.stale")
    connection.run(_PAYLOAD, {"of": row.id, "by": prepared.sealed})
    return replace(
        row,
        message_id=header.message_id,
        supersedes=row.message_id,
        digest=prepared.digest,
        ever_sent=False,
        not_seen=False,
        attempts=0,
        agreement=header.agreement,
        retry=retry,
        kept=prepared.kept,
        withheld=prepared.withheld,
        expires=header.expires,
    )


def _superseded_values(row: TransferRow, now: datetime) -> dict[str, Any]:
    return {
        "message_id": row.message_id,
        "transfer_id": row.id,
        "digest": row.digest,
        "ever_sent": int(row.ever_sent),
        "agreement_id": row.agreement.id,
        "agreement_version": row.agreement.version,
        "expires": micros(row.expires),
        "superseded": micros(now),
    }


def read_of(connection: Connection, transfer_id: TransferId) -> tuple[SupersededMessage, ...]:
    """Return the earlier messages of a transfer, the first one first."""
    return tuple(_message(row) for row in connection.rows(_OF_TRANSFER, {"transfer_id": transfer_id}))


def transfer_of(connection: Connection, message_id: MessageId) -> TransferId | None:
    """Return which transfer an earlier message belonged to, or None."""
    row = connection.one(_ONE, {"message_id": message_id})
    return None if row is None else TransferId(row["transfer_id"])


def _message(row: Row) -> SupersededMessage:
    return SupersededMessage(
        message_id=row["message_id"],
        digest=row["digest"],
        ever_sent=bool(row["ever_sent"]),
        superseded=time_of(row["superseded"]),
    )
