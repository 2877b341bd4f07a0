"""How rows look in JSON. Both APIs show the same names; operators see more of them.

Times are RFC 3339 in UTC. No sealed byte and no value of a document stands in any of these.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson
from aiohttp import web

from gateway.audit import AuditRecord
from gateway.domain.hold import HeldCount, Hold
from gateway.domain.ids import PartyId
from gateway.domain.later import Unjudged
from gateway.domain.lifecycle import TransferState, submission_status
from gateway.domain.records import (
    ActedOnMany,
    Answer,
    Attempt,
    InboxRow,
    OwedNotice,
    PartnerHealth,
    RulesReloaded,
    StoredNotice,
    StoredReceipt,
    SubmissionRow,
    SupersededMessage,
    TransferRow,
)
from gateway.errors import Violation

__all__ = [
    "answers_json",
    "attempt_json",
    "health_json",
    "held_count_json",
    "hold_json",
    "hold_of_operator_json",
    "inbox_json",
    "json_response",
    "notice_json",
    "owed_json",
    "receipt_json",
    "record_json",
    "released_json",
    "reloaded_json",
    "requeued_json",
    "submission_json",
    "superseded_json",
    "timestamp",
    "transfer_json",
    "transfer_of_operator_json",
    "unjudged_json",
    "warnings_json",
]


_TO_MILLISECONDS: Final = len("2026-03-01T09:30:00.000")


def json_response(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return `value` as an `application/json` answer."""
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json", headers=headers)


def timestamp(at: datetime | None) -> str | None:
    """Return an aware time as RFC 3339 in UTC with milliseconds, for example `2026-03-01T09:30:00.000Z`."""
    return None if at is None else _timestamp(at)


@lru_cache(maxsize=256)  # what was handed in together was made at one moment
def _timestamp(at: datetime) -> str:
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[:_TO_MILLISECONDS] + "Z"


def submission_json(row: SubmissionRow) -> dict[str, Any]:
    """Return a submission as its submitter sees it; `status` is derived from the transfers."""
    return {
        "id": row.id,
        "status": submission_status(transfer.state for transfer in row.transfers).value,
        "from": row.sender,
        "kind": row.kind.value,
        "created": timestamp(row.created),
        "items": row.item_count,
        "size_bytes": row.size_bytes,
        "warnings": warnings_json(row.warnings),
        "transfers": [
            {
                **transfer_json(transfer),
                "answers": answers_json(row.answers[transfer.message_id]),
                "hold": hold_json(row.holds[transfer.id]) if transfer.id in row.holds else None,
            }
            for transfer in row.transfers
        ],
    }


def warnings_json(warnings: Mapping[PartyId, tuple[Violation, ...]]) -> list[dict[str, Any]]:
    """Return what profiles found fault with and let go, each once, with the recipients whose agreement says so."""
    recipients: dict[Violation, list[PartyId]] = {}
    for recipient, violations in warnings.items():
        for violation in violations:
            recipients.setdefault(violation, []).append(recipient)
    return [{**one.as_json(), "recipients": sorted(concerned)} for one, concerned in recipients.items()]


def transfer_json(row: TransferRow) -> dict[str, Any]:
    """Return a transfer as its submitter sees it. `code` and `detail` tell of the latest difficulty."""
    return {
        "id": row.id,
        "message_id": row.message_id,
        "recipient": row.recipient,
        "state": row.state.value,
        "conversation": row.conversation,
        "sequence": row.sequence,
        "in_reply_to": row.in_reply_to,
        "kept": row.kept,
        "withheld": row.withheld,
        "agreement": {"id": row.agreement.id, "version": row.agreement.version, "sha256": row.agreement.sha256},
        "digest": row.digest,
        "attempts": row.attempts,
        "created": timestamp(row.created),
        "updated": timestamp(row.updated),
        "deadline": timestamp(row.deadline),
        "expires": timestamp(row.expires),
        "next_attempt_at": timestamp(row.next_attempt_at),
        "handed_over": timestamp(row.handed_over),
        "code": row.last_code,
        "detail": row.last_detail,
    }


