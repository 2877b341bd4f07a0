"""The audit chain in the database: written once a transaction, read in order, checked against the head beside it."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import bindparam, literal_column, select, update

from gateway.audit import (
    AuditEntry,
    AuditRecord,
    AuditVerdict,
    ChainHead,
    canonical_json,
    entry_of,
    genesis,
    verify_chain,
)
from gateway.errors import LocalError, StorageError
from gateway.storage.engine import Connection, Linked, Row, Transaction, insert_into
from gateway.storage.tables import OF_MESSAGE_ALONE, audit, audit_head, superseded, transfer
from gateway.storage.values import micros, time_of

_INSERT = insert_into(audit)
_INSERT_HEAD = insert_into(audit_head)
_MOVE_HEAD = (
    update(audit_head)
    .where(audit_head.c.chain == bindparam("of"))
    .values(seq=bindparam("to"), hash=bindparam("becomes"))
)
_HEAD = select(audit_head).where(audit_head.c.chain == bindparam("chain"))
_HEADS = select(audit_head).order_by(audit_head.c.chain)
_NEWEST = select(audit).where(audit.c.chain == bindparam("chain")).order_by(audit.c.seq.desc()).limit(1)
_CHAINS = select(audit.c.chain).distinct().order_by(audit.c.chain)
_AFTER = (
    select(audit)
    .where(audit.c.chain == bindparam("chain"), audit.c.seq > bindparam("after"))
    .order_by(audit.c.seq)
    .limit(bindparam("limit"))
)
_OF_TRANSFER = _AFTER.where(audit.c.transfer_id == bindparam("transfer_id"))
_OF_MESSAGE_ALONE = _AFTER.where(literal_column(OF_MESSAGE_ALONE), audit.c.message_id == bindparam("message_id"))
_OF_ITS_TRANSFER = _AFTER.where(
    audit.c.transfer_id.in_(
        select(transfer.c.id)
        .where(transfer.c.message_id == bindparam("message_id"))
        .union_all(select(superseded.c.transfer_id).where(superseded.c.message_id == bindparam("message_id")))
    ),
    audit.c.message_id == bindparam("message_id"),
)
_OF_BOTH = _OF_TRANSFER.where(audit.c.message_id == bindparam("message_id"))

_PAGE: Final = 1000


def write_records(connection: Connection, records: list[Linked], head: ChainHead) -> None:
    """Write the records of one transaction, and the head they lead to. Unique (chain, seq) refuses a second writer."""
    connection.run_many(_INSERT, [_values(head.chain, *record) for record in records])
    if not connection.run(_MOVE_HEAD, {"of": head.chain, "to": head.seq, "becomes": head.hash}):
        connection.run(_INSERT_HEAD, {"chain": head.chain, "seq": head.seq, "hash": head.hash})


def read_head(connection: Connection, chain: str) -> ChainHead:
    """Return how far a chain goes. Raises StorageError `audit.broken` when the newest record is not the known head."""
    known = connection.one(_HEAD, {"chain": chain})
    newest = connection.one(_NEWEST, {"chain": chain})
    head = _head(known) if known is not None else genesis(chain)
    found = ChainHead(chain=chain, seq=newest["seq"], hash=newest["hash"]) if newest is not None else genesis(chain)
    if head != found:
        raise StorageError(
            "audit.broken",
            f"The newest audit record of chain {chain} is {found.seq}, but {head.seq} was written. Keep the file as it "
            "is, run `gateway audit verify`, and restore a backup",
        )
    return head


def read_records(
    connection: Connection,
    chain: str,
    *,
    after: int,
    limit: int,
    transfer_id: str | None = None,
    message_id: str | None = None,
) -> list[AuditRecord]:
    """Return records in order, from sequence `after` + 1. Raises LocalError `audit.broken` for one that is damaged."""
    match transfer_id, message_id:
        case None, None:
            statements = [_AFTER]
        case _, None:
            statements = [_OF_TRANSFER]
        case None, _:
            statements = [_OF_MESSAGE_ALONE, _OF_ITS_TRANSFER]
        case _:
            statements = [_OF_BOTH]
    values = {
        "chain": chain,
        "after": after,
        "limit": limit,
        "transfer_id": transfer_id,
        "message_id": message_id,
    }
    rows = [row for statement in statements for row in connection.rows(statement, values)]
    rows.sort(key=lambda row: row["seq"])
    return [_record(row) for row in rows[:limit]]


def all_records(connection: Connection, chain: str) -> Iterator[AuditRecord]:
    """Yield a whole chain in order, page by page."""
    after = -(2**63)  # a record before the first would be an insertion, and must be seen
    while page := connection.rows(_AFTER, {"chain": chain, "after": after, "limit": _PAGE}):
        for row in page:
            yield _record(row)
        after = page[-1]["seq"]


def chain_names(connection: Connection) -> list[str]:
    """Return every chain that has a record or a head."""
    heads = {row["chain"] for row in connection.rows(_HEADS, {})}
    return sorted(heads | {row["chain"] for row in connection.rows(_CHAINS, {})})


def known_head(connection: Connection, chain: str) -> ChainHead:
    """Return the head that stands beside the records."""
    known = connection.one(_HEAD, {"chain": chain})
    return _head(known) if known is not None else genesis(chain)


def holds(connection: Connection, mark: ChainHead) -> bool:
    """Tell whether a chain holds this very record."""
    found = connection.rows(_AFTER, {"chain": mark.chain, "after": mark.seq - 1, "limit": 1})
    return mark == genesis(mark.chain) or any(row["seq"] == mark.seq and row["hash"] == mark.hash for row in found)


def verify_chains(connection: Connection) -> list[AuditVerdict]:
    """Check every chain against its head; one verdict each."""
    return [
        verify_chain(all_records(connection, chain), chain, expected=known_head(connection, chain))
        for chain in chain_names(connection)
    ]


def record_all(transaction: Transaction, entries: Iterable[AuditEntry]) -> None:
    """Put entries at the end of the chain, in order."""
    for entry in entries:
        transaction.record(entry)


def _values(chain: str, entry: AuditEntry, facts: bytes, seq: int, previous: str, digest: str) -> dict[str, Any]:
    return {
        "chain": chain,
        "seq": seq,
        "event": entry.event._value_,
        "at": micros(entry.at),
        "actor": entry.actor,
        "transfer_id": entry.transfer_id,
        "message_id": entry.message_id,
        "facts": facts.decode(),
        "previous": previous,
        "hash": digest,
    }


def _record(row: Row) -> AuditRecord:
    try:
        facts = json.loads(row["facts"])
        entry = entry_of(
            event=row["event"],
            at=time_of(row["at"]),
            actor=row["actor"],
            transfer_id=row["transfer_id"],
            message_id=row["message_id"],
            facts=facts,
        )
        exact = canonical_json(facts) == row["facts"]
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise LocalError("audit.broken", f"Audit record {row['seq']} can not be read") from error
    if not exact:
        raise LocalError("audit.broken", f"Audit record {row['seq']} was not written by this program")
    return AuditRecord(chain=row["chain"], seq=row["seq"], entry=entry, previous=row["previous"], hash=row["hash"])


def _head(row: Row) -> ChainHead:
    return ChainHead(chain=row["chain"], seq=row["seq"], hash=row["hash"])
