"""Everything that asks about transfers; what moves them stands in `transfers.py`, `settling.py` and `holds.py`."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, and_, bindparam, literal_column, or_, select

from gateway.domain.ids import MessageId, PartyId, TransferId
from gateway.domain.jobs import ReferenceKind, SealedReference
from gateway.domain.lifecycle import TransferState
from gateway.domain.priority import HEAD_START
from gateway.domain.records import StoredReceipt, TransferDetail, TransferRow
from gateway.errors import Violation
from gateway.storage import answers, health, holds, notices, superseding
from gateway.storage.engine import Connection, Row
from gateway.storage.inbox_tables import LEASED
from gateway.storage.submissions import AFTER_ALL
from gateway.storage.tables import (
    AWAITING,
    BOUND_BY_DEADLINE,
    DUE,
    LISTED,
    OF_SUBMISSION,
    TO_SUPERSEDE,
    UNFINISHED,
    attempt,
    payload,
    receipt,
    reference,
    submission,
    superseded,
    transfer,
)
from gateway.storage.together import Among
from gateway.storage.values import attempt_of, micros, received_receipt, time_of, transfer_row, violations_of

_ONE = select(transfer).where(transfer.c.id == bindparam("id"))
_PAYLOAD = select(payload.c.sealed).where(payload.c.transfer_id == bindparam("transfer_id"))
_BY_MESSAGE = select(transfer).where(transfer.c.message_id == bindparam("message_id"))
_BY_MESSAGES = Among(select(transfer), transfer.c.message_id)
_ATTEMPTS = select(attempt).where(attempt.c.transfer_id == bindparam("transfer_id")).order_by(attempt.c.id)
_RECEIPT = (
    select(receipt)
    .where(
        receipt.c.transfer_id.in_(
            select(transfer.c.id)
            .where(transfer.c.message_id == bindparam("message_id"))
            .union_all(select(superseded.c.transfer_id).where(superseded.c.message_id == bindparam("message_id")))
        ),
        receipt.c.message_id == bindparam("message_id"),
    )
    .order_by(receipt.c.verdict, receipt.c.id.desc())  # accepted sorts before refused, and is the last word
    .limit(1)
)
_RECEIPT_OF = (
    select(receipt)
    .where(receipt.c.transfer_id == bindparam("transfer_id"))
    .order_by(receipt.c.verdict, receipt.c.id.desc())
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
_WARNINGS = select(submission.c.warnings).where(submission.c.id == bindparam("submission_id"))
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
_OVERDUE_OF = (
    select(transfer)
    .where(
        literal_column(AWAITING),
        transfer.c.next_attempt_at <= bindparam("now"),
        transfer.c.recipient == bindparam("recipient"),
    )
    .order_by(transfer.c.next_attempt_at)
    .limit(bindparam("limit"))
)
_TO_SUPERSEDE = (
    select(transfer)
    .where(
        literal_column(TO_SUPERSEDE),
        transfer.c.recipient == bindparam("recipient"),
        transfer.c.next_attempt_at <= bindparam("now"),
    )
    .order_by(transfer.c.next_attempt_at)
    .limit(bindparam("limit"))
)
_DEAD_LETTERS = (
    select(transfer)
    .where(
        literal_column(f"state = '{TransferState.DEAD_LETTERED}'"),
        literal_column(LISTED),
        transfer.c.skipped == 0,
        or_(bindparam("recipient", type_=Text).is_(None), transfer.c.recipient == bindparam("recipient", type_=Text)),
        or_(bindparam("code", type_=Text).is_(None), transfer.c.last_code == bindparam("code", type_=Text)),
        transfer.c.updated >= bindparam("since"),
        transfer.c.id > bindparam("after"),
    )
    .order_by(transfer.c.id)
    .limit(bindparam("limit"))
)
_PAST_DEADLINE = (
    select(transfer)
    .where(literal_column(BOUND_BY_DEADLINE), transfer.c.deadline <= bindparam("now"))
    .order_by(transfer.c.deadline)
    .limit(bindparam("limit"))
)


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
        receipt=read_receipt_of(connection, row.id),
        references=tuple(
            SealedReference(kind=ReferenceKind(each["kind"]), index=each["key_index"], sealed=each["sealed"])
            for each in references
        ),
        notice=notices.read_of(connection, row.id),
        answers=answers.read(connection, row),
        ahead=_read_ahead(connection, row),
        holds=holds.read_of(connection, row.id),
        warnings=_read_warnings(connection, row),
        superseded=superseding.read_of(connection, row.id) if row.supersedes is not None else (),
    )


def _read_warnings(connection: Connection, row: TransferRow) -> tuple[Violation, ...]:
    found = connection.one(_WARNINGS, {"submission_id": row.submission_id})
    return () if found is None else violations_of(found["warnings"]).get(row.recipient, ())


def _read_ahead(connection: Connection, row: TransferRow) -> TransferRow | None:
    """Return the first transfer that `row` waits for: of its conversation, before it, unfinished."""
    place = {name: getattr(row, name) for name in ("sender", "recipient", "conversation", "sequence")}
    found = connection.one(_AHEAD, place)
    return None if found is None else transfer_row(found)


def read_by_message(connection: Connection, message_id: MessageId) -> TransferRow | None:
    """Return the transfer that carries a message, or carried it before another took its place, or None."""
    row = connection.one(_BY_MESSAGE, {"message_id": message_id})
    if row is None:
        earlier = superseding.transfer_of(connection, message_id)
        row = None if earlier is None else connection.one(_ONE, {"id": earlier})
    return None if row is None else transfer_row(row)


def read_by_messages(connection: Connection, message_ids: Collection[MessageId]) -> dict[MessageId, TransferRow]:
    """Return the transfers that carry these messages, or carried them before others took their places, by message."""
    rows = map(transfer_row, _BY_MESSAGES.rows(connection, {}, list(message_ids)))
    found = {row.message_id: row for row in rows}
    earlier = {one: read_by_message(connection, one) for one in message_ids if one not in found}
    return found | {message_id: row for message_id, row in earlier.items() if row is not None}


def read_receipt(connection: Connection, message_id: MessageId) -> StoredReceipt | None:
    """Return the receipt we got for a message: an accepted one if there is any, else the newest."""
    row = connection.one(_RECEIPT, {"message_id": message_id})
    return None if row is None else received_receipt(row)


def read_receipt_of(connection: Connection, transfer_id: TransferId) -> StoredReceipt | None:
    """Return the receipt we got for a transfer, whichever of its messages it is about; chosen as in `read_receipt`."""
    row = connection.one(_RECEIPT_OF, {"transfer_id": transfer_id})
    return None if row is None else received_receipt(row)


def read_view(connection: Connection, transfer_id: TransferId) -> bytes | None:
    """Return what is sealed of a transfer, its JWS or its unsigned view, or None."""
    row = connection.one(_PAYLOAD, {"transfer_id": transfer_id})
    return None if row is None else bytes(row["sealed"])


_LISTS: Final[dict[tuple[str | None, bool, bool, bool], Any]] = {}


def _list_statement(*, state: str | None, recipient: bool, reference_index: bool, oldest_first: bool) -> Any:
    shape = (state, recipient, reference_index, oldest_first)
    if shape not in _LISTS:
        conditions: list[ColumnElement[bool]] = [transfer.c.id < bindparam("before")]
        if state is not None:  # spoken out, since only so a planner sees which partial index holds it
            conditions.append(literal_column(f"state = '{state}'"))
            if state not in {TransferState.DELIVERED, TransferState.IN_FLIGHT}:
                conditions.append(literal_column(LISTED))
        if recipient:
            conditions.append(transfer.c.recipient == bindparam("recipient"))
        if reference_index:
            conditions.append(
                transfer.c.submission_id.in_(
                    select(reference.c.subject_id).where(
                        literal_column(OF_SUBMISSION),
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
        state=None if state is None else state.value,
        recipient=recipient is not None,
        reference_index=reference_index is not None,
        oldest_first=oldest_first,
    )
    values: dict[str, Any] = {"before": before or AFTER_ALL, "limit": limit}
    if recipient is not None:
        values["recipient"] = recipient
    if reference_index is not None:
        values["reference_index"] = reference_index
    return [transfer_row(row) for row in connection.rows(statement, values)]


def read_to_follow_up(connection: Connection, partner: PartyId, *, now: datetime, limit: int) -> list[TransferRow]:
    """Return what can not go on by itself; see `ports.Store.to_follow_up`."""
    if health.is_backing_off(connection, partner, now):
        return []
    values = {"recipient": partner, "now": micros(now), "limit": limit}
    rows = [row for statement in (_OVERDUE_OF, _TO_SUPERSEDE) for row in connection.rows(statement, values)]
    return [transfer_row(row) for row in rows[:limit]]


def read_dead_letters(
    connection: Connection,
    *,
    limit: int,
    recipient: PartyId | None,
    code: str | None,
    since: datetime | None,
    after: TransferId | None,
) -> list[TransferRow]:
    """Return dead letters that fit, the oldest first; see `ports.Store.dead_letters`."""
    values = {
        "limit": limit,
        "recipient": recipient,
        "code": code,
        "since": 0 if since is None else micros(since),
        "after": after or "",
    }
    return [transfer_row(row) for row in connection.rows(_DEAD_LETTERS, values)]


def read_due_at(connection: Connection, recipient: PartyId) -> datetime | None:
    """Return when the next transfer may go: its own time, or the end of the partner's back-off if that is later."""
    found = (connection.one(_NEXT_DUE, {"recipient": recipient, "lane": lane}) for lane in HEAD_START)
    times = [row["next_attempt_at"] for row in found if row is not None]
    if not times:
        return None
    due = time_of(min(times))
    not_before = health.not_before(connection, recipient)
    return due if not_before is None else max(due, not_before)


def read_overdue(connection: Connection, *, now: datetime, limit: int) -> list[TransferRow]:
    """Return transfers whose lease ended, whose deadline passed or whose receipt is overdue; each once."""
    found: dict[str, Row] = {}
    for statement in (_LEASE_ENDED, _PAST_DEADLINE, _RECEIPT_OVERDUE):
        for row in connection.rows(statement, {"now": micros(now), "limit": limit}):
            found.setdefault(row["id"], row)
    return [transfer_row(row) for row in list(found.values())[:limit]]
