"""The stage of the hostile tables: one gateway that has a past, and the shape of a row."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from gateway.audit import AuditEvent
from gateway.domain.ids import PartyId
from gateway.domain.message import MessageHeader
from tests.integration.one_gateway import (
    DOCUMENT,
    GB,
    NL,
    OneGateway,
    agreement,
    one_gateway,
)
from tests.integration.scripted_partner import Reply, ScriptedPartner, Sealed
from tests.integration.scripted_server import answering, eventually, takes

# One flow may be permitted by one agreement at a time only, so these stand before the one in force.
MORE_AGREEMENTS = {
    "gb-fr-ended": agreement(GB, name="gb-fr-ended", valid_from="2025-01-01", valid_until="2026-01-01"),
    "gb-fr-suspended": agreement(
        GB, name="gb-fr-suspended", valid_from="2024-01-01", valid_until="2025-01-01", suspended="true"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A message of GB that was accepted, and its receipt."""

    header: MessageHeader
    jws: str
    receipt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The gateway under attack."""

    world: OneGateway
    known: Known

    @property
    def gb(self) -> ScriptedPartner:
        return self.world.gb

    @property
    def nl(self) -> ScriptedPartner:
        return self.world.nl

    async def knock(self) -> Reply:
        """Send the known message again: an honest request, whose audit record closes what came before it."""
        return await self.gb.post(self.gb.seal(self.known.jws, self.known.header))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came back, and what was sent if it was meant to be a message."""

    reply: Reply
    sealed: Sealed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One hostile request. `status` 0: no HTTP answer at all. `said`: the form in which the `public` code is told.
    `event`, `code`, `actor`: the one audit record."""

    name: str
    send: Callable[[Stage], Awaitable[Sent]]
    status: int
    said: str
    public: str
    event: AuditEvent
    code: str
    actor: str = f"party:{GB}"


def unopened(
    name: str,
    make: Callable[[Stage], Sealed],
    code: str,
    *,
    public: str = "envelope.rejected",
    by: PartyId = GB,
) -> Row:
    """Return the row of an envelope that can not be believed: a signed problem, bound to the envelope only."""
    return Row(
        name=name,
        send=_posted(make, by),
        status=400,
        said="problem",
        public=public,
        event=AuditEvent.MESSAGE_UNOPENED,
        code=code,
        actor=f"party:{by}",
    )


def refused(name: str, make: Callable[[Stage], Sealed], code: str) -> Row:
    """Return the row of a genuine message that is refused: a signed receipt, bound to its digest."""
    return Row(
        name=name,
        send=_posted(make, GB),
        status=200,
        said="receipt refused",
        public=code,
        event=AuditEvent.MESSAGE_REFUSED,
        code=code,
    )


def conflicting(name: str, make: Callable[[Stage], Sealed]) -> Row:
    """Return the row of another message under an id that was accepted before."""
    return Row(
        name=name,
        send=_posted(make, GB),
        status=409,
        said="receipt refused",
        public="message.id_reused",
        event=AuditEvent.MESSAGE_CONFLICT,
        code="message.id_reused",
    )


def _posted(make: Callable[[Stage], Sealed], by: PartyId) -> Callable[[Stage], Awaitable[Sent]]:
    async def send(stage: Stage) -> Sent:
        sealed = make(stage)
        return Sent(reply=await stage.world.partners[by].post(sealed), sealed=sealed)

    return send


@asynccontextmanager
async def stage_in(folder: Path) -> AsyncIterator[Stage]:
    """Set the stage: two accepted messages, both handed over, and a transfer that waits for its receipt."""
    async with one_gateway(folder, agreements=MORE_AGREEMENTS) as world:
        header = world.gb.header()
        jws = world.gb.sign(header)
        reply = await world.gb.post(world.gb.seal(jws, header))
        other = await world.nl.post(world.nl.message())
        assert (reply.code, other.code) == ("ok", "ok")
        async with answering(world.nl, world.ports[NL], takes) as server, world.submissions() as client:
            await client.submit(DOCUMENT.read_bytes(), to=[NL])
            await eventually(lambda: world.ask("SELECT 1 FROM transfer WHERE state = 'AWAITING_RECEIPT'"))
            assert len(server.arrived) == 1
        await eventually(lambda: world.ask("SELECT count(*) FROM hand_over WHERE state = 'HANDED_OVER'") == [(2,)])
        yield Stage(world=world, known=Known(header=header, jws=jws, receipt=reply.token))


def aged(header: MessageHeader, age: timedelta) -> MessageHeader:
    """Return the same header as if it had been made earlier."""
    return replace(header, created=header.created - age, expires=header.expires - age)
