"""A statement that nobody here could look at, because it ended its worker twice, says nothing about the partner.

It leaves no evidence against whoever sent it, ends nothing, and is asked for or given again.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from gateway.audit import AuditEvent
from gateway.envelope import sign_notice
from gateway.errors import GatewayError
from gateway.workers import WorkerGenerations
from tests.integration.hostile_sending import CLAIMED, FAILED, submit
from tests.integration.one_gateway import GB, OneGateway, one_gateway
from tests.integration.scripted_partner import NOTICES
from tests.integration.scripted_server import accepts, answering, takes

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECEIPTS = "/exchange/v1/receipts"
POISONED = "transfer.poisoned"

Poison = Callable[[str], list[Any]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OneGateway]:
    async with one_gateway(tmp_path_factory.mktemp("unread") / "world") as opened:
        yield opened


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Poison:
    """Have the next job of this kind answered as a pool answers one that ended two workers."""

    def once(kind: str) -> list[Any]:
        whole = getattr(WorkerGenerations, kind)
        given_up: list[Any] = []

        async def work(workers: WorkerGenerations[Any, Any], asked: Any) -> Any:
            if given_up or not asked:
                return await whole(workers, asked)
            given_up.append(asked)
            return [GatewayError(POISONED) for _ in asked] if isinstance(asked, list) else GatewayError(POISONED)

        monkeypatch.setattr(WorkerGenerations, kind, work)
        return given_up

    return once


async def test_a_receipt_that_ended_its_worker_is_no_fault_of_the_partner_and_comes_again(
    world: OneGateway, poison: Poison
) -> None:
    given_up = poison("check_all")
    async with answering(world.gb, world.ports[GB], accepts):
        transfer = await submit(world)
        await transfer.reaches("DELIVERED")
    assert len(given_up) == 1
    delivered = (AuditEvent.TRANSFER_DELIVERED, "ok")
    assert transfer.story() == [(CLAIMED, ""), (FAILED, POISONED), (CLAIMED, ""), delivered]
    assert [(outcome, code) for outcome, code, _ in transfer.attempts()] == [("failed", POISONED), ("delivered", "ok")]


@pytest.mark.parametrize("statement", ["receipt", "notice"])
async def test_what_is_posted_and_ended_its_worker_leaves_no_evidence_and_may_be_posted_again(
    world: OneGateway, poison: Poison, statement: str
) -> None:
    async with answering(world.gb, world.ports[GB], takes) as server:
        transfer = await submit(world)
        await transfer.reaches("AWAITING_RECEIPT")
        (arrived,) = server.arrived
    if statement == "receipt":
        path, token, kind = RECEIPTS, world.gb.signed_receipt(arrived.opened), "check"
    else:
        path, token, kind = NOTICES, sign_notice(world.gb.notice(arrived.opened), world.gb.signer), "check_notices"
    before, given_up = world.last_seq(), poison(kind)
    reply = await world.gb.ask("POST", path, body=token.encode())
    assert (reply.status, reply.said, len(given_up)) == (500, "unsigned", 1)
    assert (world.last_seq(), transfer.state) == (before, "AWAITING_RECEIPT")
    assert (await world.gb.ask("POST", path, body=token.encode())).status == 204
    assert world.last_seq() == before + 1
