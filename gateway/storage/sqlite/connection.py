"""Connections to an SQLite file: the pragmas, and `engine.Connection` straight on the driver.

What is asserted at every opening, because SQLite ignores a pragma it can not honour without a word: WAL,
`synchronous=FULL` (NORMAL loses acknowledged commits at a power cut), `foreign_keys=ON`. The driver begins no
transaction by itself (`isolation_level=None`): each is BEGIN IMMEDIATE, else updates get lost.

`wal_autocheckpoint=0`: the log is carried over into the file by `checkpoints.py`, on a connection of its own, so that
no commit pays for it. Pages are 4 KiB (docs/adr/0005).
"""

import sqlite3
from collections.abc import Callable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from sqlalchemy.dialects import sqlite as dialect
from sqlalchemy.sql.expression import ClauseElement

from gateway.errors import StorageError
from gateway.storage.engine import Row, Values

OLDEST: Final = (3, 37, 0)
"""The first SQLite with STRICT tables."""

PAGE_BYTES: Final = 4_096
BUSY_MS: Final = 5_000
LOG_BYTES: Final = 48 * 1024 * 1024
"""What the file of the write-ahead log is cut back to: what it may reach between two checkpoints, and a little."""

_DIALECT: Final = dialect.dialect(paramstyle="qmark")

Commit = Callable[[sqlite3.Connection], None]
"""How a transaction is committed; tests put in one that fails."""


def commit(connection: sqlite3.Connection) -> None:
    """Commit for real."""
    connection.execute("COMMIT")


class SqliteConnection:
    """One connection to the file, as `engine.Connection`. Used by one thread at a time."""

    def __init__(self, raw: sqlite3.Connection, *, writes: bool, commit: Commit = commit) -> None:
        self.raw = raw
        self._begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        self._commit = commit

    def run(self, statement: ClauseElement, values: Values) -> int:
        text, bind = compiled(statement)
        return self._execute(text, bind(values)).rowcount

    def run_many(self, statement: ClauseElement, values: Sequence[Values]) -> int:
        text, bind = compiled(statement)
        try:
            return self.raw.executemany(text, map(bind, values)).rowcount
        except (sqlite3.Error, OverflowError) as error:
            raise converted(error) from error

    def one(self, statement: ClauseElement, values: Values) -> Row | None:
        found = self.rows(statement, values)
        return found[0] if found else None

    def rows(self, statement: ClauseElement, values: Values) -> list[Row]:
        """Ask, and return all that is found."""
        text, bind = compiled(statement)
        try:
            cursor = self.raw.execute(text, bind(values))
            found = cursor.fetchall()
            # Not `sqlite3.Row`, which looks a name up by comparing it with one column after the other.
            names = [column[0] for column in cursor.description] if found else ()
            return [dict(zip(names, row, strict=True)) for row in found]
        except (sqlite3.Error, OverflowError) as error:
            raise converted(error) from error

    def begin(self) -> None:
        self._execute(self._begin)

    def savepoint(self) -> None:
        self._execute("SAVEPOINT change")

    def release(self) -> None:
        self._execute("RELEASE change")

    def rollback_to_savepoint(self) -> None:
        self._execute("ROLLBACK TO change")

    def commit(self) -> None:
        try:
            self._commit(self.raw)
        except sqlite3.Error as error:
            raise converted(error) from error

    def rollback(self) -> None:
        self._execute("ROLLBACK")

    def in_transaction(self) -> bool:
        return self.raw.in_transaction

    def close(self) -> None:
        # Closing rolls back what is open. There is nothing left to do about a file that can not even be closed.
        try:
            self.raw.close()
        except sqlite3.Error:
            return

    def _execute(self, text: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self.raw.execute(text, values)
        except (sqlite3.Error, OverflowError) as error:
            raise converted(error) from error


Bind = Callable[[Values], tuple[Any, ...]]
"""Puts values, given by name, in the places where a statement has them."""

_texts: dict[ClauseElement, tuple[str, Bind]] = {}


def compiled(statement: ClauseElement) -> tuple[str, Bind]:
    """Return a statement as SQLite's text, and what puts values in their places. Done once for each.

    By place and not by name, since the driver looks every name up anew at every execution.
    """
    known = _texts.get(statement)
    if known is None:
        form = statement.compile(dialect=_DIALECT)
        binds, names = form.binds, form.positiontup  # type: ignore[attr-defined]  # each compiles to SQLCompiler
        constants = {name: bind.value for name, bind in binds.items() if not bind.required}
        known = _texts[statement] = (str(form), _binding(list(names or ()), constants))
    return known


def _binding(names: list[str], constants: dict[str, Any]) -> Bind:
    """Return what puts values in the places of `names`; `constants` were written into the statement."""
    if len(names) < 2:
        return lambda values: tuple({**constants, **values}[name] for name in names)
    places = itemgetter(*names)
    return (lambda values: places({**constants, **values})) if constants else places


def converted(error: Exception) -> StorageError:
    """Return a driver's exception as ours. Its text is not taken over: it names tables, which is enough inside."""
    if isinstance(error, sqlite3.OperationalError):
        return StorageError("storage.unavailable", f"The database could not do it ({_name_of(error)})")
    if isinstance(error, sqlite3.IntegrityError | sqlite3.DataError | OverflowError):
        return StorageError("storage.constraint", f"The database does not take this row ({_name_of(error)})")
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError | sqlite3.NotSupportedError):
        return StorageError("storage.unavailable", f"The store is closed or misused ({type(error).__name__})")
    return StorageError("storage.corrupt", f"The database is damaged ({_name_of(error)})")


