"""A partner that is down, slow or broken hurts only its own transfers, loses none, and gets them all when it is well again."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.audit import AuditEvent
from tests.integration import broken_server
from tests.integration.broken_server import Misbehave, broken
from tests.integration.hostile_sending import CLAIMED, FAILED, Underway, submit
from tests.integration.one_gateway import GB, NL, OneGateway, one_gateway
from tests.integration.scripted_server import accepts, answering, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

DELIVERED = (AuditEvent.TRANSFER_DELIVERED, "ok")
BROKEN_OFF = {"channel.interrupted", "channel.tls_refused"}
"""On a new connection an end without a word may also mean that our certificate was not accepted: TLS 1.3 tells only
afterwards."""

INTERRUPTED, TIMEOUT, UNEXPECTED = "channel.interrupted", "channel.timeout", "channel.unexpected_answer"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OneGateway]:
    """A gateway that gives each partner one second for an answer."""
    async with one_gateway(tmp_path_factory.mktemp("broken") / "world", start=False) as made:
        give_one_second(made.config)
        await made.start()
        yield made


def give_one_second(config: Path) -> None:
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("[[partners]]\n", '[[partners]]\ntimeout = "1s"\n'), encoding="utf-8")


async def others_go_on(world: OneGateway) -> None:
    """Have a document delivered to the other partner meanwhile."""
    async with answering(world.nl, world.ports[NL], accepts):
        other = await submit(world, to=NL)
        await other.reaches("DELIVERED")
    assert [event for event, _ in other.story()] == [CLAIMED, AuditEvent.TRANSFER_DELIVERED]


async def gets_well(world: OneGateway, transfer: Underway) -> None:
    """Let the partner answer again, and have it get the very message it should have had."""
    digest = transfer.row()["digest"]
    async with answering(world.gb, world.ports[GB], accepts) as server:
        await transfer.reaches("DELIVERED")
    assert {arrived.opened.digest for arrived in server.arrived} == {digest}
    assert world.ask("SELECT failures FROM partner_health WHERE partner = ?", GB) == [(0,)]


MISBEHAVIOURS: dict[str, tuple[Misbehave, set[str]]] = {
    "hangs": (broken_server.hang, {TIMEOUT}),
    "resets": (broken_server.reset, BROKEN_OFF),
    "hangs up": (broken_server.hang_up, BROKEN_OFF),
    "talks nonsense": (broken_server.garbage, {UNEXPECTED, INTERRUPTED}),
    "answers by half and hangs": (broken_server.half_an_answer, {TIMEOUT}),
    "answers by half and hangs up": (broken_server.cut_short, {INTERRUPTED}),
    "answers a byte at a time": (broken_server.drip, {TIMEOUT}),
}


@pytest.mark.parametrize("name", MISBEHAVIOURS)
async def test_a_partner_that_misbehaves_hurts_only_its_own_transfers_and_loses_none(
    world: OneGateway, name: str
) -> None:
    misbehave, codes = MISBEHAVIOURS[name]
    async with broken(world.gb, world.ports[GB], misbehave) as seen:
        transfer = await submit(world)
        await eventually(lambda: seen.asked)
        await others_go_on(world)
        await transfer.failed_attempt()
    await gets_well(world, transfer)
    *story, last = transfer.story()
    assert last == DELIVERED
    failed = {code for event, code in story if event == FAILED}
    assert failed
    assert failed - {"channel.unreachable"} <= codes
    assert {event for event, _ in story} == {CLAIMED, FAILED}


@asynccontextmanager
async def down(_world: OneGateway) -> AsyncIterator[None]:
    """Nobody listens."""
    yield


@asynccontextmanager
async def half_open(world: OneGateway) -> AsyncIterator[None]:
    """Connections are taken, and not a word is said, not even of TLS."""
    with socket.create_server(("127.0.0.1", world.ports[GB])):
        yield


@pytest.mark.parametrize("way", [down, half_open])
async def test_a_partner_that_can_not_be_reached_uses_up_no_attempt(
    world: OneGateway, way: Callable[[OneGateway], AbstractAsyncContextManager[None]]
) -> None:
    await world.stop()
    await world.start()  # a partner that answered a moment ago is not pinged before a claim
    async with way(world):
        transfer = await submit(world)
        await eventually(lambda: world.ask("SELECT 1 FROM partner_health WHERE partner = ? AND failures > 0", GB))
        await others_go_on(world)
        assert (transfer.state, transfer.attempts()) == ("QUEUED", [])
    await gets_well(world, transfer)
    assert [(outcome, code) for outcome, code, _ in transfer.attempts()] == [("delivered", "ok")]
