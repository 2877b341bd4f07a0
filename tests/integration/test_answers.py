"""What the partner decides comes back: answers find what they answer, in order, whoever is killed meanwhile; and the sender
of each message learns, signed, that it reached the back end behind the partner's gateway.
"""

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.audit import AuditEvent
from gateway.client import ClientError, Submission, SubmittedTransfer
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.lifecycle import HandOverState, NoticeState, TransferState
from tests.faults.books import check_books, read_books
from tests.faults.history import ARRIVES_WITHIN
from tests.faults.until import until
from tests.integration.hostile_sending import submit
from tests.integration.one_gateway import GB as SCRIPTED
from tests.integration.one_gateway import one_gateway
from tests.integration.scripted_server import answering, takes
from tests.samples import CONVERSATION, Sample
from tests.world import FR, GB, Side, TwoGateways, two_gateways

DECLARATION, ACCEPTED, AMENDMENT, GRANTED, CANCELLATION = CONVERSATION


@pytest.fixture
async def gateways(tmp_path: Path) -> AsyncIterator[TwoGateways]:
    async with two_gateways(tmp_path) as running:
        yield running


async def send(gateways: TwoGateways, sample: Sample, *, answers: MessageId | None = None) -> SubmittedTransfer:
    """Submit a sample and return its transfer once it is acknowledged."""
    async with gateways.sides[sample.sender].submissions() as client:
        submission = await client.submit(sample.raw, to=[sample.recipient], in_reply_to=answers)
    (transfer,) = submission.transfers
    return transfer


async def arrives(gateways: TwoGateways, transfer: SubmittedTransfer) -> None:
    backend = gateways.sides[transfer.recipient].backend
    assert await until(lambda: transfer.message_id in backend.by_id, within=ARRIVES_WITHIN)


async def killed(side: Side) -> None:
    """End a gateway by SIGKILL and start it again."""
    await side.process.kill()
    await side.process.start()


def books(gateways: TwoGateways, party: PartyId) -> Counter[tuple[AuditEvent, str | None]]:
    """Count the events of one gateway's audit by message, its books being in order."""
    found = read_books(gateways.sides[party].layout.data / "gateway.db", party)
    assert check_books(found) == []
    return Counter((record.entry.event, record.entry.message_id) for record in found.records)


def handed_over(side: Side) -> int:
    """Count the transfers of a gateway that are delivered and whose partner said that its back end took them."""
    database = side.layout.data / "gateway.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        asked = "SELECT count(*) FROM transfer WHERE state = 'DELIVERED' AND handed_over IS NOT NULL"
        return int(opened.execute(asked).fetchone()[0])


async def submissions(side: Side) -> list[Submission]:
    async with side.submissions() as client:
        found, _ = await client.list()
    return sorted(found, key=lambda one: one.created)


