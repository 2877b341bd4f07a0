"""A back end that pulls from a real gateway which is killed at R9, R11 and R12: nothing lost, nothing under two contents."""

import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.app.node import DATABASE
from gateway.audit import AuditEvent
from gateway.client import ClientError, InboxClient, LeasedMessage
from gateway.domain.lifecycle import HandOverState
from gateway.failpoints import VARIABLE
from tests.faults.back_ends import hand_over_by_pull
from tests.faults.books import OF_NOTICES, read_books
from tests.faults.history import ARRIVES_WITHIN
from tests.faults.traffic import SAMPLES, Clients, Document
from tests.faults.until import until
from tests.world import FR, GB, TwoGateways, two_gateways

pytestmark = pytest.mark.faults

three_times = pytest.mark.parametrize("time", [1, *(pytest.param(time, marks=pytest.mark.long) for time in (2, 3))])


@dataclass(kw_only=True)
class PullRun:
    """FR's back end pulls; GB submits. `inbox`: FR's back end."""

    gateways: TwoGateways
    clients: Clients
    inbox: InboxClient

    async def start_fr(self, failpoint: str = "") -> None:
        await self.gateways.fr.process.start(environment={VARIABLE: failpoint})

    async def killed(self) -> bool:
        return await self.gateways.fr.process.ended(within=60) == -signal.SIGKILL

    async def submit(self, marker: str, case: str | None = None) -> str:
        """Have a document submitted, and wait until FR has it."""
        document = Document(marker=marker, sample=SAMPLES[0], sender=GB, recipient=FR, case=case)
        message_id = (await self.clients.submit(document)).message_id
        assert await until(lambda: message_id in self.hand_overs(), within=ARRIVES_WITHIN)
        return message_id

    def hand_overs(self) -> dict[str, str]:
        """Return where each message stands in FR's books."""
        return dict(read_books(self.gateways.fr.layout.data / DATABASE, FR).hand_overs)

    def events(self, message_id: str) -> list[AuditEvent]:
        found = [record.entry for record in read_books(self.gateways.fr.layout.data / DATABASE, FR).records]
        return [one.event for one in found if one.message_id == message_id and one.event not in OF_NOTICES]


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[PullRun]:
    async with two_gateways(tmp_path, start=False) as gateways, Clients(gateways.sides) as clients:
        node = gateways.fr.layout
        async with InboxClient(node.submission_url, hand_over_by_pull(node)) as inbox:
            await gateways.gb.process.start()
            yield PullRun(gateways=gateways, clients=clients, inbox=inbox)


def same(one: LeasedMessage, other: LeasedMessage) -> bool:
    """Tell whether two leases brought the same message, byte for byte."""
    return (one.message_id, one.document, one.terms, one.digest) == (
        other.message_id,
        other.document,
        other.terms,
        other.digest,
    )


async def test_messages_wait_for_the_back_end_and_come_in_order(run: PullRun) -> None:
    await run.start_fr()
    ids = [await run.submit(f"case-{number}", case="one") for number in range(3)]
    assert run.hand_overs() == dict.fromkeys(ids, "PENDING")
    fetched = []
    while messages := await run.inbox.lease(limit=8):
        for message in messages:
            settled = await run.inbox.acknowledge(message)
            assert settled.hand_over is HandOverState.HANDED_OVER
            fetched.append(message)
    assert [(one.message_id, one.sequence) for one in fetched] == list(zip(ids, (1, 2, 3), strict=True))
    assert [f"case-{number}".encode() in one.document for number, one in enumerate(fetched)] == [True] * 3
    assert run.gateways.fr.backend.messages == []
    assert await run.gateways.fr.audit_is_whole()


@three_times
async def test_a_kill_after_the_lease_brings_the_message_again_at_once(run: PullRun, time: int) -> None:
    await run.start_fr("R9-pull:1:kill")
    message_id = await run.submit("leased")
    with pytest.raises(ClientError):
        await run.inbox.lease()
    assert await run.killed()
    assert run.hand_overs() == {message_id: "IN_FLIGHT"}
    await run.start_fr()
    (message,) = await run.inbox.lease()
    assert (message.message_id, message.attempt) == (message_id, 2)
    await run.inbox.acknowledge(message)
    assert run.events(message_id) == [
        AuditEvent.MESSAGE_ACCEPTED,
        AuditEvent.HAND_OVER_CLAIMED,
        AuditEvent.HAND_OVER_LEASE_LOST,
        AuditEvent.HAND_OVER_CLAIMED,
        AuditEvent.HAND_OVER_ACKNOWLEDGED,
    ]
    assert await run.gateways.fr.audit_is_whole()


@three_times
async def test_an_acknowledgement_that_a_kill_swallowed_is_made_under_the_next_lease(run: PullRun, time: int) -> None:
    await run.start_fr("R11-pull:1:kill")
    await run.submit("swallowed")
    (first,) = await run.inbox.lease()
    with pytest.raises(ClientError):
        await run.inbox.acknowledge(first)
    assert await run.killed()
    await run.start_fr()
    with pytest.raises(ClientError) as caught:
        await run.inbox.acknowledge(first)
    assert (caught.value.status, caught.value.code) == (409, "hand_over.lease_lost")
    (again,) = await run.inbox.lease()
    assert same(first, again)
    assert (await run.inbox.acknowledge(again)).hand_over is HandOverState.HANDED_OVER
    assert await run.inbox.lease() == ()
    assert await run.gateways.fr.audit_is_whole()


@three_times
async def test_an_acknowledgement_whose_answer_a_kill_swallowed_may_be_repeated(run: PullRun, time: int) -> None:
    await run.start_fr("R12-pull:1:kill")
    message_id = await run.submit("committed")
    (message,) = await run.inbox.lease()
    with pytest.raises(ClientError):
        await run.inbox.acknowledge(message)
    assert await run.killed()
    assert run.hand_overs() == {message_id: "HANDED_OVER"}
    await run.start_fr()
    assert (await run.inbox.acknowledge(message)).hand_over is HandOverState.HANDED_OVER
    assert await run.inbox.lease() == ()
    assert run.events(message_id).count(AuditEvent.HAND_OVER_ACKNOWLEDGED) == 1
    assert await run.gateways.fr.audit_is_whole()
