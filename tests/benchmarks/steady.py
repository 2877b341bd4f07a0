"""Acknowledgements at a steady rate, against a bare commit: an open loop, which does not wait for those who are slow.

Each request has its time, `1 / rate` after the one before. What it took is counted from that time on, also when no
connection was free: a client that waits for its turn waits for its answer too.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from statistics import quantiles
from typing import Final

from tests.benchmarks.load import exchange

_COMMITS: Final = 200
_ROW_BYTES: Final = 8 * 1024
"""About what an acceptance writes."""


async def acknowledgements(port: int, requests: Sequence[bytes], *, rate: float, connections: int) -> list[float]:
    """Send `requests`, `rate` a second, and return for each the seconds from its time to its 202. Raises RuntimeError
    for any other answer."""
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for connection in opened:
        idle.put_nowait(connection)
    took: list[float] = []
    started = time.perf_counter()

    async def one(request: bytes, due: float) -> None:
        connection = await idle.get()
        await exchange(*connection, request)
        took.append(time.perf_counter() - due)
        idle.put_nowait(connection)

    try:
        async with asyncio.TaskGroup() as group:
            for number, request in enumerate(requests):
                due = started + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(one(request, due))
    finally:
        for _, writer in opened:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
    return took


def commits(folder: Path) -> list[float]:
    """Return the seconds of bare commits, one by one, to a database of its own on the disk of `folder`."""
    path = folder / "commits.db"
    took: list[float] = []
    with closing(opened_for_commits(path)) as database:
        for _ in range(_COMMITS):
            started = time.perf_counter()
            write_row(database, os.urandom(_ROW_BYTES))
            took.append(time.perf_counter() - started)
    path.unlink()
    return took


def opened_for_commits(path: Path) -> sqlite3.Connection:
    """Return a new database that syncs every commit, to be used by any one thread at a time."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS written (content BLOB)")
    return database


def write_row(database: sqlite3.Connection, content: bytes) -> None:
    """Commit one row by itself."""
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO written VALUES (?)", (content,))
    database.execute("COMMIT")


def p99(seconds: Sequence[float]) -> float:
    """Return what 99 of 100 stay below, in microseconds."""
    return quantiles(seconds, n=100)[98] * 1e6