async def test_a_conversation_with_answers_arrives_in_order_though_a_gateway_is_killed_twice(
    gateways: TwoGateways,
) -> None:
    gb, fr = gateways.gb, gateways.fr
    declaration = await send(gateways, DECLARATION)
    await arrives(gateways, declaration)
    accepted = await send(gateways, ACCEPTED, answers=declaration.message_id)
    await fr.process.kill()
    amendment = await send(gateways, AMENDMENT)
    await fr.process.start()
    await arrives(gateways, accepted)
    await arrives(gateways, amendment)
    granted = await send(gateways, GRANTED, answers=amendment.message_id)
    await killed(fr)
    await arrives(gateways, granted)
    cancellation = await send(gateways, CANCELLATION, answers=granted.message_id)  # an answer to an answer
    await arrives(gateways, cancellation)

    # One conversation, each direction counting its own messages, at both back ends in order.
    theirs, ours = [declaration, amendment, cancellation], [accepted, granted]
    everything = [*theirs, *ours]
    assert {one.conversation for one in everything} == {declaration.conversation}
    assert [[one.sequence for one in each] for each in (theirs, ours)] == [[1, 2, 3], [1, 2]]
    for backend, expected in ((fr.backend, theirs), (gb.backend, ours)):
        assert list(backend.by_id) == [one.message_id for one in expected]
        told = [backend.by_id[one.message_id].metadata for one in expected]
        assert [one["in_reply_to"] for one in told] == [one.in_reply_to for one in expected]
    assert [one.in_reply_to for one in everything] == [
        None,
        None,
        granted.message_id,
        declaration.message_id,
        amendment.message_id,
    ]

    # Both submitters see that all of it was handed over, and what was answered.
    def settled() -> bool:
        return sum(map(handed_over, (gb, fr))) == len(everything)

    assert await until(settled, within=ARRIVES_WITHIN)
    found = [*await submissions(gb), *await submissions(fr)]
    assert {one.state for each in found for one in each.transfers} == {TransferState.DELIVERED}
    assert all(one.handed_over for each in found for one in each.transfers)
    answers = [[one.message_id for one in each.transfers[0].answers] for each in await submissions(gb)]
    assert answers == [[accepted.message_id], [granted.message_id], []]
    assert [one.message_id for each in await submissions(fr) for one in each.transfers[0].answers] == [
        cancellation.message_id
    ]
    async with gb.operations() as operator:
        detail = await operator.transfer(declaration.id)
        inbox = await operator.inbox_message(granted.message_id)
    (answer,) = detail.answers
    assert (answer.kind.value, answer.hand_over) == ("response", HandOverState.HANDED_OVER)
    assert detail.notice is not None
    assert detail.notice.partner == FR
    assert [one.id for one in inbox.answers] == [cancellation.id]
    assert inbox.notice is not None
    assert inbox.notice.state is NoticeState.GIVEN

    # Every notice is recorded once on either side, and both chains hold.
    for party, sent, received in ((GB, theirs, ours), (FR, ours, theirs)):
        counted = books(gateways, party)
        assert [counted[AuditEvent.TRANSFER_HANDED_OVER, one.message_id] for one in sent] == [1] * len(sent)
        assert [counted[AuditEvent.NOTICE_GIVEN, one.message_id] for one in received] == [1] * len(received)
    assert await gb.audit_is_whole()
    assert await fr.audit_is_whole()


async def test_what_never_came_from_a_party_can_not_be_answered_to_it(gateways: TwoGateways) -> None:
    declaration = await send(gateways, DECLARATION)
    await arrives(gateways, declaration)
    for nothing in (MessageId("01950000-0000-7000-8000-00000000ffff"), declaration.message_id):
        side = gateways.gb if nothing == declaration.message_id else gateways.fr
        to = FR if side is gateways.gb else GB
        async with side.submissions() as client:
            with pytest.raises(ClientError) as refused:
                await client.submit(ACCEPTED.raw, to=[to], in_reply_to=nothing)
            assert (refused.value.status, refused.value.code) == (422, "request.recipients_refused")
            assert [one["code"] for one in refused.value.problem["recipients"]] == ["message.answers_unknown"]
    assert len(await submissions(gateways.gb)) == 1
    assert await submissions(gateways.fr) == []


async def test_an_answer_that_comes_before_the_receipt_is_taken_and_is_no_receipt(tmp_path: Path) -> None:
    async with one_gateway(tmp_path / "world") as world:
        async with answering(world.gb, world.ports[SCRIPTED], takes) as server:
            transfer = await submit(world)
            await transfer.reaches("AWAITING_RECEIPT")
            (arrived,) = server.arrived
        header = arrived.opened.header
        reply = await world.gb.post(world.gb.message(in_reply_to=header.message_id, conversation=header.conversation))
        assert (reply.said, transfer.state) == ("receipt accepted", "AWAITING_RECEIPT")
        async with world.operations() as operator:
            (answer,) = (await operator.transfer(transfer.id)).answers
        assert answer.sequence == 1
        late = world.gb.signed_receipt(arrived.opened).encode()
        assert (await world.gb.ask("POST", "/exchange/v1/receipts", body=late)).status == 204
        assert transfer.state == "DELIVERED"
