"""A COMMIT that fails acknowledges nobody, and afterwards nothing is lost or doubled."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.app.node import DATABASE
from gateway.audit import AuditEvent as E
from gateway.domain.ids import PartyId, TransferId
from gateway.storage import verify_database
from tests.faults.books import OF_NOTICES
from tests.faults.commits import NodesRun, let_be, two_nodes
from tests.faults.run import Gate
from tests.faults.traffic import Document
from tests.faults.until import until
from tests.world import FR, GB

pytestmark = pytest.mark.faults

either_way = pytest.mark.parametrize("happened", [False, True], ids=["and did not happen", "and happened all the same"])


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[NodesRun]:
    async with two_nodes(tmp_path) as started:
        yield started
    databases = [side.layout.data / DATABASE for side in started.run.gateways.sides.values()]
    assert [verdict.reason for database in databases for verdict in verify_database(database)] == ["", ""]


def declaration(marker: str) -> Document:
    return Document(marker=marker, sample="export-one-item.xml", sender=GB, recipient=FR)


def events(nodes: NodesRun, party: PartyId, message_id: str) -> list[E]:
    found = [record.entry for record in nodes.run.books()[party].records]
    return [one.event for one in found if one.message_id == message_id and one.event not in OF_NOTICES]


# ── the submitter ──


@either_way
async def test_a_submission_whose_commit_fails_is_answered_by_asking_again(nodes: NodesRun, happened: bool) -> None:
    document = nodes.run.known(declaration("once"))
    nodes.commits[GB].fail_once(E.SUBMISSION_ACCEPTED, happened=happened)
    first = await nodes.run.clients.ask(document)
    assert (first.code, first.status) == ("storage.commit_unknown", 503)
    again = await nodes.run.clients.ask(document)
    assert (again.code, again.replayed) == ("ok", happened)
    await nodes.run.finish()
    assert nodes.run.breaches == []


@either_way
async def test_of_all_who_share_a_failed_commit_nobody_is_acknowledged(nodes: NodesRun, happened: bool) -> None:
    documents = [nodes.run.known(declaration(f"shared-{number:02d}")) for number in range(24)]
    nodes.commits[GB].fail_once(E.SUBMISSION_ACCEPTED, happened=happened, at_least=3)
    before = nodes.run.books()[GB].submissions
    answers = await asyncio.gather(*map(nodes.run.clients.ask, documents))
    told = {answer.submission_id for answer in answers if answer.code == "ok"}
    unknown = [answer for answer in answers if answer.code == "storage.commit_unknown"]
    assert len(unknown) >= 3
    assert len(unknown) + len(told) == len(documents)
    there = nodes.run.books()[GB].submissions - before
    assert len(there) == (len(documents) if happened else len(told))
    assert told <= there
    await asyncio.gather(*map(nodes.run.clients.submit, documents))
    await nodes.run.finish()
    assert nodes.run.breaches == []
    assert len(nodes.run.books()[GB].submissions - before) == len(documents)


# ── everyone behind the submission ──

CLAIMED, FAILED, BACK, DELIVERED = E.TRANSFER_CLAIMED, E.TRANSFER_FAILED, E.TRANSFER_GIVEN_BACK, E.TRANSFER_DELIVERED
TAKEN, AGAIN = E.MESSAGE_ACCEPTED, E.MESSAGE_DUPLICATE
GIVEN, GIVEN_FAILED, GIVEN_LOST = E.HAND_OVER_CLAIMED, E.HAND_OVER_FAILED, E.HAND_OVER_LEASE_LOST
HANDED_OVER = E.HAND_OVER_ACKNOWLEDGED


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A COMMIT that fails, and what must be found when all has ended well.

    `sender`, `receiver`: the evidence. `tries`: what the sender knows of its attempts. `webhooks`: how often the back
    end gets the message, byte for byte the same. `away`: the back end is, until the COMMIT has failed, so that the
    hand-over that came with the admission fails and is claimed by itself.
    """

    at: PartyId
    holding: E
    happened: bool
    sender: tuple[E, ...] = (CLAIMED, DELIVERED)
    receiver: frozenset[E] = frozenset({TAKEN, GIVEN, HANDED_OVER})
    tries: tuple[str, ...] = ("ok",)
    webhooks: int = 1
    away: bool = False


