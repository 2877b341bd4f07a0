"""Reading: a few threads, each with a read-only connection of its own, so that no read waits for a write.

One read sees one state of the database however many statements it makes.
"""

import asyncio
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gateway.errors import StorageError
from gateway.storage.engine import Connection

T = TypeVar("T")


class Readers:
    """A pool of `count` read-only connections. `connect` opens one."""

    def __init__(self, connect: Callable[[], Connection], *, count: int) -> None:
        self._connect = connect
        self._idle: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(max_workers=count, thread_name_prefix="store-reader")

    async def read(self, ask: Callable[[Connection], T]) -> T:
        """Return what `ask` returns. Raises what it raises, and StorageError `storage.unavailable`."""
        try:
            running = asyncio.get_running_loop().run_in_executor(self._threads, self._read, ask)
        except RuntimeError as error:
            raise StorageError("storage.unavailable", "The store is closed") from error
        return await running

    def close(self) -> None:
        """Finish what is being read, then close every connection. Blocks."""
        self._threads.shutdown(wait=True)
        while not self._idle.empty():
            self._idle.get().close()

    def _read(self, ask: Callable[[Connection], T]) -> T:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._connect()
        try:
            connection.begin()
            answer = ask(connection)
            connection.rollback()
        except BaseException:
            # A failure may have left anything open; a new connection costs less than being wrong.
            connection.close()
            raise
        self._idle.put(connection)
        return answer
