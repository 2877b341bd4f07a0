"""Rows as a store would give them, for tests of use cases that need no store."""

from dataclasses import replace

from gateway.domain.ids import SubmissionId
from gateway.domain.jobs import PreparedTransfer
from gateway.domain.lifecycle import TransferState
from gateway.domain.records import ClaimedTransfer, TransferRow
from tests.store_values import CLIENT, NOW


def row_of(prepared: PreparedTransfer, *, submission: str = "") -> TransferRow:
    """Return a prepared transfer as its acceptance leaves it."""
    header = prepared.header
    return TransferRow(
        id=prepared.slot.transfer_id,
        message_id=header.message_id,
        submission_id=SubmissionId(submission),
        client=CLIENT,
        sender=header.sender,
        recipient=header.recipient,
        kind=header.kind,
        conversation=header.conversation,
        sequence=header.sequence,
        in_reply_to=None,
        state=TransferState.QUEUED,
        version=1,
        digest=prepared.digest,
        agreement=header.agreement,
        retry=prepared.retry,
        attempts=0,
        ever_sent=False,
        created=NOW,
        updated=NOW,
        expires=header.expires,
        deadline=prepared.deadline,
        next_attempt_at=NOW,
        handed_over=None,
        last_code="",
        last_detail="",
        kept=prepared.kept,
        withheld=prepared.withheld,
    )


def claimed_of(prepared: PreparedTransfer) -> ClaimedTransfer:
    """Return a prepared transfer as its first claim leaves it."""
    row = replace(row_of(prepared), state=TransferState.IN_FLIGHT, version=2, attempts=1, next_attempt_at=None)
    return ClaimedTransfer(row=row, fence=1, sealed_jws=prepared.sealed)
