"""What the store needs of a database engine: a few verbs over Core statements, and one transaction's evidence.

Statements are SQLAlchemy Core, made once as module constants and compiled once per engine to the driver's own text, so
that the hot path runs on the driver without Core's share (75–80 µs a message, measured). An engine is one file that
implements `Connection`; SQLite's is `sqlite.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Column, Insert, Table, bindparam, insert
from sqlalchemy.sql.expression import ClauseElement

from gateway.audit import AuditEntry, ChainHead, canonical_facts, record_hash

Values = Mapping[str, Any]


Row = Mapping[str, Any]
"""A row by the names of its columns."""


class Connection(Protocol):
    """One connection. Foreign exceptions never leave it: each is raised as StorageError."""

    def run(self, statement: ClauseElement, values: Values) -> int:
        """Execute, and return how many rows changed."""
        ...

    def run_many(self, statement: ClauseElement, values: Sequence[Values]) -> int:
        """Execute for each of `values`, and return how many rows changed in all."""
        ...

    def one(self, statement: ClauseElement, values: Values) -> Row | None: ...

    def rows(self, statement: ClauseElement, values: Values) -> list[Row]: ...

    def begin(self) -> None:
        """Begin a transaction that will write, and wait for the right to."""
        ...

    def savepoint(self) -> None: ...

    def release(self) -> None: ...

    def rollback_to_savepoint(self) -> None: ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def in_transaction(self) -> bool:
        """Tell whether a transaction is open: some failures end it by themselves."""
        ...

    def close(self) -> None: ...


Linked = tuple[AuditEntry, bytes, int, str, str]
"""An audit record on its way to the database: the entry, its facts as JSON, its sequence, the hash before, its own."""


class Transaction:
    """What a change sees: the connection inside its transaction, and the audit chain that grows with it.

    Records are written in one go before COMMIT; taking back a change takes back its records and the chain's head.
    """

    __slots__ = ("_chain", "_hash", "_seq", "connection", "records")

    def __init__(self, connection: Connection, head: ChainHead) -> None:
        self.connection = connection
        self.records: list[Linked] = []
        self._chain = head.chain
        self._seq = head.seq
        self._hash = head.hash

    @property
    def head(self) -> ChainHead:
        """How far the chain goes by now."""
        return ChainHead(chain=self._chain, seq=self._seq, hash=self._hash)

    def record(self, entry: AuditEntry) -> None:
        """Put an entry at the end of the chain, in the same transaction as everything else."""
        seq, previous, facts = self._seq + 1, self._hash, canonical_facts(entry)
        digest = record_hash(self._chain, seq, entry, previous=previous, facts=facts)
        self.records.append((entry, facts, seq, previous, digest))
        self._seq, self._hash = seq, digest

    def mark(self) -> tuple[ChainHead, int]:
        """Return where the chain stands, for `restore`."""
        return self.head, len(self.records)

    def restore(self, mark: tuple[ChainHead, int]) -> None:
        """Take back the records made since `mark`."""
        head, count = mark
        self._seq, self._hash = head.seq, head.hash
        del self.records[count:]


def insert_into(table: Table) -> Insert:
    """Return the INSERT of a whole row; the values are named as the columns. Keys that count by themselves are left
    to the database."""
    columns: list[Column[Any]] = [column for column in table.columns if column.autoincrement is not True]
    return insert(table).values({column.name: bindparam(column.name) for column in columns})
