"""A gateway that drains, or is told to stop, in the middle of its work: what is under way ends or comes back, in time.

Both are real processes under load. The books are read from the database file at the very moment the gateway says it is
drained, or has ended: nothing stands there that is still leased.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.client import OperationsClient
from gateway.domain.ids import PartyId
from gateway.settings import load_node
from tests.faults.books import check_books
from tests.faults.history import Outage
from tests.faults.run import FaultRun, Gate
from tests.faults.test_recovery import HoldingBackend
from tests.faults.traffic import Clients
from tests.faults.until import until
from tests.world import FR, GB, two_gateways

pytestmark = pytest.mark.faults

TRANSFERS = 150
SOON = timedelta(seconds=60)
STOP = "1s"


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[FaultRun]:
    """Two gateways, the back end of FR one that can be made to say nothing."""
    async with (
        two_gateways(tmp_path, start=False, hand_over_batch={FR: 8}) as gateways,
        Clients(gateways.sides) as known,
    ):
        fr = gateways.fr
        await fr.backend.stop()
        fr.backend = HoldingBackend(fr.layout.webhook_secret, port=fr.layout.backend_port)
        await fr.backend.start()
        await asyncio.gather(*(side.process.start() for side in gateways.sides.values()))
        started = FaultRun(gateways, known, seed=1)
        await started.learn_views()
        yield started


@asynccontextmanager
async def under_load(run: FaultRun) -> AsyncIterator[None]:
    """Have documents submitted to both gateways; the block runs when a third is acknowledged. Everything is there in
    the end, once, in order and proven."""
    documents, before = run.plan(TRANSFERS, "load"), run.clients.accepted
    async with asyncio.TaskGroup() as group:
        group.create_task(run.submit_all(documents, Gate(TRANSFERS)))
        assert await until(lambda: run.clients.accepted - before >= TRANSFERS // 3, within=SOON)
        yield
    await run.finish()
    assert [str(breach) for breach in run.breaches] == []
    assert run.clients.accepted - before == TRANSFERS


def admin(run: FaultRun, party: PartyId) -> OperationsClient:
    layout = run.gateways.sides[party].layout
    return OperationsClient(layout.operations_url, layout.admin_token)


def leased(run: FaultRun, party: PartyId) -> list[str]:
    """Return what of a gateway is under way by its books."""
    books = run.books()[party]
    assert check_books(books) == []
    rows = {**books.transfers, **books.hand_overs}
    return [message_id for message_id, state in rows.items() if state == "IN_FLIGHT"]


async def drained(client: OperationsClient) -> None:
    """Begin to drain, and return when nothing is under way."""
    for _ in range(3000):
        if not (await client.drain(reason="An upgrade"))["under_way"]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("something stayed under way")


async def test_a_drained_gateway_has_nothing_leased_and_goes_on_where_it_stopped(run: FaultRun) -> None:
    async with under_load(run):
        for party in (GB, FR):
            async with admin(run, party) as client:
                await drained(client)
                assert leased(run, party) == []
                told = {one.message_id for one in run.clients.answers if (one.code, one.sender) == ("ok", party)}
                assert told <= set(run.books()[party].transfers)
                assert await client.drain(reason="Done", end=True) == {"draining": False, "under_way": 0}


async def test_a_gateway_told_to_stop_ends_well_and_leaves_nothing_leased(run: FaultRun) -> None:
    async with under_load(run):
        for party in (GB, FR):
            process = run.gateways.sides[party].process
            assert await process.stop() == 0
            assert leased(run, party) == []
            await process.start()


async def test_what_does_not_end_in_the_time_for_a_stop_is_given_back_and_comes_again(run: FaultRun) -> None:
    fr = run.gateways.fr
    text = fr.layout.config.read_text(encoding="utf-8")
    assert "[timing]" in text
    fr.layout.config.write_text(text.replace("[timing]", f'[timing]\nstop = "{STOP}"'), encoding="utf-8")
    assert load_node(fr.layout.config).timing.stop == timedelta(seconds=1)
    await fr.process.stop()
    await fr.process.start()
    assert isinstance(fr.backend, HoldingBackend)
    fr.backend.answers.clear()
    known = len(fr.backend.messages)
    async with under_load(run):
        assert await until(lambda: len(fr.backend.messages) > known, within=SOON)
        assert leased(run, FR) != []
        loop, at = asyncio.get_running_loop(), datetime.now(UTC)
        began = loop.time()
        assert fr.process.pid is not None
        tell_twice(fr.process.pid)
        assert await fr.process.ended(within=30) == 0
        # One second is what it may wait; the rest is closing, on a machine that does other things too.
        assert 0.9 <= loop.time() - began < 15
        assert leased(run, FR) == []
        fr.backend.answers.set()
        await fr.process.start()
        run.outages.append(Outage(party=FR, at=at, over=datetime.now(UTC)))


def tell_twice(pid: int) -> None:
    """Tell a process twice to stop, as an impatient supervisor does."""
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGTERM)
