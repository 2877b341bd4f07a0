"""When a loop claims: at once while nothing is under way, in larger groups while something is, and never held for long."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from gateway.errors import GatewayError, StorageError
from gateway.exchange.claiming import Pace, work_off_in_groups
from gateway.exchange.doorbell import Doorbells

BELL = "FR-DGDDI"
SHORT, NEVER = timedelta(milliseconds=1), timedelta(hours=1)


class Queue:
    """Work that waits, and groups under way that end when a test says so."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.bells = Doorbells()
        self.waiting: list[int] = []
        self.groups: list[Sequence[int]] = []
        self.claims = 0
        self.failures: list[GatewayError] = []
        self.out_of_order = False
        self._ends: dict[int, asyncio.Event] = {}
        self._seen = asyncio.Condition()

    async def arrive(self, *pieces: int) -> None:
        for piece in pieces:
            self.waiting.append(piece)
            self.bells.ring(BELL)

    async def claim(self, most: int) -> Sequence[int]:
        async with self._seen:
            self.claims += 1
            self._seen.notify_all()
        if self.out_of_order:
            raise StorageError("storage.unavailable")
        taken, self.waiting = self.waiting[:most], self.waiting[most:]
        return taken

    async def work(self, group: Sequence[int]) -> None:
        end = self._ends[len(self.groups)] = asyncio.Event()
        async with self._seen:
            self.groups.append(group)
            self._seen.notify_all()
        await end.wait()

    def end(self, number: int) -> None:
        self._ends[number].set()

    async def begun(self, number: int) -> None:
        async with asyncio.timeout(5), self._seen:
            await self._seen.wait_for(lambda: len(self.groups) >= number)

    async def claimed(self, number: int) -> None:
        async with asyncio.timeout(5), self._seen:
            await self._seen.wait_for(lambda: self.claims >= number)


