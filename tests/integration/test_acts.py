"""What operators do to transfers that were sent: the partner is asked first, both sides real but for HTTP."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from gateway.audit import AuditEvent
from gateway.domain.ids import MessageId, PartyId, TransferId
from gateway.domain.lifecycle import TransferState
from gateway.domain.outcome import ReceiptReturned, SendOutcome, TransportAccepted
from gateway.domain.statement import NotSeen, Receipt, Verdict
from gateway.envelope import sign_not_seen, sign_receipt
from gateway.errors import GatewayError, TransferError
from tests.integration.desk_pair import FR, GB, Pair, until
from tests.integration.test_transfer import GARBAGE, UNREACHABLE, events_of, reaches, state, submitted


def first_of(transfer_id: TransferId) -> MessageId:
    """Return the id of a transfer's first message: it is the transfer's own (docs/adr/0004)."""
    return MessageId(transfer_id)


async def code_of(pair: Pair, transfer_id: TransferId, act: str) -> str:
    with pytest.raises(TransferError) as caught:
        await getattr(pair.gb.operate, act)(transfer_id, operator="duty", reason="a call")
    return caught.value.code


async def sent_in_vain(pair: Pair, transfer_id: TransferId) -> None:
    """Have a transfer sent, and lose what the partner says; the partner never sees it."""
    pair.script = lambda _jwe: GARBAGE
    before = len(pair.sent)
    async with pair.dispatching():
        await until(lambda: len(pair.sent) > before)
        await reaches(pair, transfer_id, TransferState.QUEUED)
    pair.script = lambda _jwe: None


async def dead_lettered(pair: Pair, transfer_id: TransferId) -> None:
    await sent_in_vain(pair, transfer_id)
    pair.clock.ahead += timedelta(hours=25)
    await pair.gb.sweep.once()
    assert (await state(pair, transfer_id)).state is TransferState.DEAD_LETTERED
    pair.clock.ahead = timedelta(0)


async def accepted_unheard(pair: Pair, transfer_id: TransferId) -> None:
    """Have the partner accept a transfer whose receipt is lost."""
    before = len(pair.sent)

    async def send(_recipient: object, message_id: object, jwe: str) -> SendOutcome:
        pair.sent.append(str(message_id))
        await pair.fr.receive(jwe, channel_party=GB)
        return GARBAGE

    kept, pair.send = pair.send, send  # type: ignore[assignment, method-assign]  # the script of this test
    async with pair.dispatching():
        await until(lambda: len(pair.sent) > before)
        await reaches(pair, transfer_id, TransferState.QUEUED)
    pair.send = kept  # type: ignore[method-assign]  # as it was


async def test_what_the_partner_never_had_is_cancelled_and_can_never_be_accepted(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    jwes: list[str] = []

    def lost(jwe: str) -> SendOutcome:
        jwes.append(jwe)
        return GARBAGE

    pair.script = lost
    async with pair.dispatching():
        await until(lambda: jwes)
        await reaches(pair, transfer_id, TransferState.QUEUED)
    row = await pair.gb.operate.cancel(transfer_id, operator="duty", reason="Submitted by mistake")
    assert (row.state, row.not_seen) == (TransferState.CANCELLED, True)
    assert (await events_of(pair, transfer_id))[-2:] == [
        AuditEvent.TRANSFER_NOT_SEEN,
        AuditEvent.TRANSFER_CANCELLED,
    ]
    # The very bytes that were thought lost arrive now.
    answer = await pair.fr.receive(jwes[0], channel_party=GB)
    assert (answer.status, answer.code) == (200, "message.not_seen")
    assert await pair.fr.store.inbox(limit=9) == []
    assert (await state(pair, transfer_id)).state is TransferState.CANCELLED


async def test_what_the_partner_has_is_delivered_by_the_question(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    await accepted_unheard(pair, transfer_id)
    assert await code_of(pair, transfer_id, "cancel") == "transfer.illegal_transition"
    assert (await state(pair, transfer_id)).state is TransferState.DELIVERED


async def test_a_partner_that_still_judges_leaves_the_outcome_unknown(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    await sent_in_vain(pair, transfer_id)
    pair.answer = TransportAccepted()
    assert await code_of(pair, transfer_id, "cancel") == "transfer.outcome_unknown"


async def test_a_word_of_somebody_else_is_no_proof(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    await sent_in_vain(pair, transfer_id)
    row = await state(pair, transfer_id)
    now = pair.clock.now().replace(microsecond=0)
    forged = NotSeen(
        message_id=row.message_id,
        issuer=GB,
        audience=FR,
        issued_at=now,
        statement_id="0" * 8 + "-0000-4000-8000-" + "0" * 12,
    )
    pair.answer = ReceiptReturned(token=sign_not_seen(forged, pair.gb.desk.trust.signer(GB, now)))
    assert await code_of(pair, transfer_id, "cancel") == "transfer.outcome_unknown"
    assert (await events_of(pair, transfer_id))[-1] is AuditEvent.RECEIPT_REJECTED


async def test_what_was_sent_is_skipped_only_with_proof_and_those_behind_go_in_order(pair: Pair) -> None:
    first = await submitted(pair, key="key-1", case="one")
    await dead_lettered(pair, first)
    second = await submitted(pair, key="key-2", case="one")
    pair.out_of_reach = UNREACHABLE
    assert await code_of(pair, first, "skip") == "transfer.outcome_unknown"
    pair.out_of_reach = None
    row = await pair.gb.operate.skip(first, operator="duty", reason="The case was closed by telephone")
    assert (row.state, row.skipped, row.last_code) == (TransferState.DEAD_LETTERED, True, "transfer.skipped")
    assert (await events_of(pair, first))[-1] is AuditEvent.TRANSFER_SKIPPED
    async with pair.dispatching():
        await reaches(pair, second, TransferState.DELIVERED)
    for act in ("skip", "requeue"):
        assert await code_of(pair, first, act) == "transfer.skipped"
    assert [message.sequence for message in await pair.fr.store.inbox(limit=9)] == [2]


async def test_dead_letters_are_requeued_together_and_each_one_left_is_named(pair: Pair) -> None:
    ids = [await submitted(pair, key=f"key-{number}") for number in range(3)]
    for transfer_id in ids:
        row = await state(pair, transfer_id)
        pair.clock.ahead = row.deadline - pair.clock.now() + timedelta(seconds=1) + pair.clock.ahead
    await pair.gb.sweep.once()
    pair.clock.ahead = timedelta(0)
    await pair.gb.operate.skip(ids[1], operator="duty", reason="not wanted")
    done = await pair.gb.operate.requeue_many(operator="duty", reason="all is well again", limit=1, recipient=FR)
    assert ([row.id for row in done.rows], done.refused, done.following) == (ids[:1], (), ids[0])
    done = await pair.gb.operate.requeue_many(
        operator="duty", reason="and on", limit=9, code="transfer.deadline", after=done.following
    )
    assert ([row.id for row in done.rows], done.following) == (ids[2:], None)
    assert {(await state(pair, one)).state for one in (ids[0], ids[2])} == {TransferState.QUEUED}


# ── superseded ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_sent_and_never_seen_goes_under_a_new_id_and_the_back_end_gets_one(pair: Pair) -> None:
    await pair.shorten()
    transfer_id = await submitted(pair)
    await dead_lettered(pair, transfer_id)
    pair.clock.ahead += timedelta(hours=31)  # expired by now
    row = await pair.gb.operate.requeue(transfer_id, operator="duty", reason="the partner is back")
    assert (row.state, row.supersedes, row.ever_sent) == (TransferState.QUEUED, first_of(transfer_id), False)
    assert pair.questions == [transfer_id]
    async with pair.dispatching(), pair.handing_over():
        await reaches(pair, transfer_id, TransferState.DELIVERED)
        await until(lambda: pair.handed_over)
    assert [message.message_id for message, _ in pair.handed_over] == [row.message_id]
    assert (await events_of(pair, transfer_id)).count(AuditEvent.TRANSFER_SUPERSEDED) == 1


async def test_superseded_while_the_first_was_in_truth_accepted(pair: Pair) -> None:
    await pair.shorten()
    transfer_id = await submitted(pair)
    await accepted_unheard(pair, transfer_id)
    pair.clock.ahead += timedelta(hours=25)
    await pair.gb.sweep.once()
    pair.clock.ahead += timedelta(hours=31)
    row = await pair.gb.operate.requeue(transfer_id, operator="duty", reason="the partner is back")
    assert (row.state, row.supersedes) == (TransferState.DELIVERED, None)
    assert len(await pair.fr.store.inbox(limit=9)) == 1


async def test_the_receipt_of_an_earlier_message_settles_the_transfer_and_the_back_end_sees_one(pair: Pair) -> None:
    """A partner that swears falsely, or lost its mind: it had accepted the first, and says so when the second comes."""
    transfer_id = await submitted(pair)
    await accepted_unheard(pair, transfer_id)
    row = await state(pair, transfer_id)
    now = pair.clock.now().replace(microsecond=0)
    untrue = NotSeen(message_id=row.message_id, issuer=FR, audience=GB, issued_at=now, statement_id=str(uuid4()))
    pair.answer = ReceiptReturned(token=sign_not_seen(untrue, pair.fr.desk.trust.signer(FR, now)))
    sworn = (await pair.gb.ask(row)).row
    assert sworn.not_seen
    assert await pair.gb.follow_up.one(sworn) == "ok"
    second = await state(pair, transfer_id)
    assert second.supersedes == first_of(transfer_id)
    async with pair.dispatching(), pair.handing_over():
        delivered = await reaches(pair, transfer_id, TransferState.DELIVERED)
        await until(lambda: pair.handed_over)
    assert second.message_id in pair.sent
    assert [message.message_id for message, _ in pair.handed_over] == [first_of(transfer_id)]
    found = await pair.gb.store.transfer(delivered.id)
    assert found is not None
    assert found.receipt is not None
    assert found.receipt.message_id == first_of(transfer_id)


async def test_a_late_receipt_for_an_earlier_message_delivers_and_a_refusal_of_it_changes_nothing(pair: Pair) -> None:
    await pair.shorten()
    transfer_id = await submitted(pair)
    await dead_lettered(pair, transfer_id)
    pair.clock.ahead += timedelta(hours=31)
    before = await state(pair, transfer_id)
    row = await pair.gb.operate.requeue(transfer_id, operator="duty", reason="again")
    now = pair.clock.now().replace(microsecond=0)
    receipt = Receipt(
        message_id=before.message_id,
        digest=before.digest,
        verdict=Verdict.REFUSED,
        code="envelope.expired",
        agreement_version=before.agreement.version,
        issuer=FR,
        audience=GB,
        issued_at=now,
        statement_id=str(uuid4()),
    )
    signer = pair.fr.desk.trust.signer(FR, now)
    assert await pair.gb.settle.late(before.message_id, sign_receipt(receipt, signer), channel_party=FR) == row
    token = sign_receipt(replace(receipt, verdict=Verdict.ACCEPTED, code="ok"), signer)
    late = await pair.gb.settle.late(before.message_id, token, channel_party=FR)
    assert (late.state, late.message_id) == (TransferState.DELIVERED, row.message_id)


async def test_an_overdue_receipt_is_asked_for_and_nothing_is_sent_twice(pair: Pair) -> None:
    transfer_id = await submitted(pair)

    async def send(_recipient: object, message_id: object, jwe: str) -> SendOutcome:
        pair.sent.append(str(message_id))
        await pair.fr.receive(jwe, channel_party=GB)
        return TransportAccepted()

    pair.send = send  # type: ignore[assignment, method-assign]  # the script of this test
    async with pair.dispatching():
        row = await reaches(pair, transfer_id, TransferState.AWAITING_RECEIPT)
    pair.answer = TransportAccepted()
    assert await pair.gb.follow_up.one(row) == "transfer.outcome_unknown"
    row = await state(pair, transfer_id)
    assert row.state is TransferState.AWAITING_RECEIPT
    pair.answer = None
    assert await pair.gb.follow_up.one(row) == "ok"
    assert (await state(pair, transfer_id)).state is TransferState.DELIVERED
    assert len(pair.sent) == 1


async def test_what_was_taken_and_lost_is_made_anew_by_itself(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    pair.script = lambda _jwe: TransportAccepted()
    async with pair.dispatching():
        row = await reaches(pair, transfer_id, TransferState.AWAITING_RECEIPT)
    pair.script = lambda _jwe: None
    pair.clock.ahead += row.retry.cap * 2
    follow = asyncio.create_task(pair.gb.follow_up.serve(FR))
    async with pair.dispatching():
        delivered = await reaches(pair, transfer_id, TransferState.DELIVERED)
    follow.cancel()
    assert delivered.supersedes == first_of(transfer_id)
    assert [message.message_id for message in await pair.fr.store.inbox(limit=9)] == [delivered.message_id]


# ── drain ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_node_that_drains_finishes_what_is_under_way_and_begins_nothing(pair: Pair) -> None:
    first = await submitted(pair)
    arrived, may_go = asyncio.Event(), asyncio.Event()
    send = pair.send

    async def slow(recipient: PartyId, message_id: MessageId, jwe: str) -> SendOutcome:
        arrived.set()
        await may_go.wait()
        return await send(recipient, message_id, jwe)

    pair.send = slow  # type: ignore[method-assign]  # the script of this test
    async with pair.dispatching():
        await arrived.wait()
        second = await submitted(pair, key="key-2")
        pair.gb.bells.hush()
        with pytest.raises(GatewayError) as caught:
            await submitted(pair, key="key-3")
        assert caught.value.code == "node.draining"
        assert not await pair.gb.bells.at_rest(0.05)
        may_go.set()
        assert await pair.gb.bells.at_rest(20)
        assert (await state(pair, first)).state is TransferState.DELIVERED
        assert (await state(pair, second)).state is not TransferState.DELIVERED
        pair.gb.bells.resume()
        await reaches(pair, second, TransferState.DELIVERED)


async def test_what_was_claimed_when_it_was_accepted_goes_though_the_node_drains_meanwhile(pair: Pair) -> None:
    pair.gb.fast_path.open(FR, lasting=timedelta(minutes=1))
    transfer_id = await submitted(pair)
    assert (await state(pair, transfer_id)).state is TransferState.IN_FLIGHT
    pair.gb.bells.hush()
    assert pair.gb.bells.under_way == 1
    assert not await pair.gb.bells.at_rest(0.01)
    async with pair.dispatching():
        assert await pair.gb.bells.at_rest(20)
    assert (await state(pair, transfer_id)).state is TransferState.DELIVERED
    assert pair.gb.bells.under_way == 0


async def test_a_partner_that_answers_a_ping_only_when_the_node_drains_gets_nothing(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    ping, asked, may_answer = pair.ping, asyncio.Event(), asyncio.Event()

    async def slow(recipient: PartyId) -> SendOutcome:
        asked.set()
        await may_answer.wait()
        return await ping(recipient)

    pair.ping = slow  # type: ignore[method-assign]  # the script of this test
    bells, looked = pair.gb.bells, asyncio.Event()
    wait = bells.wait

    async def noted(name: str, seconds: float, *, rings: int = 1) -> int:
        looked.set()
        return await wait(name, seconds, rings=rings)

    async with pair.dispatching():
        await asked.wait()
        bells.hush()
        bells.wait = noted  # type: ignore[method-assign]  # the loop waits once it has looked
        may_answer.set()
        await looked.wait()
        assert (await state(pair, transfer_id)).state is TransferState.QUEUED
        bells.resume()
        await reaches(pair, transfer_id, TransferState.DELIVERED)
