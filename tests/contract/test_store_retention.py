"""What every store promises about payloads whose retention is over. One suite, run over every implementation."""

from datetime import timedelta

import pytest

from gateway.audit import AuditEvent
from gateway.domain.ids import TransferId
from gateway.domain.lifecycle import HandOverEvent, HandOverState, TransferEvent, TransferState
from gateway.domain.records import AcceptSubmission, ClaimedHandOver, TransferRow
from gateway.ports import Store
from gateway.storage.retention import PAYLOADS_AT_ONCE
from tests.contract.store_steps import LATER, accept, claim_one, row_of, settle
from tests.store_values import (
    HOME,
    LEASE,
    NOW,
    OTHER,
    PARTNER,
    TERMS,
    StoreValues,
    evidence,
    hand_over_evidence,
    message_evidence,
)

OVER = NOW + timedelta(days=TERMS.retention_days, microseconds=1)


async def purge(store: Store) -> None:
    """Purge until nothing is left."""
    while await store.purge(now=OVER):
        pass


async def payload(store: Store, change: AcceptSubmission) -> tuple[bool, bool]:
    """Tell whether the JWS and the original are still there."""
    transfer_id = change.prepared.transfers[0].slot.transfer_id
    return await store.view(transfer_id) is not None, await store.original(change.submission_id) is not None


async def brought_to(store: Store, state: TransferState, change: AcceptSubmission) -> TransferRow:
    """Accept a submission and bring its transfer to a state."""
    transfer_id = await accept(store, change)
    row = await row_of(store, transfer_id)
    ways = {
        TransferState.CANCELLED: TransferEvent.CANCELLED,
        TransferState.HELD: TransferEvent.HELD,
        TransferState.DEAD_LETTERED: TransferEvent.DEADLINE,
    }
    if state in ways:
        return await settle(store, row, ways[state])
    if state is TransferState.QUEUED:
        return row
    claimed = await claim_one(store)
    if state is TransferState.IN_FLIGHT:
        return claimed.row
    event = TransferEvent.TAKEN if state is TransferState.AWAITING_RECEIPT else TransferEvent.ACCEPTED
    return await settle(store, claimed.row, event, fence=claimed.fence)


@pytest.mark.parametrize("state", [TransferState.DELIVERED, TransferState.CANCELLED])
async def test_the_payload_of_what_is_finished_goes_when_its_retention_is_over_and_not_before(
    store: Store, values: StoreValues, state: TransferState
) -> None:
    change = values.submission(key="k")
    row = await brought_to(store, state, change)
    while await store.purge(now=OVER - timedelta(microseconds=1)):
        pass  # the idempotency row
    assert await payload(store, change) == (True, True)
    assert await store.purge(now=OVER) == 1
    assert await payload(store, change) == (False, False)
    found = await store.transfer(row.id)
    assert found is not None
    assert (found.row.state, found.row.purged, found.row.version) == (state, OVER, row.version)
    (*_, record) = await store.audit(transfer_id=row.id)
    assert (record.entry.event, record.entry.facts["state"]) == (AuditEvent.TRANSFER_PURGED, state)
    assert await store.purge(now=OVER) == 0


@pytest.mark.parametrize(
    "state",
    [
        TransferState.QUEUED,
        TransferState.HELD,
        TransferState.IN_FLIGHT,
        TransferState.AWAITING_RECEIPT,
        TransferState.DEAD_LETTERED,
    ],
)
async def test_the_payload_of_what_may_yet_be_sent_stays_however_old_it_is(
    store: Store, values: StoreValues, state: TransferState
) -> None:
    change = values.submission()
    row = await brought_to(store, state, change)
    await purge(store)
    assert await payload(store, change) == (True, True)
    assert (await row_of(store, row.id)).purged is None