def _name_of(error: Exception) -> str:
    return str(getattr(error, "sqlite_errorname", type(error).__name__))


def open_writing(path: Path, *, commit: Commit = commit) -> SqliteConnection:
    """Return a connection that writes. The file must exist: `files.own_file` makes it."""
    raw = _connect(path, read_only=False)
    try:
        raw.execute(f"PRAGMA page_size={PAGE_BYTES}")  # counts only in an empty file
        _assert(raw, "journal_mode", "WAL", "wal")
        _assert(raw, "synchronous", "FULL", 2)
        _assert(raw, "foreign_keys", "ON", 1)
        _assert(raw, "wal_autocheckpoint", 0, 0)
        raw.execute("PRAGMA cache_size=-65536")  # 64 MiB
        raw.execute("PRAGMA temp_store=MEMORY")
        # A long read may have let the log grow; once it starts again, the file is cut back to what it needs.
        raw.execute(f"PRAGMA journal_size_limit={LOG_BYTES}")
    except sqlite3.Error as error:
        raw.close()
        raise converted(error) from error
    except StorageError:
        raw.close()
        raise
    return SqliteConnection(raw, writes=True, commit=commit)


def open_reading(path: Path) -> SqliteConnection:
    """Return a connection that can not write."""
    raw = _connect(path, read_only=True)
    try:
        _assert(raw, "query_only", "ON", 1)
    except sqlite3.Error as error:
        raw.close()
        raise converted(error) from error
    except StorageError:
        raw.close()
        raise
    return SqliteConnection(raw, writes=False)


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    if sqlite3.sqlite_version_info < OLDEST:
        raise StorageError("storage.unavailable", f"SQLite {sqlite3.sqlite_version} is too old; 3.37 is needed")
    mode = "ro" if read_only else "rw"
    try:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=BUSY_MS / 1000,
            check_same_thread=False,  # one thread at a time all the same: opened here, used there, closed at the end
            cached_statements=512,
        )
    except sqlite3.Error as error:
        raise converted(error) from error


def _assert(raw: sqlite3.Connection, pragma: str, value: str | int, expected: str | int) -> None:
    raw.execute(f"PRAGMA {pragma}={value}")
    (found,) = raw.execute(f"PRAGMA {pragma}").fetchone()
    if found != expected:
        raise StorageError("storage.unavailable", f"SQLite runs with {pragma}={found} here, not {value}")
