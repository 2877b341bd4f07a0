"""Doorbells: how a commit tells the loop that serves a partner that there is work, without either knowing the other.

A bell is only a hint. Work is found in the store, so a missed ring costs at most one poll interval.
"""

import asyncio
from collections import defaultdict


class Doorbells:
    """One bell per name (a party id, or any other word both sides agree on)."""

    def __init__(self) -> None:
        self._bells: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def ring(self, name: str) -> None:
        """Tell whoever waits for `name` to look now."""
        self._bells[name].set()

    async def wait(self, name: str, seconds: float) -> None:
        """Return when the bell rings, or after `seconds`."""
        bell = self._bells[name]
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await bell.wait()
        except TimeoutError:
            pass
        finally:
            bell.clear()
