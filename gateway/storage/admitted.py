"""The rows of messages that were admitted: inbox, content, hand-over, dedupe row, references, conversation.

Written table by table for several messages, no two of which may share a conversation or a reference (`receiving.py`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gateway.domain.jobs import Admitted
from gateway.domain.lifecycle import HandOverEvent, HandOverState, advance_hand_over
from gateway.domain.limits import DEDUPE_KEPT_AFTER_EXPIRY
from gateway.domain.records import ClaimAtOnce, ClaimedHandOver, InboxRow
from gateway.domain.statement import Verdict
from gateway.storage import conversations
from gateway.storage.conversations import Sought
from gateway.storage.engine import Connection, insert_into
from gateway.storage.inbox_tables import dedupe, hand_over, inbox, inbox_payload
from gateway.storage.references import reference_values, write_references
from gateway.storage.retention import kept_until
from gateway.storage.values import micros, span

_INSERT_DEDUPE = insert_into(dedupe)
_INSERT_INBOX = insert_into(inbox)
_INSERT_PAYLOAD = insert_into(inbox_payload)
_INSERT_HAND_OVER = insert_into(hand_over)


class New(NamedTuple):
    """A message of which nothing is known, and when it was admitted. `claim`: whose hand-over may be leased at once."""

    result: Admitted
    now: datetime
    claim: ClaimAtOnce | None


def write_messages(connection: Connection, new: Sequence[New]) -> list[ClaimedHandOver | None]:
    """Write messages; return the hand-over of each if it was leased, which needs that nothing waits beside it."""
    places = [(one.result.header.sender, one.result.header.conversation) for one in new]
    # Where another waits already, both decide who goes first; else the new one does.
    waiting = conversations.unfinished_received(connection, places)
    known = conversations.look_up(connection, [_sought(one.result) for one in new])
    at = [micros(one.now) for one in new]
    kept = [micros(kept_until(one.result.header, one.now)) for one in new]
    claimed = [_claimed(one) if place not in waiting else None for one, place in zip(new, places, strict=True)]
    connection.run_many(_INSERT_INBOX, [_inbox_values(one.result, when) for one, when in zip(new, at, strict=True)])
    connection.run_many(_INSERT_PAYLOAD, [_payload_values(one.result) for one in new])
    connection.run_many(
        _INSERT_HAND_OVER,
        [
            _hand_over_values(one, when, leased, keep_until=until, first=place not in waiting)
            for one, when, leased, until, place in zip(new, at, claimed, kept, places, strict=True)
        ],
    )
    connection.run_many(
        _INSERT_DEDUPE,
        [_dedupe_values(one.result, when, kept=until) for one, when, until in zip(new, at, kept, strict=True)],
    )
    write_references(connection, [row for one in new for row in _references(one.result)])
    conversations.register(connection, [(place, None, when) for place, when in zip(known, at, strict=True)])
    conversations.let_next_be_handed_over(connection, waiting)
    return claimed


def _claimed(new: New) -> ClaimedHandOver | None:
    """Return a hand-over as a claim right after the commit would, if it may be leased."""
    result, now, claim = new
    header = result.header
    if claim is None or header.recipient not in claim.recipients:
        return None
    row = InboxRow(
        message_id=header.message_id,
        sender=header.sender,
        recipient=header.recipient,
        kind=header.kind,
        conversation=header.conversation,
        sequence=header.sequence,
        in_reply_to=header.in_reply_to,
        agreement=header.agreement,
        terms=header.terms,
        digest=result.digest,
        size_bytes=result.size_bytes,
        expires=header.expires,
        received=now,
        hand_over=advance_hand_over(HandOverState.PENDING, HandOverEvent.CLAIMED),
        hand_over_version=2,
        attempts=1,
        next_attempt_at=None,
        handed_over=None,
        last_code="",
        last_detail="",
        policy_sha256=header.policy_sha256,
        over_shared=result.over_shared,
    )
    return ClaimedHandOver(row=row, fence=1, sealed_message=result.sealed_message)


def _sought(result: Admitted) -> Sought:
    """Return where what we send about the same references is to join."""
    header = result.header
    # A partner's header says itself where it belongs.
    here = header.conversation
    return Sought(header.recipient, header.sender, conversations.keys_of(result.references), here, here)


def _references(result: Admitted) -> list[dict[str, Any]]:
    return reference_values("inbox", f"{result.header.sender}:{result.header.message_id}", result.references)


def _payload_values(result: Admitted) -> dict[str, Any]:
    return {
        "sender": result.header.sender,
        "message_id": result.header.message_id,
        "sealed": result.sealed_message,
    }


def _dedupe_values(result: Admitted, at: int, *, kept: int) -> dict[str, Any]:
    header = result.header
    return {
        "sender": header.sender,
        "message_id": header.message_id,
        "recipient": header.recipient,
        "digest": result.digest,
        "verdict": Verdict.ACCEPTED._value_,
        "code": result.receipt.code,
        "token": result.receipt_token,
        "received": at,
        "keep_until": max(micros(header.expires + DEDUPE_KEPT_AFTER_EXPIRY), kept),
    }


def _inbox_values(result: Admitted, at: int) -> dict[str, Any]:
    header = result.header
    return {
        "sender": header.sender,
        "message_id": header.message_id,
        "recipient": header.recipient,
        "kind": header.kind._value_,
        "conversation": header.conversation,
        "sequence": header.sequence,
        "in_reply_to": header.in_reply_to,
        "supersedes": header.supersedes,
        "schema_set": header.schema_set,
        "schema_set_sha256": header.schema_set_sha256,
        "agreement_id": header.agreement.id,
        "agreement_version": header.agreement.version,
        "agreement_sha256": header.agreement.sha256,
        "policy_sha256": header.policy_sha256,
        "legal_basis": header.terms.legal_basis,
        "purpose": header.terms.purpose,
        "onward_use": header.terms.onward_use,
        "retention_days": header.terms.retention_days,
        "digest": result.digest,
        "size_bytes": result.size_bytes,
        "created": micros(header.created),
        "expires": micros(header.expires),
        "received": at,
        "over_shared": "\n".join(result.over_shared),  # places: names of elements, which have no line break
    }


def _hand_over_values(
    new: New, at: int, leased: ClaimedHandOver | None, *, keep_until: int, first: bool
) -> dict[str, Any]:
    header, claim = new.result.header, new.claim
    values = {
        "sender": header.sender,
        "message_id": header.message_id,
        "recipient": header.recipient,
        "conversation": header.conversation,
        "sequence": header.sequence,
        "state": HandOverState.PENDING._value_,
        "version": 1,
        "head": int(first),
        "fence": 0,
        "lease_until": None,
        "attempts": 0,
        "next_attempt_at": at,
        "updated": at,
        "handed_over": None,
        "last_code": "",
        "last_detail": "",
        "keep_until": keep_until,
        "purged": None,
    }
    if leased is None or claim is None:
        return values
    row = leased.row
    return values | {
        "state": row.hand_over._value_,
        "version": row.hand_over_version,
        "fence": leased.fence,
        "lease_until": at + span(claim.lease),
        "attempts": row.attempts,
        "next_attempt_at": None,
    }
