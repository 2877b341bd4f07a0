"""A worker's place in the pool: the process, which may be replaced, and the thread that talks to it.

The talk over the pipe blocks; it runs on the thread, and the event loop waits for it without being held up.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import TypeVar

from gateway.workers.process import WorkerEndedError, WorkerProcess
from gateway.workers.serve import Batch
from gateway.workers.table import Result

DoneT = TypeVar("DoneT")


class Lane:
    """One worker and its thread. `start` and `batch`: how long a set-up and a batch may take."""

    def __init__(self, name: str, set_up: bytes, *, start: timedelta, batch: timedelta) -> None:
        self._name = name
        self._set_up = set_up
        self._start_within = start
        self._batch_within = batch
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._process: WorkerProcess | None = None
        self._stopped = False
        self.failed_starts = 0

    async def start(self) -> None:
        """Start a worker in place of the one that ended, if there was one."""
        await self._within(self._start_within, self._on_thread(self._start))

    async def run(self, batch: Batch) -> list[Result]:
        """Return the results of a batch. Raises WorkerEndedError, also when the time for a batch is over."""
        if self._process is None:
            raise WorkerEndedError(None)
        return await self._within(self._batch_within, self._on_thread(partial(self._process.run, batch)))

    async def stop(self) -> None:
        """End the worker and the thread. May be called again."""
        if not self._stopped:
            self._stopped = True
            await self._on_thread(self._stop)
            self._thread.shutdown(wait=False)

    def is_alive(self) -> bool:
        """Tell whether the worker runs."""
        return self._process is not None and self._process.is_alive()

    def kill(self) -> None:
        """End the worker at once; whoever talks to it gets WorkerEndedError."""
        if self._process is not None:
            self._process.kill()

    def _on_thread(self, work: Callable[[], DoneT]) -> asyncio.Future[DoneT]:
        done = asyncio.get_running_loop().run_in_executor(self._thread, work)
        done.add_done_callback(_look_at)
        return done

    async def _within(self, time: timedelta, work: asyncio.Future[DoneT]) -> DoneT:
        # A worker that hangs is ended; that ends the talk with it, whether it was to read or to write.
        hangs = asyncio.get_running_loop().call_later(time.total_seconds(), self.kill)
        try:
            return await work
        finally:
            hangs.cancel()

    def _start(self) -> None:
        self._stop()
        self._process = WorkerProcess(self._set_up, name=self._name)
        try:
            self._process.start()
        except Exception:
            self._process.kill()
            self._stop()
            raise

    def _stop(self) -> None:
        if self._process is not None:
            self._process.stop(self._batch_within)
            self._process = None


def _look_at(done: asyncio.Future[DoneT]) -> None:
    # A cancelled lane does not wait for its thread; asyncio would complain about the error nobody looked at.
    if not done.cancelled():
        done.exception()
