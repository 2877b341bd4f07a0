"""The rows of messages that were admitted: inbox, content, hand-over, dedupe row, references, conversation.

Written table by table for several messages, no two of which may share a conversation or a reference (`receiving.py`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.domain.jobs import Admitted
from gateway.domain.lifecycle import HandOverState
from gateway.domain.limits import DEDUPE_KEPT_AFTER_EXPIRY
from gateway.domain.message import MessageHeader
from gateway.domain.statement import Verdict
from gateway.storage import conversations
from gateway.storage.conversations import Sought
from gateway.storage.engine import Connection, insert_into
from gateway.storage.inbox_tables import dedupe, hand_over, inbox, inbox_payload
from gateway.storage.references import reference_values, write_references
from gateway.storage.retention import kept_until
from gateway.storage.values import micros

_INSERT_DEDUPE = insert_into(dedupe)
_INSERT_INBOX = insert_into(inbox)
_INSERT_PAYLOAD = insert_into(inbox_payload)
_INSERT_HAND_OVER = insert_into(hand_over)


def write_messages(connection: Connection, new: Sequence[tuple[Admitted, datetime]]) -> None:
    """Write messages of which nothing is known, each with when it was admitted."""
    places = [(result.header.sender, result.header.conversation) for result, _ in new]
    # Where another waits already, both decide who goes first; else the new one does.
    waiting = conversations.unfinished_received(connection, places)
    known = conversations.look_up(connection, [_sought(result) for result, _ in new])
    at = [micros(now) for _, now in new]
    kept = [micros(kept_until(result.header, now)) for result, now in new]
    connection.run_many(_INSERT_INBOX, [_inbox_values(one[0], when) for one, when in zip(new, at, strict=True)])
    connection.run_many(_INSERT_PAYLOAD, [_payload_values(result) for result, _ in new])
    connection.run_many(
        _INSERT_HAND_OVER,
        [
            _hand_over_values(one[0].header, when, keep_until=until, first=place not in waiting)
            for one, when, until, place in zip(new, at, kept, places, strict=True)
        ],
    )
    connection.run_many(
        _INSERT_DEDUPE,
        [_dedupe_values(one[0], when, kept=until) for one, when, until in zip(new, at, kept, strict=True)],
    )
    write_references(connection, [row for result, _ in new for row in _references(result)])
    conversations.register(connection, [(place, None, when) for place, when in zip(known, at, strict=True)])
    conversations.let_next_be_handed_over(connection, waiting)


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


def _hand_over_values(header: MessageHeader, at: int, *, keep_until: int, first: bool) -> dict[str, Any]:
    return {
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
