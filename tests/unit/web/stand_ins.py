"""Stand-ins for what listeners have around them: time that stands still, lines that are kept, a partner that is asked."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.domain.ids import MessageId, PartyId
from gateway.domain.outcome import SendOutcome, TransientFailure
from tests.store_values import NOW


@dataclass(slots=True)
class Lines:
    """Implements ports.Telemetry: keeps every line."""

    kept: list[dict[str, Any]] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def line(
        self, action: str, *, outcome: str, duration: timedelta | None = None, code: str = "", **labels: str | int
    ) -> None:
        self.kept.append({"action": action, "outcome": outcome, "duration": duration, "code": code, **labels})
        self.told.set()


class FixedClock:
    """Implements ports.Clock; stands still unless moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.moment = now
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.seconds

    def move(self, by: timedelta) -> None:
        self.moment += by
        self.seconds += by.total_seconds()


class ScriptedPartner:
    """Implements ports.ReceiptChannel: what a partner says when it is asked."""

    def __init__(self) -> None:
        self.says: SendOutcome = TransientFailure(
            code="channel.unreachable", detail="nobody is there", sent=False, connected=False
        )

    async def fetch_receipt(self, _recipient: PartyId, _message_id: MessageId) -> SendOutcome:
        return self.says

    async def post_receipt(self, _recipient: PartyId, _token: str) -> SendOutcome:
        raise AssertionError("nothing is sent in these tests")
