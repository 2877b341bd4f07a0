"""The back end of one party: takes what is handed over, or fails, or is slow, or takes it and does not say so."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from gateway.domain.ids import PartyId
from gateway.domain.outcome import HandedOver, HandOverOutcome, TransientFailure
from gateway.domain.records import InboxRow
from tests.simulation.loop import Owner
from tests.simulation.network import Stall
from tests.simulation.plan import NONE, Faults
from tests.simulation.trace import Trace, short


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message that the back end took, as it came."""

    message_id: str
    sender: PartyId
    conversation: str
    sequence: int
    view: bytes = field(repr=False)


class BackEnd:
    """One party's back end; it outlives the lives of its gateway."""

    def __init__(self, party: PartyId, chance: Random, trace: Trace) -> None:
        self.party = party
        self.faults: Faults = NONE
        self.arrivals: list[Arrival] = []
        self._chance = chance
        self._trace = trace
        self.takes = chance.choice((1, 8))

    def of(self, owner: Owner, stall: Stall) -> "BackEndChannel":
        """Return the way to it for a node in one life. `stall`: that of the node."""
        return BackEndChannel(self, owner, stall)

    def take(self, row: InboxRow, view: bytes) -> None:
        """Take a message."""
        self._trace.say(
            f"{self.party[:2]} backend",
            "takes",
            message=short(row.message_id),
            conversation=row.conversation[:4],
            sequence=row.sequence,
        )
        self.arrivals.append(
            Arrival(
                message_id=row.message_id,
                sender=row.sender,
                conversation=row.conversation,
                sequence=row.sequence,
                view=view,
            )
        )

    def draw(self, low: float, high: float) -> float:
        """Return a time in seconds."""
        return self._chance.uniform(low, high)

    def happens(self, rate: float) -> bool:
        """Tell whether something of this likelihood happens now."""
        return self._chance.random() < rate


class BackEndChannel:
    """Implements `ports.BackendChannel` for one life of a gateway."""

    def __init__(self, backend: BackEnd, owner: Owner, stall: Stall) -> None:
        self._backend = backend
        self._stall = stall
        self._owner = owner

    def takes(self, recipient: PartyId) -> int:
        """Return how many messages go together, which is the same in every life."""
        del recipient
        return self._backend.takes

    async def hand_over_group(self, messages: Sequence[tuple[InboxRow, bytes]]) -> list[HandOverOutcome]:
        """Hand several over in one request: each has its own answer, and all arrive or none when the request fails."""
        outcomes = await self._hand_over_group(messages)
        await self._stall.over()
        return outcomes

    async def hand_over(self, row: InboxRow, view: bytes) -> HandOverOutcome:
        """Hand one message over, as fate has it."""
        outcome = await self._hand_over(row, view)
        await self._stall.over()
        return outcome

    async def _hand_over_group(self, messages: Sequence[tuple[InboxRow, bytes]]) -> list[HandOverOutcome]:
        backend = self._backend
        faults = backend.faults
        await self._reached()
        if backend.happens(faults.backend_fails):
            return [_FAILED] * len(messages)
        outcomes: list[HandOverOutcome] = []
        for row, view in messages:
            if backend.happens(faults.backend_fails):
                outcomes.append(_FAILED)
            else:
                backend.take(row, view)
                outcomes.append(HandedOver())
        if await self._forgotten():
            return [_FORGOTTEN] * len(messages)
        return outcomes

    async def _hand_over(self, row: InboxRow, view: bytes) -> HandOverOutcome:
        backend = self._backend
        await self._reached()
        if backend.happens(backend.faults.backend_fails):
            return _FAILED
        backend.take(row, view)
        return _FORGOTTEN if await self._forgotten() else HandedOver()

    async def _reached(self) -> None:
        """Wait until a request is there, if its sender lives so long."""
        backend = self._backend
        slow = backend.happens(backend.faults.backend_slow)
        await asyncio.sleep(backend.draw(0.005, 0.05) if not slow else backend.draw(1.0, 20.0))
        if self._owner.dead:
            raise asyncio.CancelledError

    async def _forgotten(self) -> bool:
        """Wait until the answer is there, and tell whether it never comes."""
        backend = self._backend
        forgotten = backend.happens(backend.faults.backend_forgets)
        await asyncio.sleep(backend.draw(1.0, 10.0) if forgotten else backend.draw(0.005, 0.05))
        return forgotten


_FAILED = TransientFailure(code="channel.unexpected_answer", detail="HTTP 500", sent=True, connected=True)
_FORGOTTEN = TransientFailure(code="channel.timeout", detail="No answer in time", sent=True, connected=True)
