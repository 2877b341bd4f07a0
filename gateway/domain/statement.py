"""Signed statements about a message: receipts, notices, `not_seen`, and problems said before one could be opened.

A receipt is bound to the message digest: SHA-256 over the JWS signing input (docs/protocol.md). Only `accepted` is
final. `not_seen` is the answer to the question after an id that was never accepted: it names the id alone, for whoever
says it knows no digest, and swears that no message under it will ever be accepted. A notice is bound as a receipt is
and says, later, that the partner's back end took the message. A refusal before decryption can not know the digest; it
is a Problem, bound to SHA-256 of the JWE instead, and never ends a transfer.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.ids import MessageId, PartyId


class Verdict(StrEnum):
    """What the partner decided about a message."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A partner's statement about one message. `digest` is lower-case hex; `code` is `ok` or a code of errors.py."""

    message_id: MessageId
    digest: str
    verdict: Verdict
    code: str
    agreement_version: int
    issuer: PartyId
    audience: PartyId
    issued_at: datetime
    statement_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A signed refusal of bytes that could not be opened. `envelope_sha256` is hex over the compact JWE's ASCII."""

    envelope_sha256: str
    code: str
    issuer: PartyId
    audience: PartyId
    issued_at: datetime
    statement_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A partner's statement that its back end took one message, and when. Times are whole seconds."""

    message_id: MessageId
    digest: str
    handed_over: datetime
    issuer: PartyId
    audience: PartyId
    issued_at: datetime
    statement_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSeen:
    """A partner's statement that it never accepted a message under this id, and never will."""

    message_id: MessageId
    issuer: PartyId
    audience: PartyId
    issued_at: datetime
    statement_id: str
