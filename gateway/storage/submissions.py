"""Submissions: accepted with everything that follows from them, or not at all."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select

from gateway.audit import AuditEntry
from gateway.domain.failpoint import Failpoint, Reach
from gateway.domain.hold import Hold, HoldCause, HoldStart, difficulty
from gateway.domain.ids import ClientId, ConversationId, MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.jobs import PreparedTransfer, SealedReference
from gateway.domain.lifecycle import TransferEvent, TransferState, advance
from gateway.domain.limits import IDEMPOTENCY_KEPT
from gateway.domain.message import MessageKind
from gateway.domain.records import (
    Accepted,
    AcceptOutcome,
    AcceptSubmission,
    Answer,
    AnswersUnknown,
    ClaimedTransfer,
    ConversationKnown,
    IdempotencyScope,
    KeyReused,
    Replayed,
    SubmissionRow,
    TransferRow,
)
from gateway.storage import answers, conversations, evidence, health, holds, transfers
from gateway.storage.engine import Connection, Row, Transaction, insert_into
from gateway.storage.retention import kept_until
from gateway.storage.tables import idempotency, original, payload, reference, submission, transfer
from gateway.storage.values import micros, span, time_of, transfer_row, violations_of, violations_text

_FIND_KEY = select(idempotency.c.fingerprint, idempotency.c.submission_id).where(
    idempotency.c.client == bindparam("client"), idempotency.c.key == bindparam("key")
)
_INSERT = insert_into(submission)
_INSERT_ORIGINAL = insert_into(original)
_INSERT_KEY = insert_into(idempotency)
_INSERT_REFERENCE = insert_into(reference)
_INSERT_TRANSFER = insert_into(transfer)
_INSERT_PAYLOAD = insert_into(payload)

_ONE = select(submission).where(submission.c.id == bindparam("id"))
_OF_CLIENT = (
    select(submission)
    .where(submission.c.client == bindparam("client"), submission.c.id < bindparam("before"))
    .order_by(submission.c.id.desc())
    .limit(bindparam("limit"))
)
_TRANSFERS = (
    select(transfer).where(transfer.c.submission_id == bindparam("submission_id")).order_by(transfer.c.recipient)
)
_ORIGINAL = select(original.c.sealed).where(original.c.submission_id == bindparam("submission_id"))

AFTER_ALL = "~"
"""Sorts after every id, since ids are hexadecimal digits and hyphens."""


def find_key(connection: Connection, scope: IdempotencyScope) -> Replayed | KeyReused | None:
    """Return what is known of an idempotency key, or None."""
    row = connection.one(_FIND_KEY, {"client": scope.client, "key": scope.key})
    if row is None:
        return None
    if row["fingerprint"] != scope.fingerprint:
        return KeyReused()
    return Replayed(submission_id=row["submission_id"])


def accept(transaction: Transaction, change: AcceptSubmission) -> AcceptOutcome:
    """Write a submission with all that belongs to it, or tell why nothing was written."""
    connection = transaction.connection
    known = find_key(connection, change.scope)
    if known is not None:
        return known
    joins = _answered(connection, change)
    strangers = frozenset(recipient for recipient, conversation in joins.items() if conversation is None)
    if strangers:
        return AnswersUnknown(recipients=strangers)
    known_places = _look_up(connection, change, joins)
    elsewhere = _elsewhere(change, known_places)
    if elsewhere:
        return ConversationKnown(places=elsewhere)
    submitted = _insert_submission(connection, change)
    rows: list[TransferRow] = []
    leased: list[ClaimedTransfer] = []
    for prepared in change.prepared.transfers:
        place = known_places[prepared.recipient]
        values = _transfer_values(connection, change, prepared, place)
        lease = _lease_at_once(connection, change, prepared, first=bool(values["head"]))
        values |= lease
        rows.append(transfer_row(values))
        if lease:
            leased.append(ClaimedTransfer(row=rows[-1], fence=1, sealed_jws=prepared.sealed))
        connection.run(_INSERT_TRANSFER, values)
        connection.run(_INSERT_PAYLOAD, {"transfer_id": prepared.slot.transfer_id, "sealed": prepared.sealed})
        if not prepared.signed:
            holds.begin(connection, prepared.slot.transfer_id, hold_of(change, prepared), change.now)
        conversations.register(
            connection,
            place,
            party=change.sender,
            partner=prepared.recipient,
            sequence=prepared.slot.sequence,
            now=change.now,
        )
    row = _submission_of(submitted, rows, answers={one.message_id: () for one in rows}, holds={})
    any_held = any(not prepared.signed for prepared in change.prepared.transfers)
    return Accepted(
        submission_id=change.submission_id, claimed=tuple(leased), row=None if any_held else row
    )  # a hold has more to tell than what was written here


def accept_and_record(
    transaction: Transaction, change: AcceptSubmission, audit: Sequence[AuditEntry], reach: Reach
) -> AcceptOutcome:
    """Do what `accept` does, with the evidence in the order in which it becomes true: accepted, then claimed."""
    outcome = accept(transaction, change)
    if isinstance(outcome, Accepted):
        evidence.record_all(transaction, audit)
        leased = (transfers.claim_entry(one.row, one.fence, change.now) for one in outcome.claimed)
        evidence.record_all(transaction, leased)
        reach(Failpoint.SUBMISSION_WRITTEN)
    return outcome


def _lease_at_once(
    connection: Connection, change: AcceptSubmission, prepared: PreparedTransfer, *, first: bool
) -> dict[str, Any]:
    """Return what a claim right after the commit would make of a transfer: its first lease, and its first fence.

    Nothing, if no claim would take it. `first`: nothing unfinished stands before it in its conversation.
    """
    claim = change.claim
    if claim is None or prepared.recipient not in claim.recipients or not (first and prepared.signed):
        return {}
    if health.is_backing_off(connection, prepared.recipient, change.now):
        return {}
    return {
        "state": advance(TransferState.QUEUED, TransferEvent.CLAIMED).value,
        "version": 2,
        "fence": 1,
        "attempts": 1,
        "lease_until": micros(change.now + claim.lease),
        "next_attempt_at": None,
    }


def _answered(connection: Connection, change: AcceptSubmission) -> dict[PartyId, ConversationId | None]:
    """Return, for each recipient that is answered, the conversation of what it sent us; None if it sent no such."""
    return {
        prepared.recipient: conversations.of_received(
            connection, party=change.sender, partner=prepared.recipient, message_id=prepared.header.in_reply_to
        )
        for prepared in change.prepared.transfers
        if prepared.header.in_reply_to is not None
    }


def _look_up(
    connection: Connection, change: AcceptSubmission, joins: Mapping[PartyId, ConversationId | None]
) -> dict[PartyId, conversations.Known]:
    keys = conversations.keys_of(change.prepared.references)
    return {
        prepared.recipient: conversations.look_up(
            connection,
            party=change.sender,
            partner=prepared.recipient,
            keys=keys,
            joins=joins.get(prepared.recipient),
            otherwise=prepared.slot.conversation,
        )
        for prepared in change.prepared.transfers
    }


def _elsewhere(
    change: AcceptSubmission, known: Mapping[PartyId, conversations.Known]
) -> dict[PartyId, tuple[ConversationId, int]]:
    """Return the true place of every transfer that was prepared for another."""
    places: dict[PartyId, tuple[ConversationId, int]] = {}
    for prepared in change.prepared.transfers:
        found = known[prepared.recipient]
        place = (found.conversation, (found.last_sequence or 0) + 1)
        if place != (prepared.slot.conversation, prepared.slot.sequence):
            places[prepared.recipient] = place
    return places


def _insert_submission(connection: Connection, change: AcceptSubmission) -> dict[str, Any]:
    """Write what belongs to a submission but its transfers, and return its row."""
    prepared, scope = change.prepared, change.scope
    row = {
        "id": change.submission_id,
        "client": scope.client,
        "sender": change.sender,
        "kind": prepared.facts_kind.value,
        "function_code": prepared.function_code,
        "type_code": prepared.type_code,
        "item_count": prepared.item_count,
        "size_bytes": prepared.size_bytes,
        "document_sha256": prepared.document_sha256,
        "created": micros(change.now),
        "warnings": violations_text({one.recipient: one.warned for one in prepared.transfers}),
    }
    connection.run(_INSERT, row)
    connection.run(_INSERT_ORIGINAL, {"submission_id": change.submission_id, "sealed": prepared.sealed_document})
    connection.run(
        _INSERT_KEY,
        {
            "client": scope.client,
            "key": scope.key,
            "fingerprint": scope.fingerprint,
            "submission_id": change.submission_id,
            "created": micros(change.now),
            "keep_until": micros(change.now + IDEMPOTENCY_KEPT),
        },
    )
    insert_references(connection, "submission", change.submission_id, prepared.references)
    return row


def insert_references(
    connection: Connection, subject_kind: str, subject_id: str, references: tuple[SealedReference, ...]
) -> None:
    """Write the references of a submission or an inbox message; the same one twice counts once."""
    rows = {
        (one.kind, one.index): {
            "subject_kind": subject_kind,
            "subject_id": subject_id,
            "kind": one.kind.value,
            "key_index": one.index,
            "sealed": one.sealed,
        }
        for one in references
    }
    if rows:
        connection.run_many(_INSERT_REFERENCE, list(rows.values()))


def hold_of(change: AcceptSubmission, prepared: PreparedTransfer) -> HoldStart:
    """Return how the hold of a transfer begins that its rules did not let go."""
    return HoldStart(
        cause=HoldCause.RULES,
        by=f"client:{change.scope.client}",
        reasons=prepared.held_for,
        approvals=prepared.approvals,
    )


def _transfer_values(
    connection: Connection, change: AcceptSubmission, prepared: PreparedTransfer, place: conversations.Known
) -> dict[str, Any]:
    slot, header, now = prepared.slot, prepared.header, micros(change.now)
    first = place.last_sequence is None or conversations.is_lowest(
        connection, party=change.sender, partner=prepared.recipient, of=slot.conversation, sequence=slot.sequence
    )
    return {
        "id": slot.transfer_id,
        "message_id": slot.message_id,
        "submission_id": change.submission_id,
        "client": change.scope.client,
        "sender": change.sender,
        "recipient": prepared.recipient,
        "kind": header.kind.value,
        "conversation": slot.conversation,
        "sequence": slot.sequence,
        "in_reply_to": header.in_reply_to,
        "supersedes": header.supersedes,
        "lane": change.priority.lane,
        "state": (TransferState.QUEUED if prepared.signed else TransferState.HELD).value,
        "version": 1,
        "head": int(first),
        "fence": 0,
        "lease_until": None,
        "ever_sent": 0,
        "not_seen": 0,
        "skipped": 0,
        "digest": prepared.digest,
        "message_bytes": prepared.size_bytes,
        "agreement_id": header.agreement.id,
        "agreement_version": header.agreement.version,
        "agreement_sha256": header.agreement.sha256,
        "retry_first_wait": span(prepared.retry.first_wait),
        "retry_cap": span(prepared.retry.cap),
        "retry_deadline": span(prepared.retry.deadline),
        "retry_attempts": prepared.retry.attempts,
        "attempts": 0,
        "created": now,
        "updated": now,
        "expires": micros(header.expires),
        "deadline": micros(prepared.deadline),
        "next_attempt_at": now if prepared.signed else None,
        "handed_over": None,
        "last_code": "" if prepared.signed else "transfer.held",
        "last_detail": "" if prepared.signed else difficulty(hold_of(change, prepared)),
        "kept": prepared.kept,
        "withheld": prepared.withheld,
        "keep_until": micros(kept_until(header, change.now)),
        "purged": None,
    }


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_one(connection: Connection, submission_id: SubmissionId) -> SubmissionRow | None:
    """Return a submission with its transfers, or None."""
    row = connection.one(_ONE, {"id": submission_id})
    return None if row is None else _submission_row(connection, row)


def read_of_client(
    connection: Connection, *, client: ClientId, limit: int, before: SubmissionId | None
) -> list[SubmissionRow]:
    """Return a client's submissions, newest first."""
    rows = connection.rows(_OF_CLIENT, {"client": client, "limit": limit, "before": before or AFTER_ALL})
    return [_submission_row(connection, row) for row in rows]


