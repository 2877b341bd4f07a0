"""Retention: the payloads whose time is over, by the terms of their agreement, and what goes with them.

Only what is finished goes: a transfer that is DELIVERED, CANCELLED or skipped, a message that was handed over. A dead
letter stays until somebody decides about it, a message in quarantine until it was handed over: what may yet be needed
is never too old. What happened stays on record, with digests and receipts; only nobody can read the documents any more.
The original goes with the last transfer that was made of it.

Each change deletes a bounded number of payloads and of bytes, so that nobody waits long behind it.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, delete, exists, literal, literal_column, select, update

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.limits import MAX_BATCH_BYTES
from gateway.domain.message import MessageHeader
from gateway.storage.engine import Connection, Row, Transaction
from gateway.storage.inbox_tables import HAND_OVER_TO_PURGE, hand_over, inbox, inbox_payload
from gateway.storage.tables import TO_PURGE, original, payload, transfer
from gateway.storage.values import micros

PAYLOADS_AT_ONCE: Final = 100

_FINISHED = (
    select(transfer.c.id, transfer.c.message_id, transfer.c.submission_id, transfer.c.state, transfer.c.message_bytes)
    .where(literal_column(TO_PURGE), transfer.c.keep_until < bindparam("now"))
    .order_by(transfer.c.keep_until, transfer.c.id)
    .limit(bindparam("limit"))
)
_HANDED_OVER = (
    select(hand_over.c.sender, hand_over.c.message_id, hand_over.c.recipient, inbox.c.size_bytes.label("message_bytes"))
    .select_from(
        hand_over.join(inbox, (inbox.c.sender == hand_over.c.sender) & (inbox.c.message_id == hand_over.c.message_id))
    )
    .where(literal_column(HAND_OVER_TO_PURGE), hand_over.c.keep_until < bindparam("now"))
    .order_by(hand_over.c.keep_until, hand_over.c.message_id)
    .limit(bindparam("limit"))
)
_PURGE_TRANSFER = update(transfer).where(transfer.c.id == bindparam("of")).values(purged=bindparam("at"))
_PURGE_HAND_OVER = (
    update(hand_over)
    .where(hand_over.c.sender == bindparam("of_sender"), hand_over.c.message_id == bindparam("of"))
    .values(purged=bindparam("at"))
)
_DELETE_PAYLOAD = delete(payload).where(payload.c.transfer_id == bindparam("of"))
_DELETE_MESSAGE = delete(inbox_payload).where(
    inbox_payload.c.sender == bindparam("of_sender"), inbox_payload.c.message_id == bindparam("of")
)
_DELETE_ORIGINAL = delete(original).where(
    original.c.submission_id == bindparam("of"),
    ~exists().where(transfer.c.submission_id == bindparam("of"), transfer.c.purged.is_(None)),
)
_ANY = tuple(
    select(literal(1)).where(exists(question.with_only_columns(literal(1)).order_by(None).limit(None)))
    for question in (_FINISHED, _HANDED_OVER)
)


def kept_until(header: MessageHeader, since: datetime) -> datetime:
    """Return how long the payload of a message is kept that was made, or came in, at `since`."""
    return since + timedelta(days=header.terms.retention_days)


def anything_to_purge(connection: Connection, *, now: datetime) -> bool:
    """Tell whether the time of any payload is over."""
    return any(connection.one(question, {"now": micros(now)}) is not None for question in _ANY)


def purge(transaction: Transaction, *, now: datetime) -> int:
    """Delete some of the payloads whose time is over, each with its audit record. Return how many."""
    return _purge_sent(transaction, now) + _purge_received(transaction, now)


def _purge_sent(transaction: Transaction, now: datetime) -> int:
    connection, at = transaction.connection, micros(now)
    rows = list(_within(connection.rows(_FINISHED, {"now": at, "limit": PAYLOADS_AT_ONCE})))
    connection.run_many(_PURGE_TRANSFER, [{"of": row["id"], "at": at} for row in rows])
    connection.run_many(_DELETE_PAYLOAD, [{"of": row["id"]} for row in rows])
    connection.run_many(_DELETE_ORIGINAL, [{"of": one} for one in sorted({row["submission_id"] for row in rows})])
    for row in rows:
        entry = AuditEntry(
            event=AuditEvent.TRANSFER_PURGED,
            at=now,
            actor="system",
            transfer_id=row["id"],
            message_id=row["message_id"],
            facts={"state": row["state"]},
        )
        transaction.record(entry)
    return len(rows)


def _purge_received(transaction: Transaction, now: datetime) -> int:
    connection, at = transaction.connection, micros(now)
    rows = list(_within(connection.rows(_HANDED_OVER, {"now": at, "limit": PAYLOADS_AT_ONCE})))
    names = [{"of_sender": row["sender"], "of": row["message_id"]} for row in rows]
    connection.run_many(_PURGE_HAND_OVER, [{**name, "at": at} for name in names])
    connection.run_many(_DELETE_MESSAGE, names)
    for row in rows:
        entry = AuditEntry(
            event=AuditEvent.MESSAGE_PURGED,
            at=now,
            actor="system",
            message_id=row["message_id"],
            facts={"sender": row["sender"], "recipient": row["recipient"]},
        )
        transaction.record(entry)
    return len(rows)


def _within(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield rows whose payloads together are not too many bytes for one change, but at least one."""
    total = 0
    for row in rows:
        total += row["message_bytes"]
        if total > MAX_BATCH_BYTES and total > row["message_bytes"]:
            return
        yield row
