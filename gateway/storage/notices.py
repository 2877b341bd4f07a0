"""Notices of both sides: that a message was handed over, as a partner tells us, and as we owe it to a partner.

What we owe is written in the commit of the hand-over, so that no kill can come between. What a partner tells us stands
beside the transfer and never moves it: state, version and head stay what they are. The first notice stays; the same
said again changes nothing, and another time than the first is kept as evidence only.
"""

from collections.abc import Sequence
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
from gateway.errors import CATALOGUE, StorageError
from gateway.ports import NoticeSettlement, TakenNotice
from gateway.storage import health
from gateway.storage.engine import Connection, Row, Transaction, insert_into
from gateway.storage.inbox_tables import OWED, notice_owed
from gateway.storage.tables import notice, transfer
from gateway.storage.together import Among
from gateway.storage.values import micros, micros_or_none, span, time_of, time_or_none

_INSERT = insert_into(notice)
_INSERT_OWED = insert_into(notice_owed)
_OF_TRANSFER = select(notice).where(notice.c.transfer_id == bindparam("transfer_id"))
_KNOWN = Among(select(notice.c.transfer_id, notice.c.handed_over), notice.c.transfer_id)
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


def take_all(transaction: Transaction, given: Sequence[TakenNotice]) -> list[NoticeStored]:
    """Keep verified notices; see `ports.Store.take_notice`."""
    connection = transaction.connection
    ids = list(dict.fromkeys(one.row.id for one in given))
    known = {row["transfer_id"]: row["handed_over"] for row in _KNOWN.rows(connection, {}, ids)}
    stored: list[NoticeStored] = []
    rows: list[dict[str, Any]] = []
    for one in given:
        at = micros(one.notice.handed_over)
        if one.row.id not in known:
            known[one.row.id] = at
            rows.append(_notice_values(one, at))
            transaction.record(one.audit)
            stored.append(NoticeStored.NEW)
        elif known[one.row.id] == at:
            stored.append(NoticeStored.KNOWN)
        else:
            transaction.record(_contradiction(one.row, one.notice, one.now))
            stored.append(NoticeStored.CONTRADICTS)
    if rows:
        connection.run_many(_INSERT, rows)
        connection.run_many(_HANDED_OVER, [{"of": row["transfer_id"], "at": row["handed_over"]} for row in rows])
    return stored


def _notice_values(given: TakenNotice, handed_over: int) -> dict[str, Any]:
    row, notice = given.row, given.notice
    return {
        "transfer_id": row.id,
        "message_id": notice.message_id,
        "partner": row.recipient,
        "digest": notice.digest,
        "statement_id": notice.statement_id,
        "handed_over": handed_over,
        "issued": micros(notice.issued_at),
        "received": micros(given.now),
        "token": given.token,
    }


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


def owe(connection: Connection, handed_over: Sequence[tuple[InboxRow, datetime]]) -> None:
    """Write down that the senders of messages are to hear when each was handed over."""
    connection.run_many(_INSERT_OWED, [_owed_values(row, now) for row, now in handed_over])


def _owed_values(row: InboxRow, now: datetime) -> dict[str, Any]:
    at, deadline = micros(now), micros(max(row.expires, now) + NOTICE_OWED)
    return {
        "sender": row.sender,
        "message_id": row.message_id,
        "recipient": row.recipient,
        "digest": row.digest,
        "handed_over": at,
        "state": NoticeState.OWED._value_,
        "attempts": 0,
        "next_attempt_at": at,
        "deadline": deadline,
        "updated": at,
        "last_code": "",
        "last_detail": "",
        "keep_until": deadline + span(DEDUPE_KEPT_AFTER_EXPIRY),
    }


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


def settle_all(transaction: Transaction, given: Sequence[NoticeSettlement]) -> list[bool]:
    """Note what came of attempts; see `ports.Store.settle_notice`. Raises where one of several was noted before: then
    each has to be noted by itself."""
    return _settle_all(transaction, given, again=False)


def settle_all_again(transaction: Transaction, given: Sequence[NoticeSettlement]) -> list[bool]:
    """Do what `settle_all` does for changes whose commit is unknown."""
    return _settle_all(transaction, given, again=True)


def _settle_all(transaction: Transaction, given: Sequence[NoticeSettlement], *, again: bool) -> list[bool]:
    connection = transaction.connection
    if any(one.becomes is not NoticeState.OWED and one.audit is None for one in given):
        raise ValueError("a notice is given, or given up, with its audit entry")
    if connection.run_many(_SETTLE, [_settle_values(one) for one in given]) != len(given):
        if len(given) > 1:
            raise StorageError("storage.constraint", "One of these notices is no longer owed as it was")
        owed = given[0].owed
        found = read_owed(connection, owed.sender, owed.message_id) if again else None
        return [found is not None and found == _settled(given[0])]
    health.succeeded(connection, {one.owed.sender: one.now for one in given if one.becomes is NoticeState.GIVEN})
    for one in given:
        if one.audit is not None:
            transaction.record(one.audit)
    return [True] * len(given)


def _settle_values(given: NoticeSettlement) -> dict[str, Any]:
    return {
        "of_sender": given.owed.sender,
        "of": given.owed.message_id,
        "seen": given.owed.attempts,
        "becomes": given.becomes._value_,
        "due": micros_or_none(given.next_attempt_at),
        "at": micros(given.now),
        "code": given.code,
        "detail": given.detail,
    }


def _settled(given: NoticeSettlement) -> OwedNotice:
    return replace(
        given.owed,
        state=given.becomes,
        attempts=given.owed.attempts + 1,
        next_attempt_at=given.next_attempt_at,
        updated=given.now,
        last_code=given.code,
        last_detail=given.detail,
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
