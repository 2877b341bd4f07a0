"""Doorbells: how a commit tells the loop that serves a partner that there is work, without either knowing the other.

A bell is only a hint. Work is found in the store, so a missed ring costs at most one poll interval. While the bells are
hushed the loops begin nothing new, and what they have under way can be waited for: so a node drains and stops.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Bell:
    """`rings` since the last wait ended; `wanted`: after so many `enough` is set."""

    rings: int = 0
    wanted: int = 1
    enough: asyncio.Event = field(default_factory=asyncio.Event)


class Doorbells:
    """One bell per name (a party id, or any other word both sides agree on)."""

    def __init__(self) -> None:
        self._bells: defaultdict[str, _Bell] = defaultdict(_Bell)
        self._hushed = False
        self._under_way = 0
        self._at_rest = asyncio.Event()
        self._at_rest.set()

    @property
    def hushed(self) -> bool:
        """Whether nothing new is to be begun."""
        return self._hushed

    @property
    def under_way(self) -> int:
        """How many pieces or groups of work are under way: the loops have them, or are about to."""
        return self._under_way

    def hush(self) -> None:
        """Have the loops begin nothing new."""
        self._hushed = True

    def resume(self) -> None:
        """Have the loops look for work again."""
        self._hushed = False
        for name in list(self._bells):
            self.ring(name)

    def begun(self) -> None:
        """Note that a piece of work began, or was leased to begin at once."""
        self._under_way += 1
        self._at_rest.clear()

    def ended(self) -> None:
        """Note that a piece of work has ended, however it did."""
        self._under_way -= 1
        if not self._under_way:
            self._at_rest.set()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Count what the block does as work under way: it leases what nobody else counts yet."""
        self.begun()
        try:
            yield
        finally:
            self.ended()

    async def at_rest(self, seconds: float) -> bool:
        """Return whether all work under way ended within `seconds`."""
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                while self._under_way:  # what ended may have been the lease of what begins
                    await self._at_rest.wait()
        except TimeoutError:
            return False
        return True

    def ring(self, name: str, *, times: int = 1) -> None:
        """Tell whoever waits for `name` to look. `times`: how much there is to look at, or how much it matters."""
        bell = self._bells[name]
        bell.rings += times
        if bell.rings >= bell.wanted:
            bell.enough.set()

    async def wait(self, name: str, seconds: float, *, rings: int = 1) -> int:
        """Return when the bell rang `rings` times since the last wait ended, or after `seconds`: how often it rang."""
        bell = self._bells[name]
        bell.wanted = rings
        try:
            if bell.rings < rings:
                async with asyncio.timeout(max(seconds, 0.0)):
                    await bell.enough.wait()
        except TimeoutError:
            pass  # the caller sees by the number
        finally:
            heard = bell.rings
            bell.enough.clear()
            bell.rings, bell.wanted = 0, 1
        return heard
