"""One partner takes every message and says nothing for as long as anybody waits; nobody else notices, and when it is well
again nothing waits for the end of a lease.

It answers pings, so that messages are sent to it and hold what they can hold: connections, leases, the sender's patience.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from statistics import median

import pytest
import pytest_asyncio

from gateway.audit import AuditEvent
from gateway.exchange import leased
from gateway.exchange.dispatch import DispatchLimits
from tests.faults.noting import note
from tests.integration.broken_server import broken, hang
from tests.integration.hostile_sending import CLAIMED, Underway, new_document, submit
from tests.integration.one_gateway import GB, NL, OneGateway, one_gateway
from tests.integration.scripted_server import accepts, answering, eventually

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module")]

PAIRS = 5
MESSAGES = 300
AT_ONCE = 4
STUCK = 32
"""More than the transfers to one partner that are under way at once."""


REQUESTS = DispatchLimits().requests
GIVEN_BACK, LEASE_LOST = AuditEvent.TRANSFER_GIVEN_BACK, AuditEvent.TRANSFER_LEASE_LOST
DELIVERED = AuditEvent.TRANSFER_DELIVERED
CASE = "K-1"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OneGateway]:
    async with one_gateway(tmp_path_factory.mktemp("hang") / "world") as opened:
        yield opened


async def gets_well(world: OneGateway, stuck: Sequence[Underway]) -> None:
    """Let the partner answer again and have all that hung delivered."""
    async with answering(world.gb, world.ports[GB], accepts):
        for transfer in stuck:
            await eventually(lambda: transfer.state == "DELIVERED", seconds=60)  # noqa: B023  awaited within its turn


async def test_a_partner_that_hangs_on_every_request_holds_up_nobody_else(world: OneGateway) -> None:
    async with broken(world.gb, world.ports[GB], hang) as seen, answering(world.nl, world.ports[NL], accepts):
        stuck = [await submit(world) for _ in range(STUCK)]
        await eventually(lambda: seen.asked)
        others = [await submit(world, to=NL) for _ in range(STUCK)]
        for transfer in others:
            await transfer.reaches("DELIVERED")
        assert {len(transfer.attempts()) for transfer in others} == {1}
        assert [transfer.attempts() for transfer in stuck] == [[]] * STUCK
    await gets_well(world, stuck)


async def of_the_case(world: OneGateway) -> Underway:
    """Submit a document of the one conversation that has several."""
    async with world.submissions() as client:
        submission = await client.submit(new_document(), to=[GB], conversation=CASE)
    return Underway(world=world, id=submission.transfers[0].id)


async def test_what_waited_behind_requests_that_hang_goes_when_the_partner_is_well_and_waits_for_no_lease(
    world: OneGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leased, "WAIT", timedelta(milliseconds=500))
    async with broken(world.gb, world.ports[GB], hang) as seen:
        stuck = []
        for number in range(1, REQUESTS + 1):
            stuck.append(await submit(world))
            await eventually(lambda: len(seen.asked) == number)  # noqa: B023  awaited within its turn
        assert world.node is not None
        world.node._fast_path.open(GB, lasting=timedelta(minutes=1))  # as a claim does that found nothing else
        behind = [await of_the_case(world), await submit(world), await submit(world)]
        assert {one.story()[0][0] for one in behind} == {CLAIMED}, "in the commit that accepted it"
        second = await of_the_case(world)
        assert second.state == "QUEUED", "it waits for the one before it in its conversation"
        for one in behind:
            await one.reaches("QUEUED")
            assert [one.row()[name] for name in ("attempts", "ever_sent", "lease_until")] == [0, 0, None]
        async with world.operations() as operator:
            cancelled = await operator.cancel(behind.pop().id, reason="Nothing of it was sent")
        assert cancelled.state == "CANCELLED"
    async with answering(world.gb, world.ports[GB], accepts) as server:
        for one in (*stuck, *behind, second):
            await one.reaches("DELIVERED")
    for one in behind:
        assert [event for event, _ in one.story()] == [CLAIMED, GIVEN_BACK, CLAIMED, DELIVERED]
        assert one.row()["attempts"] == 1
    arrived = [one.opened.header.message_id for one in server.arrived]
    assert arrived.index(behind[0].row()["message_id"]) < arrived.index(second.row()["message_id"])
    assert LEASE_LOST not in {event.event for one in (*stuck, *behind, second) for event in one.events()}


async def p99_of_others(world: OneGateway) -> float:
    """Have MESSAGES delivered to NL; return the p99 of the time from acceptance to delivery, in seconds."""

    async def some() -> list[Underway]:
        return [await submit(world, to=NL) for _ in range(MESSAGES // AT_ONCE)]

    transfers = [one for each in await asyncio.gather(*(some() for _ in range(AT_ONCE))) for one in each]
    for transfer in transfers:
        await eventually(lambda: transfer.state == "DELIVERED", seconds=60)  # noqa: B023  awaited within its turn
    took = {
        name: (last - first) / 1_000_000
        for name, first, last in world.ask("SELECT transfer_id, min(at), max(at) FROM audit GROUP BY transfer_id")
    }
    ordered = sorted(took[transfer.id] for transfer in transfers)
    return float(ordered[math.ceil(0.99 * len(ordered)) - 1])


async def round_of(world: OneGateway, *, hangs: bool) -> float:
    """Return the p99 of the others, while GB hangs or while nothing is sent to it."""
    if not hangs:
        return await p99_of_others(world)
    async with AsyncExitStack() as stack:
        seen = await stack.enter_async_context(broken(world.gb, world.ports[GB], hang))
        stuck = [await submit(world) for _ in range(STUCK)]
        await eventually(lambda: seen.asked)
        measured = await p99_of_others(world)
    await gets_well(world, stuck)
    return measured


@pytest.mark.long
async def test_the_p99_of_others_moves_by_less_than_a_fifth(world: OneGateway) -> None:
    async with answering(world.nl, world.ports[NL], accepts):
        await p99_of_others(world)  # not counted: connections and caches are cold
        ratios = []
        for number in range(PAIRS):
            order = (True, False) if number % 2 else (False, True)
            found = {hangs: await round_of(world, hangs=hangs) for hangs in order}
            ratios.append(found[True] / found[False])
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"p99 of others with a hanging partner / without: {shown}")
    note(
        "a partner that hangs on every request",
        f"p99 of others, with / without: median {median(ratios):.2f} of {shown}",
    )
    assert median(ratios) < 1.2
