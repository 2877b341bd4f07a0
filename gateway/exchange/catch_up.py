"""Catch up after an outage at a steady rate: a partner that has just come back must not be met with all that waited.

While it was out of reach its transfers became due together. From its return on they are claimed in small shares, so
many a second. That ends when the last of those that waited is gone: what was handed in since is never slowed down for
good, however much of it there is. Only the pace is held here, and only in memory: a restart in the middle of it is an
outage of our own, after which the partner's health decides anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.domain.ids import PartyId
from gateway.domain.records import TransferRow
from gateway.ports import Clock

__all__ = ["USUAL_RATE", "CatchUp"]

USUAL_RATE: Final = 100
"""Messages a second: well below what a gateway of any size takes, and 8,640,000 a day."""

_SHARES_A_SECOND: Final = 4


@dataclass(slots=True)
class _Return:
    """Since when a partner is back, and when its next share may be claimed, in monotonic seconds."""

    since: datetime
    next_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUp:
    """The pace of each partner. `rates`: messages a second, where they are not the usual ones."""

    clock: Clock
    rates: Mapping[PartyId, int] = field(default_factory=dict)
    _returned: dict[PartyId, _Return] = field(default_factory=dict)

    def begin(self, partner: PartyId) -> None:
        """Note that a partner that was out of reach answered."""
        self._returned[partner] = _Return(since=self.clock.now(), next_share=self.clock.monotonic())

    def turn(self, partner: PartyId, most: int) -> tuple[int, float]:
        """Return how many may be claimed, of `most`, and how many seconds to wait before."""
        back = self._returned.get(partner)
        if back is None:
            return most, 0.0
        rate = self.rates.get(partner, USUAL_RATE)
        share = min(most, max(1, rate // _SHARES_A_SECOND))
        now = self.clock.monotonic()
        at = max(back.next_share, now)
        back.next_share = at + share / rate
        return share, at - now

    def claimed(self, partner: PartyId, rows: Sequence[TransferRow], *, asked: int) -> bool:
        """Note what was claimed of `asked`, and tell whether all that waited is gone now."""
        back = self._returned.get(partner)
        if back is None or (len(rows) == asked and any(row.created < back.since for row in rows)):
            return False
        del self._returned[partner]
        return True
