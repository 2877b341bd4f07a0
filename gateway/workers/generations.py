"""Workers of the newest generation: a reload starts a pool with another snapshot, then drains and ends the old one.

A job is done by the workers that were current when it came, to its end, under the rules they were given. A snapshot
whose workers can not be set up changes nothing: the old ones go on.
"""

import asyncio
from collections.abc import Callable
from typing import Generic

from gateway.workers.asking import Asking
from gateway.workers.inline import InlineWorkers
from gateway.workers.pool import SnapshotT, WorkerPool
from gateway.workers.queue import StageQueue
from gateway.workers.table import DeskT

Pool = WorkerPool | InlineWorkers[SnapshotT, DeskT]


class WorkerGenerations(Asking, Generic[SnapshotT, DeskT]):
    """Implements `ports.Workers`. `opened` makes a pool from a snapshot, not started yet."""

    def __init__(self, opened: "Callable[[SnapshotT], Pool[SnapshotT, DeskT]]", snapshot: SnapshotT) -> None:
        self._opened = opened
        self._current = opened(snapshot)
        self._swapping = asyncio.Lock()

    @property
    def queue(self) -> StageQueue:
        """Where jobs wait that come now."""
        return self._current.queue

    async def start(self) -> None:
        """Start the first generation. Raises the GatewayError with which its set-up failed."""
        await self._current.start()

    async def swap(self, snapshot: SnapshotT) -> None:
        """Have everything that comes from now on done by workers of `snapshot`; return when the old ones have ended.

        Raises the GatewayError with which the new workers' set-up failed; the old ones then go on as before.
        """
        async with self._swapping:
            fresh = self._opened(snapshot)
            try:
                await fresh.start()
            except BaseException:
                await fresh.close()
                raise
            old, self._current = self._current, fresh
            await old.close()

    async def close(self) -> None:
        """Take no more jobs, finish what is queued within the grace, and end the workers."""
        async with self._swapping:
            await self._current.close()
