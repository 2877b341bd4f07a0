"""The life of a transfer through dispatch, settle, operate and sweep, both sides real but for HTTP."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.audit import AuditEvent
from gateway.domain.ids import MessageId, PartyId, TransferId
from gateway.domain.lifecycle import HandOverState, TransferState
from gateway.domain.outcome import HandedOver, HandOverOutcome, SendOutcome, TransientFailure, TransportAccepted
from gateway.domain.records import InboxRow, TransferRow
from gateway.domain.retry import RetryPolicy
from gateway.domain.waiting import as_it_waits
from gateway.errors import RequestError, TransferError
from gateway.exchange.conclude import _why_no_more
from gateway.exchange.hand_over import HandOverLimits
from tests.integration.desk_pair import FR, GB, Pair, request, sample, until

UNREACHABLE = TransientFailure(code="channel.unreachable", detail="nobody listens", sent=False, connected=False)
EXPIRED = TransientFailure(code="channel.tls_refused", detail="certificate has expired", sent=False, connected=False)
SILENT = TransientFailure(code="channel.timeout", detail="no answer in time", sent=True, connected=True)
GARBAGE = TransientFailure(code="channel.unexpected_answer", detail="a 500", sent=True, connected=True)
THREE = ("import-two-items.xml", "export-one-item.xml", "import-supplementary.xml")


async def submitted(
    pair: Pair, name: str = "import-two-items.xml", key: str = "key-1", case: str | None = None
) -> TransferId:
    row, _ = await pair.gb.submit(request(sample(name), key=key, case=case))
    return row.transfers[0].id


async def state(pair: Pair, transfer_id: TransferId) -> TransferRow:
    found = await pair.gb.store.transfer(transfer_id)
    assert found is not None
    return found.row


async def reaches(pair: Pair, transfer_id: TransferId, wanted: TransferState) -> TransferRow:
    async def there() -> bool:
        return (await state(pair, transfer_id)).state is wanted

    await until(there)
    return await state(pair, transfer_id)


def attempts(pair: Pair) -> int:
    return sum(line["action"] == "transfer.attempt" for line in pair.telemetry.lines)


async def events_of(pair: Pair, transfer_id: TransferId) -> list[AuditEvent]:
    return [record.entry.event for record in await pair.gb.store.audit(transfer_id=transfer_id)]


async def test_a_transfer_is_delivered_and_handed_over_with_evidence_at_every_step(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    async with pair.dispatching(), pair.handing_over():
        row = await reaches(pair, transfer_id, TransferState.DELIVERED)
        await until(lambda: pair.handed_over)
    assert row.attempts == 1
    assert await events_of(pair, transfer_id) == [
        AuditEvent.TRANSFER_ACCEPTED,
        AuditEvent.TRANSFER_CLAIMED,
        AuditEvent.TRANSFER_DELIVERED,
    ]
    inbox, view = pair.handed_over[0]
    assert (inbox.message_id, inbox.sender) == (row.message_id, GB)
    assert view.startswith(b"<?xml")


async def backed_off(pair: Pair, failures: int = 1) -> bool:
    return any(health.failures >= failures for health in await pair.gb.store.partners())


async def refused_channels(pair: Pair) -> list[dict[str, str | int]]:
    entries = [record.entry for record in await pair.gb.store.audit()]
    return [dict(entry.facts) for entry in entries if entry.event is AuditEvent.CHANNEL_REFUSED]


async def test_nothing_is_claimed_for_a_partner_that_is_down(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    before = await state(pair, transfer_id)
    pair.out_of_reach = UNREACHABLE
    async with pair.dispatching():
        await until(lambda: backed_off(pair))
        assert await state(pair, transfer_id) == before
        assert (pair.sent, await refused_channels(pair)) == ([], [])
        pair.out_of_reach = None
        pair.clock.ahead += timedelta(seconds=10)
        row = await reaches(pair, transfer_id, TransferState.DELIVERED)
    assert row.attempts == 1
    (health,) = await pair.gb.store.partners()
    assert (health.failures, health.last_code, health.last_detail) == (0, "", "")


async def test_a_partner_whose_certificate_is_refused_costs_one_audit_record_and_no_attempt(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    before = await state(pair, transfer_id)
    pair.out_of_reach = EXPIRED
    async with pair.dispatching():
        for failures in (1, 2, 3):
            await until(lambda failures=failures: backed_off(pair, failures))  # type: ignore[misc]  # bound at once
            pair.clock.ahead += timedelta(minutes=2)
        assert pair.pinged >= 3
        assert await state(pair, transfer_id) == before
        assert await refused_channels(pair) == [{"recipient": FR, "code": EXPIRED.code, "detail": EXPIRED.detail}]
        assert await events_of(pair, transfer_id) == [AuditEvent.TRANSFER_ACCEPTED]
        pair.out_of_reach = None
        pair.clock.ahead += timedelta(minutes=2)
        await reaches(pair, transfer_id, TransferState.DELIVERED)
    assert pair.sent == [before.message_id]


async def test_another_refusal_or_a_new_spell_is_recorded_again(pair: Pair) -> None:
    async def recorded(*codes: str) -> bool:
        pair.clock.ahead += timedelta(milliseconds=200)
        return [one["code"] for one in await refused_channels(pair)] == list(codes)

    first = await submitted(pair)
    stale = replace(EXPIRED, code="trust.crl_stale")
    pair.out_of_reach = EXPIRED
    async with pair.dispatching():
        await until(lambda: recorded(EXPIRED.code))
        pair.out_of_reach = stale
        await until(lambda: recorded(EXPIRED.code, stale.code))
        pair.out_of_reach = None
        pair.clock.ahead += timedelta(minutes=2)
        await reaches(pair, first, TransferState.DELIVERED)
        pair.out_of_reach = stale
        pair.clock.ahead += timedelta(seconds=1)  # what it answered last proves nothing any more
        await submitted(pair, key="key-2")
        await until(lambda: recorded(EXPIRED.code, stale.code, stale.code))
    assert len(pair.sent) == 1


async def test_a_partner_that_is_there_and_answers_nothing_uses_up_no_attempt(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    before = await state(pair, transfer_id)
    pair.out_of_reach = SILENT
    async with pair.dispatching():
        await until(lambda: backed_off(pair))
        assert await state(pair, transfer_id) == before
        assert (pair.sent, await refused_channels(pair)) == ([], [])
        pair.out_of_reach = None
        pair.clock.ahead += timedelta(seconds=10)
        await reaches(pair, transfer_id, TransferState.DELIVERED)


async def test_a_partner_that_is_back_and_answers_nonsense_no_longer_counts_as_out_of_reach(pair: Pair) -> None:
    """Its transfers show what it answers now, not the outage before; and a new outage is a new record."""
    transfer_id = await submitted(pair)
    pair.out_of_reach = EXPIRED
    async with pair.dispatching():
        await until(lambda: backed_off(pair))
        pair.out_of_reach, pair.script = None, lambda _jwe: GARBAGE
        pair.clock.ahead += timedelta(minutes=2)
        await until(lambda: pair.sent)
        row = await reaches(pair, transfer_id, TransferState.QUEUED)
        (health,) = await pair.gb.store.partners()
        assert (health.failures, health.last_code, health.not_before, health.last_success) == (0, "", None, None)
        assert as_it_waits(row, {FR: health}).last_code == GARBAGE.code
        pair.out_of_reach = EXPIRED
        pair.clock.ahead += timedelta(minutes=2)
        await until(lambda: backed_off(pair))
        assert [one["code"] for one in await refused_channels(pair)] == [EXPIRED.code] * 2


async def test_a_ping_that_fails_behind_messages_under_way_says_nothing_about_the_partner(pair: Pair) -> None:
    answer = asyncio.Event()
    send = pair.send

    async def slow(recipient: PartyId, message_id: MessageId, jwe: str) -> SendOutcome:
        await answer.wait()
        return await send(recipient, message_id, jwe)

    pair.send = slow  # type: ignore[method-assign]  # the script of this test
    first = await submitted(pair)
    async with pair.dispatching():
        await reaches(pair, first, TransferState.IN_FLIGHT)
        pair.out_of_reach = replace(UNREACHABLE, code="channel.timeout")
        pair.clock.ahead += timedelta(seconds=1)  # what it answered last proves nothing any more
        second, pinged = await submitted(pair, "export-one-item.xml", key="key-2"), pair.pinged
        await until(lambda: pair.pinged > pinged + 1)
        assert (await state(pair, second)).state is TransferState.QUEUED
        assert not await backed_off(pair)
        pair.out_of_reach = None
        answer.set()
        await reaches(pair, second, TransferState.DELIVERED)


async def test_a_partner_that_answered_a_moment_ago_is_not_pinged_again(pair: Pair) -> None:
    async with pair.dispatching():
        for number in range(5):
            await reaches(pair, await submitted(pair, key=f"key-{number}"), TransferState.DELIVERED)
        assert pair.pinged == 1
        # A claim that is being made while the clock leaps may still believe what it asked before: so three times.
        for number in range(3):
            pair.clock.ahead += timedelta(seconds=5)
            await reaches(pair, await submitted(pair, key=f"later-{number}"), TransferState.DELIVERED)
        assert 2 <= pair.pinged <= 4


async def test_a_partner_lost_within_an_attempt_is_left_alone_and_tried_again(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    pair.script = lambda _jwe: UNREACHABLE
    async with pair.dispatching():
        await until(lambda: pair.sent)

        await until(lambda: backed_off(pair))
        row = await reaches(pair, transfer_id, TransferState.QUEUED)
        assert (row.last_code, row.ever_sent) == ("channel.unreachable", False)
        pair.script = lambda _jwe: None
        pair.clock.ahead += timedelta(seconds=10)
        row = await reaches(pair, transfer_id, TransferState.DELIVERED)
    assert row.attempts == 2


async def test_transfers_that_are_sent_together_leave_one_line(pair: Pair) -> None:
    waiting = [await submitted(pair, name, key=name) for name in THREE]
    async with pair.dispatching():
        for transfer_id in waiting:
            await reaches(pair, transfer_id, TransferState.DELIVERED)
        await until(lambda: any(line["action"] == "transfer.group" for line in pair.telemetry.lines))
    (line,) = (one for one in pair.telemetry.lines if one["action"] == "transfer.group")
    assert (line["outcome"], line["transfers"], line["concluded"], attempts(pair)) == ("success", 3, 3, 0)


async def test_messages_that_a_lost_partner_takes_down_together_count_as_one_failure(pair: Pair) -> None:
    """Counted each, eight would mean the longest wait at once for a partner that is back in a second."""
    lost, under_way = asyncio.Event(), 0

    async def losing(recipient: PartyId, message_id: MessageId, jwe: str) -> SendOutcome:
        nonlocal under_way
        under_way += 1
        await lost.wait()
        return UNREACHABLE

    for name in THREE:
        await submitted(pair, name, key=name)
    pair.send = losing  # type: ignore[method-assign]  # the script of this test
    async with pair.dispatching():
        await until(lambda: under_way == len(THREE))
        pair.out_of_reach = UNREACHABLE
        lost.set()
        await until(lambda: attempts(pair) == len(THREE))
    (health,) = await pair.gb.store.partners()
    assert health.failures == 1


async def test_hearing_from_a_partner_ends_its_back_off(pair: Pair) -> None:
    await submitted(pair)
    await pair.gb.store.partner_failed(
        FR, now=pair.clock.now(), not_before=pair.clock.now() + timedelta(hours=1), code="channel.unreachable"
    )
    await pair.gb.receive("no envelope", channel_party=FR)
    assert [health.not_before for health in await pair.gb.store.partners()] == [None]


async def test_a_lost_receipt_is_asked_for_again_and_comes_byte_for_byte_the_same(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    real_receive = pair.fr.receive
    tokens: list[str | None] = []

    async def losing(jwe: str) -> SendOutcome | None:
        answer = await real_receive(jwe, channel_party=GB)
        tokens.append(answer.token)
        return GARBAGE if len(tokens) == 1 else None

    original_send = pair.send

    async def send(recipient: object, message_id: object, jwe: str) -> SendOutcome:
        lost = await losing(jwe)
        return lost or await original_send(FR, message_id, jwe)  # type: ignore[arg-type]  # ids as they came

    pair.send = send  # type: ignore[method-assign]  # the script of this test
    async with pair.dispatching():
        await until(lambda: tokens)
        pair.clock.ahead += timedelta(seconds=5)
        await reaches(pair, transfer_id, TransferState.DELIVERED)
    assert len(set(tokens)) == 1
    assert len(await pair.fr.store.inbox(limit=10)) == 1


async def test_attempts_that_are_used_up_dead_letter_and_a_requeue_sends_the_same_message(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    pair.script = lambda _jwe: GARBAGE
    async with pair.dispatching():
        await until(lambda: pair.sent)
        await reaches(pair, transfer_id, TransferState.QUEUED)
        pair.clock.ahead += timedelta(hours=25)
        await pair.gb.sweep.once()
        row = await reaches(pair, transfer_id, TransferState.DEAD_LETTERED)
        assert row.last_code == "transfer.deadline"
        digest = row.digest
        pair.script = lambda _jwe: None
        await pair.gb.operate.requeue(transfer_id, operator="duty", reason="The partner says it is back")
        row = await reaches(pair, transfer_id, TransferState.DELIVERED)
    assert row.digest == digest
    assert AuditEvent.TRANSFER_REQUEUED in await events_of(pair, transfer_id)


async def test_an_expired_message_is_prepared_again_by_its_requeue(pair: Pair) -> None:
    await pair.shorten()
    transfer_id = await submitted(pair)
    pair.clock.ahead += timedelta(hours=31)
    await pair.gb.sweep.once()
    assert (await state(pair, transfer_id)).state is TransferState.DEAD_LETTERED
    row = await pair.gb.operate.requeue(transfer_id, operator="duty", reason="try")
    assert (row.state, row.supersedes) == (TransferState.QUEUED, MessageId(transfer_id))
    assert row.message_id != row.supersedes
    assert pair.questions == []  # no byte of it was ever sent
    async with pair.dispatching():
        assert (await reaches(pair, transfer_id, TransferState.DELIVERED)).message_id == row.message_id
    assert AuditEvent.TRANSFER_SUPERSEDED in await events_of(pair, transfer_id)


async def test_what_was_sent_can_not_be_cancelled_while_its_partner_does_not_answer(pair: Pair) -> None:
    unsent = await submitted(pair)
    row = await pair.gb.operate.cancel(unsent, operator="duty", reason="Submitted by mistake")
    assert row.state is TransferState.CANCELLED
    sent = await submitted(pair, "export-one-item.xml", "key-2")
    pair.script = lambda _jwe: GARBAGE
    async with pair.dispatching():
        await until(lambda: pair.sent)
        await reaches(pair, sent, TransferState.QUEUED)
    pair.out_of_reach = UNREACHABLE
    with pytest.raises(TransferError) as refused:
        await pair.gb.operate.cancel(sent, operator="duty", reason="Too late")
    assert refused.value.code == "transfer.outcome_unknown"
    assert f"please disregard message {sent}" in refused.value.facts["recall"]


async def test_an_act_needs_a_reason(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    for reason in ("", "  ", "x" * 501, "one\r\ntwo", "\x1b[31mred", "left \u202e right"):
        with pytest.raises(RequestError):
            await pair.gb.operate.cancel(transfer_id, operator="duty", reason=reason)
    assert (await state(pair, transfer_id)).state is TransferState.QUEUED


async def test_a_message_taken_without_receipt_is_sent_again_when_the_receipt_is_overdue(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    pair.script = lambda _jwe: TransportAccepted()
    async with pair.dispatching():
        await reaches(pair, transfer_id, TransferState.AWAITING_RECEIPT)
        pair.script = lambda _jwe: None
        pair.answer = GARBAGE
        row = await state(pair, transfer_id)
        assert row.next_attempt_at is not None
        pair.clock.ahead += row.next_attempt_at - pair.clock.now() + timedelta(seconds=1)
        assert await pair.gb.follow_up.one(row) == GARBAGE.code
        await reaches(pair, transfer_id, TransferState.DELIVERED)
    assert AuditEvent.TRANSFER_OVERDUE in await events_of(pair, transfer_id)


async def test_a_late_receipt_settles_even_a_dead_letter(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    tokens: list[str] = []

    async def send(recipient: object, message_id: object, jwe: str) -> SendOutcome:
        answer = await pair.fr.receive(jwe, channel_party=GB)
        tokens.append(answer.token or "")
        return GARBAGE

    pair.send = send  # type: ignore[method-assign]  # the script of this test
    async with pair.dispatching():
        await until(lambda: tokens)
        await reaches(pair, transfer_id, TransferState.QUEUED)
    pair.clock.ahead += timedelta(hours=25)
    await pair.gb.sweep.once()
    row = await state(pair, transfer_id)
    assert row.state is TransferState.DEAD_LETTERED
    settled = await pair.gb.settle.late(row.message_id, tokens[0], channel_party=FR)
    assert settled.state is TransferState.DELIVERED


async def test_a_lost_lease_is_given_back_and_the_transfer_counts_as_sent(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    await pair.gb.store.claim(FR, limit=1, now=pair.clock.now(), lease=timedelta(seconds=1))
    pair.clock.ahead += timedelta(seconds=2)
    await pair.gb.sweep.once()
    row = await state(pair, transfer_id)
    assert (row.state, row.ever_sent) == (TransferState.QUEUED, True)
    assert AuditEvent.TRANSFER_LEASE_LOST in await events_of(pair, transfer_id)


async def test_messages_of_one_conversation_arrive_and_are_handed_over_in_order(pair: Pair) -> None:
    names = ("import-two-items.xml", "amendment.xml", "arrival.xml")
    ids = [await submitted(pair, name, f"key-{name}", "case 7") for name in names]
    failures = iter([GARBAGE, None, GARBAGE, None, None])
    pair.script = lambda _jwe: next(failures, None)
    async with pair.dispatching(), pair.handing_over():
        for transfer_id in ids:

            async def delivered(wanted: TransferId = transfer_id) -> bool:
                pair.clock.ahead += timedelta(milliseconds=100)
                return (await state(pair, wanted)).state is TransferState.DELIVERED

            await until(delivered)
        await until(lambda: len(pair.handed_over) == 3)
    assert [row.sequence for row, _ in pair.handed_over] == [1, 2, 3]


async def test_a_back_end_that_keeps_refusing_has_the_message_quarantined(pair: Pair) -> None:
    await submitted(pair)
    tries = 0

    def refuse(_row: InboxRow) -> HandOverOutcome:
        nonlocal tries
        tries += 1
        return TransientFailure(code="channel.refused", detail="a 400", sent=True, connected=True)

    pair.backend = refuse
    limits = HandOverLimits(poll=timedelta(milliseconds=20), retries={FR: RetryPolicy(attempts=2)})
    async with pair.dispatching(), pair.handing_over(limits):

        async def quarantined() -> bool:
            pair.clock.ahead += timedelta(milliseconds=100)
            rows = await pair.fr.store.inbox(limit=10)
            return bool(rows) and rows[0].hand_over is HandOverState.QUARANTINED

        await until(quarantined)
        assert tries == 2
        events = [record.entry.event for record in await pair.fr.store.audit()]
        assert events[-1] is AuditEvent.HAND_OVER_EXHAUSTED
        pair.backend = lambda _row: HandedOver()
        (row,) = await pair.fr.store.inbox(limit=10)
        await pair.fr.operate.release(row.message_id, sender=None, operator="duty", reason="The back end is mended")
        await until(lambda: pair.handed_over)


async def test_a_back_end_that_is_away_is_tried_until_it_is_back(pair: Pair) -> None:
    await submitted(pair)
    answers = iter([UNREACHABLE] * 5)
    pair.backend = lambda _row: next(answers, HandedOver())
    limits = HandOverLimits(poll=timedelta(milliseconds=20), retries={FR: RetryPolicy(attempts=2)})
    async with pair.dispatching(), pair.handing_over(limits):

        async def handed_over() -> bool:
            pair.clock.ahead += timedelta(seconds=60)
            return bool(pair.handed_over)

        await until(handed_over)
    assert len(pair.handed_over) == 1


async def test_the_hand_over_lease_of_a_dead_holder_is_given_back(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    async with pair.dispatching():
        await reaches(pair, transfer_id, TransferState.DELIVERED)
    await pair.fr.store.claim_hand_overs([FR], limit=1, now=pair.clock.now(), lease=timedelta(seconds=1))
    pair.clock.ahead += timedelta(seconds=2)
    await pair.fr.sweep.once()
    assert (await pair.fr.store.inbox(limit=1))[0].hand_over is HandOverState.PENDING


async def test_a_transfer_whose_attempts_are_used_up_says_so_and_keeps_the_last_reason(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    row = await state(pair, transfer_id)
    last = replace(row, retry=replace(row.retry, attempts=1))
    assert _why_no_more(replace(last, attempts=1)) == "transfer.attempts_exhausted"
    assert _why_no_more(row) == "transfer.deadline"


async def test_a_receipt_whose_lease_ended_on_the_way_settles_the_transfer_without_another_try(pair: Pair) -> None:
    transfer_id = await submitted(pair)
    sent = pair.send

    async def slow(recipient: PartyId, message_id: MessageId, jwe: str) -> SendOutcome:
        outcome = await sent(recipient, message_id, jwe)
        pair.clock.ahead += timedelta(seconds=91)
        await pair.gb.sweep.once()
        assert (await state(pair, transfer_id)).state is TransferState.QUEUED
        pair.clock.ahead -= timedelta(seconds=91)
        return outcome

    pair.send = slow  # type: ignore[method-assign]  # the script of this test
    async with pair.dispatching(parallel=1):
        row = await reaches(pair, transfer_id, TransferState.DELIVERED)
    assert row.attempts == 1
    assert len(pair.sent) == 1


async def test_what_nothing_stands_before_is_accepted_and_claimed_in_one_commit(pair: Pair) -> None:
    async with pair.dispatching(reached_for=timedelta(minutes=5)):
        await reaches(pair, await submitted(pair, key="first"), TransferState.DELIVERED)
        await until(lambda: pair.gb.fast_path.open_for([FR]))
        row, _ = await pair.gb.submit(request(key="second"))  # of the same conversation
        delivered = await reaches(pair, row.transfers[0].id, TransferState.DELIVERED)
    assert (delivered.sequence, delivered.attempts) == (2, 1)
    records = await pair.gb.store.audit(transfer_id=delivered.id)
    assert [record.entry.event for record in records] == [
        AuditEvent.TRANSFER_ACCEPTED,
        AuditEvent.TRANSFER_CLAIMED,
        AuditEvent.TRANSFER_DELIVERED,
    ]
    assert [record.seq for record in records[:2]] == [records[0].seq, records[0].seq + 1]
    assert records[1].entry.at == records[0].entry.at
