"""Drain a node: take no new submissions and messages, begin no new attempt, and finish what is under way.

Everything that waits stays in the store, and goes on after the drain is ended or the node was started again. Readiness
is false for as long, so that whoever balances load or restarts nodes can see it. A stop drains too, for a bounded time.
"""

from gateway.audit import AuditEntry, AuditEvent
from gateway.errors import GatewayError
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.operate import stated_reason
from gateway.ports import Clock, Store

__all__ = ["Drain"]


class Drain:
    """The use case; it begins ended. A restart ends a drain: whoever starts a node wants it to work."""

    def __init__(self, *, store: Store, clock: Clock, bells: Doorbells) -> None:
        self._store = store
        self._clock = clock
        self._bells = bells

    @property
    def under_way(self) -> int:
        """How many attempts, hand-overs and notices are under way now."""
        return self._bells.under_way

    def check(self) -> None:
        """Raise GatewayError `node.draining` while the node drains."""
        if self._bells.hushed:
            raise GatewayError("node.draining")

    async def ready(self) -> None:
        """Be asked by readiness: raises as `check`."""
        self.check()

    async def begin(self, *, operator: str, reason: str) -> int:
        """Begin to drain, with a record of who asked and why. Return how much is under way; 0: the node is drained."""
        if not self._bells.hushed:
            await self._record(AuditEvent.NODE_DRAINING, operator, reason)
            self._bells.hush()
        return self.under_way

    async def end(self, *, operator: str, reason: str) -> None:
        """Work again."""
        if self._bells.hushed:
            await self._record(AuditEvent.NODE_RESUMED, operator, reason)
            self._bells.resume()

    async def _record(self, event: AuditEvent, operator: str, reason: str) -> None:
        facts: dict[str, str | int] = {"reason": stated_reason(reason), "count": self.under_way}
        await self._store.record(
            AuditEntry(event=event, at=self._clock.now(), actor=f"operator:{operator}", facts=facts)
        )
