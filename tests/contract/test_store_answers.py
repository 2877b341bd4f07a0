"""What every store promises about answers: to what they may be given, and where they show."""

from datetime import timedelta

import pytest

from gateway.audit import AuditEvent
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.jobs import Admitted, ReferenceKind, Refused
from gateway.domain.lifecycle import HandOverEvent, HandOverState, TransferEvent
from gateway.domain.message import MessageKind
from gateway.domain.records import AdmitStored, Answer, AnswersUnknown, ConversationKnown
from gateway.domain.statement import Verdict
from gateway.ports import Store
from tests.contract.store_steps import LATER, accept, claim_one, events, row_of, settle
from tests.store_values import (
    HOME,
    LEASE,
    NOW,
    OTHER,
    PARTNER,
    StoreValues,
    accepted_evidence,
    evidence,
    hand_over_evidence,
    message_evidence,
    reference,
)

UNKNOWN = AdmitStored(token="", verdict=Verdict.REFUSED, code="message.answers_unknown", answers_unknown=True)


async def admit(store: Store, result: Admitted | Refused) -> AdmitStored:
    return await store.admit(result, now=NOW, audit=message_evidence(result))


# ── ours to a partner's message ──────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_answered_decides_before_any_reference(store: Store, values: StoreValues) -> None:
    await accept(store, values.submission(references=[reference("L1", ReferenceKind.EXPLICIT)]))
    received = values.admitted()
    await store.admit(received, now=NOW, audit=message_evidence(received))
    answer = values.submission(
        in_reply_to=received.header.message_id, references=[reference("L1", ReferenceKind.EXPLICIT)]
    )
    outcome = await store.accept(answer, accepted_evidence(answer))
    assert outcome == ConversationKnown(places={PARTNER: (received.header.conversation, 1)})


async def test_only_what_a_recipient_sent_to_the_sender_can_be_answered(store: Store, values: StoreValues) -> None:
    received = values.admitted()
    await store.admit(received, now=NOW, audit=message_evidence(received))
    sent = values.submission()
    await accept(store, sent)
    of_it = received.header.message_id
    before = [record.hash for record in await store.audit()]
    for answer, strangers in [
        (values.submission(in_reply_to=MessageId(values.uuid7())), {PARTNER}),  # nobody sent it
        (values.submission(in_reply_to=sent.prepared.transfers[0].slot.message_id), {PARTNER}),  # we did
        (values.submission(OTHER, in_reply_to=of_it), {OTHER}),  # another did
        (values.submission(PARTNER, OTHER, in_reply_to=of_it), {OTHER}),
        (values.submission(in_reply_to=of_it, sender=PartyId("GB-BF")), {PARTNER}),  # to another
    ]:
        outcome = await store.accept(answer, accepted_evidence(answer))
        assert outcome == AnswersUnknown(recipients=frozenset(strangers))
        assert await store.submission(answer.submission_id) is None
    assert [record.hash for record in await store.audit()] == before


# ── a partner's to ours ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_answer_shows_with_what_it_answers_in_the_order_of_its_sequence(
    store: Store, values: StoreValues
) -> None:
    sent = values.submission(PARTNER, OTHER)
    transfer_id = await accept(store, sent)
    claimed = await claim_one(store)
    of_it, conversation = claimed.row.message_id, claimed.row.conversation
    await settle(store, claimed.row, TransferEvent.ACCEPTED, fence=claimed.fence)
    second, first = (
        values.admitted(in_reply_to=of_it, conversation=conversation, sequence=number) for number in (2, 1)
    )
    for answer in (second, first):
        assert (await admit(store, answer)).verdict is Verdict.ACCEPTED
    (handed,) = await store.claim_hand_overs([HOME], limit=9, now=LATER, lease=LEASE)
    acknowledged = HandOverEvent.ACKNOWLEDGED
    await store.settle_hand_over(
        handed.row, acknowledged, audit=hand_over_evidence(handed.row, acknowledged), now=LATER, fence=handed.fence
    )
    expected = (
        Answer(
            message_id=first.header.message_id,
            kind=MessageKind.DECLARATION,
            sequence=1,
            received=NOW,
            hand_over=HandOverState.HANDED_OVER,
            handed_over=LATER,
        ),
        Answer(
            message_id=second.header.message_id,
            kind=MessageKind.DECLARATION,
            sequence=2,
            received=NOW,
            hand_over=HandOverState.PENDING,
            handed_over=None,
        ),
    )
    detail, submission = await store.transfer(transfer_id), await store.submission(sent.submission_id)
    assert detail is not None
    assert submission is not None
    other = sent.prepared.transfers[1].slot.message_id
    assert (detail.answers, submission.answers) == (expected, {of_it: expected, other: ()})


