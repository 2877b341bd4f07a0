"""Rows as a store would give them, for tests of use cases that need no store."""

from gateway.domain.jobs import PreparedTransfer
from gateway.domain.lifecycle import TransferState
from gateway.domain.records import ClaimedTransfer, TransferRow
from tests.store_values import CLIENT, NOW


def claimed_of(prepared: PreparedTransfer) -> ClaimedTransfer:
    """Return a prepared transfer as its first claim leaves it."""
    header = prepared.header
    row = TransferRow(
        id=prepared.slot.transfer_id,
        message_id=header.message_id,
        submission_id="",  # type: ignore[arg-type]  # nobody asks for it
        client=CLIENT,
        sender=header.sender,
        recipient=header.recipient,
        kind=header.kind,
        conversation=header.conversation,
        sequence=header.sequence,
        in_reply_to=None,
        state=TransferState.IN_FLIGHT,
        version=2,
        digest=prepared.digest,
        agreement=header.agreement,
        retry=prepared.retry,
        attempts=1,
        ever_sent=False,
        created=NOW,
        updated=NOW,
        expires=header.expires,
        deadline=prepared.deadline,
        next_attempt_at=None,
        handed_over=None,
        last_code="",
        last_detail="",
        kept=0,
        withheld=0,
    )
    return ClaimedTransfer(row=row, fence=1, sealed_jws=prepared.sealed)
