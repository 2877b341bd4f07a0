"""What attempts to send have in common: how envelopes share a request, and the evidence that an attempt leaves."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.jobs import SealedEnvelope
from gateway.domain.outcome import Damaged, SendOutcome, TransientFailure
from gateway.domain.records import ClaimedTransfer, TransferRow


def within_bytes(
    ready: Sequence[tuple[ClaimedTransfer, SealedEnvelope]], most_bytes: int
) -> Iterator[list[tuple[ClaimedTransfer, SealedEnvelope]]]:
    """Yield the envelopes in requests of at most `most_bytes`; one that is larger goes alone."""
    request: list[tuple[ClaimedTransfer, SealedEnvelope]] = []
    size = 0
    for one in ready:
        weight = len(one[1].jwe) + 1
        if request and size + weight > most_bytes:
            yield request
            request, size = [], 0
        request.append(one)
        size += weight
    if request:
        yield request


def attempt_entry(event: AuditEvent, row: TransferRow, now: datetime, *, code: str = "") -> AuditEntry:
    """Return the evidence of an attempt. `code`: of what it failed with."""
    facts: dict[str, str | int] = {"attempt": row.attempts}
    if code:
        facts["code"] = code
    return AuditEntry(event=event, at=now, actor="system", transfer_id=row.id, message_id=row.message_id, facts=facts)


def is_lost(outcome: SendOutcome | Damaged) -> bool:
    """Tell whether the partner could not be reached at all."""
    return isinstance(outcome, TransientFailure) and not outcome.connected