async def test_an_answer_may_overtake_the_receipt_for_what_it_answers(store: Store, values: StoreValues) -> None:
    await accept(store, values.submission())
    row = (await claim_one(store)).row
    answer = values.admitted(in_reply_to=row.message_id, conversation=row.conversation)
    assert (await admit(store, answer)).verdict is Verdict.ACCEPTED
    # So it may after a lost lease, when nobody knows what became of the attempt.
    await settle(store, row, TransferEvent.LEASE_LOST)
    late = values.admitted(in_reply_to=row.message_id, conversation=row.conversation, sequence=2)
    assert (await admit(store, late)).verdict is Verdict.ACCEPTED


async def test_an_answer_to_what_its_sender_can_not_have_writes_nothing(store: Store, values: StoreValues) -> None:
    unsent = await row_of(store, await accept(store, values.submission(now=NOW + timedelta(days=1))))
    await accept(store, values.submission())
    sent = (await claim_one(store)).row
    received = values.admitted()
    await admit(store, received)
    before = [record.hash for record in await store.audit()]
    for to, conversation, sender, recipient in [
        (MessageId(values.uuid7()), sent.conversation, PARTNER, HOME),  # nobody's
        (unsent.message_id, unsent.conversation, PARTNER, HOME),  # never sent
        (sent.message_id, sent.conversation, OTHER, HOME),  # sent to another
        (sent.message_id, sent.conversation, PARTNER, PartyId("GB-BF")),  # sent by another
        (sent.message_id, values.uuid4(), PARTNER, HOME),  # of another conversation
        (received.header.message_id, received.header.conversation, PARTNER, HOME),  # its own
    ]:
        answer = values.admitted(in_reply_to=to, conversation=conversation, sender=sender, recipient=recipient)
        assert await admit(store, answer) == UNKNOWN
    assert [record.hash for record in await store.audit()] == before
    assert [row.message_id for row in await store.inbox(limit=9)] == [received.header.message_id]


@pytest.mark.parametrize("sent", [True, False])
async def test_a_failed_attempt_counts_only_if_a_byte_left(store: Store, values: StoreValues, sent: bool) -> None:
    await accept(store, values.submission())
    claimed = await claim_one(store)
    failed = TransferEvent.FAILED
    await store.settle(claimed.row, failed, audit=evidence(claimed.row, failed), now=NOW, sent=sent)
    answer = values.admitted(in_reply_to=claimed.row.message_id, conversation=claimed.row.conversation)
    assert (await admit(store, answer)).answers_unknown is not sent


async def test_a_refused_answer_is_recorded_and_judged_anew(store: Store, values: StoreValues) -> None:
    await accept(store, values.submission())
    row = await row_of(store, (await store.transfers(limit=1))[0].id)
    answer = values.admitted(in_reply_to=row.message_id, conversation=row.conversation)
    assert await admit(store, answer) == UNKNOWN
    refused = values.refused(answer, "message.answers_unknown")
    assert (await admit(store, refused)).token == refused.receipt_token
    await claim_one(store)
    assert (await admit(store, answer)).verdict is Verdict.ACCEPTED
    assert (await events(store))[-3:] == [
        AuditEvent.MESSAGE_REFUSED,
        AuditEvent.TRANSFER_CLAIMED,
        AuditEvent.MESSAGE_ACCEPTED,
    ]


async def test_what_was_accepted_once_stays_so_whatever_it_answers(store: Store, values: StoreValues) -> None:
    first = values.admitted()
    await admit(store, first)
    again = values.admitted(
        message_id=first.header.message_id,
        conversation=first.header.conversation,
        in_reply_to=MessageId(values.uuid7()),
    )
    assert (await admit(store, again)).duplicate
