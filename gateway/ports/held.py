"""The part of the store that finds what is held. See `store.py` for what holds of every method."""

from typing import Protocol

from gateway.domain.hold import HeldCount, HeldQuery
from gateway.domain.records import TransferRow


class HeldStore(Protocol):
    """Transfers that wait for a person, by query."""

    async def held(self, query: HeldQuery, *, limit: int) -> list[TransferRow]:
        """Return transfers that are HELD and fit, the oldest first."""
        ...

    async def count_held(self, query: HeldQuery, *, officer: str) -> HeldCount:
        """Return how many transfers are HELD and fit, as `officer` may release them."""
        ...
