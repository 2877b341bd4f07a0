"""Upkeep: forget what may be forgotten, count, prove that a commit is possible."""

from datetime import datetime
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    literal_column,
    select,
    update,
)

from gateway.domain.lifecycle import HandOverState, TransferState
from gateway.storage import retention
from gateway.storage.engine import Connection, Transaction, insert_into
from gateway.storage.inbox_tables import (
    HAND_OVER_WAITS,
    LEASED,
    dedupe,
    hand_over,
    notice_owed,
    receipt_owed,
    refusal,
)
from gateway.storage.tables import LISTED, idempotency, meta, transfer
from gateway.storage.values import micros

PURGE_AT_ONCE: Final = 500
"""Rows deleted in one change, so that nobody waits long behind it."""

_KEPT: Final = (
    (idempotency, (idempotency.c.client, idempotency.c.key)),
    (dedupe, (dedupe.c.sender, dedupe.c.message_id)),
    (refusal, (refusal.c.sender, refusal.c.message_id, refusal.c.digest)),
    (notice_owed, (notice_owed.c.sender, notice_owed.c.message_id)),
    (receipt_owed, (receipt_owed.c.sender, receipt_owed.c.message_id)),
)
_PAYLOAD_STAYS = exists().where(
    hand_over.c.sender == dedupe.c.sender, hand_over.c.message_id == dedupe.c.message_id, hand_over.c.purged.is_(None)
)


def _is_over(table: Table) -> ColumnElement[bool]:
    """Return the condition by which a row may go. What an id stands for is known as long as its payload is here."""
    over = table.c.keep_until < bindparam("now")
    return and_(over, ~_PAYLOAD_STAYS) if table is dedupe else over


_OVER = [select(*names).where(_is_over(table)).limit(bindparam("limit")) for table, names in _KEPT]
_DELETES = [
    delete(table).where(*(column == bindparam(f"of_{column.name}") for column in names)) for table, names in _KEPT
]
_ANY_OVER = [select(literal(1)).where(exists(select(literal(1)).where(_is_over(table)))) for table, _ in _KEPT]
# Most stand in one final state, which no index lists: those are what is left of all.
_COUNTED: Final = (
    ("transfer", TransferState.DELIVERED.value, transfer, LISTED, LEASED),
    ("hand_over", HandOverState.HANDED_OVER.value, hand_over, HAND_OVER_WAITS, LEASED),
)
_COUNTS = [
    (
        name,
        rest,
        select(func.count().label("number")).select_from(table),
        [
            select(table.c.state, func.count().label("number")).where(literal_column(where)).group_by(table.c.state)
            for where in parts
        ],
    )
    for name, rest, table, *parts in _COUNTED
]
_INSERT_META = insert_into(meta)
_SET_META = update(meta).where(meta.c.key == bindparam("of")).values(value=bindparam("to"))
_GET_META = select(meta.c.value).where(meta.c.key == bindparam("key"))


def anything_to_purge(connection: Connection, *, now: datetime) -> bool:
    """Tell whether a purge would delete anything, so that an idle one costs no commit."""
    if retention.anything_to_purge(connection, now=now):
        return True
    return any(connection.one(statement, {"now": micros(now)}) is not None for statement in _ANY_OVER)


def purge(transaction: Transaction, *, now: datetime) -> int:
    """Delete some rows and payloads past their keeping. Return how many; 0 when none is left."""
    connection = transaction.connection
    gone = retention.purge(transaction, now=now)
    for (_, names), over, remove in zip(_KEPT, _OVER, _DELETES, strict=True):
        rows = connection.rows(over, {"now": micros(now), "limit": PURGE_AT_ONCE})
        connection.run_many(remove, [{f"of_{column.name}": row[column.name] for column in names} for row in rows])
        gone += len(rows)
    return gone


def counts(connection: Connection) -> dict[str, int]:
    """Return how many transfers and hand-overs stand in each state that occurs."""
    counted: dict[str, int] = {}
    for name, rest, everything, parts in _COUNTS:
        found = {row["state"]: int(row["number"]) for part in parts for row in connection.rows(part, {})}
        (total,) = (int(row["number"]) for row in connection.rows(everything, {}))
        found[rest] = total - sum(found.values())
        counted |= {f"{name}.{state}": number for state, number in found.items() if number}
    return counted


def prove_ready(transaction: Transaction) -> None:
    """Write a little, so that COMMIT has something to sync."""
    row = transaction.connection.one(_GET_META, {"key": "proved_ready"})
    if row is None:
        transaction.connection.run(_INSERT_META, {"key": "proved_ready", "value": "1"})
        return
    transaction.connection.run(_SET_META, {"of": "proved_ready", "to": str(int(row["value"]) + 1)})
