"""The `wcx` member: MessageHeader ⇄ JSON, version 1 (docs/protocol.md).

Writing is deterministic: one order of members, absent rather than null. Reading is strict: the exact set of members,
each of its type and format. What can not be read is never written, so a header that leaves can always be understood.
The shorter `wcx` of the outer envelope, `Routing`, says only which message goes from whom to whom.
"""

import functools
from dataclasses import dataclass
from typing import Final

import orjson

from gateway.domain.ids import AgreementId, ConversationId, MessageId, PartyId, SchemaSetId, is_name
from gateway.domain.message import AgreementRef, MessageHeader, MessageKind, Terms
from gateway.envelope import members
from gateway.envelope.compact import JsonObject, encode

VERSION: Final = 1
NONCE_BYTES: Final = 16

_ROUTING: Final = frozenset({"id", "from", "to"})
_REQUIRED: Final = frozenset(
    {
        "v",
        "id",
        "from",
        "to",
        "kind",
        "conversation",
        "sequence",
        "schema_set",
        "agreement",
        "policy_sha256",
        "terms",
        "created",
        "expires",
        "nonce",
    }
)
_OPTIONAL: Final = frozenset({"in_reply_to", "supersedes", "withheld"})
_SCHEMA_SET: Final = frozenset({"id", "sha256"})
_AGREEMENT: Final = frozenset({"id", "version", "sha256"})
_TERMS: Final = frozenset({"legal_basis", "purpose", "onward_use", "retention_days"})
_SAME: Final = ("from", "to", "kind", "schema_set", "agreement", "policy_sha256", "terms")

