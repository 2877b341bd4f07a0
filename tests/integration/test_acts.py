"""What operators do to transfers that were sent: the partner is asked first, both sides real but for HTTP."""

from datetime import timedelta

import pytest

from gateway.audit import AuditEvent
from gateway.domain.ids import TransferId
from gateway.domain.lifecycle import TransferState
from gateway.domain.outcome import ReceiptReturned, SendOutcome, TransportAccepted
from gateway.domain.statement import NotSeen
from gateway.envelope import sign_not_seen
from gateway.errors import TransferError
from tests.integration.desk_pair import FR, GB, Pair, until
from tests.integration.test_transfer import GARBAGE, UNREACHABLE, events_of, reaches, state, submitted


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
