"""Protected headers: exactly which members each kind of token has, and what they must say.

Three forms, each closed (RFC 7515 §4, RFC 7516 §4):

    message    alg kid x5t#S256 typ cty crit wcx      the signed view
    envelope   alg enc kid epk typ cty crit wcx       the encrypted message
    statement  alg kid x5t#S256 typ                   receipts, problems, notices, capabilities, pongs

What is not listed is refused before any key is looked up: `zip`, `jku`, `x5u`, `jwk`, `x5c`, `b64`, `p2c`, `apu` and
whatever is invented next. The algorithm is looked at first, then the type, then the set of members.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from gateway.domain import limits
from gateway.domain.ids import KeyId
from gateway.domain.message import MessageHeader
from gateway.envelope import es256, members
from gateway.envelope.compact import JsonObject, encode
from gateway.envelope.header import Routing, read_header, read_routing, write_header, write_routing
from gateway.envelope.jwk import jwk_from_public_key, public_key_from_jwk
from gateway.envelope.keys import Signer, WrappingKey
from gateway.errors import EnvelopeError

MESSAGE_TYPE: Final = "wcx-message+jws"
ENVELOPE_TYPE: Final = "wcx-message+jwe"
_PAYLOAD_TYPE: Final = "xml"  # application/xml without its prefix (RFC 7515 §4.1.10)
_CRITICAL: Final = ["wcx"]

_STATEMENT: Final = frozenset({"alg", "kid", "x5t#S256", "typ"})
_MESSAGE: Final = _STATEMENT | {"cty", "crit", "wcx"}
_ENVELOPE: Final = frozenset({"alg", "enc", "kid", "epk", "typ", "cty", "crit", "wcx"})


class StatementType(StrEnum):
    """The `typ` of every statement that is not a message."""

    RECEIPT = "wcx-receipt+jws"
    PROBLEM = "wcx-problem+jws"
    HANDED_OVER = "wcx-handed-over+jws"
    NOT_SEEN = "wcx-not-seen+jws"
    CAPABILITIES = "wcx-capabilities+jws"
    PONG = "wcx-pong+jws"


_STATEMENT_TYPES: Final = {kind.value: kind for kind in StatementType}


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyRef:
    """Which key and which certificate a signed token names. Nothing is known of either yet."""

    key_id: KeyId
    certificate_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeHeader:
    """What the protected header of an envelope says. `ephemeral` is a point on the curve; that is all we know."""

    key_id: KeyId
    ephemeral: EllipticCurvePublicKey = field(repr=False)
    routing: Routing


def write_message(header: MessageHeader, signer: Signer) -> bytes:
    """Return the encoded protected header of a message. Raises ValueError for what could not be read back."""
    return _encoded(
        {
            **_signed_by(signer.key_id, signer.certificate_sha256, MESSAGE_TYPE),
            "cty": _PAYLOAD_TYPE,
            "crit": _CRITICAL,
            "wcx": write_header(header),
        }
    )


def read_message(header: JsonObject) -> tuple[SigningKeyRef, MessageHeader]:
    """Return what the protected header of a message says. Raises EnvelopeError."""
    _check_algorithm(header, es256.SIGNATURE_ALGORITHM)
    _check_type(header, MESSAGE_TYPE)
    _check_members(header, _MESSAGE)
    _check_content(header, _PAYLOAD_TYPE)
    try:
        return _signing_key(header), read_header(header["wcx"])
    except ValueError as error:
        raise EnvelopeError("envelope.header_refused", str(error)) from error


def write_envelope(routing: Routing, key: WrappingKey, ephemeral: EllipticCurvePublicKey) -> bytes:
    """Return the encoded protected header of an envelope to `key`."""
    return _encoded(
        {
            "alg": es256.KEY_ALGORITHM,
            "enc": es256.CONTENT_ALGORITHM,
            "kid": key.key_id,
            "epk": jwk_from_public_key(ephemeral),
            "typ": ENVELOPE_TYPE,
            "cty": MESSAGE_TYPE,
            "crit": _CRITICAL,
            "wcx": write_routing(routing),
        }
    )


def read_envelope(header: JsonObject) -> EnvelopeHeader:
    """Return what the protected header of an envelope says. Raises EnvelopeError."""
    _check_algorithm(header, es256.KEY_ALGORITHM)
    if header.get("enc") != es256.CONTENT_ALGORITHM:
        raise EnvelopeError("envelope.algorithm_refused")
    _check_type(header, ENVELOPE_TYPE)
    _check_members(header, _ENVELOPE)
    _check_content(header, MESSAGE_TYPE)
    try:
        return EnvelopeHeader(
            key_id=KeyId(members.sha256_thumbprint(header["kid"], "kid")),
            ephemeral=public_key_from_jwk(header["epk"]),
            routing=read_routing(header["wcx"]),
        )
    except ValueError as error:
        raise EnvelopeError("envelope.header_refused", str(error)) from error


def write_statement(kind: StatementType, signer: Signer) -> bytes:
    """Return the encoded protected header of a statement."""
    return _statement_header(kind.value, signer.key_id, signer.certificate_sha256)


@lru_cache(maxsize=64)  # the same for every statement of a kind under one key
def _statement_header(typ: str, key_id: KeyId, certificate_sha256: str) -> bytes:
    return _encoded(_signed_by(key_id, certificate_sha256, typ))


def read_statement_type(header: JsonObject) -> StatementType:
    """Return which statement a header announces, the header being otherwise as it must be. Raises EnvelopeError."""
    _check_algorithm(header, es256.SIGNATURE_ALGORITHM)
    typ = header.get("typ")
    kind = _STATEMENT_TYPES.get(typ) if type(typ) is str else None
    if kind is None:
        raise EnvelopeError("envelope.type_refused")
    _check_members(header, _STATEMENT)
    return kind


def read_statement(header: JsonObject, kind: StatementType) -> SigningKeyRef:
    """Return which key a statement of this type names. Raises EnvelopeError."""
    if read_statement_type(header) is not kind:
        raise EnvelopeError("envelope.type_refused")
    try:
        return _signing_key(header)
    except ValueError as error:
        raise EnvelopeError("envelope.header_refused", str(error)) from error


def _signed_by(key_id: KeyId, certificate_sha256: str, typ: str) -> JsonObject:
    return {
        "alg": es256.SIGNATURE_ALGORITHM,
        "kid": key_id,
        "x5t#S256": certificate_sha256,
        "typ": typ,
    }


def _encoded(header: JsonObject) -> bytes:
    data = orjson.dumps(header)
    if len(data) > limits.MAX_PROTECTED_HEADER_BYTES:
        raise ValueError("the protected header would be larger than the limit")
    return encode(data)


def _check_algorithm(header: JsonObject, expected: str) -> None:
    if header.get("alg") != expected:
        raise EnvelopeError("envelope.algorithm_refused")


def _check_type(header: JsonObject, expected: str) -> None:
    if header.get("typ") != expected:
        raise EnvelopeError("envelope.type_refused")


def _check_members(header: JsonObject, expected: frozenset[str]) -> None:
    if header.keys() != expected:
        raise EnvelopeError("envelope.header_refused")


def _check_content(header: JsonObject, content_type: str) -> None:
    if header["cty"] != content_type:
        raise EnvelopeError("envelope.type_refused", "the content is of another type")
    if header["crit"] != _CRITICAL:
        raise EnvelopeError("envelope.header_refused", "crit must be exactly wcx")


def _signing_key(header: JsonObject) -> SigningKeyRef:
    return SigningKeyRef(
        key_id=KeyId(members.sha256_thumbprint(header["kid"], "kid")),
        certificate_sha256=members.sha256_thumbprint(header["x5t#S256"], "x5t#S256"),
    )
