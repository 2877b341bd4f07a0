"""Open a store in an SQLite file, and read the audit chain of one without opening the store."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from gateway.audit import AuditRecord, AuditVerdict
from gateway.domain.failpoint import Reach, pass_by
from gateway.errors import StorageError
from gateway.storage import evidence, migrate
from gateway.storage.readers import Readers
from gateway.storage.sqlite.checkpoints import Checkpoints
from gateway.storage.sqlite.connection import (
    Commit,
    SqliteConnection,
    commit,
    converted,
    open_reading,
    open_writing,
)
from gateway.storage.sqlite.files import WriterLock, own_file, own_folder
from gateway.storage.store import SqlStore
from gateway.storage.writer import Writer

READERS: Final = 2
"""Connections that read. More than cores gains nothing: what they do is short."""

APPLICATION_ID: Final = 0x57435847
"""`WCXG` in the file's header (`PRAGMA application_id`), so that `file` and we can tell what it is."""


class SqliteStore(SqlStore):
    """The store of a node in one SQLite file."""

    @classmethod
    async def open(
        cls, path: Path, *, chain: str, readers: int = READERS, commit: Commit = commit, reach: Reach = pass_by
    ) -> Self:
        """Open `path`, making or upgrading it as needed. `chain`: the name of this node's audit chain.

        `commit` is how a transaction is committed; only tests give one, to make it fail.

        Raises StorageError: `storage.locked` when another process writes to it, `storage.exposed` when others could
        read it, `storage.schema_version` when it is newer than this program or not ours, `audit.broken` when the
        newest audit record is not the one written last, `storage.corrupt`, `storage.unavailable`.
        """
        return await asyncio.to_thread(cls._open, path, chain, readers, commit, reach)

    @classmethod
    def _open(cls, path: Path, chain: str, readers: int, commit: Commit, reach: Reach) -> Self:
        own_folder(path.parent)
        lock = WriterLock(path.with_name(f"{path.name}.lock"))
        checkpoints = Checkpoints(path, reach=reach)
        writer = Writer(lambda: open_writing(path, commit=commit), chain=chain, after_commit=checkpoints.committed)
        try:
            own_file(path)
            prepare_file(path)
            writer.start()
        except BaseException:
            writer.close()
            lock.release()
            raise
        checkpoints.start(between=writer.between_transactions)
        pool = Readers(lambda: open_reading(path), count=readers)

        def last() -> None:
            checkpoints.close()
            lock.release()

        return cls(writer=writer, readers=pool, chain=chain, on_close=last, reach=reach)


def prepare_file(path: Path) -> None:
    """Bring the tables of a file to the version of this program. Raises StorageError."""
    connection = open_writing(path)
    try:
        _claim_file(connection.raw)
        engine = create_engine("sqlite://", creator=lambda: connection.raw)
        with engine.connect() as tables:
            # One transaction for all: a kill half way leaves the file as it was.
            tables.exec_driver_sql("BEGIN IMMEDIATE")
            migrate.upgrade(tables)
            tables.commit()
        engine.dispose()
    except (sqlite3.Error, SQLAlchemyError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, sqlite3.Error) else error
        raise converted(cause) from error
    finally:
        connection.close()


def _claim_file(raw: sqlite3.Connection) -> None:
    (found,) = raw.execute("PRAGMA application_id").fetchone()
    if found == APPLICATION_ID:
        return
    (tables,) = raw.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if found or tables:
        raise StorageError("storage.schema_version", "The file is the database of another program")
    raw.execute(f"PRAGMA application_id={APPLICATION_ID}")


# ── without a store: `gateway audit` on the database of a node that runs, stands still, or is a copy ─────────────────


def verify_database(path: Path) -> list[AuditVerdict]:
    """Check every audit chain in a database file against the head beside it; one verdict each. Changes nothing."""
    with _reading(path) as connection:
        return evidence.verify_chains(connection)


def database_chains(path: Path) -> list[str]:
    """Return the names of the audit chains in a database file."""
    with _reading(path) as connection:
        return evidence.chain_names(connection)


def database_records(path: Path, chain: str) -> Iterator[AuditRecord]:
    """Yield one audit chain of a database file in order, as it stood when the first record was asked for."""
    with _reading(path) as connection:
        yield from evidence.all_records(connection, chain)


@contextmanager
def _reading(path: Path) -> Iterator[SqliteConnection]:
    if not path.is_file():
        raise StorageError("storage.unavailable", "There is no database file at this path")
    connection = open_reading(path)
    try:
        connection.begin()
        yield connection
    finally:
        connection.close()
