"""The real store, its one writer run by the virtual loop instead of by a thread, and its COMMITs in the hands of fate.

What is real: every statement, the group commit with its savepoints, the audit chain, SQLite and its file. What is not:
threads (the writer takes its turns in the loop, readers answer in it) and checkpoints (the log of a run is short).
"""

import asyncio
import queue
import sqlite3
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from sqlalchemy.sql.expression import ClauseElement

from gateway.audit import AuditEvent
from gateway.errors import StorageError
from gateway.storage.engine import Connection, Row, Values
from gateway.storage.readers import Readers
from gateway.storage.sqlite.connection import SqliteConnection, open_reading, open_writing
from gateway.storage.sqlite.store import SqliteStore
from gateway.storage.writer import Writer


class CommitFate(Enum):
    """What becomes of one COMMIT."""

    DONE = "done"
    LOST = "reported as failed, did not happen"
    HAPPENED = "reported as failed, did happen"
    DIES_BEFORE = "the process dies before it"
    DIES_AFTER = "the process dies after it"


class CrashedError(BaseException):
    """The process of this node is gone. No `except Exception` of the product may catch it."""


Fate = Callable[[list[tuple[AuditEvent, str]]], CommitFate]
"""Decides over a COMMIT by the evidence it holds: events and message ids."""


class _Ringing(queue.SimpleQueue[Any]):
    """A queue that tells when something was put in."""

    def __init__(self, ring: Callable[[], None]) -> None:
        super().__init__()
        self._ring = ring

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self._ring()


class LoopWriter(Writer):
    """The writer without its thread. `pace`: seconds until its next turn. `on_crash` is told when a COMMIT kills."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        chain: str,
        pace: Callable[[], float],
        on_crash: Callable[[], None],
    ) -> None:
        super().__init__(connect, chain=chain)
        self._queue = _Ringing(self._ring)
        self._pace = pace
        self._on_crash = on_crash
        self._rung = False
        self._dead = False

    def start(self) -> None:
        """Open the connection and read the chain's head. Raises StorageError."""
        self._open()

    def close(self) -> None:
        """Commit what waits, then close the connection."""
        while not self._dead and not self._queue.empty():
            self._turn()
        self._drop()

    def die(self) -> None:
        """End as a killed process does: what is not committed never was."""
        self._dead = True
        self._drop()

    def _ring(self) -> None:
        if not self._rung:
            self._rung = True
            asyncio.get_running_loop().call_later(self._pace(), self._take_turn)

    def _take_turn(self) -> None:
        self._rung = False
        if self._dead or self._queue.empty():
            return
        try:
            self._turn()
        except CrashedError:
            self._on_crash()
            return
        if not self._queue.empty():
            self._ring()


class LoopReaders(Readers):
    """The readers without their threads. Closed, they open nothing any more, as an executor takes no more work then."""

    def close(self) -> None:
        """Close every connection, for good."""
        super().close()
        self._connect = _closed


def _closed() -> Connection:
    raise StorageError("storage.unavailable", "The store is closed")


class SimulatedStore(SqliteStore):
    """The store of one node in one life."""

    @classmethod
    def begin(
        cls,
        path: Path,
        *,
        chain: str,
        fate: Fate,
        can_open: Callable[[], bool],
        damaged: Callable[[], bool],
        pace: Callable[[], float],
        on_crash: Callable[[], None],
    ) -> "SimulatedStore":
        """Open a prepared file. Raises StorageError."""
        commits = _Commits(path, fate)

        def connect() -> Connection:
            if not can_open():
                raise StorageError("storage.unavailable", "The disk does not answer")
            return _Damaged(open_writing(path, commit=commits).raw, commits, damaged)

        writer = LoopWriter(connect, chain=chain, pace=pace, on_crash=on_crash)
        writer.start()
        readers = LoopReaders(lambda: open_reading(path), count=1)
        return cls(writer=writer, readers=readers, chain=chain, on_close=lambda: None)

    def die(self) -> None:
        """End as a killed process does."""
        writer = self._writer
        assert isinstance(writer, LoopWriter)
        writer.die()
        self._readers.close()


class _Damaged(SqliteConnection):
    """The writer's connection; a statement of a change may be turned down, or meet a page that can not be read for a
    moment: the one costs the change, the other its transaction. What is turned down is turned down again when the
    change is run once more by itself, as a constraint would."""

    def __init__(self, raw: sqlite3.Connection, commits: "_Commits", damaged: Callable[[], bool]) -> None:
        super().__init__(raw, writes=True, commit=commits)
        self._is_damaged = damaged
        self._met = 0
        self._not_taken: tuple[ClauseElement, Values] | None = None

    def run(self, statement: ClauseElement, values: Values) -> int:
        """Execute, or fail."""
        self._look(statement, values)
        return super().run(statement, values)

    def run_many(self, statement: ClauseElement, values: Sequence[Values]) -> int:
        """Execute each, or fail."""
        self._look(statement, *values)
        return super().run_many(statement, values)

    def rows(self, statement: ClauseElement, values: Values) -> list[Row]:
        """Ask, or fail."""
        self._look(statement, values)
        return super().rows(statement, values)

    def _look(self, statement: ClauseElement, *values: Values) -> None:
        again = self._not_taken
        if again is not None and again[0] is statement and again[1] in values:
            self._not_taken = None
        elif not values or not self._is_damaged():
            return
        else:
            self._met += 1
            if self._met % 2 == 0:
                raise StorageError("storage.corrupt", "The page can not be read (simulated)")
            self._not_taken = statement, values[-1]  # of several, the last: those before it were taken
        raise StorageError("storage.constraint", "The database does not take it (simulated)")


class _Commits:
    """How this store commits: as fate has it."""

    def __init__(self, path: Path, fate: Fate) -> None:
        self._path = path
        self._fate = fate
        self._seen: int | None = None

    def __call__(self, connection: sqlite3.Connection) -> None:
        # Asked within the transaction, so what it would commit is there already.
        if self._seen is None:
            self._seen = 0
        rows = connection.execute(_NEW, (self._seen,)).fetchall()
        fate = self._fate([(AuditEvent(event), message_id or "") for _, event, message_id in rows])
        if fate is CommitFate.DIES_BEFORE:
            raise CrashedError
        if fate is not CommitFate.LOST:
            connection.execute("COMMIT")
            self._seen = max((seq for seq, _, _ in rows), default=self._seen)
        if fate is CommitFate.DIES_AFTER:
            raise CrashedError
        if fate is not CommitFate.DONE:
            raise sqlite3.OperationalError("disk I/O error")


_NEW = "SELECT seq, event, message_id FROM audit WHERE seq > ? ORDER BY seq"
