"""Notices of both sides: that a message was handed over, as a partner tells us, and as we owe it to a partner.

What we owe is written in the commit of the hand-over, so that no kill can come between. What a partner tells us stands
beside the transfer and never moves it: state, version and head stay what they are. The first notice stays; the same
said again changes nothing, and another time than the first is kept as evidence only.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, literal_column, select, update

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import MessageId, PartyId, TransferId
from gateway.domain.lifecycle import NoticeState
from gateway.domain.limits import DEDUPE_KEPT_AFTER_EXPIRY, NOTICE_OWED
from gateway.domain.records import InboxRow, NoticeStored, OwedNotice, StoredNotice, TransferRow
from gateway.domain.statement import Notice
from gateway.errors import CATALOGUE
from gateway.storage import health
from gateway.storage.engine import Connection, Row, Transaction, insert_into
from gateway.storage.inbox_tables import OWED, notice_owed
from gateway.storage.tables import notice, transfer
from gateway.storage.values import micros, micros_or_none, time_of, time_or_none

_INSERT = insert_into(notice)
_INSERT_OWED = insert_into(notice_owed)
_OF_TRANSFER = select(notice).where(notice.c.transfer_id == bindparam("transfer_id"))
_HANDED_OVER = update(transfer).where(transfer.c.id == bindparam("of")).values(handed_over=bindparam("at"))
_DUE = (
    select(notice_owed)
    .where(
        notice_owed.c.sender == bindparam("partner"),
        notice_owed.c.next_attempt_at <= bindparam("now"),
        literal_column(OWED),
    )
    .order_by(notice_owed.c.next_attempt_at, notice_owed.c.message_id)
    .limit(bindparam("limit"))
)
_ONE_OWED = select(notice_owed).where(
    notice_owed.c.sender == bindparam("sender"), notice_owed.c.message_id == bindparam("message_id")
)
_SETTLE = (
    update(notice_owed)
    .where(
        notice_owed.c.sender == bindparam("of_sender"),
        notice_owed.c.message_id == bindparam("of"),
        notice_owed.c.attempts == bindparam("seen"),
        literal_column(OWED),
    )
    .values(
        state=bindparam("becomes"),
        attempts=notice_owed.c.attempts + 1,
        next_attempt_at=bindparam("due"),
        updated=bindparam("at"),
        last_code=bindparam("code"),
        last_detail=bindparam("detail"),
    )
)

_CONTRADICTS: Final = CATALOGUE["notice.contradicts"].code


# ── what partners tell us ────────────────────────────────────────────────────────────────────────────────────────────


def take(
    transaction: Transaction, row: TransferRow, given: Notice, token: str, *, now: datetime, audit: AuditEntry
) -> NoticeStored:
    """Keep a verified notice; see `ports.Store.take_notice`."""
    connection = transaction.connection
    known = connection.one(_OF_TRANSFER, {"transfer_id": row.id})
    if known is not None:
        if known["handed_over"] == micros(given.handed_over):
            return NoticeStored.KNOWN
        transaction.record(_contradiction(row, given, now))
        return NoticeStored.CONTRADICTS
    connection.run(
        _INSERT,
        {
            "transfer_id": row.id,
            "message_id": given.message_id,
            "partner": row.recipient,
            "digest": given.digest,
            "statement_id": given.statement_id,
            "handed_over": micros(given.handed_over),
            "issued": micros(given.issued_at),
            "received": micros(now),
            "token": token,
        },
    )
    connection.run(_HANDED_OVER, {"of": row.id, "at": micros(given.handed_over)})
    transaction.record(audit)
    return NoticeStored.NEW


def _contradiction(row: TransferRow, given: Notice, now: datetime) -> AuditEntry:
    return AuditEntry(
        event=AuditEvent.NOTICE_REJECTED,
        at=now,
        actor=f"party:{row.recipient}",
        transfer_id=row.id,
        message_id=row.message_id,
        facts={"code": _CONTRADICTS, "handed_over": given.handed_over.isoformat()},
    )


def read_of(connection: Connection, transfer_id: TransferId) -> StoredNotice | None:
    """Return the notice about a transfer, or None."""
    row = connection.one(_OF_TRANSFER, {"transfer_id": transfer_id})
    if row is None:
        return None
    return StoredNotice(
        message_id=row["message_id"],
        partner=row["partner"],
        handed_over=time_of(row["handed_over"]),
        token=row["token"],
        received=time_of(row["received"]),
    )


# ── what we owe ──────────────────────────────────────────────────────────────────────────────────────────────────────


def owe(connection: Connection, row: InboxRow, *, now: datetime) -> None:
    """Write down that the sender of a message is to hear that it was handed over now."""
    deadline = max(row.expires, now) + NOTICE_OWED
    connection.run(
        _INSERT_OWED,
        {
            "sender": row.sender,
            "message_id": row.message_id,
            "recipient": row.recipient,
            "digest": row.digest,
            "handed_over": micros(now),
            "state": NoticeState.OWED.value,
            "attempts": 0,
            "next_attempt_at": micros(now),
            "deadline": micros(deadline),
            "updated": micros(now),
            "last_code": "",
            "last_detail": "",
            "keep_until": micros(deadline + DEDUPE_KEPT_AFTER_EXPIRY),
        },
    )


def read_due(connection: Connection, partner: PartyId, *, limit: int, now: datetime) -> list[OwedNotice]:
    """Return what is due to a partner, the earliest first; nothing while its back-off lasts."""
    if health.is_backing_off(connection, partner, now):
        return []
    rows = connection.rows(_DUE, {"partner": partner, "now": micros(now), "limit": limit})
    return [_owed_notice(row) for row in rows]


def read_owed(connection: Connection, sender: PartyId, message_id: MessageId) -> OwedNotice | None:
    """Return what we owe, or owed, for one message; None before it was handed over."""
    row = connection.one(_ONE_OWED, {"sender": sender, "message_id": message_id})
    return None if row is None else _owed_notice(row)


def settle(
    transaction: Transaction,
    owed: OwedNotice,
    becomes: NoticeState,
    *,
    now: datetime,
    audit: AuditEntry | None = None,
    next_attempt_at: datetime | None = None,
    code: str = "",
    detail: str = "",
    again: bool = False,
) -> bool:
    """Note what came of an attempt; see `ports.Store.settle_notice`. `again`: as in `transfers.settle`."""
    connection = transaction.connection
    if becomes is not NoticeState.OWED and audit is None:
        raise ValueError("a notice is given, or given up, with its audit entry")
    values: dict[str, Any] = {
        "of_sender": owed.sender,
        "of": owed.message_id,
        "seen": owed.attempts,
        "becomes": becomes.value,
        "due": micros_or_none(next_attempt_at),
        "at": micros(now),
        "code": code,
        "detail": detail,
    }
    if not connection.run(_SETTLE, values):
        found = read_owed(connection, owed.sender, owed.message_id) if again else None
        return found is not None and found == _settled(owed, becomes, next_attempt_at, now, code, detail)
    if becomes is NoticeState.GIVEN:
        health.succeeded(connection, owed.sender, now)
    if audit is not None:
        transaction.record(audit)
    return True


def _settled(
    owed: OwedNotice, becomes: NoticeState, again: datetime | None, now: datetime, code: str, detail: str
) -> OwedNotice:
    return replace(
        owed,
        state=becomes,
        attempts=owed.attempts + 1,
        next_attempt_at=again,
        updated=now,
        last_code=code,
        last_detail=detail,
    )


def _owed_notice(row: Row) -> OwedNotice:
    return OwedNotice(
        sender=row["sender"],
        message_id=row["message_id"],
        recipient=row["recipient"],
        digest=row["digest"],
        handed_over=time_of(row["handed_over"]),
        state=NoticeState(row["state"]),
        attempts=row["attempts"],
        next_attempt_at=time_or_none(row["next_attempt_at"]),
        deadline=time_of(row["deadline"]),
        updated=time_of(row["updated"]),
        last_code=row["last_code"],
        last_detail=row["last_detail"],
    )