def answers_json(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    """Return what the partner answered; `hand_over` is where each stands on its way to our back end."""
    return [
        {
            "message_id": one.message_id,
            "kind": one.kind.value,
            "sequence": one.sequence,
            "received": timestamp(one.received),
            "hand_over": one.hand_over.value,
            "handed_over": timestamp(one.handed_over),
        }
        for one in answers
    ]


def transfer_of_operator_json(row: TransferRow) -> dict[str, Any]:
    """Return a transfer as operators see it."""
    return {
        **transfer_json(row),
        "submission_id": row.submission_id,
        "client": row.client,
        "sender": row.sender,
        "kind": row.kind.value,
        "ever_sent": row.ever_sent,
        "not_seen": row.not_seen,
        "skipped": row.skipped,
        "supersedes": row.supersedes,
        "purged": timestamp(row.purged),
        "version": row.version,
    }


def hold_json(hold: Hold) -> dict[str, Any]:
    """Return why a transfer waits for a person, as its submitter sees it: the rules and where, and who is to decide."""
    return {
        "cause": hold.start.cause.value,
        "since": timestamp(hold.since),
        "reason": hold.start.reason,
        "rules": [reason.as_json() for reason in hold.start.reasons],
        "approvals_needed": hold.start.approvals,
        "approvals_given": len(hold.approvals),
    }


def hold_of_operator_json(hold: Hold) -> dict[str, Any]:
    """Return a hold with who began it and who approved."""
    return {
        **hold_json(hold),
        "by": hold.start.by,
        "released": timestamp(hold.released),
        "approvals": [
            {"officer": one.officer, "reason": one.reason, "at": timestamp(one.at)} for one in hold.approvals
        ],
    }


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    """Return one attempt to send."""
    return {
        "number": attempt.number,
        "started": timestamp(attempt.started),
        "ended": timestamp(attempt.ended),
        "outcome": attempt.outcome,
        "code": attempt.code,
        "detail": attempt.detail,
        "again": timestamp(attempt.again),
    }


def superseded_json(message: SupersededMessage) -> dict[str, Any]:
    """Return one of the earlier messages of a transfer."""
    return {
        "message_id": message.message_id,
        "digest": message.digest,
        "ever_sent": message.ever_sent,
        "superseded": timestamp(message.superseded),
    }


def requeued_json(done: ActedOnMany) -> dict[str, Any]:
    """Return what a requeue of many did."""
    return {"requeued": len(done.rows), "transfers": [row.id for row in done.rows], **_refused_json(done)}


def released_json(done: ActedOnMany) -> dict[str, Any]:
    """Return what a release of many did. `approved`: those that wait for another officer."""
    approved = [row.id for row in done.rows if row.state is TransferState.HELD]
    released = [row.id for row in done.rows if row.state is not TransferState.HELD]
    return {"released": len(released), "transfers": released, "approved": approved, **_refused_json(done)}


def _refused_json(done: ActedOnMany) -> dict[str, Any]:
    refused = [{"id": one.id, "code": one.code, "detail": one.detail} for one in done.refused]
    return {"refused": refused, "next": done.following}


def held_count_json(count: HeldCount) -> dict[str, Any]:
    """Return how many held transfers fit."""
    return {"count": count.fit, "own": count.own, "approved": count.approved, "up_to": count.up_to}


def reloaded_json(told: RulesReloaded) -> dict[str, Any]:
    """Return what a node follows after a reload."""
    return {
        "changed": told.changed,
        "generation": told.generation,
        "rules_sha256": told.rules_sha256,
        "agreements": list(told.agreements),
        "not_in_force": list(told.not_in_force),
        "held": told.held,
        "schema_sets": list(told.schema_sets),
    }


def receipt_json(receipt: StoredReceipt | None) -> dict[str, Any] | None:
    """Return what a stored receipt says, and the token itself, which anyone may verify."""
    if receipt is None:
        return None
    return {
        "message_id": receipt.message_id,
        "partner": receipt.partner,
        "verdict": receipt.verdict.value,
        "code": receipt.code,
        "received": timestamp(receipt.received),
        "token": receipt.token,
    }


def notice_json(notice: StoredNotice | None) -> dict[str, Any] | None:
    """Return what a partner's notice says, and the token itself, which anyone may verify."""
    if notice is None:
        return None
    return {
        "message_id": notice.message_id,
        "partner": notice.partner,
        "handed_over": timestamp(notice.handed_over),
        "received": timestamp(notice.received),
        "token": notice.token,
    }


def owed_json(owed: OwedNotice | None) -> dict[str, Any] | None:
    """Return whether the sender of a message knows that it was handed over; None before it was."""
    if owed is None:
        return None
    return {
        "state": owed.state.value,
        "attempts": owed.attempts,
        "updated": timestamp(owed.updated),
        "next_attempt_at": timestamp(owed.next_attempt_at),
        "deadline": timestamp(owed.deadline),
        "code": owed.last_code,
        "detail": owed.last_detail,
    }


def inbox_json(row: InboxRow) -> dict[str, Any]:
    """Return what is known of a received message, without the message."""
    return {
        "message_id": row.message_id,
        "sender": row.sender,
        "recipient": row.recipient,
        "kind": row.kind.value,
        "conversation": row.conversation,
        "sequence": row.sequence,
        "in_reply_to": row.in_reply_to,
        "agreement": {"id": row.agreement.id, "version": row.agreement.version, "sha256": row.agreement.sha256},
        "terms": {
            "legal_basis": row.terms.legal_basis,
            "purpose": row.terms.purpose,
            "onward_use": row.terms.onward_use,
            "retention_days": row.terms.retention_days,
        },
        "policy_sha256": row.policy_sha256,
        "over_shared": list(row.over_shared),
        "digest": row.digest,
        "size_bytes": row.size_bytes,
        "received": timestamp(row.received),
        "hand_over": row.hand_over.value,
        "attempts": row.attempts,
        "next_attempt_at": timestamp(row.next_attempt_at),
        "handed_over": timestamp(row.handed_over),
        "purged": timestamp(row.purged),
        "code": row.last_code,
        "detail": row.last_detail,
    }


def health_json(health: PartnerHealth) -> dict[str, Any]:
    """Return how a partner has been answering."""
    return {
        "partner": health.partner,
        "failures": health.failures,
        "not_before": timestamp(health.not_before),
        "last_success": timestamp(health.last_success),
        "last_failure": timestamp(health.last_failure),
        "last_code": health.last_code,
        "last_detail": health.last_detail,
    }


def unjudged_json(one: Unjudged) -> dict[str, Any]:
    """Return how much of a partner waits to be judged."""
    return {"sender": one.sender, "count": one.count, "oldest": timestamp(one.oldest)}


def record_json(record: AuditRecord) -> dict[str, Any]:
    """Return one audit record for people; the exact form that is hashed is that of an audit export."""
    return {
        "seq": record.seq,
        "at": timestamp(record.entry.at),
        "event": record.entry.event.value,
        "actor": record.entry.actor,
        "facts": dict(record.entry.facts),
        "hash": record.hash,
    }


def timeline_json(records: Iterable[AuditRecord]) -> list[dict[str, Any]]:
    """Return audit records in order."""
    return [record_json(record) for record in records]
