"""A pool of worker processes behind `ports.Workers`.

Each worker has a lane: an asyncio task that takes the next batch when the worker is free (depth 1: the choice is made
as late as possible) and a thread that does the blocking talk over the pipe, so the event loop never waits.

When a worker ends in the middle of a batch (a crash in a C library, out of memory, a batch that never ends), nobody
knows which job did it. The jobs go back to the head of the queue to be run one by one on a fresh worker. A job that is
alone when a second worker ends gets the verdict `transfer.poisoned`; the others get their results.
"""

import asyncio
import atexit
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeVar

from gateway.errors import GatewayError
from gateway.ports import Telemetry
from gateway.workers.asking import Asking
from gateway.workers.batch import internal
from gateway.workers.lane import Lane
from gateway.workers.pack import pack
from gateway.workers.process import WorkerEndedError
from gateway.workers.queue import STOPPING, QueueLimits, StageQueue, Waiting
from gateway.workers.serve import Batch, SetUp
from gateway.workers.table import DeskT, JobTable, Stage, verdict

MAX_KILLS: Final = 2
MAX_FAILED_STARTS: Final = 3
"""Failed starts in a row, of all lanes together, after which callers are told to come back instead of kept: one may
fail for want of memory or for a file that is being written, and the next succeed."""

_NO_WORKER: Final = "No worker process can be started"
_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 10.0

SnapshotT = TypeVar("SnapshotT")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """`start`: for a worker's set-up. `batch`: for one batch, after which its worker counts as hung and is ended.
    `grace`: for what is still queued when the pool closes."""

    queue: QueueLimits = field(default_factory=QueueLimits)
    start: timedelta = timedelta(seconds=60)
    batch: timedelta = timedelta(seconds=60)
    grace: timedelta = timedelta(seconds=30)


class WorkerPool(Asking):
    """Implements `ports.Workers` with `size` processes.

    `setup` makes a worker's desk from `snapshot`; both, and the functions of `table`, are pickled, so they are
    importable by name. A reload starts another pool with another snapshot and closes this one.
    """

    def __init__(
        self,
        *,
        setup: Callable[[SnapshotT], DeskT],
        snapshot: SnapshotT,
        table: JobTable[DeskT],
        size: int,
        telemetry: Telemetry,
        limits: PoolLimits | None = None,
    ) -> None:
        set_up = pack(SetUp(table=table, setup=setup, snapshot=snapshot))
        self._limits = limits or PoolLimits()
        self._telemetry = telemetry
        self._queue = StageQueue(self._limits.queue)
        self._closing = asyncio.Event()
        self._lanes = [
            Lane(f"worker-{number}", set_up, start=self._limits.start, batch=self._limits.batch)
            for number in range(1, size + 1)
        ]
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start every worker and wait until all are ready.

        Raises the GatewayError with which a set-up failed (`internal` for anything else); then none is left running.
        """
        # An interpreter that exits without `close` would wait for workers that wait for it.
        atexit.register(self._kill)
        outcomes = await asyncio.gather(*(lane.start() for lane in self._lanes), return_exceptions=True)
        failures = [one for one in outcomes if isinstance(one, BaseException)]
        if failures:
            await self._stop_lanes()
            raise _start_failure(failures[0])
        self._telemetry.line("workers.start", outcome="success", workers=len(self._lanes))
        self._serving = asyncio.create_task(self._serve(), name="workers")

    async def close(self) -> None:
        """Take no more jobs, finish what is queued within the grace, and end the workers.

        Calls that are not answered by then raise `capacity.exhausted`: nothing was committed for them.
        """
        self._queue.close()
        self._closing.set()
        if self._serving is not None:
            _, late = await asyncio.wait({self._serving}, timeout=self._limits.grace.total_seconds())
            for task in late:
                self._kill()
                task.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        self._queue.give_up(STOPPING)
        await self._stop_lanes()

    @property
    def alive(self) -> int:
        """How many workers run now."""
        return sum(lane.is_alive() for lane in self._lanes)

    @property
    def queue(self) -> StageQueue:
        """Where jobs wait for a worker."""
        return self._queue

    def depth(self) -> dict[Stage, int]:
        """Return how many jobs wait in each stage."""
        return self._queue.depth()

    async def _serve(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for lane in self._lanes:
                    group.create_task(self._serve_lane(lane))
        finally:
            self._queue.close()
            self._queue.give_up(STOPPING)

    async def _serve_lane(self, lane: Lane) -> None:
        while (batch := await self._queue.take()) is not None:
            try:
                if await self._ready(lane):
                    await self._run(lane, batch)
                else:
                    self._queue.put_back(batch)
                    await self._without_worker()
            except BaseException:
                for one in batch:
                    one.give_up(STOPPING)
                raise

    async def _run(self, lane: Lane, batch: list[Waiting]) -> None:
        """Have a batch done, and give every job its result or its next chance."""
        stage = batch[0].stage
        try:
            results = await lane.run(Batch(stage=stage, jobs=tuple(one.job for one in batch)))
        except WorkerEndedError as ended:
            self._ended(batch, ended)
        except Exception as error:  # noqa: BLE001  # pickling runs foreign code; a job at fault must not cost the lane
            self._unpackable(batch, error)
        else:
            for one, result in zip(batch, results, strict=True):
                one.answer(result)

    def _ended(self, batch: list[Waiting], ended: WorkerEndedError) -> None:
        poisoned = len(batch) == 1 and batch[0].kills + 1 >= MAX_KILLS
        self._telemetry.line(
            "worker.ended",
            outcome="failure",
            code="transfer.poisoned" if poisoned else "internal",
            stage=batch[0].stage.value,
            jobs=len(batch),
            exit_code=ended.exit_code or 0,
        )
        for one in batch:
            one.kills += 1
            one.alone = True
        if poisoned:
            batch[0].answer(verdict(batch[0].job, GatewayError("transfer.poisoned")))
        else:
            self._queue.put_back(batch)

    def _unpackable(self, batch: list[Waiting], error: Exception) -> None:
        if len(batch) == 1:
            batch[0].answer(verdict(batch[0].job, internal(error, "talking to a worker")))
            return
        for one in batch:
            one.alone = True
        self._queue.put_back(batch)

    async def _ready(self, lane: Lane) -> bool:
        """Return whether the lane has a running worker, after an attempt to start one if it has none."""
        if lane.is_alive():
            return True
        try:
            await lane.start()
        except (GatewayError, WorkerEndedError, OSError) as error:
            lane.failed_starts += 1
            self._telemetry.line("worker.start", outcome="failure", code=_start_failure(error).code)
            return False
        lane.failed_starts = 0
        self._telemetry.line("worker.start", outcome="success")
        return True

    async def _without_worker(self) -> None:
        """Wait before the next attempt to start one. When no lane gets any, callers are told instead of kept."""
        if self.alive == 0 and sum(lane.failed_starts for lane in self._lanes) >= MAX_FAILED_STARTS:
            self._queue.give_up(_NO_WORKER)
        failed = max(lane.failed_starts for lane in self._lanes)
        pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(failed, 10))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._closing.wait()

    async def _stop_lanes(self) -> None:
        await asyncio.gather(*(lane.stop() for lane in self._lanes))
        atexit.unregister(self._kill)

    def _kill(self) -> None:
        for lane in self._lanes:
            lane.kill()


def _start_failure(error: BaseException) -> GatewayError:
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, WorkerEndedError):
        return GatewayError("internal", f"A worker process ended with code {error.exit_code} while it was set up")
    return internal(error, "starting a worker")
