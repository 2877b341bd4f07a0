"""Time, identifiers and chance from the operating system: the real `Clock` and `Ids`."""

import random
import secrets
import time
from datetime import UTC, datetime

import uuid_utils


class SystemClock:
    """Implements `ports.Clock`."""

    def now(self) -> datetime:
        """Return aware UTC wall time."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; never goes back."""
        return time.monotonic()


class SystemIds:
    """Implements `ports.Ids`."""

    def __init__(self) -> None:
        self._chance = random.SystemRandom()

    def uuid7(self) -> str:
        """Return a UUIDv7 (RFC 9562 §5.7): sorts by time of making."""
        return str(uuid_utils.uuid7())

    def uuid4(self) -> str:
        """Return a random UUID."""
        return str(uuid_utils.uuid4())

    def nonce(self) -> bytes:
        """Return 16 random bytes."""
        return secrets.token_bytes(16)

    def jitter(self) -> float:
        """Return a number in [0, 1)."""
        return self._chance.random()
