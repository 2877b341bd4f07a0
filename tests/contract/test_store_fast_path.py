"""What every store promises of a claim that shares the commit of its acceptance: the same rows and the same evidence as
an acceptance and a claim right after it, for those transfers that such a claim would take, and for no other."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.audit import AuditEvent
from gateway.domain.ids import PartyId, TransferId
from gateway.domain.lifecycle import TransferEvent, TransferState
from gateway.domain.records import Accepted, AcceptSubmission, ClaimAtOnce, ClaimedTransfer, Replayed, TransferRow
from gateway.errors import TransferError, Violation
from gateway.ports import Store
from tests.contract.store_cases import CommitFault, StoreCase
from tests.contract.store_steps import LATER, accept, events, row_of, settle
from tests.store_values import LEASE, NOW, OTHER, PARTNER, StoreValues, accepted_evidence, evidence


def at_once(change: AcceptSubmission, *recipients: PartyId) -> AcceptSubmission:
    """The same submission, whose transfers to `recipients` may go at once."""
    claim = ClaimAtOnce(recipients=frozenset(recipients or {PARTNER}), lease=LEASE)
    return replace(change, claim=claim)


async def accepted(store: Store, change: AcceptSubmission) -> tuple[ClaimedTransfer, ...]:
    outcome = await store.accept(change, accepted_evidence(change))
    assert isinstance(outcome, Accepted)
    return outcome.claimed


async def test_it_leaves_what_an_acceptance_and_a_claim_leave(store: Store, values: StoreValues) -> None:
    slow = await accept(store, values.submission())
    (by_claim,) = await store.claim(PARTNER, limit=1, now=NOW, lease=LEASE)
    (by_accept,) = await accepted(store, at_once(values.submission()))
    own = {"id", "message_id", "submission_id", "conversation", "digest"}
    members = [name for name in by_claim.row.__slots__ if name not in own]
    assert [getattr(by_accept.row, name) for name in members] == [getattr(by_claim.row, name) for name in members]
    assert (by_accept.fence, by_accept.row.attempts) == (by_claim.fence, 1)
    assert by_accept.sealed_jws == b"sealed jws of " + by_accept.row.message_id.encode()
    assert await row_of(store, by_accept.row.id) == by_accept.row
    assert await row_of(store, slow) == by_claim.row
    records = [await store.audit(transfer_id=one.row.id) for one in (by_accept, by_claim)]
    facts = [[(one.entry.event, one.entry.actor, one.entry.facts.get("fence")) for one in some] for some in records]
    assert facts[0] == facts[1]
    assert [event for event, _, _ in facts[0]] == [AuditEvent.TRANSFER_ACCEPTED, AuditEvent.TRANSFER_CLAIMED]


async def test_it_is_settled_under_its_fence_like_every_lease(store: Store, values: StoreValues) -> None:
    (claimed,) = await accepted(store, at_once(values.submission()))
    assert await store.claim(PARTNER, limit=10, now=LATER, lease=LEASE) == []
    with pytest.raises(TransferError, match="lease_lost"):
        await settle(store, claimed.row, TransferEvent.ACCEPTED, fence=claimed.fence + 1)
    row = await settle(store, claimed.row, TransferEvent.ACCEPTED, fence=claimed.fence)
    assert row.state is TransferState.DELIVERED


async def test_only_the_recipients_that_may_are_claimed(store: Store, values: StoreValues) -> None:
    change = at_once(values.submission(PARTNER, OTHER), OTHER)
    (claimed,) = await accepted(store, change)
    assert claimed.row.recipient == OTHER
    assert await store.counts() == {"transfer.IN_FLIGHT": 1, "transfer.QUEUED": 1}
    assert [event for event in await events(store) if event is AuditEvent.TRANSFER_CLAIMED] == [
        AuditEvent.TRANSFER_CLAIMED
    ]


async def test_it_never_overtakes_in_its_conversation(store: Store, values: StoreValues) -> None:
    first = await accept(store, values.submission(conversation="c", sequence=1))
    assert await accepted(store, at_once(values.submission(conversation="c", sequence=2))) == ()
    (claimed,) = await store.claim(PARTNER, limit=10, now=NOW, lease=LEASE)
    assert claimed.row.id == first
    await settle(store, claimed.row, TransferEvent.ACCEPTED, fence=claimed.fence)
    # The third has an unfinished one before it still; once all are finished, the fourth goes at once.
    assert await accepted(store, at_once(values.submission(conversation="c", sequence=3))) == ()
    for _ in range(2):
        (claimed,) = await store.claim(PARTNER, limit=10, now=NOW, lease=LEASE)
        await settle(store, claimed.row, TransferEvent.ACCEPTED, fence=claimed.fence)
    (claimed,) = await accepted(store, at_once(values.submission(conversation="c", sequence=4)))
    assert claimed.row.sequence == 4


async def test_those_behind_it_wait_until_it_is_delivered(store: Store, values: StoreValues) -> None:
    (claimed,) = await accepted(store, at_once(values.submission(conversation="c", sequence=1)))
    second = await accept(store, values.submission(conversation="c", sequence=2))
    assert await store.claim(PARTNER, limit=10, now=NOW, lease=LEASE) == []
    await settle(store, claimed.row, TransferEvent.ACCEPTED, fence=claimed.fence)
    assert [one.row.id for one in await store.claim(PARTNER, limit=10, now=NOW, lease=LEASE)] == [second]


async def test_what_waits_for_a_person_is_not_claimed(store: Store, values: StoreValues) -> None:
    reason = Violation(code="profile.rule", path="/Declaration", message="asks for a person")
    assert await accepted(store, at_once(values.submission(held_for=(reason,)))) == ()
    assert await store.counts() == {"transfer.HELD": 1}


async def test_a_partner_that_is_left_alone_gets_none(store: Store, values: StoreValues) -> None:
    await store.partner_failed(PARTNER, now=NOW, not_before=NOW + timedelta(seconds=5), code="channel.unreachable")
    assert await accepted(store, at_once(values.submission())) == ()
    late = at_once(values.submission(now=NOW + timedelta(seconds=5)))
    assert len(await accepted(store, late)) == 1


async def test_the_same_request_again_claims_nothing(store: Store, values: StoreValues) -> None:
    first = at_once(values.submission(key="k"))
    await accepted(store, first)
    before = await store.audit()
    again = at_once(values.submission(key="k"))
    assert await store.accept(again, accepted_evidence(again)) == Replayed(submission_id=first.submission_id)
    assert await store.audit() == before


@pytest.mark.parametrize("fault", [CommitFault.NOT_DONE, CommitFault.DONE])
async def test_a_claim_whose_commit_failed_keeps_nobody_waiting_for_the_end_of_its_lease(
    case: StoreCase, store: Store, values: StoreValues, fault: CommitFault
) -> None:
    changes = [at_once(values.submission()) for _ in range(3)]
    case.fault = fault
    outcomes = await store.accept_all([(change, accepted_evidence(change)) for change in changes])
    assert [getattr(one, "code", "") for one in outcomes] == ["storage.commit_unknown"] * 3
    number = 3 if fault is CommitFault.DONE else 0
    assert await store.counts() == ({"transfer.QUEUED": number} if number else {})
    rows = await store.transfers(limit=10)
    assert {(row.attempts, row.ever_sent, row.next_attempt_at) for row in rows} <= {(0, False, NOW)}
    assert (await events(store)).count(AuditEvent.TRANSFER_GIVEN_BACK) == number
    assert len(await store.claim(PARTNER, limit=10, now=NOW, lease=LEASE)) == number


async def test_whoever_stops_waiting_leaves_a_lease_that_ends(store: Store, values: StoreValues) -> None:
    change = at_once(values.submission())
    task = asyncio.ensure_future(store.accept(change, accepted_evidence(change)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.ready()  # behind it in the same queue
    (row,) = await store.overdue(now=NOW + LEASE, limit=10)
    assert row.state is TransferState.IN_FLIGHT


async def test_a_process_that_ends_between_claim_and_attempt_loses_its_lease_and_nothing_else(
    case: StoreCase, values: StoreValues
) -> None:
    async with case.opened() as store:
        (claimed,) = await accepted(store, at_once(values.submission()))
    async with case.opened() as store:
        assert await store.recover(now=NOW) == 1
        (again,) = await store.claim(PARTNER, limit=10, now=NOW, lease=LEASE)
        assert (again.row.id, again.sealed_jws) == (claimed.row.id, claimed.sealed_jws)
        assert again.fence > claimed.fence
        assert again.row.attempts == 2
        with pytest.raises(TransferError):
            await settle(store, claimed.row, TransferEvent.FAILED, fence=claimed.fence)
        assert TransferId(again.row.id) in {row.id for row in await store.transfers(limit=10)}


async def given_back(store: Store, claimed: ClaimedTransfer) -> TransferRow:
    row, event = claimed.row, TransferEvent.GIVEN_BACK
    return await store.settle(
        row, event, audit=evidence(row, event), now=LATER, fence=claimed.fence, next_attempt_at=row.created
    )


async def test_what_is_given_back_stands_as_if_it_had_never_been_claimed(store: Store, values: StoreValues) -> None:
    (claimed,) = await accepted(store, at_once(values.submission()))
    never = await row_of(store, await accept(store, values.submission()))
    back = await given_back(store, claimed)
    assert back == await row_of(store, back.id)
    assert (back.state, back.attempts, back.ever_sent) == (never.state, 0, False)
    assert (back.next_attempt_at, back.last_code) == (never.next_attempt_at, never.last_code)
    assert (await settle(store, back, TransferEvent.CANCELLED)).state is TransferState.CANCELLED


async def test_whoever_gave_it_back_holds_no_lease_any_more(store: Store, values: StoreValues) -> None:
    (claimed,) = await accepted(store, at_once(values.submission()))
    await given_back(store, claimed)
    (again,) = await store.claim(PARTNER, limit=10, now=LATER, lease=LEASE)
    assert (again.row.id, again.row.attempts) == (claimed.row.id, 1)
    assert again.fence > claimed.fence
    for event in (TransferEvent.GIVEN_BACK, TransferEvent.FAILED):
        with pytest.raises(TransferError, match="lease_lost"):
            await settle(store, claimed.row, event, fence=claimed.fence)


async def test_a_lease_that_was_lost_can_not_be_given_back(store: Store, values: StoreValues) -> None:
    (claimed,) = await accepted(store, at_once(values.submission()))
    lost = await settle(store, claimed.row, TransferEvent.LEASE_LOST)
    with pytest.raises(TransferError, match="lease_lost"):
        await given_back(store, claimed)
    assert await row_of(store, claimed.row.id) == lost


async def test_what_is_given_back_keeps_its_place(store: Store, values: StoreValues) -> None:
    (claimed,) = await accepted(store, at_once(values.submission(conversation="c", sequence=1)))
    behind = await accept(store, values.submission(conversation="c", sequence=2))
    later = await accept(store, values.submission(now=NOW + timedelta(seconds=1)))
    await given_back(store, claimed)
    due = await store.claim(PARTNER, limit=10, now=LATER, lease=LEASE)
    assert [one.row.id for one in due] == [claimed.row.id, later], "before what came after it, though given back after"
    await settle(store, due[0].row, TransferEvent.ACCEPTED, fence=due[0].fence)
    assert [one.row.id for one in await store.claim(PARTNER, limit=10, now=LATER, lease=LEASE)] == [behind]
