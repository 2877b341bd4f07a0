"""Carry SQLite's write-ahead log over into the database file, beside the writer and not in its way.

A passive checkpoint copies what it can while others read and write. Under steady load it never catches up with the
writer's last commit, and then the log would grow for ever: so once the log is long, the writer itself finishes the
little that is left, between two transactions, and starts the log from its beginning.
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.errors import StorageError
from gateway.storage.engine import Connection
from gateway.storage.sqlite.connection import BUSY_MS, SqliteConnection, open_writing

FRAMES_BETWEEN: Final = 4_000
"""Checkpoint after about this many pages went into the log (16 MB)."""

FRAMES_AT_MOST: Final = 8_000
"""Past this (32 MB) the log is started again. What a pass left over is little, so a restart costs the writer little."""

_FRAMES_PER_COMMIT: Final = 15
_FRAMES_PER_CHANGE: Final = 5
"""Pages that a commit and each change in it touch, about, as measured: tables and their indexes."""


class Checkpoints:
    """A thread that checkpoints when enough was committed."""

    def __init__(self, path: Path, *, reach: Reach = pass_by) -> None:
        self._path = path
        self._reach = reach
        self._between: Callable[[Callable[[Connection], None]], None] = _nothing
        self._wake = threading.Event()
        self._stop = False
        self._written = 0
        self._thread = threading.Thread(target=self._run, name="store-checkpoints", daemon=True)

    def start(self, *, between: Callable[[Callable[[Connection], None]], None]) -> None:
        """Start the thread. `between` has something done on the writer's connection between two transactions."""
        self._between = between
        self._thread.start()

    def committed(self, changes: int) -> None:
        """Take note of a commit. Called on the writer's thread."""
        self._written += _FRAMES_PER_COMMIT + _FRAMES_PER_CHANGE * changes
        if self._written >= FRAMES_BETWEEN:
            self._written = 0
            self._wake.set()

    def close(self) -> None:
        """Stop. Blocks for the checkpoint that runs."""
        self._stop = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        connection: SqliteConnection | None = None
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._stop:
                break
            try:
                connection = connection or open_writing(self._path)
                frames = checkpoint(connection, "PASSIVE")
                self._reach(Failpoint.CHECKPOINTED)
            except (StorageError, sqlite3.Error):
                # The writer meets the same trouble and reports it; the log only stays longer until the next try.
                if connection is not None:
                    connection.close()
                connection = None
                continue
            if frames >= FRAMES_AT_MOST:
                self._between(_restart)
        if connection is not None:
            connection.close()


def _nothing(act: Callable[[Connection], None]) -> None:
    """Before the start there is no writer to ask."""


def checkpoint(connection: SqliteConnection, mode: str) -> int:
    """Run one checkpoint (`PASSIVE`, `RESTART`, `TRUNCATE`) and return how many pages the log holds."""
    _, frames, _ = connection.raw.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return int(frames)


def _restart(connection: Connection) -> None:
    if isinstance(connection, SqliteConnection):
        try:
            # A long read keeps the log from starting again; better to try later than to let every commit wait for it.
            connection.raw.execute("PRAGMA busy_timeout=50")
            checkpoint(connection, "RESTART")
            connection.raw.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        except sqlite3.Error as error:
            raise StorageError("storage.unavailable", "The log could not be carried over") from error
