"""What every store promises about receipts that come later: envelopes taken unread, and receipts owed for them."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import MessageId
from gateway.domain.jobs import Admitted, Refused
from gateway.domain.later import OwedReceipt, Taken, TakenEnvelope, Unjudged
from gateway.domain.lifecycle import NoticeState
from gateway.domain.limits import DEDUPE_KEPT_AFTER_EXPIRY, MAX_BATCH_BYTES, NOTICE_OWED
from gateway.domain.records import AdmitStored
from gateway.domain.statement import NotSeen, Verdict
from gateway.ports import Store
from tests.contract.store_cases import CommitFault, StoreCase
from tests.contract.store_steps import LATER, events
from tests.store_values import HOME, NOW, OTHER, PARTNER, StoreValues, message_evidence

GIVEN = AuditEntry(event=AuditEvent.RECEIPT_GIVEN, at=LATER, actor="system")
GIVEN_UP = AuditEntry(event=AuditEvent.RECEIPT_GIVEN_UP, at=LATER, actor="system")


def envelope(values: StoreValues, *, jwe: str = "a.b.c.d.e", received: datetime = NOW) -> TakenEnvelope:
    until = received + timedelta(hours=1)
    return TakenEnvelope(sender=PARTNER, message_id=MessageId(values.uuid7()), jwe=jwe, received=received, until=until)


async def take(store: Store, one: TakenEnvelope, **limits: int) -> Taken:
    audit = AuditEntry(event=AuditEvent.MESSAGE_TAKEN, at=NOW, actor="system", message_id=one.message_id)
    return await store.take_envelope(one, audit=audit, **limits)


async def due(store: Store) -> list[TakenEnvelope]:
    return await store.taken_envelopes(PARTNER, limit=99, now=NOW)


async def judge(store: Store, one: TakenEnvelope, result: Admitted | Refused) -> AdmitStored:
    return await store.admit_taken(one, result, now=LATER, audit=message_evidence(result))


async def owed_for(store: Store, one: TakenEnvelope) -> OwedReceipt:
    owed = await store.receipt_owed(PARTNER, one.message_id)
    assert owed is not None
    return owed


def opened(values: StoreValues, one: TakenEnvelope, content: str = "content") -> Admitted:
    """What judging finds in an envelope."""
    return values.admitted(message_id=one.message_id, content=content)


async def test_what_waits_to_be_judged_is_counted_for_each_partner_since_the_oldest(
    store: Store, values: StoreValues
) -> None:
    assert await store.unjudged() == []
    late, early = (envelope(values, received=at) for at in (LATER, NOW))
    other = replace(envelope(values, received=LATER), sender=OTHER)
    for one in (late, early, other):
        await take(store, one)
    ours, theirs = Unjudged(sender=PARTNER, count=2, oldest=NOW), Unjudged(sender=OTHER, count=1, oldest=LATER)
    assert await store.unjudged() == sorted((ours, theirs), key=lambda one: one.sender)
    await judge(store, early, opened(values, early))
    assert replace(ours, count=1, oldest=LATER) in await store.unjudged()


async def test_an_envelope_that_was_taken_is_there_after_a_restart_as_it_came(
    case: StoreCase, values: StoreValues
) -> None:
    one = envelope(values)
    async with case.opened() as store:
        assert await take(store, one) is Taken.NEW
    async with case.opened() as store:
        assert await due(store) == [one]
        assert await store.is_taken(PARTNER, one.message_id)
        assert not await store.is_taken(OTHER, one.message_id)
        assert await store.owing_later() == {PARTNER}
        assert await store.unjudged() == [Unjudged(sender=PARTNER, count=1, oldest=NOW)]
        assert await events(store) == [AuditEvent.MESSAGE_TAKEN]


async def test_one_that_waits_already_is_passed_over(store: Store, values: StoreValues) -> None:
    one = envelope(values)
    assert [await take(store, one), await take(store, replace(one, jwe="another"))] == [Taken.NEW, Taken.KNOWN]
    assert await due(store) == [one]
    assert await events(store) == [AuditEvent.MESSAGE_TAKEN]


async def test_of_one_partner_only_so_many_wait_and_only_so_many_bytes(store: Store, values: StoreValues) -> None:
    taken = [await take(store, envelope(values), most=2) for _ in range(3)]
    assert taken == [Taken.NEW, Taken.NEW, Taken.NO_ROOM]
    assert await take(store, replace(envelope(values), sender=OTHER), most=2) is Taken.NEW
    size = 3 * len("a.b.c.d.e")
    assert [await take(store, envelope(values), most_bytes=size) for _ in range(2)] == [Taken.NEW, Taken.NO_ROOM]


async def test_only_so_many_bytes_are_read_at_once(store: Store, values: StoreValues) -> None:
    for _ in range(2):
        await take(store, envelope(values, jwe="x" * (MAX_BATCH_BYTES // 2 + 1)))
    assert len(await due(store)) == 1


async def test_the_verdict_ends_the_waiting_and_owes_the_receipt_in_one_commit(
    case: StoreCase, values: StoreValues
) -> None:
    one = envelope(values)
    result = opened(values, one)
    async with case.opened() as store:
        await take(store, one)
        stored = await judge(store, one, result)
    async with case.opened() as store:
        assert stored == AdmitStored(token=result.receipt_token, verdict=Verdict.ACCEPTED, code="ok")
        assert (await due(store), await store.is_taken(PARTNER, one.message_id)) == ([], False)
        (owed,) = await store.receipts_owed(PARTNER, limit=9, now=LATER)
        assert (owed.token, owed.state, owed.verdict) == (result.receipt_token, NoticeState.OWED, Verdict.ACCEPTED)
        assert owed.deadline == LATER + NOTICE_OWED
        assert [row.message_id for row in await store.inbox(limit=9)] == [one.message_id]
        assert await events(store) == [AuditEvent.MESSAGE_TAKEN, AuditEvent.MESSAGE_ACCEPTED]


async def test_a_verdict_that_did_not_happen_leaves_the_envelope_waiting_and_owes_nothing(
    case: StoreCase, values: StoreValues
) -> None:
    one = envelope(values)
    async with case.opened() as store:
        await take(store, one)
        case.fault = CommitFault.NOT_DONE
        with pytest.raises(Exception, match=r"storage\.commit_unknown"):
            await judge(store, one, opened(values, one))
    async with case.opened() as store:
        assert await due(store) == [one]
        assert await store.receipt_owed(PARTNER, one.message_id) is None
        assert await store.inbox(limit=9) == []


async def test_a_message_that_was_accepted_before_gets_the_stored_receipt_again(
    store: Store, values: StoreValues
) -> None:
    one = envelope(values)
    first = opened(values, one)
    await take(store, one)
    await judge(store, one, first)
    await store.settle_receipt(await owed_for(store, one), NoticeState.GIVEN, now=LATER, audit=GIVEN)
    assert await store.receipts_owed(PARTNER, limit=9, now=LATER) == []
    await take(store, one)
    stored = await judge(store, one, opened(values, one))
    assert (stored.duplicate, stored.token) == (True, first.receipt_token)
    owed = await owed_for(store, one)
    assert (owed.token, owed.state, owed.attempts) == (first.receipt_token, NoticeState.OWED, 0)
    assert len(await store.inbox(limit=9)) == 1


async def test_another_message_under_a_known_id_waits_for_the_refusal_that_only_the_caller_can_sign(
    store: Store, values: StoreValues
) -> None:
    one = envelope(values)
    await take(store, one)
    await judge(store, one, opened(values, one))
    await take(store, one)
    other = opened(values, one, "other")
    assert (await judge(store, one, other)).conflict
    assert await due(store) == [one]
    refused = values.refused(other, "message.id_reused")
    audit = message_evidence(refused)
    await store.answer_taken(one, refused.receipt, refused.receipt_token, now=LATER, audit=audit)
    assert await due(store) == []
    owed = await owed_for(store, one)
    assert (owed.token, owed.verdict) == (refused.receipt_token, Verdict.REFUSED)


async def test_an_id_that_was_given_up_while_its_envelope_waited_is_not_accepted(
    store: Store, values: StoreValues
) -> None:
    one = envelope(values)
    await take(store, one)
    sworn = NotSeen(
        message_id=one.message_id, issuer=HOME, audience=PARTNER, issued_at=NOW, statement_id=values.uuid4()
    )
    audit = AuditEntry(event=AuditEvent.MESSAGE_NOT_SEEN, at=NOW, actor="system", message_id=one.message_id)
    await store.forswear(sworn, "sworn", now=NOW, audit=audit)
    result = opened(values, one)
    assert (await judge(store, one, result)).tombstoned
    assert await due(store) == [one]
    await judge(store, one, values.refused(result, "message.not_seen"))
    assert (await due(store), await store.inbox(limit=9)) == ([], [])
    assert (await owed_for(store, one)).verdict is Verdict.REFUSED


async def test_what_could_not_be_judged_waits_for_its_time_and_what_is_dropped_is_gone(
    store: Store, values: StoreValues
) -> None:
    one = envelope(values)
    await take(store, one)
    await store.put_off_taken(one, until=LATER)
    assert await due(store) == []
    (again,) = await store.taken_envelopes(PARTNER, limit=9, now=LATER)
    assert again == replace(one, attempts=1)
    audit = AuditEntry(event=AuditEvent.MESSAGE_UNOPENED, at=LATER, actor="system", message_id=one.message_id)
    for _ in range(2):
        await store.drop_taken(one, audit=audit)
    assert not await store.is_taken(PARTNER, one.message_id)
    assert await store.receipt_owed(PARTNER, one.message_id) is None
    assert (await events(store)).count(AuditEvent.MESSAGE_UNOPENED) == 1


async def test_an_attempt_to_give_a_receipt_counts_once_and_not_for_another_receipt(
    store: Store, values: StoreValues
) -> None:
    one = envelope(values)
    await take(store, one)
    refused = values.refused(opened(values, one))
    await judge(store, one, refused)
    stale = await owed_for(store, one)
    again = LATER + timedelta(minutes=1)
    assert await store.settle_receipt(stale, NoticeState.OWED, now=LATER, next_attempt_at=again)
    assert not await store.settle_receipt(stale, NoticeState.GIVEN, now=LATER, audit=GIVEN)
    assert await store.receipts_owed(PARTNER, limit=9, now=LATER) == []
    (owed,) = await store.receipts_owed(PARTNER, limit=9, now=again)
    assert owed.attempts == 1
    # It comes again, is judged anew, and its new receipt is owed: what came of giving the old one says nothing of it.
    await take(store, one)
    await judge(store, one, opened(values, one))
    assert not await store.settle_receipt(replace(owed, attempts=0), NoticeState.GIVEN, now=LATER, audit=GIVEN)
    assert (await owed_for(store, one)).verdict is Verdict.ACCEPTED


async def test_giving_a_receipt_is_a_success_of_its_partner_and_nothing_is_given_while_it_is_left_alone(
    store: Store, values: StoreValues
) -> None:
    one = envelope(values)
    await take(store, one)
    await judge(store, one, opened(values, one))
    await store.partner_failed(PARTNER, now=LATER, not_before=LATER + timedelta(hours=1), code="channel.unreachable")
    assert await store.receipts_owed(PARTNER, limit=9, now=LATER) == []
    assert await store.settle_receipt(await owed_for(store, one), NoticeState.GIVEN, now=LATER, audit=GIVEN)
    (health,) = await store.partners()
    assert (health.failures, health.last_success) == (0, LATER)


async def test_a_receipt_that_is_given_up_is_forgotten_after_its_keeping(store: Store, values: StoreValues) -> None:
    one = envelope(values)
    await take(store, one)
    await judge(store, one, values.refused(opened(values, one)))
    with pytest.raises(ValueError, match="audit"):
        await store.settle_receipt(await owed_for(store, one), NoticeState.GIVEN_UP, now=LATER)
    await store.settle_receipt(await owed_for(store, one), NoticeState.GIVEN_UP, now=LATER, audit=GIVEN_UP)
    assert await store.owing_later() == frozenset()
    kept = LATER + NOTICE_OWED + DEDUPE_KEPT_AFTER_EXPIRY
    while await store.purge(now=kept):
        pass
    assert await store.receipt_owed(PARTNER, one.message_id) is not None
    while await store.purge(now=kept + timedelta(microseconds=1)):
        pass
    assert await store.receipt_owed(PARTNER, one.message_id) is None
