"""Rows as a store would give them, for tests of use cases that need no store."""

from dataclasses import replace

from gateway.domain.ids import SubmissionId
from gateway.domain.jobs import Admitted, PreparedTransfer
from gateway.domain.lifecycle import HandOverState, TransferState
from gateway.domain.records import ClaimedHandOver, ClaimedTransfer, InboxRow, TransferRow
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


def hand_over_of(admitted: Admitted) -> ClaimedHandOver:
    """Return an admitted message as the first claim of its hand-over leaves it."""
    header = admitted.header
    row = InboxRow(
        message_id=header.message_id,
        sender=header.sender,
        recipient=header.recipient,
        kind=header.kind,
        conversation=header.conversation,
        sequence=header.sequence,
        in_reply_to=None,
        agreement=header.agreement,
        terms=header.terms,
        digest=admitted.digest,
        size_bytes=admitted.size_bytes,
        expires=header.expires,
        received=NOW,
        hand_over=HandOverState.IN_FLIGHT,
        hand_over_version=2,
        attempts=1,
        next_attempt_at=None,
        handed_over=None,
        last_code="",
        last_detail="",
        policy_sha256=header.policy_sha256,
    )
    return ClaimedHandOver(row=row, fence=1, sealed_message=admitted.sealed_message)
