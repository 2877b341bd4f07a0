"""Open a store in an SQLite file, and read the audit chain of one without opening the store."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from gateway.audit import AuditRecord, AuditVerdict, ChainHead
from gateway.domain.failpoint import Reach, pass_by
from gateway.errors import StorageError
from gateway.storage import evidence, migrate
from gateway.storage.readers import Readers
from gateway.storage.sqlite.checkpoints import Checkpoints, checkpoint
from gateway.storage.sqlite.connection import (
    Commit,
    SqliteConnection,
    commit,
    converted,
    open_reading,
    open_writing,
)
from gateway.storage.sqlite.files import WriterLock, own_file, own_folder, require_room
from gateway.storage.sqlite.log_tail import frames_in
from gateway.storage.sqlite.mark import MarkKeeper, read_mark, rolled_back
from gateway.storage.store import SqlStore
from gateway.storage.writer import BATCH, Writer

READERS: Final = 2
"""Connections that read. More than cores gains nothing: what they do is short."""

APPLICATION_ID: Final = 0x57435847
"""`WCXG` in the file's header (`PRAGMA application_id`), so that `file` and we can tell what it is."""


class SqliteStore(SqlStore):
    """The store of a node in one SQLite file."""

    _folder: Path | None = None
    dropped_frames: int = 0
    """Pages of an unfinished transaction that were dropped from the end of the log at opening, see `log_tail`."""

    passed_over: ChainHead | None = None
    """The high-water mark that the database was behind of, when it was opened with `restored`."""

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        chain: str,
        readers: int = READERS,
        commit: Commit = commit,
        reach: Reach = pass_by,
        restored: bool = False,
        batch: int = BATCH,
    ) -> Self:
        """Open `path`, making or upgrading it as needed. `chain`: the name of this node's audit chain.

        `commit` is how a transaction is committed; only tests give one, to make it fail. `restored`: an older copy was
        put in place on purpose. `batch`: changes in one commit at most.

        Raises StorageError: `storage.locked` when another process writes to it, `storage.exposed` when others could
        read it, `storage.schema_version` when it is newer than this program or not ours, `audit.broken` when the
        newest audit record is not the one written last, `storage.rolled_back` when it lies behind its high-water mark
        and is not `restored`, `storage.corrupt`, `storage.unavailable`.
        """
        return await asyncio.to_thread(cls._open, path, chain, readers, commit, reach, restored, batch)

    @classmethod
    def _open(
        cls, path: Path, chain: str, readers: int, commit: Commit, reach: Reach, restored: bool, batch: int
    ) -> Self:
        own_folder(path.parent)
        lock = WriterLock(path.with_name(f"{path.name}.lock"))
        checkpoints = Checkpoints(path, reach=reach)
        writer = Writer(
            lambda: open_writing(path, commit=commit), chain=chain, after_commit=checkpoints.committed, batch=batch
        )
        try:
            own_file(path)
            dropped = carry_over(path)
            prepare_file(path)
            writer.start()
            passed_over = _compare_with_mark(path, chain, restored=restored)
        except BaseException:
            writer.close()
            lock.release()
            raise
        checkpoints.start(between=writer.between_transactions)
        mark = MarkKeeper(_mark_of(path), lambda: writer.committed)
        mark.start()
        pool = Readers(lambda: open_reading(path), count=readers)

        def last() -> None:
            checkpoints.close()
            mark.close()
            lock.release()

        store = cls(writer=writer, readers=pool, chain=chain, on_close=last, reach=reach)
        store._folder, store.dropped_frames, store.passed_over = path.parent, dropped, passed_over
        return store

    async def ready(self) -> None:
        """Return if a commit is possible and its disk has room for more. Raises StorageError."""
        if self._folder is not None:
            await asyncio.to_thread(require_room, self._folder)
        await super().ready()


def carry_over(path: Path) -> int:
    """Carry the log over into the file, and return how many frames at its end belonged to no commit.

    Whatever is read from here on stands in the file and is synced: after a sync that failed, or a kill before one, the
    log may hold a commit that only the page cache knows, and no later sync would write it.
    """
    found = frames_in(path.with_name(f"{path.name}-wal"))
    connection = open_writing(path)
    try:
        taken = checkpoint(connection, "PASSIVE")
        checkpoint(connection, "TRUNCATE")
    except sqlite3.Error as error:
        raise converted(error) from error
    finally:
        connection.close()
    return max(found - taken, 0)


def _mark_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.mark")


def _compare_with_mark(path: Path, chain: str, *, restored: bool) -> ChainHead | None:
    """Return the mark if the database does not hold what it names, and an older copy is expected. Raises StorageError
    `storage.rolled_back` if none is."""
    mark = read_mark(_mark_of(path))
    if mark is None or mark.chain != chain:
        return None
    with _reading(path) as connection:
        if evidence.holds(connection, mark):
            return None
        if not restored:
            raise rolled_back(mark, evidence.known_head(connection, chain))
    return mark


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
