"""Between rows and domain values: times as whole microseconds, enumerations as their text, one function a value."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import orjson

from gateway.domain.ids import AgreementId, PartyId
from gateway.domain.lifecycle import HandOverState, TransferState
from gateway.domain.message import AgreementRef, MessageKind, Terms
from gateway.domain.records import Attempt, InboxRow, PartnerHealth, StoredReceipt, TransferRow
from gateway.domain.retry import RetryPolicy
from gateway.domain.statement import Verdict
from gateway.errors import Violation
from gateway.storage.engine import Row

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Return an aware time as microseconds since 1970 in UTC, exactly. Raises TypeError for a naive one."""
    return (at - _EPOCH) // _MICRO


def micros_or_none(at: datetime | None) -> int | None:
    """Return `micros`, or None for None."""
    return None if at is None else micros(at)


def span(duration: timedelta) -> int:
    """Return a duration in microseconds."""
    return duration // _MICRO


def time_of(value: int) -> datetime:
    """Return the time that `micros` gave, aware, in UTC."""
    return _EPOCH + timedelta(microseconds=value)


def time_or_none(value: int | None) -> datetime | None:
    """Return `time_of`, or None for None."""
    return None if value is None else time_of(value)


def transfer_row(row: Row) -> TransferRow:
    """Return a row of `transfer`."""
    return TransferRow(
        id=row["id"],
        message_id=row["message_id"],
        submission_id=row["submission_id"],
        client=row["client"],
        sender=row["sender"],
        recipient=row["recipient"],
        kind=MessageKind(row["kind"]),
        conversation=row["conversation"],
        sequence=row["sequence"],
        in_reply_to=row["in_reply_to"],
        state=TransferState(row["state"]),
        version=row["version"],
        digest=row["digest"],
        agreement=agreement_ref(row),
        retry=_retry(row["retry_first_wait"], row["retry_cap"], row["retry_deadline"], row["retry_attempts"]),
        attempts=row["attempts"],
        ever_sent=bool(row["ever_sent"]),
        created=time_of(row["created"]),
        updated=time_of(row["updated"]),
        expires=time_of(row["expires"]),
        deadline=time_of(row["deadline"]),
        next_attempt_at=time_or_none(row["next_attempt_at"]),
        handed_over=time_or_none(row["handed_over"]),
        last_code=row["last_code"],
        last_detail=row["last_detail"],
        kept=row["kept"],
        withheld=row["withheld"],
        supersedes=row["supersedes"],
        not_seen=bool(row["not_seen"]),
        skipped=bool(row["skipped"]),
        purged=time_or_none(row["purged"]),
    )


def agreement_ref(row: Row) -> AgreementRef:
    """Return the agreement that a row names."""
    return _agreement_ref(row["agreement_id"], row["agreement_version"], row["agreement_sha256"])


# A node has a few agreements and many rows under each: the same value serves all of them.
@lru_cache(maxsize=256)
def _agreement_ref(agreement_id: AgreementId, version: int, sha256: str) -> AgreementRef:
    return AgreementRef(id=agreement_id, version=version, sha256=sha256)


@lru_cache(maxsize=256)
def _retry(first_wait: int, cap: int, deadline: int, attempts: int | None) -> RetryPolicy:
    return RetryPolicy(
        first_wait=timedelta(microseconds=first_wait),
        cap=timedelta(microseconds=cap),
        deadline=timedelta(microseconds=deadline),
        attempts=attempts,
    )


def attempt_of(row: Row) -> Attempt:
    """Return a row of `attempt`."""
    return Attempt(
        transfer_id=row["transfer_id"],
        number=row["number"],
        started=time_of(row["started"]),
        ended=time_of(row["ended"]),
        outcome=row["outcome"],
        code=row["code"],
        detail=row["detail"],
        again=time_or_none(row["again"]),
    )


def received_receipt(row: Row) -> StoredReceipt:
    """Return a row of `receipt`."""
    return StoredReceipt(
        message_id=row["message_id"],
        partner=row["partner"],
        verdict=Verdict(row["verdict"]),
        code=row["code"],
        token=row["token"],
        received=time_of(row["received"]),
    )


def inbox_row(row: Row) -> InboxRow:
    """Return a row of `inbox` joined with its `hand_over`."""
    return InboxRow(
        message_id=row["message_id"],
        sender=row["sender"],
        recipient=row["recipient"],
        kind=MessageKind(row["kind"]),
        conversation=row["conversation"],
        sequence=row["sequence"],
        in_reply_to=row["in_reply_to"],
        agreement=agreement_ref(row),
        terms=Terms(
            legal_basis=row["legal_basis"],
            purpose=row["purpose"],
            onward_use=row["onward_use"],
            retention_days=row["retention_days"],
        ),
        digest=row["digest"],
        size_bytes=row["size_bytes"],
        expires=time_of(row["expires"]),
        received=time_of(row["received"]),
        hand_over=HandOverState(row["state"]),
        hand_over_version=row["version"],
        attempts=row["attempts"],
        next_attempt_at=time_or_none(row["next_attempt_at"]),
        handed_over=time_or_none(row["handed_over"]),
        last_code=row["last_code"],
        last_detail=row["last_detail"],
        purged=time_or_none(row["purged"]),
        policy_sha256=row["policy_sha256"],
        over_shared=tuple(row["over_shared"].split("\n")) if row["over_shared"] else (),
    )


def health_of(row: Row) -> PartnerHealth:
    """Return a row of `partner_health`."""
    return PartnerHealth(
        partner=row["partner"],
        failures=row["failures"],
        not_before=time_or_none(row["not_before"]),
        last_success=time_or_none(row["last_success"]),
        last_failure=time_or_none(row["last_failure"]),
        last_code=row["last_code"],
        last_detail=row["last_detail"],
    )


def violations_text(violations: Mapping[PartyId, tuple[Violation, ...]]) -> str:
    """Return what was found fault with for each recipient, as it is stored; empty for nothing. Without values."""
    told = {party: [_stored(one) for one in found] for party, found in sorted(violations.items()) if found}
    return orjson.dumps(told).decode() if told else ""


def violations_of(text: str) -> dict[PartyId, tuple[Violation, ...]]:
    """Return what `violations_text` wrote."""
    told = orjson.loads(text) if text else {}
    return {PartyId(party): tuple(Violation(**one) for one in found) for party, found in told.items()}


def _stored(violation: Violation) -> dict[str, str | int | None]:
    return {name: value for name, value in asdict(violation).items() if name != "value"}
