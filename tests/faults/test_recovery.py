"""What a killed gateway had in its hands is given back at its next start, with evidence, and long before a lease ends."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from gateway.audit import AuditEntry, AuditEvent
from gateway.demo.backend import StandInBackend
from gateway.domain.ids import PartyId
from gateway.settings import load_node
from tests.faults.books import OF_NOTICES
from tests.faults.run import FaultRun
from tests.faults.strikes import Killer
from tests.faults.traffic import Clients, Document
from tests.faults.until import until
from tests.world import FR, GB, two_gateways

pytestmark = pytest.mark.faults

DOCUMENT = Document(marker="recovered", sample="export-one-item.xml", sender=GB, recipient=FR)
SOON = timedelta(seconds=20)


class HoldingBackend(StandInBackend):
    """Takes every webhook, and answers only while `answers` is set."""

    def __init__(self, secret: str, *, port: int) -> None:
        super().__init__(secret, port=port)
        self.answers = asyncio.Event()
        self.answers.set()

    async def _receive(self, request: web.Request) -> web.Response:
        response = await super()._receive(request)
        await self.answers.wait()
        return response


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[FaultRun]:
    async with two_gateways(tmp_path, start=False) as gateways, Clients(gateways.sides) as clients:
        await gateways.fr.backend.stop()
        gateways.fr.backend = HoldingBackend(gateways.fr.layout.webhook_secret, port=gateways.fr.layout.backend_port)
        await gateways.fr.backend.start()
        await asyncio.gather(*(side.process.start() for side in gateways.sides.values()))
        started = FaultRun(gateways, clients, seed=1)
        await started.learn_views()
        started.known(DOCUMENT)
        yield started


@contextmanager
def stopped(pid: int | None) -> Iterator[None]:
    """Stop a process for a while; its sockets stay open, and nothing answers."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def killed_on_the_way(run: FaultRun) -> str:
    """Kill the sender while a message waits for its receipt, and return the message's id.

    A partner that has not answered for a tenth of a second is asked first, and one that is stopped does not answer: so
    this is tried until it was stopped in time.
    """
    pid, message_id = run.gateways.fr.process.pid, ""

    def is_now(state: str) -> bool:
        return run.states()[GB].transfers[message_id] == state

    for _ in range(20):
        await run.learn_views()  # the partner has answered just now
        with stopped(pid):
            message_id = (await run.clients.submit(DOCUMENT)).message_id
            if await until(partial(is_now, "IN_FLIGHT"), within=timedelta(seconds=2)):
                await Killer(run).kill(GB)
                return message_id
        assert await until(partial(is_now, "DELIVERED"), within=SOON)
    raise AssertionError("the partner never stopped in time")


def evidence(run: FaultRun, party: PartyId, message_id: str) -> list[AuditEntry]:
    found = [record.entry for record in run.books()[party].records]
    return [one for one in found if one.message_id == message_id and one.event not in OF_NOTICES]


def started(run: FaultRun, party: PartyId) -> AuditEntry:
    """Return the evidence of the last start."""
    entries = [record.entry for record in run.books()[party].records]
    return [entry for entry in entries if entry.event is AuditEvent.NODE_STARTED][-1]


def lease_of(run: FaultRun, party: PartyId) -> timedelta:
    return load_node(run.gateways.sides[party].layout.config).timing.lease


async def test_a_transfer_that_was_on_its_way_is_sent_again_at_once(run: FaultRun) -> None:
    message_id = await killed_on_the_way(run)
    assert run.books()[GB].transfers[message_id] == "IN_FLIGHT"
    await run.gateways.gb.process.start()
    await run.finish()
    assert run.breaches == []
    entries = evidence(run, GB, message_id)
    assert [entry.event for entry in entries] == [
        AuditEvent.TRANSFER_ACCEPTED,
        AuditEvent.TRANSFER_CLAIMED,
        AuditEvent.TRANSFER_LEASE_LOST,
        AuditEvent.TRANSFER_CLAIMED,
        AuditEvent.TRANSFER_DELIVERED,
    ]
    _, claimed, lost, _, delivered = entries
    assert (lost.actor, lost.facts["fence"], lost.facts["code"]) == ("system", claimed.facts["fence"], lost.event)
    assert lost.at - started(run, GB).at < timedelta(seconds=5)
    assert delivered.at - claimed.at < lease_of(run, GB)


async def test_a_hand_over_that_was_on_its_way_is_made_again_byte_for_byte(run: FaultRun) -> None:
    backend = run.gateways.fr.backend
    assert isinstance(backend, HoldingBackend)
    backend.answers.clear()
    message_id = (await run.clients.submit(DOCUMENT)).message_id
    assert await until(lambda: message_id in backend.by_id, within=SOON)
    await Killer(run).kill(FR)
    assert run.books()[FR].hand_overs[message_id] == "IN_FLIGHT"
    backend.answers.set()
    await run.gateways.fr.process.start()
    await run.finish()
    assert run.breaches == []
    entries = evidence(run, FR, message_id)
    assert [entry.event for entry in entries if entry.event is not AuditEvent.MESSAGE_DUPLICATE] == [
        AuditEvent.MESSAGE_ACCEPTED,
        AuditEvent.HAND_OVER_CLAIMED,
        AuditEvent.HAND_OVER_LEASE_LOST,
        AuditEvent.HAND_OVER_CLAIMED,
        AuditEvent.HAND_OVER_ACKNOWLEDGED,
    ]
    first, again = (one for one in backend.messages if one.webhook_id == message_id)
    assert first.body == again.body
    assert again.arrived - first.arrived < lease_of(run, FR)
