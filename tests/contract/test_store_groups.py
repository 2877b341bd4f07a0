"""What every store promises of changes that are given to it together: what each alone would have done, in one commit."""

import pytest

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.lifecycle import TransferEvent, TransferState
from gateway.domain.records import Accepted, AcceptSubmission, KeyReused, Replayed, TransferRow
from gateway.errors import StorageError, TransferError
from gateway.ports import Settlement, Store
from tests.contract.store_cases import CommitFault, StoreCase
from tests.contract.store_steps import accept, row_of
from tests.store_values import LEASE, NOW, PARTNER, StoreValues, accepted_evidence, evidence


def given(*changes: AcceptSubmission) -> list[tuple[AcceptSubmission, list[AuditEntry]]]:
    return [(change, accepted_evidence(change)) for change in changes]


def settlement(row: TransferRow, event: TransferEvent, *, fence: int | None = None) -> Settlement:
    return Settlement(row=row, event=event, audit=evidence(row, event), now=NOW, fence=fence)


async def test_submissions_given_together_are_each_accepted(store: Store, values: StoreValues) -> None:
    changes = [values.submission(), values.submission(), values.submission()]
    outcomes = await store.accept_all(given(*changes))
    assert outcomes == [Accepted(submission_id=change.submission_id) for change in changes]
    for change in changes:
        assert (await row_of(store, change.prepared.transfers[0].slot.transfer_id)).state is TransferState.QUEUED


async def test_each_is_told_what_it_alone_would_be_told(store: Store, values: StoreValues) -> None:
    first, again = values.submission(key="one"), values.submission(key="one")
    other = values.submission(key="one", fingerprint="0" * 64)
    outcomes = await store.accept_all(given(first, again, other))
    told = [Accepted(submission_id=first.submission_id), Replayed(submission_id=first.submission_id), KeyReused()]
    assert outcomes == told
    assert len(await store.transfers(limit=10)) == 1


async def test_nothing_given_is_nothing_done(store: Store) -> None:
    assert await store.accept_all([]) == []
    assert await store.settle_all([]) == []
    assert await store.audit() == []


async def test_transfers_settled_together_are_each_moved_and_a_stale_one_fails_alone(
    store: Store, values: StoreValues
) -> None:
    for _ in range(3):
        await accept(store, values.submission())
    claimed = await store.claim(PARTNER, limit=3, now=NOW, lease=LEASE)
    stale = await store.settle(
        claimed[1].row,
        TransferEvent.ACCEPTED,
        audit=evidence(claimed[1].row, TransferEvent.ACCEPTED),
        now=NOW,
        fence=claimed[1].fence,
    )
    outcomes = await store.settle_all([settlement(one.row, TransferEvent.ACCEPTED, fence=one.fence) for one in claimed])
    assert isinstance(outcomes[1], TransferError)
    assert outcomes[1].code == "transfer.stale"
    for outcome, one in zip(outcomes, claimed, strict=True):
        row = await row_of(store, one.row.id)
        assert row.state is TransferState.DELIVERED
        assert row == (stale if isinstance(outcome, TransferError) else outcome)
    delivered = [record for record in await store.audit() if record.entry.event is AuditEvent.TRANSFER_DELIVERED]
    assert len(delivered) == 3, "the one that failed left no evidence"


@pytest.mark.parametrize("fault", [CommitFault.NOT_DONE, CommitFault.DONE])
async def test_a_commit_that_fails_is_told_to_each_and_was_one_for_all(
    case: StoreCase, store: Store, values: StoreValues, fault: CommitFault
) -> None:
    changes = [values.submission() for _ in range(3)]
    case.fault = fault
    outcomes = await store.accept_all(given(*changes))
    assert [one.code for one in outcomes if isinstance(one, StorageError)] == ["storage.commit_unknown"] * 3
    assert await store.counts() == ({"transfer.QUEUED": 3} if fault is CommitFault.DONE else {})


@pytest.mark.parametrize("fault", [CommitFault.NOT_DONE, CommitFault.DONE])
async def test_settlements_whose_commit_failed_are_read_back_and_happen_once(
    case: StoreCase, store: Store, values: StoreValues, fault: CommitFault
) -> None:
    for _ in range(3):
        await accept(store, values.submission())
    claimed = await store.claim(PARTNER, limit=3, now=NOW, lease=LEASE)
    case.fault = fault
    outcomes = await store.settle_all([settlement(one.row, TransferEvent.ACCEPTED, fence=one.fence) for one in claimed])
    assert outcomes == [await row_of(store, one.row.id) for one in claimed]
    delivered = [record for record in await store.audit() if record.entry.event is AuditEvent.TRANSFER_DELIVERED]
    assert len(delivered) == 3
