"""What every store promises about settling, and about what time brings. One suite, run over every implementation."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.audit import AuditEvent
from gateway.domain.ids import TransferId
from gateway.domain.lifecycle import FINAL, TRANSITIONS, TransferEvent, TransferState
from gateway.domain.records import Replayed, TransferRow
from gateway.domain.statement import Verdict
from gateway.errors import StorageError, TransferError
from gateway.ports import Store
from tests.contract.store_cases import StoreCase
from tests.contract.store_steps import LATER, accept, claim_one, events, row_of, settle
from tests.store_values import (
    LEASE,
    NOW,
    OTHER,
    PARTNER,
    StoreValues,
    attempt_of,
    evidence,
)

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