async def test_a_dead_letter_that_was_skipped_is_finished_and_a_late_receipt_still_counts(
    store: Store, values: StoreValues
) -> None:
    change = values.submission()
    row = await brought_to(store, TransferState.DEAD_LETTERED, change)
    skipped = await settle(store, row, TransferEvent.SKIPPED)
    await purge(store)
    assert await payload(store, change) == (False, False)
    delivered = await store.settle(
        skipped,
        TransferEvent.ACCEPTED,
        audit=evidence(skipped, TransferEvent.ACCEPTED),
        now=OVER,
        receipt=values.receipt_for(skipped),
    )
    assert delivered.state is TransferState.DELIVERED
    assert (await row_of(store, row.id)).purged == OVER


async def test_the_original_stays_until_the_last_of_its_transfers_is_purged(store: Store, values: StoreValues) -> None:
    change = values.submission(PARTNER, OTHER)
    await accept(store, change)
    first, second = (TransferId(one.slot.transfer_id) for one in change.prepared.transfers)
    await settle(store, await row_of(store, first), TransferEvent.CANCELLED)
    await purge(store)
    assert await payload(store, change) == (False, True)
    await settle(store, await row_of(store, second), TransferEvent.CANCELLED)
    await purge(store)
    assert await store.original(change.submission_id) is None


async def received(store: Store, values: StoreValues, **members: str) -> ClaimedHandOver:
    """Admit a message and lease its hand-over."""
    result = values.admitted(**members)  # type: ignore[arg-type]  # only texts are given
    await store.admit(result, now=NOW, audit=message_evidence(result))
    (claimed,) = await store.claim_hand_overs([HOME], limit=1, now=LATER, lease=LEASE)
    return claimed


async def hand_over(store: Store, claimed: ClaimedHandOver, event: HandOverEvent) -> None:
    row = claimed.row
    audit = hand_over_evidence(row, event)
    await store.settle_hand_over(row, event, audit=audit, now=LATER, fence=claimed.fence)


async def test_a_message_that_was_handed_over_is_purged_and_its_receipt_outlives_it(
    store: Store, values: StoreValues
) -> None:
    result = values.admitted()
    await store.admit(result, now=NOW, audit=message_evidence(result))
    (claimed,) = await store.claim_hand_overs([HOME], limit=1, now=LATER, lease=LEASE)
    await hand_over(store, claimed, HandOverEvent.ACKNOWLEDGED)
    assert await store.purge(now=OVER - timedelta(microseconds=1)) == 0
    await purge(store)
    found = await store.inbox_message(result.header.message_id)
    assert found is not None
    assert (found[0].purged, found[0].hand_over, found[1]) == (OVER, HandOverState.HANDED_OVER, b"")
    again = await store.admit(result, now=OVER, audit=message_evidence(result))
    assert (again.duplicate, again.token) == (True, result.receipt_token)
    events = [record.entry.event for record in await store.audit(message_id=result.header.message_id)]
    assert events.count(AuditEvent.MESSAGE_PURGED) == 1


@pytest.mark.parametrize("event", [HandOverEvent.EXHAUSTED, HandOverEvent.FAILED])
async def test_a_message_that_no_back_end_took_stays_and_so_does_what_its_id_stands_for(
    store: Store, values: StoreValues, event: HandOverEvent
) -> None:
    claimed = await received(store, values)
    await hand_over(store, claimed, event)
    long_after = OVER + timedelta(days=3660)
    while await store.purge(now=long_after):
        pass
    found = await store.inbox_message(claimed.row.message_id)
    assert found is not None
    assert (found[0].purged, found[1]) == (None, claimed.sealed_message)
    assert await store.given_receipt(PARTNER, claimed.row.message_id) is not None


async def test_one_change_deletes_a_bounded_number_of_payloads(store: Store, values: StoreValues) -> None:
    for _ in range(PAYLOADS_AT_ONCE + 3):
        row = await row_of(store, await accept(store, values.submission(now=OVER)))
        await settle(store, row, TransferEvent.CANCELLED)
    over = OVER + timedelta(days=TERMS.retention_days, microseconds=1)
    while await store.purge(now=OVER + timedelta(days=31)):
        pass  # idempotency rows
    assert [await store.purge(now=over) for _ in range(3)] == [PAYLOADS_AT_ONCE, 3, 0]
