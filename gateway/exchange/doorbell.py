"""Doorbells: how a commit tells the loop that serves a partner that there is work, without either knowing the other.

A bell is only a hint. Work is found in the store, so a missed ring costs at most one poll interval.
"""

import asyncio
from collections import defaultdict
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