_KEPT: Final = 256
"""How many agreements' parts of a header are remembered. Partners choose them, so what is kept must be bounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Agreed:
    """What a header says that is the same for every message of a kind under one agreement."""

    sender: PartyId
    recipient: PartyId
    kind: MessageKind
    schema_set: SchemaSetId
    schema_set_sha256: str
    agreement: AgreementRef
    policy_sha256: str
    terms: Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """What the outside of an envelope says: which message, from whom, to whom. Equal to what is signed inside."""

    message_id: MessageId
    sender: PartyId
    recipient: PartyId


def write_routing(routing: Routing) -> JsonObject:
    """Return the `wcx` member of a JWE header."""
    return {"id": routing.message_id, "from": routing.sender, "to": routing.recipient}


def read_routing(value: object) -> Routing:
    """Return the `wcx` member of a JWE header. Raises ValueError."""
    wcx = members.exact(value, "wcx", _ROUTING)
    return Routing(
        message_id=members.message_id(wcx["id"], "id"),
        sender=members.party(wcx["from"], "from"),
        recipient=members.party(wcx["to"], "to"),
    )


def write_header(header: MessageHeader) -> JsonObject:
    """Return the `wcx` member of a message. Raises ValueError for a header that could not be read back."""
    wcx: JsonObject = {
        "v": VERSION,
        "id": header.message_id,
        "from": header.sender,
        "to": header.recipient,
        "kind": header.kind.value,
        "conversation": header.conversation,
        "sequence": header.sequence,
    }
    if header.in_reply_to is not None:
        wcx["in_reply_to"] = header.in_reply_to
    if header.supersedes is not None:
        wcx["supersedes"] = header.supersedes
    wcx |= {
        "schema_set": {"id": header.schema_set, "sha256": header.schema_set_sha256},
        "agreement": {
            "id": header.agreement.id,
            "version": header.agreement.version,
            "sha256": header.agreement.sha256,
        },
        "policy_sha256": header.policy_sha256,
        "terms": {
            "legal_basis": header.terms.legal_basis,
            "purpose": header.terms.purpose,
            "onward_use": header.terms.onward_use,
            "retention_days": header.terms.retention_days,
        },
        "created": members.written_time(header.created),
        "expires": members.written_time(header.expires),
        "nonce": encode(header.nonce).decode(),
    }
    if header.withheld is not None:
        wcx["withheld"] = header.withheld
    read_header(wcx)
    return wcx


def read_header(value: object) -> MessageHeader:
    """Return the header that a `wcx` member says. Raises ValueError that names the member, never its value."""
    wcx = members.exact(value, "wcx", _REQUIRED, _OPTIONAL)
    if members.integer(wcx["v"], "v", least=VERSION) != VERSION:
        raise ValueError("v must be 1")
    agreed = _agreed(wcx)
    created, expires = members.time(wcx["created"], "created"), members.time(wcx["expires"], "expires")
    if expires <= created:
        raise ValueError("expires must be after created")
    return MessageHeader(
        message_id=members.message_id(wcx["id"], "id"),
        conversation=ConversationId(members.uuid(wcx["conversation"], "conversation")),
        sequence=members.integer(wcx["sequence"], "sequence", least=1),
        in_reply_to=_optional_message_id(wcx, "in_reply_to"),
        supersedes=_optional_message_id(wcx, "supersedes"),
        sender=agreed.sender,
        recipient=agreed.recipient,
        kind=agreed.kind,
        schema_set=agreed.schema_set,
        schema_set_sha256=agreed.schema_set_sha256,
        agreement=agreed.agreement,
        policy_sha256=agreed.policy_sha256,
        terms=agreed.terms,
        created=created,
        expires=expires,
        nonce=members.octets(wcx["nonce"], "nonce", length=NONCE_BYTES),
        withheld=members.sha256_hex(wcx["withheld"], "withheld") if "withheld" in wcx else None,
    )


def _agreed(wcx: members.Members) -> _Agreed:
    try:
        same = orjson.dumps([wcx[name] for name in _SAME])
    except TypeError as error:  # a lone surrogate in a text of our own
        raise ValueError("a header must have a JSON form") from error
    return _known(same)


# What one agreement says is the same in all its messages, so it is read once. As JSON text, in which no two values that
# differ look alike; a partner may order the members of an object as it likes, and is then read once for each order.
@functools.lru_cache(_KEPT)
def _known(same: bytes) -> _Agreed:
    wcx = dict(zip(_SAME, orjson.loads(same), strict=True))
    schema_set = members.exact(wcx["schema_set"], "schema_set", _SCHEMA_SET)
    agreement = members.exact(wcx["agreement"], "agreement", _AGREEMENT)
    terms = members.exact(wcx["terms"], "terms", _TERMS)
    return _Agreed(
        sender=members.party(wcx["from"], "from"),
        recipient=members.party(wcx["to"], "to"),
        kind=_kind(wcx["kind"]),
        schema_set=SchemaSetId(_name(schema_set["id"], "schema_set.id")),
        schema_set_sha256=members.sha256_hex(schema_set["sha256"], "schema_set.sha256"),
        agreement=AgreementRef(
            id=AgreementId(_name(agreement["id"], "agreement.id")),
            version=members.integer(agreement["version"], "agreement.version", least=1),
            sha256=members.sha256_hex(agreement["sha256"], "agreement.sha256"),
        ),
        policy_sha256=members.sha256_hex(wcx["policy_sha256"], "policy_sha256"),
        terms=Terms(
            legal_basis=members.text(terms["legal_basis"], "terms.legal_basis"),
            purpose=members.text(terms["purpose"], "terms.purpose"),
            onward_use=members.text(terms["onward_use"], "terms.onward_use"),
            retention_days=members.integer(terms["retention_days"], "terms.retention_days", least=0),
        ),
    )


def _optional_message_id(wcx: members.Members, name: str) -> MessageId | None:
    return members.message_id(wcx[name], name) if name in wcx else None


def _kind(value: object) -> MessageKind:
    try:
        return MessageKind(members.string(value, "kind"))
    except ValueError:
        raise ValueError("kind must be a message kind") from None  # the enum's own text quotes the value


def _name(value: object, name: str) -> str:
    found = members.string(value, name)
    if not is_name(found):
        raise ValueError(f"{name} must be 1 to 64 lower-case letters, digits, dots or hyphens")
    return found