@asynccontextmanager
async def working(
    linger: timedelta = NEVER,
    *,
    most: int = 4,
    at_once: int = 2,
    worth: int = 3,
    gather: timedelta = timedelta(0),
    apart: timedelta = timedelta(0),
    waiting: Sequence[int] = (),
) -> AsyncIterator[Queue]:
    pace = Pace(most=most, at_once=at_once, worth=worth, linger=linger, gather=gather, apart=apart, poll=NEVER)
    queue = Queue(pace)
    queue.waiting = list(waiting)
    loop = asyncio.create_task(
        work_off_in_groups(
            queue.claim, queue.work, bells=queue.bells, bell=BELL, pace=queue.pace, failed=queue.failures.append
        )
    )
    await queue.claimed(1)
    try:
        yield queue
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def _turns() -> None:
    """Let everything that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_comes_while_nothing_is_under_way_goes_at_once() -> None:
    async with working() as queue:
        await queue.arrive(1)
        await queue.begun(1)
    assert queue.groups == [[1]]


async def test_what_comes_while_something_is_under_way_is_collected_until_it_is_worth_a_group() -> None:
    async with working() as queue:
        await queue.arrive(1)
        await queue.begun(1)
        await queue.arrive(2, 3)
        await asyncio.sleep(0)
        assert queue.groups == [[1]]
        await queue.arrive(4)
        await queue.begun(2)
    assert queue.groups == [[1], [2, 3, 4]]


async def test_the_end_of_what_is_under_way_ends_the_collecting() -> None:
    async with working() as queue:
        await queue.arrive(1)
        await queue.begun(1)
        await queue.arrive(2)
        queue.end(0)
        await queue.begun(2)
    assert queue.groups == [[1], [2]]


async def test_a_slow_partner_holds_what_comes_no_longer_than_the_linger() -> None:
    async with working(SHORT) as queue:
        await queue.arrive(1)
        await queue.begun(1)
        await queue.arrive(2)
        await queue.begun(2)
    assert queue.groups == [[1], [2]]


async def test_no_more_groups_are_under_way_than_may_be() -> None:
    async with working(SHORT) as queue:
        await queue.arrive(1)
        await queue.begun(1)
        await queue.arrive(2)
        await queue.begun(2)
        claims = queue.claims
        await queue.arrive(3, 4, 5, 6, 7)
        await asyncio.sleep(0)
        assert (queue.claims, len(queue.groups)) == (claims, 2)
        queue.end(0)
        await queue.begun(3)
    assert queue.groups[2] == [3, 4, 5, 6]


async def test_a_full_claim_is_followed_by_the_next_without_being_told() -> None:
    async with working() as queue:
        queue.waiting = [1, 2, 3, 4, 5]
        queue.bells.ring(BELL)
        await queue.begun(2)
    assert queue.groups == [[1, 2, 3, 4], [5]]


async def test_what_nobody_waits_for_is_collected_though_nothing_is_under_way() -> None:
    async with working(gather=NEVER) as queue:
        await queue.arrive(1, 2)
        await asyncio.sleep(0)
        assert queue.groups == []
        await queue.arrive(3)
        await queue.begun(1)
    assert queue.groups == [[1, 2, 3]]


async def test_what_nobody_waits_for_goes_when_it_has_been_collected_long_enough() -> None:
    async with working(gather=SHORT) as queue:
        await queue.arrive(1)
        await queue.begun(1)
    assert queue.groups == [[1]]


async def test_the_end_of_a_group_does_not_end_the_collecting_of_what_nobody_waits_for() -> None:
    async with working(gather=NEVER) as queue:
        await queue.arrive(1, 2, 3)
        await queue.begun(1)
        await queue.arrive(4)
        queue.end(0)
        await asyncio.sleep(0)
        await queue.arrive(5)
        await _turns()
        assert queue.groups == [[1, 2, 3]]
        await queue.arrive(6)
        await queue.begun(2)
    assert queue.groups == [[1, 2, 3], [4, 5, 6]]


async def test_a_queue_just_found_empty_is_not_looked_at_again_at_once() -> None:
    async with working(apart=NEVER) as queue:
        await queue.arrive(1, 2)
        await _turns()
        assert queue.groups == []
        await queue.arrive(3)
        await queue.begun(1)
        queue.end(0)
        await queue.arrive(4)
        await _turns()
        claims = queue.claims
        assert queue.groups == [[1, 2, 3]]
        await queue.arrive(5, 6)
        await queue.begun(2)
    assert (queue.groups, queue.claims) == ([[1, 2, 3], [4, 5, 6]], claims + 1)


async def test_what_came_too_soon_after_the_last_claim_goes_when_the_time_between_is_over() -> None:
    async with working(apart=SHORT) as queue:
        await queue.arrive(1)
        await queue.begun(1)
        queue.end(0)
        await queue.arrive(2)
        await queue.begun(2)
    assert queue.groups == [[1], [2]]


async def test_the_rest_of_a_conversation_goes_as_soon_as_the_one_before_has_ended() -> None:
    async with working(apart=NEVER, waiting=[1]) as queue:
        for number in range(1, 4):
            await queue.begun(number)
            queue.waiting = [number + 1]  # nothing arrived: it was blocked until now
            queue.end(number - 1)
        await queue.begun(4)
    assert queue.groups == [[1], [2], [3], [4]]


async def test_what_waits_for_a_place_is_claimed_when_one_is_free_however_short_ago_the_last_claim() -> None:
    async with working(apart=NEVER, at_once=1) as queue:
        await queue.arrive(1, 2, 3, 4)
        await queue.begun(1)
        await queue.arrive(5)
        await _turns()
        assert queue.groups == [[1, 2, 3, 4]]
        queue.end(0)
        await queue.begun(2)
    assert queue.groups == [[1, 2, 3, 4], [5]]


async def test_more_than_one_claim_takes_is_worked_off_without_collecting() -> None:
    async with working(gather=NEVER) as queue:
        queue.waiting = list(range(10))
        queue.bells.ring(BELL, times=3)
        await queue.begun(2)
        queue.end(0)
        await queue.begun(3)
    assert queue.groups == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_a_claim_that_fails_is_told_and_made_again_when_the_bell_rings() -> None:
    async with working() as queue:
        queue.out_of_order = True
        await queue.arrive(1)
        await queue.claimed(2)
        queue.out_of_order = False
        queue.bells.ring(BELL)
        await queue.begun(1)
    assert [error.code for error in queue.failures] == ["storage.unavailable"]


@pytest.mark.parametrize(("rung", "times"), [(3, 1), (1, 3)])
async def test_a_bell_tells_how_often_it_rang_since_the_last_wait(rung: int, times: int) -> None:
    bells = Doorbells()
    for _ in range(rung):
        bells.ring(BELL, times=times)
    assert await bells.wait(BELL, 0, rings=5) == 3
    assert await bells.wait(BELL, 0) == 0
