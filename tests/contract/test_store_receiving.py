"""What every store promises about receiving and handing over. One suite, run over every implementation."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.audit import AuditEvent
from gateway.domain.ids import MessageId
from gateway.domain.jobs import Admitted, Refused
from gateway.domain.lifecycle import HAND_OVER_TRANSITIONS, HandOverEvent, HandOverState
from gateway.domain.limits import DEDUPE_KEPT_AFTER_EXPIRY
from gateway.domain.records import AdmitStored, ClaimAtOnce, ClaimedHandOver, InboxRow
from gateway.domain.statement import Verdict
from gateway.errors import TransferError
from gateway.ports import Store
from tests.contract.store_cases import CommitFault, StoreCase
from tests.contract.store_steps import LATER
from tests.store_values import (
    HOME,
    LEASE,
    NOW,
    OTHER,
    PARTNER,
    TERMS,
    StoreValues,
    hand_over_evidence,
    message_evidence,
    reference,
)


async def admit(store: Store, result: Admitted | Refused) -> AdmitStored:
    return await store.admit(result, now=NOW, audit=message_evidence(result))


async def admit_and_claim(store: Store, *messages: Admitted) -> list[ClaimedHandOver | None]:
    """Admit messages, and lease with them what is for HOME."""
    at_once = ClaimAtOnce(recipients=frozenset({HOME}), lease=LEASE)
    stored = await store.admit_all([(one, message_evidence(one)) for one in messages], now=NOW, claim=at_once)
    return [one.claimed for one in stored if isinstance(one, AdmitStored)]


async def claim(store: Store, limit: int = 9) -> list[ClaimedHandOver]:
    return await store.claim_hand_overs([HOME], limit=limit, now=LATER, lease=LEASE)


async def settle(store: Store, row: InboxRow, event: HandOverEvent, *, fence: int | None = None) -> InboxRow:
    return await store.settle_hand_over(row, event, audit=hand_over_evidence(row, event), now=LATER, fence=fence)


async def events(store: Store) -> list[AuditEvent]:
    return [record.entry.event for record in await store.audit(limit=100_000)]


# ── the commit decides ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_admitted_message_is_stored_and_answered_with_its_receipt(store: Store, values: StoreValues) -> None:
    result = values.admitted()
    stored = await admit(store, result)
    assert stored == AdmitStored(token=result.receipt_token, verdict=Verdict.ACCEPTED, code="ok")
    found = await store.inbox_message(result.header.message_id)
    assert found is not None
    row, sealed = found
    assert sealed == result.sealed_message
    assert (row.sender, row.sequence, row.terms, row.digest) == (PARTNER, 1, TERMS, result.digest)
    assert (row.hand_over, row.received, row.agreement) == (HandOverState.PENDING, NOW, result.header.agreement)
    given = await store.given_receipt(PARTNER, result.header.message_id)
    assert given is not None
    assert (given.token, given.verdict) == (result.receipt_token, Verdict.ACCEPTED)
    assert await events(store) == [AuditEvent.MESSAGE_ACCEPTED]


async def test_a_message_that_holds_more_than_was_agreed_is_taken_with_an_alarm_beside(
    store: Store, values: StoreValues
) -> None:
    places = tuple(f"/MetaData/Declaration/GoodsShipment/Importer/Name[{number}]" for number in range(20))
    result = replace(values.admitted(), over_shared=places)
    await admit(store, result)
    await admit(store, result)  # the same again is a duplicate, and no second alarm
    kept = [AuditEvent.MESSAGE_ACCEPTED, AuditEvent.MESSAGE_OVER_SHARED, AuditEvent.MESSAGE_DUPLICATE]
    assert await events(store) == kept
    alarm = (await store.audit(message_id=result.header.message_id))[1].entry
    assert alarm.facts["code"] == "policy.over_shared"
    assert alarm.facts["count"] == 20
    detail = str(alarm.facts["detail"])
    assert detail.startswith(places[0])
    assert len(detail) == 500
    await admit(store, values.admitted())
    (found,) = await store.inbox(limit=9, over_shared=True)
    assert (found.message_id, found.over_shared) == (result.header.message_id, places)
    assert await store.inbox(limit=9, over_shared=True, before=found.message_id) == []
    assert await store.inbox(limit=9, over_shared=True, state=HandOverState.QUARANTINED) == []
    assert [one.over_shared for one in await store.inbox(limit=9)] == [(), places]


async def test_a_duplicate_gets_the_stored_receipt_whatever_is_said_of_it_now(
    store: Store, values: StoreValues
) -> None:
    first = values.admitted()
    await admit(store, first)
    again = values.admitted(message_id=first.header.message_id, conversation=first.header.conversation)
    assert again.receipt_token != first.receipt_token
    for judged in (again, values.refused(first, "agreement.mismatch")):
        stored = await admit(store, judged)
        assert stored == AdmitStored(token=first.receipt_token, verdict=Verdict.ACCEPTED, code="ok", duplicate=True)
    assert await store.counts() == {"hand_over.PENDING": 1}
    assert await events(store) == [AuditEvent.MESSAGE_ACCEPTED] + [AuditEvent.MESSAGE_DUPLICATE] * 2


async def test_another_message_under_a_known_id_changes_nothing_but_the_audit(
    store: Store, values: StoreValues
) -> None:
    first = values.admitted()
    await admit(store, first)
    before = await store.inbox(limit=9)
    other = values.admitted(message_id=first.header.message_id, content="other")
    for judged in (other, values.refused(other)):
        stored = await admit(store, judged)
        assert (stored.token, stored.verdict, stored.code, stored.conflict, stored.duplicate) == (
            "",
            Verdict.REFUSED,
            "message.id_reused",
            True,
            False,
        )
    assert await store.inbox(limit=9) == before
    (message,) = [await store.inbox_message(first.header.message_id)]
    assert message is not None
    assert message[1] == first.sealed_message
    assert await events(store) == [AuditEvent.MESSAGE_ACCEPTED] + [AuditEvent.MESSAGE_CONFLICT] * 2


async def test_a_refused_message_leaves_no_inbox_and_is_judged_anew(store: Store, values: StoreValues) -> None:
    result = values.admitted()
    for _ in range(3):
        refused = values.refused(result)
        stored = await admit(store, refused)
        assert stored == AdmitStored(token=refused.receipt_token, verdict=Verdict.REFUSED, code="schema.invalid")
    assert await store.given_receipt(PARTNER, result.header.message_id) is None
    assert (await store.inbox(limit=9), await claim(store)) == ([], [])
    assert (await admit(store, result)).verdict is Verdict.ACCEPTED
    assert await events(store) == [AuditEvent.MESSAGE_REFUSED] * 3 + [AuditEvent.MESSAGE_ACCEPTED]


async def test_the_same_message_many_times_at_once_is_accepted_once(store: Store, values: StoreValues) -> None:
    first = values.admitted()
    copies = [values.admitted(message_id=first.header.message_id, conversation="c") for _ in range(50)]
    answers = await asyncio.gather(*(admit(store, copy) for copy in copies))
    assert len({answer.token for answer in answers}) == 1
    assert [answer.duplicate for answer in answers].count(False) == 1
    assert await store.counts() == {"hand_over.PENDING": 1}


async def test_an_id_belongs_to_its_sender_alone(store: Store, values: StoreValues) -> None:
    first = values.admitted()
    other = values.admitted(sender=OTHER, message_id=first.header.message_id, content="other")
    assert (await admit(store, first)).verdict is (await admit(store, other)).verdict is Verdict.ACCEPTED
    for result in (first, other):
        found = await store.inbox_message(result.header.message_id, sender=result.header.sender)
        assert found is not None
        assert (found[0].sender, found[1]) == (result.header.sender, result.sealed_message)


async def test_the_receipt_outlives_the_message_by_ninety_days_and_no_longer(store: Store, values: StoreValues) -> None:
    result = values.admitted()
    await admit(store, result)
    await admit(store, values.refused(values.admitted()))
    kept = result.header.expires + DEDUPE_KEPT_AFTER_EXPIRY
    (claimed,) = await claim(store)
    await settle(store, claimed.row, HandOverEvent.ACKNOWLEDGED, fence=claimed.fence)  # its payload may go before
    assert await store.purge(now=kept) == 2  # the refusal, and the payload
    assert (await admit(store, result)).duplicate
    assert await store.purge(now=kept + timedelta(microseconds=1)) == 1
    assert await store.given_receipt(PARTNER, result.header.message_id) is None


async def test_the_inbox_is_listed_last_received_first_and_page_by_page(store: Store, values: StoreValues) -> None:
    results = [values.admitted() for _ in range(5)]
    # Ids are the partner's and say nothing about when a message came.
    for second, index in enumerate((3, 0, 4, 1, 2)):
        at = NOW + timedelta(seconds=second // 2)  # some in the same instant: then the ids decide
        await store.admit(results[index], now=at, audit=message_evidence(results[index]))
    listed = [row.message_id for row in await store.inbox(limit=9)]
    assert listed == [results[index].header.message_id for index in (2, 4, 1, 3, 0)]
    page = await store.inbox(limit=2)
    rest = await store.inbox(limit=9, before=page[-1].message_id)
    assert [row.message_id for row in page + rest] == listed
    (claimed,) = await claim(store, 1)
    in_flight = await store.inbox(limit=9, state=HandOverState.IN_FLIGHT)
    assert [row.message_id for row in in_flight] == [claimed.row.message_id] == [results[0].header.message_id]
    pending = await store.inbox(limit=9, before=page[0].message_id, state=HandOverState.PENDING)
    assert [row.message_id for row in pending] == listed[1:-1]


# ── hand-over ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_hand_over_is_claimed_under_a_lease_and_ends_when_acknowledged(
    store: Store, values: StoreValues
) -> None:
    result = values.admitted()
    await admit(store, result)
    (claimed,) = await claim(store)
    assert claimed.sealed_message == result.sealed_message
    assert (claimed.row.hand_over, claimed.row.attempts) == (HandOverState.IN_FLIGHT, 1)
    assert await claim(store) == []
    done = await settle(store, claimed.row, HandOverEvent.ACKNOWLEDGED, fence=claimed.fence)
    assert (done.hand_over, done.handed_over) == (HandOverState.HANDED_OVER, LATER)
    found = await store.inbox_message(done.message_id)
    assert found is not None
    assert found[0] == done
    assert await events(store) == [
        AuditEvent.MESSAGE_ACCEPTED,
        AuditEvent.HAND_OVER_CLAIMED,
        AuditEvent.HAND_OVER_ACKNOWLEDGED,
    ]


async def test_a_conversation_is_handed_over_in_order_of_sequence(store: Store, values: StoreValues) -> None:
    for sequence in (2, 3, 1):
        await admit(store, values.admitted(conversation="c", sequence=sequence))
    await admit(store, values.admitted(conversation="d", sequence=7))
    order = []
    while claimed := await claim(store):
        order.append(sorted((one.row.conversation, one.row.sequence) for one in claimed))
        for one in claimed:
            await settle(store, one.row, HandOverEvent.ACKNOWLEDGED, fence=one.fence)
    assert order == [[("c", 1), ("d", 7)], [("c", 2)], [("c", 3)]]


async def test_a_hand_over_is_leased_in_the_commit_of_its_message_as_by_a_claim_after_it(
    store: Store, values: StoreValues
) -> None:
    at_once, after = values.admitted(references=[reference("x")]), values.admitted()
    (stored,) = await admit_and_claim(store, at_once)
    assert stored is not None
    assert await store.hand_over(at_once.header.message_id, sender=PARTNER) == (stored.row, stored.fence)
    assert stored.sealed_message == at_once.sealed_message
    assert await events(store) == [AuditEvent.MESSAGE_ACCEPTED, AuditEvent.HAND_OVER_CLAIMED]
    assert await store.claim_hand_overs([HOME], limit=9, now=NOW, lease=LEASE) == []
    assert await store.overdue_hand_overs(now=NOW + LEASE, limit=9) == [stored.row]
    await admit(store, after)
    (claimed,) = await store.claim_hand_overs([HOME], limit=9, now=NOW, lease=LEASE)
    row = replace(stored.row, message_id=after.header.message_id, conversation=after.header.conversation)
    assert replace(row, sequence=after.header.sequence, digest=after.digest) == claimed.row
    done = await settle(store, stored.row, HandOverEvent.ACKNOWLEDGED, fence=stored.fence)
    assert done.hand_over is HandOverState.HANDED_OVER


@pytest.mark.parametrize("begun", [False, True])
async def test_a_lease_that_was_lost_counts_as_an_attempt_only_if_one_was_begun(
    store: Store, values: StoreValues, begun: bool
) -> None:
    (stored,) = await admit_and_claim(store, values.admitted())
    assert stored is not None
    row, lost = stored.row, HandOverEvent.LEASE_LOST
    evidence = hand_over_evidence(row, lost)
    await store.settle_hand_over(row, lost, audit=evidence, now=NOW, fence=stored.fence, begun=begun)
    (again,) = await claim(store)
    assert again.row.attempts == 1 + int(begun)


async def test_only_what_is_named_and_nothing_waits_beside_is_leased_with_its_message(
    store: Store, values: StoreValues
) -> None:
    waits = values.admitted(conversation="c", sequence=1)
    await admit(store, waits)
    behind, other = values.admitted(conversation="c", sequence=2), values.admitted(recipient=OTHER)
    first, second = values.admitted(conversation="d", sequence=1), values.admitted(conversation="d", sequence=2)
    leased = await admit_and_claim(store, behind, other, first, waits, second)
    assert [one and one.row.sequence for one in leased] == [None, None, 1, None, None]
    assert [(one.row.conversation, one.row.sequence) for one in await claim(store)] == [("c", 1)]


async def test_a_claim_takes_only_what_is_for_those_it_names(store: Store, values: StoreValues) -> None:
    for recipient in (HOME, OTHER, HOME):
        await admit(store, values.admitted(recipient=recipient))
    taken = await store.claim_hand_overs([OTHER], limit=9, now=LATER, lease=LEASE, actor="client:nl")
    assert [one.row.recipient for one in taken] == [OTHER]
    claims = [one.entry for one in await store.audit() if one.entry.event is AuditEvent.HAND_OVER_CLAIMED]
    assert [(one.actor, one.facts["recipient"]) for one in claims] == [("client:nl", OTHER)]
    assert await store.claim_hand_overs([], limit=9, now=LATER, lease=LEASE) == []
    assert len(await store.claim_hand_overs([HOME, OTHER], limit=9, now=LATER, lease=LEASE)) == 2


async def test_of_several_recipients_the_longest_waiting_goes_first(store: Store, values: StoreValues) -> None:
    for step, recipient in enumerate((OTHER, HOME, OTHER, HOME)):
        result = values.admitted(recipient=recipient, now=NOW + timedelta(seconds=step))
        await store.admit(result, now=NOW + timedelta(seconds=step), audit=message_evidence(result))
    taken = await store.claim_hand_overs([HOME, OTHER], limit=3, now=LATER, lease=LEASE)
    assert [one.row.recipient for one in taken] == [OTHER, HOME, OTHER]


@pytest.mark.parametrize("fault", [CommitFault.NOT_DONE, CommitFault.DONE])
async def test_a_message_whose_admission_leased_it_and_failed_waits_for_no_lease(
    case: StoreCase, store: Store, values: StoreValues, fault: CommitFault
) -> None:
    held, message = values.admitted(), values.admitted()
    (kept,) = await admit_and_claim(store, held)
    assert kept is not None
    case.fault = fault
    # Of two that came together one was known, and somebody holds its lease.
    assert await admit_and_claim(store, held, message) == []
    expected = [] if fault is CommitFault.NOT_DONE else [message.header.message_id]
    assert [(one.row.message_id, one.row.attempts) for one in await claim(store)] == [(one, 1) for one in expected]
    assert (await events(store)).count(AuditEvent.HAND_OVER_LEASE_LOST) == len(expected)
    assert await store.hand_over(held.header.message_id, sender=PARTNER) == (kept.row, kept.fence)


async def test_the_fence_of_a_message_is_that_of_its_latest_lease(store: Store, values: StoreValues) -> None:
    result = values.admitted()
    await admit(store, result)
    message_id = result.header.message_id
    assert await store.hand_over(message_id, sender=OTHER) is None
    (claimed,) = await claim(store)
    assert await store.hand_over(message_id, sender=PARTNER) == (claimed.row, claimed.fence)
    await settle(store, claimed.row, HandOverEvent.LEASE_LOST)
    found = await store.hand_over(message_id, sender=PARTNER)
    assert found is not None
    assert (found[0].hand_over, found[1]) == (HandOverState.PENDING, claimed.fence + 1)


async def test_one_in_quarantine_blocks_those_behind_until_it_is_released(store: Store, values: StoreValues) -> None:
    for sequence in (1, 2):
        await admit(store, values.admitted(conversation="c", sequence=sequence))
    (head,) = await claim(store)
    held = await settle(store, head.row, HandOverEvent.EXHAUSTED, fence=head.fence)
    assert held.hand_over is HandOverState.QUARANTINED
    assert await claim(store) == []
    released = await settle(store, held, HandOverEvent.RELEASED)
    assert (released.hand_over, released.attempts) == (HandOverState.PENDING, 0)
    (again,) = await claim(store)
    assert (again.row.sequence, again.fence) == (1, head.fence + 1)
    assert AuditEvent.HAND_OVER_RELEASED in await events(store)


async def test_a_lower_sequence_that_comes_late_goes_before_what_waits(store: Store, values: StoreValues) -> None:
    await admit(store, values.admitted(conversation="c", sequence=5))
    (leased,) = await claim(store)
    await admit(store, values.admitted(conversation="c", sequence=4))
    assert [one.row.sequence for one in await claim(store)] == [4]
    await settle(store, leased.row, HandOverEvent.FAILED, fence=leased.fence)
    assert await claim(store) == []


@pytest.mark.parametrize(
    ("state", "event"), [pair for pair in HAND_OVER_TRANSITIONS if pair[1] is not HandOverEvent.CLAIMED]
)
async def test_every_pair_of_the_table_can_be_settled_once(
    store: Store, values: StoreValues, state: HandOverState, event: HandOverEvent
) -> None:
    await admit(store, values.admitted())
    (claimed,) = await claim(store)
    row = claimed.row
    if state is HandOverState.QUARANTINED:
        row = await settle(store, row, HandOverEvent.EXHAUSTED)
    assert (await settle(store, row, event)).hand_over is HAND_OVER_TRANSITIONS[state, event]
    with pytest.raises(TransferError) as caught:
        await settle(store, row, event)
    assert caught.value.code == "transfer.stale"
    with pytest.raises(TransferError) as caught:
        await settle(store, row, HandOverEvent.CLAIMED)
    assert caught.value.code == "transfer.illegal_transition"


async def test_a_lost_lease_is_refused_to_whoever_held_it(store: Store, values: StoreValues) -> None:
    await admit(store, values.admitted())
    (held,) = await claim(store)
    assert await store.overdue_hand_overs(now=LATER, limit=9) == []
    (overdue,) = await store.overdue_hand_overs(now=LATER + LEASE, limit=9)
    await settle(store, overdue, HandOverEvent.LEASE_LOST)
    with pytest.raises(TransferError) as caught:
        await settle(store, held.row, HandOverEvent.ACKNOWLEDGED, fence=held.fence)
    assert caught.value.code == "transfer.lease_lost"


async def test_a_failed_hand_over_waits_for_its_time(store: Store, values: StoreValues) -> None:
    await admit(store, values.admitted())
    (claimed,) = await claim(store)
    event = HandOverEvent.FAILED
    await store.settle_hand_over(
        claimed.row,
        event,
        audit=hand_over_evidence(claimed.row, event),
        now=NOW,
        fence=claimed.fence,
        next_attempt_at=LATER + LEASE,
        code="channel.refused",
        detail="The back end answered 500",
    )
    assert await claim(store) == []
    (again,) = await store.claim_hand_overs([HOME], limit=9, now=LATER + LEASE, lease=LEASE)
    assert (again.row.attempts, again.row.last_code) == (2, "channel.refused")
    assert AuditEvent.HAND_OVER_FAILED in await events(store)


async def test_recovery_gives_back_every_lease_of_the_process_before(case: StoreCase, values: StoreValues) -> None:
    async with case.opened() as store:
        await admit(store, values.admitted(references=[reference("L1"), reference("L1")]))
        (held,) = await claim(store)
    async with case.opened() as store:
        assert await store.recover(now=LATER) == 1
        with pytest.raises(TransferError, match="lease_lost"):
            await settle(store, held.row, HandOverEvent.ACKNOWLEDGED, fence=held.fence)
        assert (await events(store))[-1] is AuditEvent.HAND_OVER_LEASE_LOST
        assert [one.row.message_id for one in await claim(store)] == [held.row.message_id]


async def test_a_hand_over_of_nothing_is_not_found(store: Store, values: StoreValues) -> None:
    await admit(store, values.admitted())
    (claimed,) = await claim(store)
    with pytest.raises(TransferError) as caught:
        await settle(store, replace(claimed.row, message_id=MessageId("none")), HandOverEvent.FAILED)
    assert caught.value.code == "transfer.not_found"
