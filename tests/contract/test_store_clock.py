"""What every store promises when the clock was set back. One suite, run over every implementation."""

from datetime import timedelta

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.lifecycle import TransferEvent
from gateway.ports import Store
from tests.contract.store_steps import accept, claim_one, events, row_of
from tests.store_values import LEASE, NOW, OTHER, PARTNER, StoreValues, evidence

DAY = timedelta(days=1)
BEFORE = NOW - DAY


async def set_back(store: Store) -> None:
    entry = AuditEntry(event=AuditEvent.NODE_CLOCK_SET_BACK, at=BEFORE, actor="system", facts={"count": 86400})
    await store.clock_set_back(DAY, now=BEFORE, audit=entry)


async def test_a_lease_lasts_no_longer_because_the_clock_was_set_back(store: Store, values: StoreValues) -> None:
    leased = await accept(store, values.submission())
    claimed = await claim_one(store)
    await set_back(store)
    assert await store.overdue(now=BEFORE + LEASE - timedelta(seconds=1), limit=9) == []
    assert [one.id for one in await store.overdue(now=BEFORE + LEASE, limit=9)] == [leased]
    # Whoever holds it still does: only its time moved.
    lost = TransferEvent.FAILED
    await store.settle(claimed.row, lost, audit=evidence(claimed.row, lost), now=BEFORE, fence=claimed.fence)
    assert (await events(store)).count(AuditEvent.NODE_CLOCK_SET_BACK) == 1


async def test_what_waits_for_its_next_attempt_waits_no_longer(store: Store, values: StoreValues) -> None:
    await accept(store, values.submission())
    claimed = await claim_one(store)
    failed, soon = TransferEvent.FAILED, timedelta(seconds=30)
    await store.settle(
        claimed.row,
        failed,
        audit=evidence(claimed.row, failed),
        now=NOW,
        fence=claimed.fence,
        next_attempt_at=NOW + soon,
    )
    due = await accept(store, values.submission(OTHER))
    await set_back(store)
    assert await store.due_at(PARTNER) == BEFORE + soon
    assert [one.row.id for one in await store.claim(OTHER, limit=9, now=BEFORE, lease=LEASE)] == [due]


async def test_a_back_off_moves_and_a_deadline_stays(store: Store, values: StoreValues) -> None:
    transfer_id = await accept(store, values.submission())
    deadline = (await row_of(store, transfer_id)).deadline
    await store.partner_failed(PARTNER, now=NOW, not_before=NOW + timedelta(seconds=20), code="channel.timeout")
    await set_back(store)
    (health,) = await store.partners()
    assert health.not_before == BEFORE + timedelta(seconds=20)
    assert (await row_of(store, transfer_id)).deadline == deadline
