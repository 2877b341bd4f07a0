"""Time, identifiers and chance of one simulated node, all from the seed: `ports.Clock` and `ports.Ids`."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

START: Final = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""When every simulation begins. Keys and certificates are made for it."""


def stream(seed: int, name: str) -> random.Random:
    """Return chance of its own for one purpose, so that one more draw here moves nothing elsewhere."""
    return random.Random(f"{seed}/{name}")


def world_time() -> datetime:
    """Return the true time of the simulated world."""
    return START + timedelta(seconds=asyncio.get_running_loop().time())


class NodeClock:
    """A node's clock. `offset`: how far its wall clock is off."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> datetime:
        """Return aware UTC wall time, as this node believes it to be."""
        return world_time() + self.offset

    def monotonic(self) -> float:
        """Return virtual seconds; no jump of the wall clock touches them."""
        return asyncio.get_running_loop().time()


class SeededIds:
    """Identifiers and chance of a node in one life."""

    def __init__(self, chance: random.Random, clock: NodeClock) -> None:
        self._chance = chance
        self._clock = clock

    def uuid7(self) -> str:
        """Return a UUIDv7 of the node's own time."""
        milliseconds = int(self._clock.now().timestamp() * 1000)
        bits = (milliseconds << 80) | (7 << 76) | (self._bits(12) << 64) | (2 << 62) | self._bits(62)
        return str(UUID(int=bits))

    def uuid4(self) -> str:
        """Return a UUIDv4."""
        return str(UUID(int=self._bits(128), version=4))

    def nonce(self) -> bytes:
        """Return 16 bytes."""
        return self._chance.randbytes(16)

    def jitter(self) -> float:
        """Return a number in [0, 1)."""
        return self._chance.random()

    def _bits(self, count: int) -> int:
        return self._chance.getrandbits(count)
