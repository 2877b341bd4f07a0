"""What every store promises about acceptance, conversations and claims. One suite, run over every implementation."""

import asyncio
from datetime import datetime, timedelta

import pytest

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import ConversationId, MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.jobs import ReferenceKind
from gateway.domain.lifecycle import TransferEvent, TransferState
from gateway.domain.records import Accepted, ConversationKnown, KeyReused, PartnerHealth, Replayed
from gateway.ports import Store
from tests.contract.store_steps import LATER, accept, claim_one, row_of, settle
from tests.store_values import (
    CLIENT,
    HOME,
    LEASE,
    NOW,
    OTHER,
    PARTNER,
    StoreValues,
    accepted_evidence,
    evidence,
    message_evidence,
    reference,
)

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
    both = [prepared.slot.message_id, MessageId("none")]
    assert await store.transfers_by_message(both) == {prepared.slot.message_id: row}


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
    assert await store.transfers_by_message([MessageId("none")]) == {}
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
    more = values.submission(in_reply_to=received.header.message_id, references=[reference("L1")])
    outcome = await store.accept(more, accepted_evidence(more))
    assert outcome == ConversationKnown(places={PARTNER: (received.header.conversation, 2)})
    assert [row.id for row in await store.answers_given(PARTNER, received.header.message_id)] == [
        placed.prepared.transfers[0].slot.transfer_id
    ]
    assert await store.answers_given(OTHER, received.header.message_id) == []


async def test_references_of_one_partner_say_nothing_about_another(store: Store, values: StoreValues) -> None:
    others = ((PARTNER, HOME), (OTHER, HOME), (PARTNER, PartyId("GB-BF")))
    made = [values.submission(to, references=[reference("L1")], sender=sender) for to, sender in others]
    found = [await store.transfer(await accept(store, one)) for one in made]
    places = [(one.row.conversation, one.row.sequence) for one in found if one is not None]
    assert places == [(one.prepared.transfers[0].slot.conversation, 1) for one in made]
    assert len({conversation for conversation, _ in places}) == 3


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
    entry = AuditEntry(event=AuditEvent.CHANNEL_REFUSED, at=NOW, actor="system", facts={"code": "channel.tls_refused"})
    await store.partner_failed(
        PARTNER, now=NOW, not_before=LATER, code="channel.tls_refused", detail="it has expired", audit=entry
    )
    assert [record.entry for record in await store.audit()][-1] == entry
    assert await store.claim(PARTNER, limit=1, now=NOW, lease=LEASE) == []
    assert await store.due_at(PARTNER) == LATER
    assert len(await store.claim(PARTNER, limit=1, now=LATER, lease=LEASE)) == 1
    await store.partner_heard(PARTNER, now=NOW)
    (health,) = await store.partners()
    assert (health.failures, health.not_before) == (2, None)
    assert (health.last_code, health.last_detail) == ("channel.tls_refused", "it has expired")
    assert len(await store.claim(PARTNER, limit=1, now=NOW, lease=LEASE)) == 1


async def test_what_fails_together_is_one_failure_of_the_partner(store: Store) -> None:
    async def failed(*, since: datetime, now: datetime, until: datetime) -> PartnerHealth:
        await store.partner_failed(PARTNER, now=now, not_before=until, code="channel.unreachable", since=since)
        (health,) = await store.partners()
        return health

    second, third = NOW + timedelta(seconds=1), NOW + timedelta(seconds=2)
    assert (await failed(since=NOW, now=second, until=LATER)).failures == 1
    together = await failed(since=NOW, now=third, until=LATER + timedelta(hours=1))
    assert (together.failures, together.not_before, together.last_failure) == (1, LATER, second)
    assert (await failed(since=third, now=third, until=LATER)).failures == 2


async def test_a_partner_that_was_reached_has_no_failures_in_a_row_and_no_success(store: Store) -> None:
    await store.partner_reached(PARTNER, now=NOW)
    assert await store.partners() == []
    await store.partner_failed(PARTNER, now=NOW, not_before=LATER, code="channel.unreachable", detail="nobody there")
    await store.partner_reached(PARTNER, now=LATER)
    (health,) = await store.partners()
    assert (health.failures, health.not_before, health.last_code, health.last_detail) == (0, None, "", "")
    assert (health.last_success, health.last_failure) == (None, NOW)


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_transfer_names_the_first_unfinished_one_that_it_waits_for(store: Store, values: StoreValues) -> None:
    conversation = values.uuid4()
    rows = []
    for sequence in (1, 2, 3):
        change = values.submission(conversation=conversation, sequence=sequence)
        rows.append(await row_of(store, await accept(store, change)))
    details = [await store.transfer(row.id) for row in rows]
    assert [detail and detail.ahead and detail.ahead.id for detail in details] == [None, rows[0].id, rows[0].id]
    await settle(store, rows[0], TransferEvent.CANCELLED)
    details = [await store.transfer(row.id) for row in rows]
    assert [detail and detail.ahead and detail.ahead.id for detail in details] == [None, None, rows[1].id]


async def test_transfers_can_be_listed_from_the_oldest(store: Store, values: StoreValues) -> None:
    changes = [values.submission() for _ in range(3)]
    for change in changes:
        await accept(store, change)
    ids = [change.prepared.transfers[0].slot.transfer_id for change in changes]
    newest = await store.transfers(limit=2, state=TransferState.QUEUED)
    oldest = await store.transfers(limit=2, state=TransferState.QUEUED, oldest_first=True)
    assert [row.id for row in newest] == [ids[2], ids[1]]
    assert [row.id for row in oldest] == [ids[0], ids[1]]


async def test_the_signed_view_is_there_as_it_was_sealed(store: Store, values: StoreValues) -> None:
    change = values.submission()
    await accept(store, change)
    prepared = change.prepared.transfers[0]
    assert await store.view(prepared.slot.transfer_id) == prepared.sealed
    assert await store.view(TransferId("01950000-0000-7000-8000-00000000ffff")) is None
