"""Identifiers. Each is a NewType, so that a message id can not be passed where a party is meant.

Message, transfer and submission ids are UUIDv7 (RFC 9562 §5.7) in lower-case canonical form; they come in as values.
"""

import re
from typing import Final, NewType

PartyId = NewType("PartyId", str)
MessageId = NewType("MessageId", str)
TransferId = NewType("TransferId", str)
SubmissionId = NewType("SubmissionId", str)
ConversationId = NewType("ConversationId", str)
AgreementId = NewType("AgreementId", str)
SchemaSetId = NewType("SchemaSetId", str)
RuleSetId = NewType("RuleSetId", str)
CodeListId = NewType("CodeListId", str)
ClientId = NewType("ClientId", str)
KeyId = NewType("KeyId", str)
"""RFC 7638 thumbprint (SHA-256, base64url without padding) of a public key."""

_PARTY: Final = re.compile(r"[A-Z]{2}-[A-Z0-9]{2,16}")
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def party_id(text: str) -> PartyId:
    """Return `text` as a party id: ISO 3166-1 alpha-2, hyphen, 2 to 16 capitals or digits. Raises ValueError."""
    if not _PARTY.fullmatch(text):
        raise ValueError("a party id is a country code, a hyphen and 2 to 16 capitals or digits, such as GB-HMRC")
    return PartyId(text)


def is_name(text: str) -> bool:
    """Tell whether `text` can name an agreement, a policy or a schema set (lower case, digits, dot, hyphen; ≤ 64)."""
    return _NAME.fullmatch(text) is not None


def is_message_id(text: str) -> bool:
    """Tell whether `text` can be a message id: a UUIDv7 (RFC 9562 §5.7) in lower-case canonical form."""
    return is_uuid(text) and text[14] == "7"


def is_uuid(text: str) -> bool:
    """Tell whether `text` is a UUID in lower-case canonical form (RFC 9562 §4)."""
    return _UUID.fullmatch(text) is not None
