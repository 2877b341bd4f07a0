"""What every store promises about sending: acceptance, conversations, claims, leases, settling. One suite, run over
every implementation (`store_cases.CASES`)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.audit import AuditEvent
from gateway.domain.ids import ConversationId, MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.jobs import ReferenceKind
from gateway.domain.lifecycle import FINAL, TRANSITIONS, TransferEvent, TransferState
from gateway.domain.records import (
    Accepted,
    AcceptSubmission,
    ClaimedTransfer,
    ConversationKnown,
    KeyReused,
    Replayed,
    TransferRow,
)
from gateway.domain.statement import Verdict
from gateway.errors import StorageError, TransferError
from gateway.ports import Store
from tests.contract.store_cases import CASES, StoreCase
from tests.store_values import (
    CLIENT,
    LEASE,
    NOW,
    OTHER,
    PARTNER,
    StoreValues,
    accepted_evidence,
    attempt_of,
    evidence,
    message_evidence,
    reference,
)

LATER = NOW + timedelta(hours=1)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> StoreCase:
    made: StoreCase = CASES[request.param](tmp_path)
    return made


@pytest.fixture
async def store(case: StoreCase) -> AsyncIterator[Store]:
    async with case.opened() as opened:
        yield opened
    assert [verdict.reason for verdict in case.verdicts() if not verdict.intact] == []


@pytest.fixture
def values() -> StoreValues:
    return StoreValues()


async def accept(store: Store, change: AcceptSubmission) -> TransferId:
    assert await store.accept(change, accepted_evidence(change)) == Accepted(submission_id=change.submission_id)
    return change.prepared.transfers[0].slot.transfer_id


async def claim_one(store: Store, recipient: PartyId = PARTNER) -> ClaimedTransfer:
    (claimed,) = await store.claim(recipient, limit=1, now=NOW, lease=LEASE)
    return claimed


async def settle(store: Store, row: TransferRow, event: TransferEvent, *, fence: int | None = None) -> TransferRow:
    return await store.settle(row, event, audit=evidence(row, event), now=NOW, fence=fence)


async def row_of(store: Store, transfer_id: TransferId) -> TransferRow:
    found = await store.transfer(transfer_id)
    assert found is not None
    return found.row


async def events(store: Store) -> list[AuditEvent]:
    return [record.entry.event for record in await store.audit(limit=100_000)]


# ── acceptance ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_accepted_submission_is_there_with_all_its_transfers(store: Store, values: StoreValues) -> None:
    change = values.submission(PARTNER, OTHER, references=[reference("L1")])
    await accept(store, change)
    submission = await store.submission(change.submission_id)
    assert submission is not None
    assert [(row.recipient, row.state, row.version) for row in submission.transfers] == [
        (PARTNER, TransferState.QUEUED, 1),
        (OTHER, TransferState.QUEUED, 1),
    ]
    assert await store.original(change.submission_id) == b"sealed document"
    prepared = change.prepared.transfers[0]
    detail = await store.transfer(prepared.slot.transfer_id)
    assert detail is not None
    assert detail.references == change.prepared.references
    row = detail.row
    assert (row.digest, row.deadline, row.expires) == (prepared.digest, prepared.deadline, prepared.header.expires)
    assert (row.retry, row.agreement, row.kept, row.withheld) == (prepared.retry, prepared.header.agreement, 61, 32)
    assert await store.transfer_by_message(prepared.slot.message_id) == row


async def test_the_same_key_and_request_gives_the_first_submission_and_writes_nothing(
    store: Store, values: StoreValues
) -> None:
    first = values.submission(key="k")
    await accept(store, first)
    before = await store.audit()
    again = values.submission(key="k")
    replayed = Replayed(submission_id=first.submission_id)
    assert await store.find_submission(again.scope) == replayed
    assert await store.accept(again, accepted_evidence(again)) == replayed
    assert await store.submission(again.submission_id) is None
    assert await store.audit() == before


async def test_the_same_key_for_another_request_is_refused(store: Store, values: StoreValues) -> None:
    await accept(store, values.submission(key="k"))
    other = values.submission(key="k", fingerprint="0" * 64)
    assert await store.find_submission(other.scope) == KeyReused()
    assert await store.accept(other, accepted_evidence(other)) == KeyReused()
    assert await store.find_submission(values.submission(key="new").scope) is None


async def test_equal_requests_at_once_give_one_submission(store: Store, values: StoreValues) -> None:
    changes = [values.submission(key="k") for _ in range(20)]
    outcomes = await asyncio.gather(*(store.accept(change, accepted_evidence(change)) for change in changes))
    (winner,) = [outcome.submission_id for outcome in outcomes if isinstance(outcome, Accepted)]
    assert [outcome for outcome in outcomes if not isinstance(outcome, Accepted)] == [
        Replayed(submission_id=winner)
    ] * 19
    assert await store.counts() == {"transfer.QUEUED": 1}


async def test_submissions_and_transfers_are_listed_newest_first_and_page_by_page(
    store: Store, values: StoreValues
) -> None:
    changes = [values.submission(PARTNER if number % 2 else OTHER) for number in range(6)]
    for change in changes:
        await accept(store, change)
    newest = [change.submission_id for change in reversed(changes)]
    page = await store.submissions(client=CLIENT, limit=4, before=None)
    rest = await store.submissions(client=CLIENT, limit=4, before=page[-1].id)
    assert [row.id for row in page + rest] == newest
    transfers = await store.transfers(limit=2)
    assert [row.submission_id for row in transfers] == newest[:2]
    transfers = await store.transfers(limit=10, before=transfers[-1].id, recipient=PARTNER, state=TransferState.QUEUED)
    assert [row.submission_id for row in transfers] == [newest[2], newest[4]]


async def test_transfers_are_found_by_the_index_of_a_reference(store: Store, values: StoreValues) -> None:
    mrn = reference("M1", ReferenceKind.MRN)
    wanted = await accept(store, values.submission(references=[reference("L1"), mrn]))
    await accept(store, values.submission(references=[reference("L2")]))
    assert [row.id for row in await store.transfers(limit=10, reference_index=mrn.index)] == [wanted]
    assert await store.transfers(limit=10, reference_index="0" * 64) == []


async def test_what_does_not_exist_is_none(store: Store) -> None:
    assert await store.submission(SubmissionId("none")) is None
    assert await store.original(SubmissionId("none")) is None
    assert await store.transfer(TransferId("none")) is None
    assert await store.transfer_by_message(MessageId("none")) is None
    assert await store.receipt(MessageId("none")) is None
    assert await store.inbox_message(MessageId("none")) is None
    assert await store.given_receipt(PARTNER, MessageId("none")) is None
    assert await store.due_at(PARTNER) is None


# ── conversations ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_known_reference_leads_to_the_same_conversation_at_the_next_sequence(
    store: Store, values: StoreValues
) -> None:
    first = values.submission(PARTNER, OTHER, references=[reference("L1")])
    await accept(store, first)
    places = {each.recipient: (each.slot.conversation, 2) for each in first.prepared.transfers}
    again = values.submission(PARTNER, OTHER, references=[reference("L1")])
    assert await store.accept(again, accepted_evidence(again)) == ConversationKnown(places=places)
    assert await store.submission(again.submission_id) is None
    for recipient in (PARTNER, OTHER):
        conversation, sequence = places[recipient]
        await accept(
            store,
            values.submission(recipient, references=[reference("L1")], conversation=conversation, sequence=sequence),
        )


async def test_only_the_recipients_that_must_move_are_named_and_nothing_is_written_for_any(
    store: Store, values: StoreValues
) -> None:
    first = values.submission(PARTNER, references=[reference("L1")])
    await accept(store, first)
    both = values.submission(PARTNER, OTHER, references=[reference("L1")])
    outcome = await store.accept(both, accepted_evidence(both))
    assert outcome == ConversationKnown(places={PARTNER: (first.prepared.transfers[0].slot.conversation, 2)})
    assert await store.claim(OTHER, limit=10, now=NOW, lease=LEASE) == []


@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [
        (ReferenceKind.EXPLICIT, ReferenceKind.MRN),
        (ReferenceKind.MRN, ReferenceKind.LRN),
        (ReferenceKind.LRN, ReferenceKind.UCR),
    ],
)
async def test_of_two_references_the_stronger_decides(
    store: Store, values: StoreValues, stronger: ReferenceKind, weaker: ReferenceKind
) -> None:
    strong, weak = reference("A", stronger), reference("A", weaker)
    one, other = values.submission(references=[weak]), values.submission(references=[strong])
    await accept(store, one)
    await accept(store, other)
    both = values.submission(references=[weak, strong])
    outcome = await store.accept(both, accepted_evidence(both))
    assert outcome == ConversationKnown(places={PARTNER: (other.prepared.transfers[0].slot.conversation, 2)})


async def test_a_reference_goes_on_leading_to_its_first_conversation(store: Store, values: StoreValues) -> None:
    first = values.submission(references=[reference("L1")])
    await accept(store, first)
    stranger = values.admitted(references=[reference("L1"), reference("M1", ReferenceKind.MRN)])
    await store.admit(stranger, now=NOW, audit=message_evidence(stranger))
    again = values.submission(references=[reference("L1")])
    outcome = await store.accept(again, accepted_evidence(again))
    assert outcome == ConversationKnown(places={PARTNER: (first.prepared.transfers[0].slot.conversation, 2)})
    by_mrn = values.submission(references=[reference("M1", ReferenceKind.MRN)])
    outcome = await store.accept(by_mrn, accepted_evidence(by_mrn))
    assert outcome == ConversationKnown(places={PARTNER: (stranger.header.conversation, 1)})


async def test_an_answer_joins_the_conversation_of_what_it_answers(store: Store, values: StoreValues) -> None:
    received = values.admitted()
    await store.admit(received, now=NOW, audit=message_evidence(received))
    answer = values.submission(in_reply_to=received.header.message_id)
    outcome = await store.accept(answer, accepted_evidence(answer))
    assert outcome == ConversationKnown(places={PARTNER: (received.header.conversation, 1)})
    placed = values.submission(in_reply_to=received.header.message_id, conversation=received.header.conversation)
    await accept(store, placed)
    more = values.submission(in_reply_to=placed.prepared.transfers[0].slot.message_id)
    outcome = await store.accept(more, accepted_evidence(more))
    assert outcome == ConversationKnown(places={PARTNER: (received.header.conversation, 2)})


async def test_references_of_one_partner_say_nothing_about_another(store: Store, values: StoreValues) -> None:
    await accept(store, values.submission(PARTNER, references=[reference("L1")]))
    await accept(store, values.submission(OTHER, references=[reference("L1")]))
    await accept(store, values.submission(PARTNER, references=[reference("L1")], sender=PartyId("GB-BF")))


async def test_a_wrong_sequence_is_set_right(store: Store, values: StoreValues) -> None:
    gap = values.submission(conversation="c", sequence=3)
    outcome = await store.accept(gap, accepted_evidence(gap))
    assert outcome == ConversationKnown(places={PARTNER: (ConversationId("c"), 1)})


# ── claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_claim_leases_what_is_due_and_leaves_evidence(store: Store, values: StoreValues) -> None:
    transfer_id = await accept(store, values.submission(sealed=b"jws"))
    claimed = await claim_one(store)
    assert claimed.row == await row_of(store, transfer_id)
    assert (claimed.row.state, claimed.row.version, claimed.row.attempts) == (TransferState.IN_FLIGHT, 2, 1)
    assert claimed.sealed_jws == b"jws of " + claimed.row.message_id.encode()
    (record,) = [
        one for one in await store.audit(transfer_id=transfer_id) if one.entry.event is AuditEvent.TRANSFER_CLAIMED
    ]
    assert record.entry.facts["fence"] == claimed.fence
    assert await store.claim(PARTNER, limit=10, now=NOW, lease=LEASE) == []


async def test_two_claims_at_once_never_share_a_transfer(store: Store, values: StoreValues) -> None:
    for _ in range(30):
        await accept(store, values.submission())
    taken = await asyncio.gather(*(store.claim(PARTNER, limit=7, now=NOW, lease=LEASE) for _ in range(6)))
    ids = [claimed.row.id for claims in taken for claimed in claims]
    assert len(ids) == len(set(ids)) == 30
    assert max(len(claims) for claims in taken) == 7


async def test_a_claim_takes_the_earliest_due_and_only_for_its_recipient(store: Store, values: StoreValues) -> None:
    late = await accept(store, values.submission(now=NOW + timedelta(seconds=1)))
    early = await accept(store, values.submission())
    await accept(store, values.submission(OTHER))
    assert [one.row.id for one in await store.claim(PARTNER, limit=9, now=NOW, lease=LEASE)] == [early]
    assert await store.due_at(PARTNER) == NOW + timedelta(seconds=1)
    assert [one.row.id for one in await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE)] == [late]


async def test_a_claim_holds_no_more_than_a_batch_of_bytes(store: Store, values: StoreValues) -> None:
    for _ in range(3):
        await accept(store, values.submission(sealed=b"x" * 20 * 1024 * 1024))
    assert [len(await store.claim(PARTNER, limit=9, now=NOW, lease=LEASE)) for _ in range(4)] == [1, 1, 1, 0]


async def conversation_of(store: Store, values: StoreValues, length: int) -> list[TransferId]:
    name = values.uuid4()
    return [
        await accept(store, values.submission(conversation=name, sequence=number)) for number in range(1, length + 1)
    ]


async def test_within_a_conversation_only_the_lowest_unfinished_goes(store: Store, values: StoreValues) -> None:
    ids = await conversation_of(store, values, 4)
    for expected in ids:
        (claimed,) = await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE)
        assert claimed.row.id == expected
        await settle(store, claimed.row, TransferEvent.ACCEPTED, fence=claimed.fence)
    assert await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE) == []


@pytest.mark.parametrize(
    "blocking", [TransferEvent.FAILED, TransferEvent.TAKEN, TransferEvent.REFUSED, TransferEvent.EXHAUSTED]
)
async def test_whatever_is_not_finished_blocks_those_behind(
    store: Store, values: StoreValues, blocking: TransferEvent
) -> None:
    await conversation_of(store, values, 3)
    claimed = await claim_one(store)
    await store.settle(
        claimed.row, blocking, audit=evidence(claimed.row, blocking), now=NOW, next_attempt_at=LATER + LEASE
    )
    assert await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE) == []


async def test_a_cancelled_or_late_delivered_head_lets_the_next_go(store: Store, values: StoreValues) -> None:
    ids = await conversation_of(store, values, 3)
    await settle(store, await row_of(store, ids[0]), TransferEvent.CANCELLED)
    second = await claim_one(store)
    assert second.row.id == ids[1]
    dead = await settle(store, second.row, TransferEvent.EXHAUSTED, fence=second.fence)
    assert await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE) == []
    await settle(store, dead, TransferEvent.ACCEPTED)
    assert (await claim_one(store)).row.id == ids[2]


async def test_one_that_finishes_behind_a_blocked_head_does_not_open_the_way(store: Store, values: StoreValues) -> None:
    ids = await conversation_of(store, values, 3)
    head = await claim_one(store)
    await settle(store, head.row, TransferEvent.EXHAUSTED, fence=head.fence)
    await settle(store, await row_of(store, ids[1]), TransferEvent.CANCELLED)
    assert await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE) == []
    assert await store.due_at(PARTNER) is None


async def test_a_partner_in_back_off_gets_none_until_it_is_over_or_heard_from(
    store: Store, values: StoreValues
) -> None:
    await accept(store, values.submission())
    await accept(store, values.submission())
    await store.partner_failed(PARTNER, now=NOW, not_before=LATER, code="channel.unreachable")
    await store.partner_failed(PARTNER, now=NOW, not_before=LATER, code="channel.timeout")
    assert await store.claim(PARTNER, limit=1, now=NOW, lease=LEASE) == []
    assert await store.due_at(PARTNER) == LATER
    assert len(await store.claim(PARTNER, limit=1, now=LATER, lease=LEASE)) == 1
    await store.partner_heard(PARTNER, now=NOW)
    (health,) = await store.partners()
    assert (health.failures, health.not_before, health.last_code) == (2, None, "channel.timeout")
    assert len(await store.claim(PARTNER, limit=1, now=NOW, lease=LEASE)) == 1


# ── settle ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_receipt_ends_the_transfer_with_all_that_belongs_to_it(store: Store, values: StoreValues) -> None:
    transfer_id = await accept(store, values.submission())
    await store.partner_failed(PARTNER, now=NOW, not_before=NOW, code="channel.timeout")
    claimed = await claim_one(store)
    receipt = values.receipt_for(claimed.row)
    row = await store.settle(
        claimed.row,
        TransferEvent.ACCEPTED,
        audit=evidence(claimed.row, TransferEvent.ACCEPTED),
        now=LATER,
        fence=claimed.fence,
        attempt=attempt_of(claimed.row),
        sent=True,
        receipt=receipt,
    )
    detail = await store.transfer(transfer_id)
    assert detail is not None
    assert detail.row == row
    assert (row.state, row.ever_sent, row.updated, row.next_attempt_at) == (TransferState.DELIVERED, True, LATER, None)
    assert detail.attempts == (attempt_of(claimed.row),)
    assert detail.receipt == await store.receipt(row.message_id)
    assert detail.receipt is not None
    assert (detail.receipt.token, detail.receipt.verdict) == (receipt[1], Verdict.ACCEPTED)
    (health,) = await store.partners()
    assert (health.failures, health.last_success, health.not_before) == (0, LATER, None)


@pytest.mark.parametrize(("state", "event"), [pair for pair in TRANSITIONS if pair[1] is not TransferEvent.CLAIMED])
async def test_every_pair_of_the_table_can_be_settled_once(
    store: Store, values: StoreValues, state: TransferState, event: TransferEvent
) -> None:
    await accept(store, values.submission())
    row = await bring_to(store, state)
    settled = await settle(store, row, event)
    assert settled.state is TRANSITIONS[state, event]
    assert settled == await row_of(store, row.id)
    with pytest.raises(TransferError) as caught:
        await settle(store, row, event)
    assert caught.value.code == "transfer.stale"


async def bring_to(store: Store, state: TransferState) -> TransferRow:
    (queued,) = await store.transfers(limit=1)
    if state is TransferState.QUEUED:
        return queued
    if state is TransferState.HELD:
        return await settle(store, queued, TransferEvent.HELD)
    claimed = await claim_one(store)
    ways = {TransferState.AWAITING_RECEIPT: TransferEvent.TAKEN, TransferState.DEAD_LETTERED: TransferEvent.EXHAUSTED}
    return await settle(store, claimed.row, ways[state]) if state in ways else claimed.row


async def test_a_pair_outside_the_table_changes_nothing(store: Store, values: StoreValues) -> None:
    transfer_id = await accept(store, values.submission())
    row = await row_of(store, transfer_id)
    before = await events(store)
    for event in (TransferEvent.RELEASED, TransferEvent.REFUSED, TransferEvent.CLAIMED):
        with pytest.raises(TransferError) as caught:
            await settle(store, row, event)
        assert caught.value.code == "transfer.illegal_transition"
    assert await row_of(store, transfer_id) == row
    assert await events(store) == before


async def test_a_final_transfer_stays_as_it_is(store: Store, values: StoreValues) -> None:
    await accept(store, values.submission())
    done = await settle(store, (await claim_one(store)).row, TransferEvent.ACCEPTED)
    assert done.state in FINAL
    for event in TransferEvent:
        with pytest.raises(TransferError):
            await settle(store, done, event)
    assert await row_of(store, done.id) == done


async def test_a_lost_lease_is_refused_to_whoever_held_it(store: Store, values: StoreValues) -> None:
    transfer_id = await accept(store, values.submission())
    held = await claim_one(store)
    lost = await settle(store, held.row, TransferEvent.LEASE_LOST)
    assert (lost.state, lost.ever_sent) == (TransferState.QUEUED, True)
    for row in (held.row, lost):
        with pytest.raises(TransferError) as caught:
            await settle(store, replace(row, state=TransferState.IN_FLIGHT), TransferEvent.FAILED, fence=held.fence)
        assert caught.value.code == "transfer.lease_lost"
    next_held = await claim_one(store)
    assert next_held.fence > held.fence
    with pytest.raises(TransferError) as caught:
        await settle(store, next_held.row, TransferEvent.FAILED, fence=held.fence)
    assert caught.value.code == "transfer.lease_lost"
    assert (await row_of(store, transfer_id)).state is TransferState.IN_FLIGHT


async def test_a_transfer_that_does_not_exist_is_not_found(store: Store, values: StoreValues) -> None:
    row = await row_of(store, await accept(store, values.submission()))
    with pytest.raises(TransferError) as caught:
        await settle(store, replace(row, id=TransferId("none")), TransferEvent.CANCELLED)
    assert caught.value.code == "transfer.not_found"


async def test_sent_is_remembered_for_ever(store: Store, values: StoreValues) -> None:
    await accept(store, values.submission())
    row = (await claim_one(store)).row
    failed = TransferEvent.FAILED
    row = await store.settle(row, failed, audit=evidence(row, failed), now=NOW, sent=False, code="channel.timeout")
    assert (row.ever_sent, row.last_code, row.next_attempt_at) == (False, "channel.timeout", NOW)
    row = (await claim_one(store)).row
    row = await store.settle(row, failed, audit=evidence(row, failed), now=NOW, sent=True, next_attempt_at=LATER)
    assert (row.ever_sent, row.attempts, row.next_attempt_at) == (True, 2, LATER)
    (claimed,) = await store.claim(PARTNER, limit=1, now=LATER, lease=LEASE)
    assert (await settle(store, claimed.row, failed)).ever_sent


async def test_a_requeue_begins_the_attempts_anew_and_keeps_those_made(store: Store, values: StoreValues) -> None:
    transfer_id = await accept(store, values.submission())
    for _ in range(2):
        claimed = await claim_one(store)
        event = TransferEvent.EXHAUSTED
        made = attempt_of(claimed.row, "failed", "channel.timeout")
        dead = await store.settle(claimed.row, event, audit=evidence(claimed.row, event), now=NOW, attempt=made)
        again = TransferEvent.REQUEUED
        queued = await store.settle(dead, again, audit=evidence(dead, again), now=NOW, deadline=LATER)
        assert (queued.attempts, queued.deadline, queued.state) == (0, LATER, TransferState.QUEUED)
    detail = await store.transfer(transfer_id)
    assert detail is not None
    assert [attempt.number for attempt in detail.attempts] == [1, 1]


async def test_an_accepted_receipt_is_the_last_word_after_a_refusal(store: Store, values: StoreValues) -> None:
    await accept(store, values.submission())
    row = (await claim_one(store)).row
    for event, verdict in ((TransferEvent.REFUSED, Verdict.REFUSED), (TransferEvent.ACCEPTED, Verdict.ACCEPTED)):
        given = values.receipt_for(row, verdict)
        row = await store.settle(row, event, audit=evidence(row, event), now=NOW, receipt=given)
        stored = await store.receipt(row.message_id)
        assert stored is not None
        assert (stored.verdict, stored.token) == (verdict, given[1])


# ── what time brings ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_overdue_is_found_once_and_nothing_else(store: Store, values: StoreValues) -> None:
    soon, long = timedelta(minutes=1), timedelta(days=2)
    waiting = await accept(store, values.submission(deadline=soon))
    taken = await accept(store, values.submission(deadline=long))
    leased = await accept(store, values.submission(deadline=soon))
    await accept(store, values.submission(OTHER, deadline=long))
    claims = {one.row.id: one for one in await store.claim(PARTNER, limit=9, now=NOW, lease=LEASE)}
    row = claims[waiting].row
    failed = TransferEvent.FAILED
    await store.settle(row, failed, audit=evidence(row, failed), now=NOW, next_attempt_at=LATER)
    row = claims[taken].row
    await store.settle(
        row, TransferEvent.TAKEN, audit=evidence(row, TransferEvent.TAKEN), now=NOW, next_attempt_at=LATER
    )
    assert await store.overdue(now=NOW, limit=9) == []
    assert {one.id for one in await store.overdue(now=NOW + soon, limit=9)} == {waiting, leased}
    assert {one.id for one in await store.overdue(now=LATER, limit=9)} == {waiting, leased, taken}
    assert len(await store.overdue(now=LATER, limit=2)) == 2


async def test_recovery_gives_back_every_lease_of_the_process_before(case: StoreCase, values: StoreValues) -> None:
    async with case.opened() as store:
        for _ in range(3):
            await accept(store, values.submission())
        claimed = await store.claim(PARTNER, limit=2, now=NOW, lease=timedelta(days=1))
    async with case.opened() as store:
        assert await store.recover(now=LATER) == 2
        assert await store.recover(now=LATER) == 0
        for one in claimed:
            row = await row_of(store, one.row.id)
            assert (row.state, row.ever_sent, row.next_attempt_at) == (TransferState.QUEUED, True, LATER)
            with pytest.raises(TransferError, match="lease_lost"):
                await settle(store, one.row, TransferEvent.ACCEPTED, fence=one.fence)
        assert (await events(store)).count(AuditEvent.TRANSFER_LEASE_LOST) == 2
        assert len(await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE)) == 3


async def test_idempotency_is_forgotten_after_its_keeping_and_not_before(store: Store, values: StoreValues) -> None:
    change = values.submission(key="k")
    await accept(store, change)
    assert await store.purge(now=NOW + timedelta(days=30)) == 0
    assert await store.find_submission(change.scope) == Replayed(submission_id=change.submission_id)
    assert await store.purge(now=NOW + timedelta(days=30, microseconds=1)) == 1
    assert await store.find_submission(change.scope) is None
    assert await store.submission(change.submission_id) is not None


async def test_a_closed_store_answers_unavailable(case: StoreCase, values: StoreValues) -> None:
    async with case.opened() as store:
        await store.ready()
    change = values.submission()
    for asked in (store.ready(), store.accept(change, []), store.counts()):
        with pytest.raises(StorageError) as caught:
            await asked
        assert caught.value.code == "storage.unavailable"
