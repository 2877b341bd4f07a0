"""The loops of whoever works off the store: claim what is due, work, look again.

`work_off` gives every piece of work a task of its own (hand-over). `work_off_in_groups` gives a group one task: what is
claimed together is sent together (dispatch, notices). Work is found in the store, never remembered here; the bell only
says that looking may be worth it. A store that can not answer is asked again at the next poll.

When to claim decides how much goes together. The rule is Nagle's (RFC 896): while nothing is under way, whatever is
there goes at once; while something is, what arrives is collected until it is worth a group of its own, until something
under way ends, or until `linger` has passed, so that a slow other side does not hold its queue.

Nagle's rule alone sends a steady trickle one by one, each with a claim, a request and commits of its own beside the
submissions that people wait for. So a queue that was just found empty is not looked at again before `apart` has passed:
a single piece goes at once, and of a trickle what came meanwhile goes together. Not so where claims find more though
nothing arrived, as the rest of a conversation: each goes as soon as the one before it has ended.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

from gateway.errors import GatewayError
from gateway.exchange.doorbell import Doorbells

Claimed = TypeVar("Claimed")

_ENDED: Final = 1 << 32
"""Rings of a group that ended: more than ever arrive between two claims, so both can be told from the sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a loop claims. `most`: pieces in one claim. `at_once`: tasks under way at once. `worth`: as many arrivals are
    worth a claim while something is under way. `linger`: how long to collect at most; `gather`: the same while nothing
    is under way, where the work can wait for that; then no end of a group ends the collecting. `apart`: at least so
    long after a claim that took all there was. `poll`: how often to look without being told."""

    most: int
    at_once: int
    worth: int
    linger: timedelta = timedelta(milliseconds=50)
    gather: timedelta = timedelta(0)
    apart: timedelta = timedelta(0)
    poll: timedelta = timedelta(seconds=1)


async def work_off(
    claim: Callable[[int], Awaitable[Sequence[Claimed]]],
    work: Callable[[Claimed], Coroutine[Any, Any, None]],
    *,
    bells: Doorbells,
    bell: str,
    pace: Pace,
    failed: Callable[[GatewayError], None],
    begun: Callable[[int], Sequence[Claimed]] = lambda _most: (),
) -> None:
    """Run until cancelled. `claim(n)` leases up to n pieces, each of which `work` does alone; it must not raise.

    `failed` is told when a claim could not be made. `begun(n)`: up to n pieces that were leased already when the bells
    were hushed; they are worked off all the same.
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
                if bells.hushed:
                    claimed = begun(free)
                elif free > 0:
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
    loop = asyncio.get_running_loop()
    arrived = 0  # since the claim before

    def done(task: asyncio.Task[None]) -> None:
        # A group has ended, and the next of each of its conversations may have become the lowest: look again.
        under_way.discard(task)
        bells.ended()
        bells.ring(bell, times=_ENDED)

    async with asyncio.TaskGroup() as group:
        while True:
            if len(under_way) >= pace.at_once:
                arrived = await bells.wait(bell, pace.poll.total_seconds(), rings=_ENDED) % _ENDED
                continue
            claimed: Sequence[Claimed] = ()
            try:
                claimed = begun(pace.most) if bells.hushed else await claim(pace.most)
            except GatewayError as error:
                failed(error)
            if claimed:
                task = group.create_task(work(claimed))
                under_way.add(task)
                bells.begun()
                task.add_done_callback(done)
            if len(claimed) < pace.most:
                apart = timedelta(0) if claimed and not arrived else pace.apart
                arrived = await _collect(bells, bell, pace, under_way, loop.time() + apart.total_seconds())


async def _collect(
    bells: Doorbells, bell: str, pace: Pace, under_way: set[asyncio.Task[None]], not_before: float = 0.0
) -> int:
    """Return when there is a reason to claim again, and how much arrived. Not before `not_before`, in the loop's
    seconds, but for what is worth a claim by its number."""
    loop = asyncio.get_running_loop()
    rings = await bells.wait(bell, pace.poll.total_seconds())
    began = loop.time()
    while rings and rings % _ENDED < pace.worth:
        if pace.gather:
            until = began + (pace.linger if under_way else pace.gather).total_seconds()
        elif under_way and rings < _ENDED:
            until = max(began + pace.linger.total_seconds(), not_before)
        else:
            until = not_before
        if (left := until - loop.time()) <= 0:
            break
        rings += await bells.wait(bell, left, rings=pace.worth - rings % _ENDED)
    return rings % _ENDED
