"""Receipts that come later, between real gateways: envelopes are kept, answered 202, judged, and their receipts posted.

Killed at each step of it, nothing is lost, doubled or left lying, and nothing is judged without its sender learning of it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.app.node import DATABASE
from gateway.audit import AuditEvent
from gateway.domain.ids import PartyId
from tests.faults.books import OF_NOTICES, read_books
from tests.faults.history import ARRIVES_WITHIN
from tests.faults.noting import note
from tests.faults.test_points import ends_well
from tests.faults.traffic import SAMPLES, Clients, Document
from tests.faults.until import until
from tests.faults.walk import OF_LATER, give_receipts_later, walkers
from tests.world import FR, GB, TwoGateways, two_gateways

pytestmark = pytest.mark.faults

_E = AuditEvent


@pytest.mark.parametrize("rounds", [pytest.param(1, id="short"), pytest.param(3, id="long", marks=pytest.mark.long)])
async def test_a_kill_at_each_step_of_a_later_receipt_loses_and_doubles_nothing(
    tmp_path: Path, count: Callable[..., None], rounds: int
) -> None:
    async with walkers(tmp_path, seed=1, later=True) as walk:
        for number in range(rounds):
            points = [(point, number + 1) for point in OF_LATER]
            await walk.both(reversed(points) if number else (), points)
        print(walk.summary())
        given = [one.entry.event for one in walk.run.books()[FR].records].count(_E.RECEIPT_GIVEN)
        assert given > len(OF_LATER)
        await ends_well(walk)
        if rounds > 1:
            note("each step of a later receipt × 3", walk.figures())
    count("kills at a step of a later receipt", len(walk.deaths))


@asynccontextmanager
async def taking(folder: Path) -> AsyncIterator[tuple[TwoGateways, Clients]]:
    """Two gateways, not started yet; FR answers with 202."""
    async with two_gateways(folder, start=False) as gateways, Clients(gateways.sides) as clients:
        give_receipts_later(gateways.fr.layout)
        yield gateways, clients


async def submit(clients: Clients) -> str:
    return (await clients.submit(Document(marker="later", sample=SAMPLES[0], sender=GB, recipient=FR))).message_id


def events(gateways: TwoGateways, party: PartyId, message_id: str) -> list[AuditEvent]:
    books = read_books(gateways.sides[party].layout.data / DATABASE, party)
    found = [one.entry for one in books.records if one.entry.message_id == message_id]
    return [one.event for one in found if one.event not in OF_NOTICES]


async def shows(gateways: TwoGateways, party: PartyId, message_id: str, last: AuditEvent) -> bool:
    return await until(lambda: last in events(gateways, party, message_id), within=ARRIVES_WITHIN)


async def test_a_message_is_taken_first_and_its_receipt_posted_when_it_is_judged(tmp_path: Path) -> None:
    async with taking(tmp_path) as (gateways, clients):
        await gateways.fr.process.start()
        await gateways.gb.process.start()
        message_id = await submit(clients)
        assert await shows(gateways, FR, message_id, _E.RECEIPT_GIVEN)
        assert await shows(gateways, GB, message_id, _E.TRANSFER_DELIVERED)
        told = [one for one in events(gateways, FR, message_id) if one.value.split(".")[0] != "hand_over"]
        assert told == [_E.MESSAGE_TAKEN, _E.MESSAGE_ACCEPTED, _E.RECEIPT_GIVEN]
        sent = events(gateways, GB, message_id)
        assert sent.count(_E.TRANSFER_CLAIMED) == 1
        assert _E.TRANSFER_OVERDUE not in sent
        assert await gateways.gb.audit_is_whole()
        assert await gateways.fr.audit_is_whole()


async def test_a_receipt_that_can_not_be_posted_is_asked_for_when_it_is_overdue(tmp_path: Path) -> None:
    async with taking(tmp_path) as (gateways, clients):
        config = gateways.fr.layout.config
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace(f":{gateways.gb.layout.partner_port}", ":9"), encoding="utf-8")
        await gateways.fr.process.start()
        await gateways.gb.process.start()
        message_id = await submit(clients)
        assert await shows(gateways, GB, message_id, _E.TRANSFER_DELIVERED)
        assert events(gateways, GB, message_id).count(_E.TRANSFER_CLAIMED) == 1
        assert _E.RECEIPT_GIVEN not in events(gateways, FR, message_id)


async def test_a_refusal_that_comes_later_ends_the_transfer_with_its_reason(tmp_path: Path) -> None:
    async with taking(tmp_path) as (gateways, clients):
        await gateways.gb.process.start()
        agreement = tmp_path / "config" / "agreements" / "gb-fr.yaml"
        text = agreement.read_text(encoding="utf-8")
        agreement.write_text(text.replace("suspended: false", "suspended: true"), encoding="utf-8")
        await gateways.fr.process.start()
        message_id = await submit(clients)
        assert await shows(gateways, GB, message_id, _E.TRANSFER_REFUSED)
        assert await shows(gateways, FR, message_id, _E.RECEIPT_GIVEN)
        assert events(gateways, FR, message_id) == [_E.MESSAGE_TAKEN, _E.MESSAGE_REFUSED, _E.RECEIPT_GIVEN]
        async with gateways.gb.operations() as operations:
            ((row,), _) = await operations.transfers(limit=1)
        assert (row.state.value, row.code) == ("DEAD_LETTERED", "agreement.suspended")
