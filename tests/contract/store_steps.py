"""Steps that the store's contract tests take again and again."""

from datetime import timedelta
from typing import Final

from gateway.audit import AuditEvent
from gateway.domain.ids import PartyId, TransferId
from gateway.domain.lifecycle import TransferEvent
from gateway.domain.records import Accepted, AcceptSubmission, ClaimedTransfer, TransferRow
from gateway.ports import Store
from tests.store_values import LEASE, NOW, PARTNER, accepted_evidence, evidence

LATER: Final = NOW + timedelta(hours=1)


async def accept(store: Store, change: AcceptSubmission) -> TransferId:
    """Have a submission accepted, and return the id of its first transfer."""
    assert await store.accept(change, accepted_evidence(change)) == Accepted(submission_id=change.submission_id)
    return change.prepared.transfers[0].slot.transfer_id


async def claim_one(store: Store, recipient: PartyId = PARTNER) -> ClaimedTransfer:
    """Claim exactly one transfer that is due at NOW."""
    (claimed,) = await store.claim(recipient, limit=1, now=NOW, lease=LEASE)
    return claimed


async def settle(store: Store, row: TransferRow, event: TransferEvent, *, fence: int | None = None) -> TransferRow:
    """Settle with nothing but the event and its evidence."""
    return await store.settle(row, event, audit=evidence(row, event), now=NOW, fence=fence)


async def row_of(store: Store, transfer_id: TransferId) -> TransferRow:
    """Return a transfer that must be there."""
    found = await store.transfer(transfer_id)
    assert found is not None
    return found.row


async def events(store: Store) -> list[AuditEvent]:
    """Return every audit event so far, in order."""
    return [record.entry.event for record in await store.audit(limit=100_000)]
