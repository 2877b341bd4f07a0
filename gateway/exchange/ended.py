"""Stop what waits under an agreement that has ended or was suspended, at once, be its partner in reach or not.

What would be claimed is held by the claim itself, so nothing is sent in any case. This makes the rest say so too: every
transfer that waits is HELD, with the code and its audit record, and the log has a line. Once an agreement is in force
again an officer releases it (`holds`).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from gateway.errors import CATALOGUE
from gateway.ports import Store, Telemetry

__all__ = ["HoldEnded"]

_BATCH: Final = 200
_ROUNDS: Final = 50  # the rest follows in the next round of the sweep
_CODE: Final = CATALOGUE["agreement.not_in_force"].code


class HoldEnded:
    """The use case. Looks through all that waits when what is in force changed, or when it is told to. `in_force`: the
    hashes of the agreements that are in force at a time; `stopped`: why the others are not, by hash."""

    def __init__(
        self,
        *,
        store: Store,
        in_force: Callable[[datetime], frozenset[str]],
        stopped: Callable[[datetime], Mapping[str, str]],
        telemetry: Telemetry,
    ) -> None:
        self._store = store
        self._in_force = in_force
        self._stopped = stopped
        self._telemetry = telemetry
        self._seen: frozenset[str] | None = None

    async def look(self, now: datetime, *, anew: bool = False) -> int:
        """Hold what waits under what is not in force now, and return how many were held. `anew`: look even if what is
        in force is what it was the last time."""
        in_force = self._in_force(now)
        if in_force == self._seen and not anew:
            return 0
        for ended in sorted((self._seen or frozenset()) - in_force):
            self._telemetry.line("agreement.ended", outcome="success", code=_CODE, agreement_sha256=ended)
        held: Counter[str] = Counter()
        stopped = self._stopped(now)
        for _ in range(_ROUNDS):
            rows = await self._store.hold_ended(in_force, limit=_BATCH, now=now, stopped=stopped)
            held.update(f"{row.agreement.id} version {row.agreement.version}" for row in rows)
            if len(rows) < _BATCH:
                self._seen = in_force
                break
        for agreement, count in sorted(held.items()):
            self._telemetry.line("transfers.held", outcome="success", code=_CODE, agreement=agreement, count=count)
        return held.total()
