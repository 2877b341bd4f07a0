"""What surrounds a use case: time, chance, and who watches."""

from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Time. `now` is aware UTC wall time; `monotonic` is seconds from an arbitrary start, for leases and timeouts."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class Ids(Protocol):
    """Fresh identifiers and chance."""

    def uuid7(self) -> str: ...

    def uuid4(self) -> str: ...

    def nonce(self) -> bytes:
        """Return 16 random bytes."""
        ...

    def jitter(self) -> float:
        """Return a number in [0, 1)."""
        ...


class Telemetry(Protocol):
    """Where operators watch: one canonical line per request and per attempt. Not evidence; that is the audit."""

    def line(
        self, action: str, *, outcome: str, duration: timedelta | None = None, code: str = "", **labels: str | int
    ) -> None:
        """Write one line. Never raises: a line that can not be written is lost, the work it tells of is not.

        `action`: what was done, such as `transfer.send`. `outcome`: `success`, `failure` or `unknown` (ECS
        `event.outcome`). `code`: a code of the error catalogue, or empty. `labels`: ids, states, counts; never a value
        of a document or a byte of a key.
        """
        ...
