"""The loop of whoever works off the store: claim as much as there are free places, work, look again.

Used by `dispatch` for each partner and by `hand_over`. Work is found in the store, never remembered here; the bell only
says that looking may be worth it. A store that can not answer is asked again at the next poll.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from gateway.errors import GatewayError
from gateway.exchange.doorbell import Doorbells

Claimed = TypeVar("Claimed")


async def work_off(
    claim: Callable[[int], Awaitable[Sequence[Claimed]]],
    work: Callable[[Claimed], Coroutine[Any, Any, None]],
    *,
    bells: Doorbells,
    bell: str,
    parallel: int,
    poll: timedelta,
    failed: Callable[[GatewayError], None],
) -> None:
    """Run until cancelled. `claim(n)` leases up to n pieces of work; `work` must not raise.

    `failed` is told when a claim could not be made.
    """
    under_way: set[asyncio.Task[None]] = set()

    def done(task: asyncio.Task[None]) -> None:
        # A place is free, and the next of the same conversation may have become the lowest: look again.
        under_way.discard(task)
        bells.ring(bell)

    async with asyncio.TaskGroup() as group:
        while True:
            free = parallel - len(under_way)
            claimed: Sequence[Claimed] = ()
            try:
                claimed = await claim(free) if free > 0 else ()
            except GatewayError as error:
                failed(error)
            for one in claimed:
                task = group.create_task(work(one))
                under_way.add(task)
                task.add_done_callback(done)
            if not claimed:
                await bells.wait(bell, poll.total_seconds())
