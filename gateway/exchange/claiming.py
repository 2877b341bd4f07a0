"""The loops of whoever works off the store: claim what is due, work, look again.

`work_off` gives every piece of work a task of its own (hand-over). `work_off_in_groups` gives a group one task: what is
claimed together is sent together (dispatch, notices). Work is found in the store, never remembered here; the bell only
says that looking may be worth it. A store that can not answer is asked again at the next poll.

When to claim decides how much goes together. The rule is Nagle's (RFC 896): while nothing is under way, whatever is
there goes at once; while something is, what arrives is collected until it is worth a group of its own, until something
under way ends, or until `linger` has passed, so that a slow other side does not hold its queue.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

from gateway.errors import GatewayError
from gateway.exchange.doorbell import Doorbells

Claimed = TypeVar("Claimed")

_REASON_ENOUGH: Final = 1_000_000
"""Rings that end any collecting: work under way has ended, or the whole queue may look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a loop claims. `most`: pieces in one claim. `at_once`: tasks under way at once. `worth`: as many arrivals are
    worth a claim while something is under way. `linger`: how long to collect at most; `gather`: the same while nothing
    is under way, where the work can wait for that. `poll`: how often to look without being told."""

    most: int
    at_once: int
    worth: int
    linger: timedelta = timedelta(milliseconds=50)
    gather: timedelta = timedelta(0)
    poll: timedelta = timedelta(seconds=1)


async def work_off(
    claim: Callable[[int], Awaitable[Sequence[Claimed]]],
    work: Callable[[Claimed], Coroutine[Any, Any, None]],
    *,
    bells: Doorbells,
    bell: str,
    pace: Pace,
    failed: Callable[[GatewayError], None],
) -> None:
    """Run until cancelled. `claim(n)` leases up to n pieces, each of which `work` does alone; it must not raise.

    `failed` is told when a claim could not be made.
    """
    under_way: set[asyncio.Task[None]] = set()

    def done(task: asyncio.Task[None]) -> None:
        # A place is free, and the next of the same conversation may have become the lowest: look again.
        under_way.discard(task)
        bells.ended()
        bells.ring(bell)

    async with asyncio.TaskGroup() as group:
        while True:
            free = min(pace.most, pace.at_once - len(under_way))
            claimed: Sequence[Claimed] = ()
            try:
                if free > 0 and not bells.hushed:
                    with bells.at_work():
                        claimed = await claim(free)
            except GatewayError as error:
                failed(error)
            for one in claimed:
                task = group.create_task(work(one))
                under_way.add(task)
                bells.begun()
                task.add_done_callback(done)
            if len(claimed) < free or len(under_way) >= pace.at_once:
                await _collect(bells, bell, pace, under_way)


async def work_off_in_groups(
    claim: Callable[[int], Awaitable[Sequence[Claimed]]],
    work: Callable[[Sequence[Claimed]], Coroutine[Any, Any, None]],
    *,
    bells: Doorbells,
    bell: str,
    pace: Pace,
    failed: Callable[[GatewayError], None],
    begun: Callable[[int], Sequence[Claimed]] = lambda _most: (),
) -> None:
    """Run until cancelled. `claim(n)` leases up to n pieces, which `work` does together; it must not raise.

    `failed` is told when a claim could not be made. `begun(n)`: up to n pieces that were leased already when the bells
    were hushed; they are worked off all the same.
    """
    under_way: set[asyncio.Task[None]] = set()
    is_worked_off = False  # when it was looked for last, there was less than would have been taken

    def done(task: asyncio.Task[None]) -> None:
        # A group has ended, and the next of each of its conversations may have become the lowest: look at once.
        under_way.discard(task)
        bells.ended()
        bells.ring(bell, times=1 if pace.gather and is_worked_off else _REASON_ENOUGH)

    async with asyncio.TaskGroup() as group:
        while True:
            claimed: Sequence[Claimed] = ()
            try:
                if len(under_way) < pace.at_once:
                    claimed = begun(pace.most) if bells.hushed else await claim(pace.most)
            except GatewayError as error:
                failed(error)
            if claimed:
                task = group.create_task(work(claimed))
                under_way.add(task)
                bells.begun()
                task.add_done_callback(done)
            if len(claimed) < pace.most:
                await _collect(bells, bell, pace, under_way)


async def _collect(bells: Doorbells, bell: str, pace: Pace, under_way: set[asyncio.Task[None]]) -> None:
    """Return when there is a reason to claim again."""
    rings = await bells.wait(bell, pace.poll.total_seconds())
    collecting = pace.linger if under_way else pace.gather
    if collecting and 0 < rings < pace.worth:
        await bells.wait(bell, collecting.total_seconds(), rings=pace.worth - rings)
