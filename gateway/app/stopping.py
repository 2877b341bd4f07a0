"""What a node does last, and what it asks itself while it runs: small things that hold no state."""

import asyncio
from datetime import datetime

from gateway.errors import TrustError
from gateway.exchange.turn_away import TurnAway
from gateway.trust import FileTrust

__all__ = ["cancelled", "check_revocation", "told"]


async def cancelled(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel the loops, and return when the last has ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def told(reports: set[asyncio.Task[None]], turn_away: TurnAway) -> None:
    """Return when every client that was turned away stands in the audit trail."""
    await asyncio.gather(*reports)
    await turn_away.close_period()


async def check_revocation(trust: FileTrust, now: datetime) -> None:
    """Raise TrustError `trust.crl_stale` unless every revocation list is fresh."""
    problems = trust.refresh(now)
    if problems:
        raise TrustError("trust.crl_stale", "; ".join(problems))
