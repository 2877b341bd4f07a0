"""Accepting submissions: each with everything that follows from it, or not at all; several by the same statements.

What is asked of the store is asked for all of a group at once, before anything of it is written. That is what each
alone would be told only as long as none of them changes the answer for another: so a group is cut where two share an
idempotency key, a conversation or a reference (`_independent`), and what is behind the cut asks anew.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, select

from gateway.audit import AuditEntry
from gateway.domain.failpoint import Failpoint, Reach
from gateway.domain.hold import HoldCause, HoldStart, difficulty
from gateway.domain.ids import ClientId, ConversationId, PartyId
from gateway.domain.jobs import PreparedTransfer
from gateway.domain.lifecycle import TransferEvent, TransferState, advance
from gateway.domain.limits import IDEMPOTENCY_KEPT
from gateway.domain.records import (
    Accepted,
    AcceptOutcome,
    AcceptSubmission,
    AnswersUnknown,
    ClaimedTransfer,
    ConversationKnown,
    KeyReused,
    Replayed,
    SubmissionRow,
    TransferRow,
)
from gateway.storage import conversations, health, holds
from gateway.storage.conversations import Known, Sought
from gateway.storage.engine import Connection, Row, Transaction, insert_into
from gateway.storage.references import reference_values, write_references
from gateway.storage.retention import kept_until
from gateway.storage.tables import idempotency, original, payload, submission, transfer
from gateway.storage.together import Among
from gateway.storage.transfers import claim_entry
from gateway.storage.values import micros, span, violations_of, violations_text

_KNOWN_KEYS = Among(
    select(idempotency.c.key, idempotency.c.fingerprint, idempotency.c.submission_id).where(
        idempotency.c.client == bindparam("client")
    ),
    idempotency.c.key,
)
_INSERT = insert_into(submission)
_INSERT_ORIGINAL = insert_into(original)
_INSERT_KEY = insert_into(idempotency)
_INSERT_TRANSFER = insert_into(transfer)
_INSERT_PAYLOAD = insert_into(payload)

Given = tuple[AcceptSubmission, Sequence[AuditEntry]]
"""What is to be committed of a submission, and its evidence."""


@dataclass(slots=True)
class _Line:
    """One submission on its way. `at`: its time in microseconds; `warnings`: as they are stored; `places`: where each
    of its transfers belongs."""

    change: AcceptSubmission
    audit: Sequence[AuditEntry]
    at: int
    warnings: str = ""
    places: Sequence[Known] = ()
    rows: list[TransferRow] = field(default_factory=list)
    claimed: list[ClaimedTransfer] = field(default_factory=list)
    outcome: AcceptOutcome | None = None


@dataclass(slots=True)
class _Rows:
    """Rows to be written, by their tables."""

    submissions: list[dict[str, Any]] = field(default_factory=list)
    originals: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    references: list[dict[str, Any]] = field(default_factory=list)
    transfers: list[dict[str, Any]] = field(default_factory=list)
    payloads: list[dict[str, Any]] = field(default_factory=list)
    places: list[tuple[Known, int | None, int]] = field(default_factory=list)


def accept_all(transaction: Transaction, given: Sequence[Given], reach: Reach) -> list[AcceptOutcome]:
    """Write submissions with all that belongs to each, or tell why nothing was written of one. The evidence stands in
    the order in which it becomes true: accepted, then claimed."""
    return [outcome for some in _independent(given) for outcome in _accept(transaction, some, reach)]


def _independent(given: Sequence[Given]) -> Iterator[Sequence[Given]]:
    """Yield submissions in their order, together as long as none can change what another is told."""
    some: list[Given] = []
    seen: set[tuple[str, ...]] = set()
    for change, audit in given:
        marks = _marks(change)
        if not seen.isdisjoint(marks):
            yield some
            some, seen = [], set()
        some.append((change, audit))
        seen.update(marks)
    if some:
        yield some


def _marks(change: AcceptSubmission) -> list[tuple[str, ...]]:
    """Return what no two of a group may have in common."""
    marks: list[tuple[str, ...]] = [(change.scope.client, change.scope.key)]
    for one in change.prepared.transfers:
        marks.append((change.sender, one.recipient, one.slot.conversation))
        marks += [(change.sender, one.recipient, reference.index) for reference in change.prepared.references]
    return marks


def _accept(transaction: Transaction, given: Sequence[Given], reach: Reach) -> list[AcceptOutcome]:
    connection = transaction.connection
    lines = [_Line(change, audit, micros(change.now)) for change, audit in given]
    _find_keys(connection, lines)
    _find_places(connection, [line for line in lines if line.outcome is None])
    accepted = [line for line in lines if line.outcome is None]
    if accepted:
        _write(connection, accepted)
    for line in accepted:
        _record(transaction, line, reach)
    return [line.outcome or _accepted(line) for line in lines]


# ── what is known ────────────────────────────────────────────────────────────────────────────────────────────────────


def _find_keys(connection: Connection, lines: Sequence[_Line]) -> None:
    """Tell those whose idempotency key is known."""
    keys: dict[ClientId, list[str]] = {}
    for line in lines:
        keys.setdefault(line.change.scope.client, []).append(line.change.scope.key)
    known = {
        (client, row["key"]): row
        for client, some in keys.items()
        for row in _KNOWN_KEYS.rows(connection, {"client": client}, some)
    }
    for line in lines:
        row = known.get((line.change.scope.client, line.change.scope.key))
        if row is not None:
            line.outcome = _known_key(row, line.change.scope.fingerprint)


def _known_key(row: Row, fingerprint: str) -> Replayed | KeyReused:
    return Replayed(submission_id=row["submission_id"]) if row["fingerprint"] == fingerprint else KeyReused()


def _find_places(connection: Connection, lines: Sequence[_Line]) -> None:
    """Find where each transfer belongs, and tell those that were prepared for other places, or answer nothing."""
    sought: list[Sought] = []
    for line in lines:
        joins = _answered(connection, line.change)
        strangers = frozenset(recipient for recipient, conversation in joins.items() if conversation is None)
        if strangers:
            line.outcome = AnswersUnknown(recipients=strangers)
            continue
        sought += _sought(line.change, joins)
    found = iter(conversations.look_up(connection, sought) if sought else ())
    for line in lines:
        if line.outcome is None:
            line.places = [next(found) for _ in line.change.prepared.transfers]
            elsewhere = _elsewhere(line)
            line.outcome = ConversationKnown(places=elsewhere) if elsewhere else None


def _answered(connection: Connection, change: AcceptSubmission) -> dict[PartyId, ConversationId | None]:
    """Return, for each recipient that is answered, the conversation of what it sent us; None if it sent no such."""
    return {
        prepared.recipient: conversations.of_received(
            connection, party=change.sender, partner=prepared.recipient, message_id=prepared.header.in_reply_to
        )
        for prepared in change.prepared.transfers
        if prepared.header.in_reply_to is not None
    }


def _sought(change: AcceptSubmission, joins: Mapping[PartyId, ConversationId | None]) -> list[Sought]:
    keys = conversations.keys_of(change.prepared.references)
    return [
        Sought(change.sender, one.recipient, keys, joins.get(one.recipient), one.slot.conversation)
        for one in change.prepared.transfers
    ]


def _elsewhere(line: _Line) -> dict[PartyId, tuple[ConversationId, int]]:
    """Return the true place of every transfer that was prepared for another."""
    places: dict[PartyId, tuple[ConversationId, int]] = {}
    for prepared, known in zip(line.change.prepared.transfers, line.places, strict=True):
        place = (known.conversation, (known.last_sequence or 0) + 1)
        if place != (prepared.slot.conversation, prepared.slot.sequence):
            places[prepared.recipient] = place
    return places


# ── what is written ──────────────────────────────────────────────────────────────────────────────────────────────────


def _write(connection: Connection, lines: Sequence[_Line]) -> None:
    """Write all rows of what is accepted, table by table."""
    rows = _Rows()
    # Each is the last of its conversation, so anything unfinished stands before it.
    known = [place for line in lines for place in line.places if place.last_sequence is not None]
    waits = conversations.unfinished(connection, [(one.party, one.partner, one.conversation) for one in known])
    backing_off = health.Waits(connection)
    for line in lines:
        _lay_out_submission(line, rows)
        for prepared, place in zip(line.change.prepared.transfers, line.places, strict=True):
            first = (place.party, place.partner, place.conversation) not in waits
            _lay_out_transfer(line, prepared, rows, first=first, backing_off=backing_off)
            rows.places.append((place, prepared.slot.sequence, line.at))
    connection.run_many(_INSERT, rows.submissions)
    connection.run_many(_INSERT_ORIGINAL, rows.originals)
    connection.run_many(_INSERT_KEY, rows.keys)
    write_references(connection, rows.references)
    connection.run_many(_INSERT_TRANSFER, rows.transfers)
    connection.run_many(_INSERT_PAYLOAD, rows.payloads)
    for line in lines:
        for prepared in line.change.prepared.transfers:
            if not prepared.signed:
                start = hold_of(line.change, prepared)
                holds.begin(connection, prepared.slot.transfer_id, start, line.change.now)
    conversations.register(connection, rows.places)


def _lay_out_submission(line: _Line, rows: _Rows) -> None:
    """Lay out what belongs to a submission but its transfers."""
    change, prepared, scope = line.change, line.change.prepared, line.change.scope
    line.warnings = violations_text({one.recipient: one.warned for one in prepared.transfers if one.warned})
    rows.submissions.append(
        {
            "id": change.submission_id,
            "client": scope.client,
            "sender": change.sender,
            "kind": prepared.facts_kind._value_,
            "function_code": prepared.function_code,
            "type_code": prepared.type_code,
            "item_count": prepared.item_count,
            "size_bytes": prepared.size_bytes,
            "document_sha256": prepared.document_sha256,
            "created": line.at,
            "warnings": line.warnings,
        }
    )
    rows.originals.append({"submission_id": change.submission_id, "sealed": prepared.sealed_document})
    rows.keys.append(
        {
            "client": scope.client,
            "key": scope.key,
            "fingerprint": scope.fingerprint,
            "submission_id": change.submission_id,
            "created": line.at,
            "keep_until": line.at + span(IDEMPOTENCY_KEPT),
        }
    )
    rows.references += reference_values("submission", change.submission_id, prepared.references)


def _lay_out_transfer(
    line: _Line, prepared: PreparedTransfer, rows: _Rows, *, first: bool, backing_off: health.Waits
) -> None:
    """Lay out a transfer, leased at once if it may be. `first`: nothing unfinished stands before it."""
    change = line.change
    claim = change.claim
    leased = (
        claim is not None
        and first
        and prepared.signed
        and prepared.recipient in claim.recipients
        and not backing_off(prepared.recipient, change.now)
    )
    row = _transfer_row(change, prepared, leased=leased)
    values = _transfer_values(change, prepared, row, line.at, first=first)
    if claim is not None and leased:
        values |= {"fence": 1, "lease_until": line.at + span(claim.lease)}
        line.claimed.append(ClaimedTransfer(row=row, fence=1, sealed_jws=prepared.sealed))
    line.rows.append(row)
    rows.transfers.append(values)
    rows.payloads.append({"transfer_id": row.id, "sealed": prepared.sealed})


def hold_of(change: AcceptSubmission, prepared: PreparedTransfer) -> HoldStart:
    """Return how the hold of a transfer begins that its rules did not let go."""
    return HoldStart(
        cause=HoldCause.RULES,
        by=f"client:{change.scope.client}",
        reasons=prepared.held_for,
        approvals=prepared.approvals,
    )


def _transfer_row(change: AcceptSubmission, prepared: PreparedTransfer, *, leased: bool) -> TransferRow:
    """Return a transfer as it begins; `leased`: as a claim right after the commit would leave it."""
    slot, header = prepared.slot, prepared.header
    state = TransferState.QUEUED if prepared.signed else TransferState.HELD
    return TransferRow(
        id=slot.transfer_id,
        message_id=slot.message_id,
        submission_id=change.submission_id,
        client=change.scope.client,
        sender=change.sender,
        recipient=prepared.recipient,
        kind=header.kind,
        conversation=slot.conversation,
        sequence=slot.sequence,
        in_reply_to=header.in_reply_to,
        state=advance(state, TransferEvent.CLAIMED) if leased else state,
        version=2 if leased else 1,
        digest=prepared.digest,
        agreement=header.agreement,
        retry=prepared.retry,
        attempts=int(leased),
        ever_sent=False,
        created=change.now,
        updated=change.now,
        expires=header.expires,
        deadline=prepared.deadline,
        next_attempt_at=change.now if prepared.signed and not leased else None,
        handed_over=None,
        last_code="" if prepared.signed else "transfer.held",
        last_detail="" if prepared.signed else difficulty(hold_of(change, prepared)),
        kept=prepared.kept,
        withheld=prepared.withheld,
        supersedes=header.supersedes,
    )


def _transfer_values(
    change: AcceptSubmission, prepared: PreparedTransfer, row: TransferRow, at: int, *, first: bool
) -> dict[str, Any]:
    return {
        "id": row.id,
        "message_id": row.message_id,
        "submission_id": row.submission_id,
        "client": row.client,
        "sender": row.sender,
        "recipient": row.recipient,
        "kind": row.kind._value_,
        "conversation": row.conversation,
        "sequence": row.sequence,
        "in_reply_to": row.in_reply_to,
        "supersedes": row.supersedes,
        "lane": change.priority.lane,
        "state": row.state._value_,
        "version": row.version,
        "head": int(first),
        "fence": 0,
        "lease_until": None,
        "ever_sent": 0,
        "not_seen": 0,
        "skipped": 0,
        "digest": row.digest,
        "message_bytes": prepared.size_bytes,
        "agreement_id": row.agreement.id,
        "agreement_version": row.agreement.version,
        "agreement_sha256": row.agreement.sha256,
        "retry_first_wait": span(row.retry.first_wait),
        "retry_cap": span(row.retry.cap),
        "retry_deadline": span(row.retry.deadline),
        "retry_attempts": row.retry.attempts,
        "attempts": row.attempts,
        "created": at,
        "updated": at,
        "expires": micros(row.expires),
        "deadline": micros(row.deadline),
        "next_attempt_at": None if row.next_attempt_at is None else at,
        "handed_over": None,
        "last_code": row.last_code,
        "last_detail": row.last_detail,
        "kept": row.kept,
        "withheld": row.withheld,
        "keep_until": micros(kept_until(prepared.header, change.now)),
        "purged": None,
    }


# ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _record(transaction: Transaction, line: _Line, reach: Reach) -> None:
    for entry in line.audit:
        transaction.record(entry)
    for one in line.claimed:
        transaction.record(claim_entry(one.row, one.fence, line.change.now))
    reach(Failpoint.SUBMISSION_WRITTEN)


def _accepted(line: _Line) -> Accepted:
    change = line.change
    return Accepted(
        submission_id=change.submission_id,
        claimed=tuple(line.claimed),
        # A hold has more to tell than what was written here.
        row=_submission_row(line) if all(one.signed for one in change.prepared.transfers) else None,
    )


def _submission_row(line: _Line) -> SubmissionRow:
    change, prepared = line.change, line.change.prepared
    return SubmissionRow(
        id=change.submission_id,
        client=change.scope.client,
        sender=change.sender,
        kind=prepared.facts_kind,
        created=change.now,
        item_count=prepared.item_count,
        size_bytes=prepared.size_bytes,
        transfers=tuple(line.rows),
        answers={row.message_id: () for row in line.rows},
        warnings=violations_of(line.warnings),
    )
