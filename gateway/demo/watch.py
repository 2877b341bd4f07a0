"""Watches both gateways while the traffic runs: counts for the eye, and how long it is worth waiting."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from gateway.client import ClientError
from gateway.demo.stage import Stage
from gateway.domain.ids import PartyId
from gateway.domain.lifecycle import TransferState

QUIET: Final = timedelta(seconds=10)
"""When nothing at all has moved for this long, nothing more will: the longest wait between two tries is 2 s."""

_LOOK: Final = timedelta(milliseconds=250)
_MOST: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Documents of both sides: taken, delivered (a receipt is there), at the back end, and known to be there."""

    taken: int = 0
    delivered: int = 0
    arrived: int = 0
    known: int = 0


class Watch:
    """Looks at a stage four times a second and tells `see` what it counts."""

    def __init__(self, stage: Stage, see: Callable[[Counts], None]) -> None:
        self._stage = stage
        self._see = see
        self._by_party: dict[PartyId, tuple[int, int]] = {}
        self._gave_up = False
        self.counts = Counts()

    def took(self) -> None:
        """Count one more document as taken."""
        self._tell(replace(self.counts, taken=self.counts.taken + 1))

    async def look_for_ever(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK.total_seconds())

    async def look(self) -> None:
        """Ask both gateways; one that is down keeps the counts it had."""
        for party in self._stage.processes:
            with suppress(ClientError):
                self._by_party[party] = await self._ask(party)
        delivered, known = (sum(one[n] for one in self._by_party.values()) for n in (0, 1))
        arrived = sum(len(backend.by_id) for backend in self._stage.backends.values())
        self._tell(replace(self.counts, delivered=delivered, arrived=arrived, known=known))

    async def until(self, holds: Callable[[], bool]) -> bool:
        """Wait until `holds`; return whether it did before nothing moved any more.

        Who has once waited in vain does not wait again: by then all has come to rest.
        """
        clock = asyncio.get_running_loop().time
        seen, since = self.counts, clock()
        while not holds():
            if self._gave_up or clock() - since > QUIET.total_seconds():
                self._gave_up = True
                return False
            await asyncio.sleep(0.05)
            if self.counts != seen:
                seen, since = self.counts, clock()
        return True

    async def _ask(self, party: PartyId) -> tuple[int, int]:
        async with self._stage.operations(party) as client:
            transfers, _ = await client.transfers(limit=_MOST)
        return (
            sum(one.state is TransferState.DELIVERED for one in transfers),
            sum(one.handed_over is not None for one in transfers),
        )

    def _tell(self, counts: Counts) -> None:
        if counts != self.counts:
            self.counts = counts
            self._see(counts)
