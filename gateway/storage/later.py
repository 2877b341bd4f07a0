"""Receipts that come later: envelopes taken unread, and the receipts owed for them.

What is answered with 202 is on disk first, as it came: encrypted to us, and to nobody else. Its verdict, the end of its
waiting and the receipt that is owed for it are one commit, so that no kill leaves a message judged and its sender
without an answer, or one that is judged for ever.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, literal_column, select, union, update

from gateway.audit import AuditEntry
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.jobs import Admitted, Refused
from gateway.domain.later import OwedReceipt, Taken, TakenEnvelope, Unjudged
from gateway.domain.lifecycle import NoticeState
from gateway.domain.limits import DEDUPE_KEPT_AFTER_EXPIRY, MAX_BATCH_BYTES, NOTICE_OWED
from gateway.domain.records import AdmitStored
from gateway.domain.statement import Receipt, Verdict
from gateway.storage import health, receiving
from gateway.storage.engine import Connection, Row, Transaction, insert_into
from gateway.storage.inbox_tables import OWED, receipt_owed, taken
from gateway.storage.values import micros, micros_or_none, time_of, time_or_none

_TAKE = insert_into(taken)
_WAITING = select(func.count().label("number"), func.coalesce(func.sum(taken.c.size_bytes), 0).label("bytes")).where(
    taken.c.sender == bindparam("sender")
)
_UNJUDGED = (
    select(taken.c.sender, func.count().label("number"), func.min(taken.c.received).label("oldest"))
    .group_by(taken.c.sender)
    .order_by(taken.c.sender)
)
_SIZE = select(taken.c.size_bytes).where(
    taken.c.sender == bindparam("sender"), taken.c.message_id == bindparam("message_id")
)
_DUE = (
    select(taken.c.message_id, taken.c.size_bytes)
    .where(taken.c.sender == bindparam("sender"), taken.c.next_attempt_at <= bindparam("now"))
    .order_by(taken.c.next_attempt_at, taken.c.message_id)
    .limit(bindparam("limit"))
)
_ENVELOPE = select(taken).where(taken.c.sender == bindparam("sender"), taken.c.message_id == bindparam("message_id"))
_GONE = delete(taken).where(taken.c.sender == bindparam("of_sender"), taken.c.message_id == bindparam("of"))
_PUT_OFF = (
    update(taken)
    .where(taken.c.sender == bindparam("of_sender"), taken.c.message_id == bindparam("of"))
    .values(attempts=taken.c.attempts + 1, next_attempt_at=bindparam("due"))
)
_OWE = insert_into(receipt_owed)
_PAID = delete(receipt_owed).where(
    receipt_owed.c.sender == bindparam("of_sender"), receipt_owed.c.message_id == bindparam("of")
)
_OWED_DUE = (
    select(receipt_owed)
    .where(
        receipt_owed.c.sender == bindparam("partner"),
        receipt_owed.c.next_attempt_at <= bindparam("now"),
        literal_column(OWED),
    )
    .order_by(receipt_owed.c.next_attempt_at, receipt_owed.c.message_id)
    .limit(bindparam("limit"))
)
_ONE_OWED = select(receipt_owed).where(
    receipt_owed.c.sender == bindparam("sender"), receipt_owed.c.message_id == bindparam("message_id")
)
_SETTLE = (
    update(receipt_owed)
    .where(
        receipt_owed.c.sender == bindparam("of_sender"),
        receipt_owed.c.message_id == bindparam("of"),
        receipt_owed.c.attempts == bindparam("seen"),
        receipt_owed.c.token == bindparam("same"),
        literal_column(OWED),
    )
    .values(
        state=bindparam("becomes"),
        attempts=receipt_owed.c.attempts + 1,
        next_attempt_at=bindparam("due"),
    )
)
_OWING: Final = union(
    select(taken.c.sender), select(receipt_owed.c.sender).where(literal_column(OWED)).distinct()
).subquery()
_PARTNERS = select(_OWING.c.sender)


# ── envelopes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def take(transaction: Transaction, envelope: TakenEnvelope, *, audit: AuditEntry, most: int, most_bytes: int) -> Taken:
    """Keep an envelope; see `ports.LaterStore.take_envelope`."""
    connection, size = transaction.connection, len(envelope.jwe)
    if is_taken(connection, envelope.sender, envelope.message_id):
        return Taken.KNOWN
    waiting = connection.rows(_WAITING, {"sender": envelope.sender})[0]
    if waiting["number"] >= most or waiting["bytes"] + size > most_bytes:
        return Taken.NO_ROOM
    values = {
        "sender": envelope.sender,
        "message_id": envelope.message_id,
        "jwe": envelope.jwe,
        "size_bytes": size,
        "received": micros(envelope.received),
        "until": micros(envelope.until),
        "attempts": envelope.attempts,
        "next_attempt_at": micros(envelope.received),
    }
    connection.run(_TAKE, values)
    transaction.record(audit)
    return Taken.NEW


def read_unjudged(connection: Connection) -> list[Unjudged]:
    """Return how much of each partner waits to be judged; see `ports.LaterStore.unjudged`."""
    return [
        Unjudged(sender=PartyId(row["sender"]), count=row["number"], oldest=time_of(row["oldest"]))
        for row in connection.rows(_UNJUDGED, {})
    ]


def is_taken(connection: Connection, sender: PartyId, message_id: MessageId) -> bool:
    """Tell whether an envelope under this id waits to be judged."""
    return connection.one(_SIZE, {"sender": sender, "message_id": message_id}) is not None


def read_due(connection: Connection, sender: PartyId, *, limit: int, now: datetime) -> list[TakenEnvelope]:
    """Return envelopes that are due to be judged; see `ports.LaterStore.taken_envelopes`."""
    found: list[TakenEnvelope] = []
    total = 0
    for due in connection.rows(_DUE, {"sender": sender, "now": micros(now), "limit": limit}):
        total += due["size_bytes"]
        if found and total > MAX_BATCH_BYTES:
            break
        row = connection.one(_ENVELOPE, {"sender": sender, "message_id": due["message_id"]})
        found += [] if row is None else [_envelope(row)]
    return found


def admit(
    transaction: Transaction, envelope: TakenEnvelope, result: Admitted | Refused, *, now: datetime, audit: AuditEntry
) -> AdmitStored:
    """Decide about an envelope that was taken; see `ports.LaterStore.admit_taken`."""
    stored = receiving.admit(transaction, receiving.Judgement(result, now, audit))
    if stored.token:
        _owe(transaction.connection, envelope, stored.verdict, stored.token, now=now)
    return stored


def answer(
    transaction: Transaction, envelope: TakenEnvelope, receipt: Receipt, token: str, *, now: datetime, audit: AuditEntry
) -> None:
    """Owe a receipt that the caller signed; see `ports.LaterStore.answer_taken`."""
    _owe(transaction.connection, envelope, receipt.verdict, token, now=now)
    transaction.record(audit)


def put_off(transaction: Transaction, envelope: TakenEnvelope, *, until: datetime) -> None:
    """Judge an envelope again at `until`."""
    transaction.connection.run(_PUT_OFF, {**_named(envelope), "due": micros(until)})


def drop(transaction: Transaction, envelope: TakenEnvelope, *, audit: AuditEntry) -> None:
    """Forget an envelope; see `ports.LaterStore.drop_taken`."""
    if transaction.connection.run(_GONE, _named(envelope)):
        transaction.record(audit)


def _named(envelope: TakenEnvelope) -> dict[str, str]:
    return {"of_sender": envelope.sender, "of": envelope.message_id}


def _envelope(row: Row) -> TakenEnvelope:
    return TakenEnvelope(
        sender=row["sender"],
        message_id=row["message_id"],
        jwe=row["jwe"],
        received=time_of(row["received"]),
        until=time_of(row["until"]),
        attempts=row["attempts"],
    )


# ── receipts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _owe(connection: Connection, envelope: TakenEnvelope, verdict: Verdict, token: str, *, now: datetime) -> None:
    """Owe a receipt in place of the one before, and be done with the envelope."""
    connection.run(_GONE, _named(envelope))
    connection.run(_PAID, _named(envelope))
    deadline = now + NOTICE_OWED
    connection.run(
        _OWE,
        {
            "sender": envelope.sender,
            "message_id": envelope.message_id,
            "verdict": verdict.value,
            "token": token,
            "state": NoticeState.OWED.value,
            "attempts": 0,
            "next_attempt_at": micros(now),
            "deadline": micros(deadline),
            "keep_until": micros(deadline + DEDUPE_KEPT_AFTER_EXPIRY),
        },
    )


def read_receipts_due(connection: Connection, partner: PartyId, *, limit: int, now: datetime) -> list[OwedReceipt]:
    """Return what is due to a partner, the earliest first; nothing while its back-off lasts."""
    if health.is_backing_off(connection, partner, now):
        return []
    return [_owed(row) for row in connection.rows(_OWED_DUE, {"partner": partner, "now": micros(now), "limit": limit})]


def read_receipt(connection: Connection, partner: PartyId, message_id: MessageId) -> OwedReceipt | None:
    """Return what we owe, or owed, for one message."""
    row = connection.one(_ONE_OWED, {"sender": partner, "message_id": message_id})
    return None if row is None else _owed(row)


def settle(
    transaction: Transaction,
    owed: OwedReceipt,
    becomes: NoticeState,
    *,
    now: datetime,
    audit: AuditEntry | None = None,
    next_attempt_at: datetime | None = None,
) -> bool:
    """Note what came of an attempt; see `ports.LaterStore.settle_receipt`."""
    connection = transaction.connection
    if becomes is not NoticeState.OWED and audit is None:
        raise ValueError("a receipt is given, or given up, with its audit entry")
    values: dict[str, Any] = {
        "of_sender": owed.partner,
        "of": owed.message_id,
        "seen": owed.attempts,
        "same": owed.token,
        "becomes": becomes.value,
        "due": micros_or_none(next_attempt_at),
    }
    if not connection.run(_SETTLE, values):
        return False
    if becomes is NoticeState.GIVEN:
        health.succeeded(connection, {owed.partner: now})
    if audit is not None:
        transaction.record(audit)
    return True


def read_owing(connection: Connection) -> frozenset[PartyId]:
    """Return the partners of whom envelopes wait, or to whom receipts are owed."""
    return frozenset(PartyId(row["sender"]) for row in connection.rows(_PARTNERS, {}))


def _owed(row: Row) -> OwedReceipt:
    return OwedReceipt(
        partner=row["sender"],
        message_id=row["message_id"],
        verdict=Verdict(row["verdict"]),
        token=row["token"],
        state=NoticeState(row["state"]),
        attempts=row["attempts"],
        next_attempt_at=time_or_none(row["next_attempt_at"]),
        deadline=time_of(row["deadline"]),
    )