GONE, THERE = False, True
CASES = {
    # Nothing was claimed, so it is claimed.
    "claim, gone": Case(at=GB, holding=CLAIMED, happened=GONE),
    # Claimed, and nobody knows: the lease is given back.
    "claim, there": Case(at=GB, holding=CLAIMED, happened=THERE, sender=(CLAIMED, BACK, CLAIMED, DELIVERED)),
    # 503 and no receipt, so the partner tries again and gets one.
    "admission, gone": Case(
        at=FR,
        holding=TAKEN,
        happened=GONE,
        sender=(CLAIMED, FAILED, CLAIMED, DELIVERED),
        tries=("channel.busy", "ok"),
    ),
    # The receipt is there, was not given, and is given when the message comes again. The hand-over was leased with it,
    # and nobody knows: that lease is given back.
    "admission, there": Case(
        at=FR,
        holding=TAKEN,
        happened=THERE,
        sender=(CLAIMED, FAILED, CLAIMED, DELIVERED),
        tries=("channel.busy", "ok"),
        receiver=frozenset({TAKEN, AGAIN, GIVEN, GIVEN_LOST, HANDED_OVER}),
    ),
    # What came of an attempt is looked for on the reopened database, and written if it is not there.
    "receipt, gone": Case(at=GB, holding=DELIVERED, happened=GONE),
    "receipt, there": Case(at=GB, holding=DELIVERED, happened=THERE),
    "claim of a hand-over, gone": Case(
        at=FR, holding=GIVEN, happened=GONE, receiver=frozenset({TAKEN, GIVEN, GIVEN_FAILED, HANDED_OVER}), away=True
    ),
    "claim of a hand-over, there": Case(
        at=FR,
        holding=GIVEN,
        happened=THERE,
        receiver=frozenset({TAKEN, GIVEN, GIVEN_FAILED, GIVEN_LOST, HANDED_OVER}),
        away=True,
    ),
    # So is what a back end said: it gets nothing twice.
    "hand-over, gone": Case(at=FR, holding=HANDED_OVER, happened=GONE),
    "hand-over, there": Case(at=FR, holding=HANDED_OVER, happened=THERE),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_message_survives_a_commit_that_fails_on_its_way(nodes: NodesRun, case: Case) -> None:
    run = nodes.run
    nodes.commits[case.at].fail_once(case.holding, happened=case.happened, without=TAKEN if case.away else None)
    if case.away:
        await run.gateways.fr.backend.stop()
    message_id = (await run.clients.submit(run.known(declaration("once")))).message_id
    if case.away:
        assert await until(lambda: nodes.commits[case.at].failed == 1, within=timedelta(minutes=1))
        await run.gateways.fr.backend.start()
    await run.finish()
    assert run.breaches == []
    assert nodes.commits[case.at].failed == 1
    async with run.gateways.gb.operations() as client:
        tries = (await client.transfer(TransferId(message_id))).tries
    assert tuple(one.code for one in tries) == case.tries
    assert all("HTTP 503" in one.detail for one in tries[:-1])
    assert events(nodes, GB, message_id) == [E.TRANSFER_ACCEPTED, *case.sender]
    assert frozenset(events(nodes, FR, message_id)) == case.receiver
    assert [one.webhook_id for one in run.gateways.fr.backend.messages].count(message_id) == case.webhooks


# ── many, at random ──


async def test_commits_that_fail_at_random_lose_and_double_nothing(nodes: NodesRun) -> None:
    run, draw = nodes.run, random.Random(7)
    documents = run.plan(60, "storm")

    def choose(_events: Counter[E]) -> bool | None:
        return draw.random() < 0.5 if draw.random() < 0.05 else None

    for commits in nodes.commits.values():
        commits.choose = choose
    await run.submit_all(documents, Gate(len(documents)))
    await nodes.run.finish()
    for commits in nodes.commits.values():
        commits.choose = let_be  # that a node can stop on such a disk is not what this is about
    assert [str(breach) for breach in run.breaches] == []
    assert all(commits.outages for commits in nodes.commits.values())
