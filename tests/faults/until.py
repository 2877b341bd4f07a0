"""Waiting for what other processes do."""

import asyncio
from collections.abc import Callable
from datetime import timedelta


async def until(holds: Callable[[], bool], *, within: timedelta, every: timedelta = timedelta(milliseconds=20)) -> bool:
    """Return whether `holds` came true in time. Another process rings no bell here, so it is asked again and again."""
    clock = asyncio.get_running_loop().time
    end = clock() + within.total_seconds()
    while not holds():
        if clock() > end:
            return False
        await asyncio.sleep(every.total_seconds())
    return True
