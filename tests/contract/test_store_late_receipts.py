"""An accepted receipt that comes while somebody acts on the same transfer: it counts from every state but CANCELLED.

The receipt is settled by the real use case, with the row as it was before the act; the act is tried with the row as it
was before the receipt. Whoever comes second finds the row changed, and must not undo what the first one did.
"""

from datetime import datetime
from typing import cast

import pytest

from gateway.audit import AuditEvent
from gateway.domain.lifecycle import TransferEvent, TransferState
from gateway.domain.records import Attempt, ClaimedTransfer, TransferRow
from gateway.domain.statement import Verdict
from gateway.errors import TransferError
from gateway.exchange.settle import Fetched, Settle
from gateway.ports import Clock, Store, Workers
from tests.contract.store_steps import accept, claim_one, events, row_of, settle
from tests.store_values import LEASE, NOW, PARTNER, StoreValues

_S, _E = TransferState, TransferEvent

RACES = [
    (_S.QUEUED, _E.HELD),
    (_S.QUEUED, _E.CANCELLED),
    (_S.QUEUED, _E.DEADLINE),
    (_S.IN_FLIGHT, _E.TAKEN),
    (_S.IN_FLIGHT, _E.FAILED),
    (_S.IN_FLIGHT, _E.GIVEN_BACK),
    (_S.IN_FLIGHT, _E.LEASE_LOST),
    (_S.IN_FLIGHT, _E.EXHAUSTED),
    (_S.AWAITING_RECEIPT, _E.OVERDUE),
    (_S.AWAITING_RECEIPT, _E.DEADLINE),
    (_S.HELD, _E.RELEASED),
    (_S.HELD, _E.CANCELLED),
    (_S.HELD, _E.SKIPPED),
    (_S.DEAD_LETTERED, _E.REQUEUED),
    (_S.DEAD_LETTERED, _E.HELD),
    (_S.DEAD_LETTERED, _E.CANCELLED),
    (_S.DEAD_LETTERED, _E.SKIPPED),
]


class Standing:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


async def brought_to(store: Store, values: StoreValues, state: TransferState) -> TransferRow:
    """Bring a transfer that was sent once to a state."""
    await accept(store, values.submission())
    claimed = await claim_one(store)
    if state is _S.IN_FLIGHT:
        return claimed.row
    if state is _S.AWAITING_RECEIPT:
        return await settle(store, claimed.row, _E.TAKEN, fence=claimed.fence)
    if state is _S.DEAD_LETTERED:
        return await settle(store, claimed.row, _E.EXHAUSTED, fence=claimed.fence)
    queued = await settle(store, claimed.row, _E.LEASE_LOST)
    return queued if state is _S.QUEUED else await settle(store, queued, _E.HELD)


async def late_receipt(store: Store, values: StoreValues, row: TransferRow) -> TransferRow:
    """Settle an accepted receipt for the transfer, by what was known of it as `row`."""
    return await _use(store).receipt(row, *values.receipt_for(row))


def _use(store: Store) -> Settle:
    return Settle(store=store, workers=cast("Workers", None), clock=cast("Clock", Standing()))


def fetched(claimed: ClaimedTransfer, values: StoreValues, verdict: Verdict = Verdict.ACCEPTED) -> Fetched:
    """Return what an attempt brought back for a claimed transfer."""
    receipt, token = values.receipt_for(claimed.row, verdict)
    attempt = Attempt(transfer_id=claimed.row.id, number=1, started=NOW, ended=NOW, outcome="x", code="ok", detail="")
    return Fetched(row=claimed.row, receipt=receipt, token=token, fence=claimed.fence, attempt=attempt)


async def test_receipts_that_came_together_settle_each_by_itself(store: Store, values: StoreValues) -> None:
    for _ in range(4):
        await accept(store, values.submission())
    claimed = await store.claim(PARTNER, limit=4, now=NOW, lease=LEASE)
    await settle(store, claimed[1].row, _E.LEASE_LOST)
    await settle(store, await settle(store, claimed[2].row, _E.LEASE_LOST), _E.CANCELLED)
    came = [fetched(one, values) for one in claimed[:3]] + [fetched(claimed[3], values, Verdict.REFUSED)]
    settled = await _use(store).receipts(came)
    states = [one.state if isinstance(one, TransferRow) else one.code for one in settled]
    assert states == [_S.DELIVERED, _S.DELIVERED, _S.CANCELLED, _S.DEAD_LETTERED]
    assert [(await row_of(store, one.row.id)).state for one in claimed] == states


@pytest.mark.parametrize(("state", "act"), RACES)
async def test_a_receipt_that_comes_second_counts_unless_it_was_cancelled(
    store: Store, values: StoreValues, state: TransferState, act: TransferEvent
) -> None:
    before = await brought_to(store, values, state)
    after = await settle(store, before, act)
    settled = await late_receipt(store, values, before)
    cancelled = act is _E.CANCELLED
    assert settled.state is (_S.CANCELLED if cancelled else _S.DELIVERED)
    assert (await row_of(store, before.id)).state is settled.state
    assert (await events(store))[-1] is (AuditEvent.RECEIPT_REJECTED if cancelled else AuditEvent.TRANSFER_DELIVERED)
    assert after.version < settled.version or cancelled
    assert await store.claim(PARTNER, limit=9, now=NOW, lease=LEASE) == []


@pytest.mark.parametrize(("state", "act"), RACES)
async def test_an_act_that_comes_second_changes_nothing(
    store: Store, values: StoreValues, state: TransferState, act: TransferEvent
) -> None:
    before = await brought_to(store, values, state)
    await late_receipt(store, values, before)
    told = await events(store)
    with pytest.raises(TransferError) as refused:
        await settle(store, before, act)
    assert refused.value.code == "transfer.stale"
    row = await row_of(store, before.id)
    assert (row.state, row.skipped) == (_S.DELIVERED, False)
    assert await events(store) == told
