"""The same work within the node's own process: for a small node, a test, or a debugger.

One thread does it all, since a desk (one parser, one schema object) belongs to one thread, and so that the event loop
is not held up. A job that ends its process ends the node; that is what worker processes are for.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Generic, TypeVar

from gateway.errors import GatewayError
from gateway.workers.asking import Asking
from gateway.workers.batch import internal, run_batch
from gateway.workers.queue import STOPPING, QueueLimits, StageQueue
from gateway.workers.table import DeskT, JobTable, Stage

SnapshotT = TypeVar("SnapshotT")


class InlineWorkers(Asking, Generic[SnapshotT, DeskT]):
    """Implements `ports.Workers` on one thread of this process."""

    def __init__(
        self,
        *,
        setup: Callable[[SnapshotT], DeskT],
        snapshot: SnapshotT,
        table: JobTable[DeskT],
        limits: QueueLimits | None = None,
        grace: timedelta = timedelta(seconds=30),
    ) -> None:
        self._setup = setup
        self._snapshot = snapshot
        self._table = table
        self._grace = grace
        self._queue = StageQueue(limits or QueueLimits())
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="worker-inline")
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Lay out the desk. Raises the GatewayError with which that failed (`internal` for anything else)."""
        try:
            desk = await asyncio.get_running_loop().run_in_executor(self._thread, self._setup, self._snapshot)
        except GatewayError:
            raise
        except Exception as error:
            raise internal(error, "setting up a worker") from error
        self._serving = asyncio.create_task(self._serve(desk), name="workers")

    async def close(self) -> None:
        """Take no more jobs and finish what is queued within the grace; what is not done by then is told so."""
        self._queue.close()
        if self._serving is not None:
            _, late = await asyncio.wait({self._serving}, timeout=self._grace.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        self._queue.give_up(STOPPING)
        self._thread.shutdown(wait=False)

    @property
    def alive(self) -> int:
        """How many workers run now: the one thread, while it is served."""
        return int(self._serving is not None and not self._serving.done())

    @property
    def queue(self) -> StageQueue:
        """Where jobs wait for the thread."""
        return self._queue

    def depth(self) -> dict[Stage, int]:
        """Return how many jobs wait in each stage."""
        return self._queue.depth()

    async def _serve(self, desk: DeskT) -> None:
        loop = asyncio.get_running_loop()
        while (batch := await self._queue.take()) is not None:
            jobs = [one.job for one in batch]
            try:
                results = await loop.run_in_executor(self._thread, run_batch, batch[0].stage, jobs, self._table, desk)
            except BaseException:
                for one in batch:
                    one.give_up(STOPPING)
                raise
            for one, result in zip(batch, results, strict=True):
                one.answer(result)
