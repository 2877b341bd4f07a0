"""Leave evidence of connections that were turned away: no client certificate, or one that is not accepted.

Whoever reaches the port can cause these, so they must not be able to fill the audit. In any minute the first few have
a record each; the others are counted, and when the minute is over one record for each code says how many they were
(`count`). What is counted but not yet written stands in memory: a kill loses at most a minute of it, a stop nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from gateway.audit import AuditEntry, AuditEvent
from gateway.errors import GatewayError
from gateway.ports import Clock, Store, Telemetry

_MAX_DETAIL_CHARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnAwayLimits:
    """`single`: records of their own within one `period`; what comes beyond is counted."""

    single: int = 30
    period: timedelta = timedelta(minutes=1)


class TurnAway:
    """The use case. Both callers know nothing more of who it was: the TLS handshake and the partner listener."""

    def __init__(
        self, *, store: Store, clock: Clock, telemetry: Telemetry, limits: TurnAwayLimits | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._limits = limits or TurnAwayLimits()
        self._single = 0
        self._more: Counter[str] = Counter()

    async def __call__(self, error: GatewayError, *, certificate_sha256: str = "") -> None:
        """Record one connection, or count it. Never raises: it is refused whether or not that can be written."""
        if self._single >= self._limits.single:
            self._more[error.code] += 1
            return
        self._single += 1
        facts: dict[str, str | int] = {"code": error.code, "detail": error.detail[:_MAX_DETAIL_CHARS]}
        if certificate_sha256:
            facts["certificate"] = certificate_sha256
        if not await self._record(facts):
            self._more[error.code] += 1

    async def serve(self) -> None:
        """Close one period after the other, for ever."""
        while True:
            await asyncio.sleep(self._limits.period.total_seconds())
            await self.close_period()

    async def close_period(self) -> None:
        """Write what was only counted, and let the next ones have records of their own again."""
        self._single = 0
        counted, self._more = self._more, Counter()
        for code, count in sorted(counted.items()):
            if not await self._record({"code": code, "count": count}):
                self._more[code] += count

    async def _record(self, facts: Mapping[str, str | int]) -> bool:
        entry = AuditEntry(event=AuditEvent.CHANNEL_REFUSED, at=self._clock.now(), actor="system", facts=facts)
        try:
            await self._store.record(entry)
        except GatewayError as error:
            self._telemetry.line("channel.refused", outcome="failure", code=error.code)
            return False
        return True
