"""What waits for a worker, and which batch a free worker gets.

The job type is chosen when a worker is free: receipts first (they end transfers), then seal and admit, then prepare,
and notices last, a few at a time: many come at once, and whoever submits meanwhile waits for a worker no longer than
for those few. Where submissions themselves come in groups, whoever submits waits for a group anyway, so as many notices
go together as submissions did the last time.
Every fourth batch goes to whoever has waited longest, so that a partner who floods one stage delays the others but can
not starve them. Each stage has its own bounds, in jobs and in bytes; beyond them the caller is told to come back later,
before memory grows. All of it runs on one event loop; nothing here blocks.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.domain.limits import MAX_BATCH_BYTES, STAGE_BATCH
from gateway.errors import GatewayError
from gateway.workers.table import Job, Result, Stage, size_bytes

ORDER: Final = ((Stage.CHECK,), (Stage.SEAL, Stage.ADMIT), (Stage.PREPARE,), (Stage.NOTICE,))
NOTICE_BATCH: Final = 8
"""Notices that a worker gets together where submissions come one by one: about a millisecond of work."""
LONGEST_WAITING_EVERY: Final = 4
STOPPING: Final = "The gateway is stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """How much may wait in each stage, what workers hold not counted; one job is always let in. `batch`: jobs that a
    worker gets together."""

    jobs: int = 1024
    size_bytes: int = 256 * 1024 * 1024
    batch: int = STAGE_BATCH


class NotDoneError(GatewayError):
    """A job that no worker did: `capacity.exhausted`."""

    def __init__(self, why: str) -> None:
        super().__init__("capacity.exhausted", why)


@dataclass(slots=True, kw_only=True, eq=False)
class Waiting:
    """One job on its way. `number`: order of arrival. `place`: among those `asked` together. `alone`: it goes in a
    batch of its own; `kills`: how many workers ended while they had it."""

    stage: Stage
    job: Job
    size: int
    number: int
    asked: "Asked"
    place: int
    alone: bool = False
    kills: int = 0

    @property
    def given_up(self) -> bool:
        """Whether the caller no longer waits."""
        return self.asked.told.done()

    def answer(self, result: Result) -> None:
        """Give the caller the result, unless it no longer waits."""
        self.asked.take(self.place, result)

    def give_up(self, why: str) -> None:
        """Tell the caller `capacity.exhausted`, unless it no longer waits."""
        self.asked.take(self.place, NotDoneError(why))


class Asked:
    """Jobs that came together, and whom to tell once all of them have come to something."""

    __slots__ = ("_left", "_results", "told")

    def __init__(self, count: int) -> None:
        self.told: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._results: list[Any] = [None] * count
        self._left = count

    def take(self, place: int, result: Result) -> None:
        """Note what the job at `place` came to. Each is told once."""
        if self.told.done():
            return
        self._results[place] = result
        self._left -= 1
        if not self._left:
            self.told.set_result(self._results)


@dataclass(slots=True, eq=False)
class _Lane:
    waiting: deque[Waiting] = field(default_factory=deque)
    size: int = 0


class StageQueue:
    """The jobs that wait, by stage."""

    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._lanes = {stage: _Lane() for stage in Stage}
        self._arrived = asyncio.Event()
        self._numbers = 0
        self._batches = 0
        self._prepared = 0  # submissions in the latest batch of them
        self._closed = False

    def put(self, stage: Stage, job: Job, asked: "Asked | None" = None, place: int = 0) -> Waiting:
        """Queue a job, the one at `place` of those `asked` together. Raises NotDoneError."""
        lane, size = self._lanes[stage], size_bytes(job)
        if self._closed:
            raise NotDoneError(STOPPING)
        if lane.waiting and (len(lane.waiting) >= self._limits.jobs or lane.size + size > self._limits.size_bytes):
            raise NotDoneError(f"Too much waits for {stage.value}; come back later")
        self._numbers += 1
        waiting = Waiting(stage=stage, job=job, size=size, number=self._numbers, asked=asked or Asked(1), place=place)
        lane.waiting.append(waiting)
        lane.size += size
        self._arrived.set()
        return waiting

    async def ask(self, stage: Stage, jobs: Sequence[Job]) -> list[Any]:
        """Queue jobs and return what each came to, in their order: NotDoneError for one that nobody could do now.

        The results are of the kind that belongs to the stage, as `asking.py` says.
        """
        if not jobs:
            return []
        asked = Asked(len(jobs))
        for place, job in enumerate(jobs):
            try:
                self.put(stage, job, asked, place)
            except NotDoneError as error:
                asked.take(place, error)
        return await asked.told

    async def take(self) -> list[Waiting] | None:
        """Return the next batch, of one stage, as soon as there is one; None when closed and nothing waits."""
        while True:
            stage = self._next_stage()
            if stage is not None:
                batch = self._batch(self._lanes[stage], self._most(stage))
                if stage is Stage.PREPARE:
                    self._prepared = len(batch)
                return batch
            if self._closed:
                return None
            self._arrived.clear()
            await self._arrived.wait()

    def put_back(self, batch: Iterable[Waiting]) -> None:
        """Put jobs that could not be done back at the head of their stage, in their order."""
        for one in reversed(list(batch)):
            lane = self._lanes[one.stage]
            lane.waiting.appendleft(one)
            lane.size += one.size
        self._arrived.set()

    def close(self) -> None:
        """Take no more jobs. What waits is still given out."""
        self._closed = True
        self._arrived.set()

    def give_up(self, why: str) -> None:
        """Tell every waiting call `capacity.exhausted`."""
        for lane in self._lanes.values():
            for one in lane.waiting:
                one.give_up(why)
            lane.waiting.clear()
            lane.size = 0

    def depth(self) -> dict[Stage, int]:
        """Return how many jobs wait in each stage."""
        return {stage: len(lane.waiting) for stage, lane in self._lanes.items()}

    def _next_stage(self) -> Stage | None:
        for lane in self._lanes.values():
            while lane.waiting and lane.waiting[0].given_up:  # its caller went away
                lane.size -= lane.waiting.popleft().size
        heads = {stage: lane.waiting[0].number for stage, lane in self._lanes.items() if lane.waiting}
        if not heads:
            return None
        self._batches += 1
        if self._batches % LONGEST_WAITING_EVERY == 0:
            return min(heads, key=heads.__getitem__)
        for group in ORDER:
            ready = [stage for stage in group if stage in heads]
            if ready:
                return min(ready, key=heads.__getitem__)
        return None

    def _most(self, stage: Stage) -> int:
        if stage is Stage.NOTICE:
            return min(self._limits.batch, max(NOTICE_BATCH, self._prepared))
        return self._limits.batch

    def _batch(self, lane: _Lane, most: int) -> list[Waiting]:
        batch: list[Waiting] = []
        size = 0
        while lane.waiting and len(batch) < most:
            head = lane.waiting[0]
            if batch and (head.alone or size + head.size > MAX_BATCH_BYTES):
                break
            lane.waiting.popleft()
            lane.size -= head.size
            if head.given_up:
                continue
            batch.append(head)
            size += head.size
            if head.alone:
                break
        return batch