def read_original(connection: Connection, submission_id: SubmissionId) -> bytes | None:
    """Return the sealed original, or None."""
    row = connection.one(_ORIGINAL, {"submission_id": submission_id})
    return None if row is None else bytes(row["sealed"])


def _submission_row(connection: Connection, row: Row) -> SubmissionRow:
    transfers = [transfer_row(each) for each in connection.rows(_TRANSFERS, {"submission_id": row["id"]})]
    held = [each.id for each in transfers if each.state is TransferState.HELD]
    return _submission_of(
        row,
        transfers,
        answers={each.message_id: answers.read(connection, each) for each in transfers},
        holds={transfer_id: found[-1] for transfer_id in held if (found := holds.read_of(connection, transfer_id))},
    )


def _submission_of(
    row: Row,
    transfers: Sequence[TransferRow],
    *,
    answers: Mapping[MessageId, tuple[Answer, ...]],
    holds: Mapping[TransferId, Hold],
) -> SubmissionRow:
    return SubmissionRow(
        id=row["id"],
        client=row["client"],
        sender=row["sender"],
        kind=MessageKind(row["kind"]),
        created=time_of(row["created"]),
        item_count=row["item_count"],
        size_bytes=row["size_bytes"],
        transfers=tuple(transfers),
        warnings=violations_of(row["warnings"]),
        answers=answers,
        holds=holds,
    )
