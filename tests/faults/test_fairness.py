"""A partner for whom thousands wait beside one for whom a single message does: the one does not wait for the thousands.

How long something takes says nothing on a busy machine, so it is counted how many of the thousands went meanwhile.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.client import NewSubmission, Submission, in_requests
from gateway.domain.ids import PartyId
from gateway.exchange.dispatch import Dispatch
from tests.integration.hostile_sending import new_document, submit
from tests.integration.one_gateway import GB, NL, OneGateway, one_gateway
from tests.integration.scripted_server import accepts, answering, eventually

pytestmark = pytest.mark.faults

MEANWHILE = 150
"""So many of the backlog may go while the single message is accepted, its partner first reached, and it delivered. Four
requests of eight are under way at any moment."""


@asynccontextmanager
async def backlog(folder: Path, number: int) -> AsyncIterator[OneGateway]:
    """Run a gateway with `number` transfers waiting for GB, who comes back as the block begins, and takes them as fast
    as they come."""
    async with one_gateway(folder, start=False) as world:
        text = world.config.read_text(encoding="utf-8")
        assert f'id = "{GB}"\n' in text
        world.config.write_text(
            text.replace(f'\nid = "{GB}"\nurl', f'\nid = "{GB}"\ncatch_up = 10000\nurl'), encoding="utf-8"
        )
        await world.start()
        async with world.submissions() as client:
            for some in in_requests(NewSubmission(document=new_document(), to=(GB,)) for _ in range(number)):
                assert all(isinstance(one, Submission) for one in await client.submit_many(some))
        async with answering(world.gb, world.ports[GB], accepts), answering(world.nl, world.ports[NL], accepts):
            yield world


async def gone_meanwhile(world: OneGateway) -> tuple[int, int]:
    """Submit one message to NL while the backlog goes. Return how much of it was claimed until that one was delivered,
    and how much of it still waited then."""
    await eventually(lambda: left(world, "DELIVERED"), seconds=60)
    single = await submit(world, to=NL)
    await eventually(lambda: single.state == "DELIVERED", seconds=60)
    waiting = left(world, "QUEUED")
    ((first, last),) = world.ask("SELECT min(seq), max(seq) FROM audit WHERE transfer_id = ?", single.id)
    ((claimed,),) = world.ask(
        "SELECT count(*) FROM audit WHERE event = 'transfer.claimed' AND seq BETWEEN ? AND ?", first, last
    )
    return claimed - 1, waiting


def left(world: OneGateway, state: str) -> int:
    ((number,),) = world.ask("SELECT count(*) FROM transfer WHERE recipient = ? AND state = ?", GB, state)
    return int(number)


@pytest.mark.parametrize(
    "number", [pytest.param(1000, id="short"), pytest.param(5000, id="long", marks=pytest.mark.long)]
)
async def test_one_message_does_not_wait_for_the_backlog_of_another_partner(tmp_path: Path, number: int) -> None:
    async with backlog(tmp_path / "world", number) as world:
        claimed, waiting = await gone_meanwhile(world)
        print(f"{claimed} of the backlog were claimed meanwhile, {waiting} still waited")
        assert claimed <= MEANWHILE
        assert waiting >= number // 2


async def test_a_claim_that_serves_the_oldest_first_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: all partners share one queue, so the single message goes after everything that came before it."""
    claim = Dispatch._claim_stored

    async def oldest_first(self: Dispatch, partner: PartyId, most: int) -> object:
        if partner != GB and await self._store.due_at(GB) is not None:
            return []
        return await claim(self, partner, most)

    monkeypatch.setattr(Dispatch, "_claim_stored", oldest_first)
    async with backlog(tmp_path / "world", MEANWHILE * 4) as world:
        _, waiting = await gone_meanwhile(world)
        assert waiting == 0
