"""Public keys and certificates by name: JWK (RFC 7517, RFC 7518 §6.2) for P-256, thumbprints (RFC 7638), x5t#S256.

Reading a JWK is strict: exactly the four public members, 32-byte coordinates, a point on the curve. A JWK that also
says what it is for, or that holds a private part, is refused; who owns a key and until when is said elsewhere.
"""

import hashlib
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.domain.ids import KeyId
from gateway.envelope import members
from gateway.envelope.compact import encode

__all__ = ["certificate_thumbprint", "jwk_from_public_key", "public_key_from_jwk", "thumbprint"]

_COORDINATE_BYTES: Final = 32
_JWK_MEMBERS: Final = frozenset({"crv", "kty", "x", "y"})
_UNCOMPRESSED: Final = b"\x04"  # SEC 1 §2.3.3


def jwk_from_public_key(public_key: EllipticCurvePublicKey) -> dict[str, str]:
    """Return the JWK of a P-256 key: `crv kty x y`, in this order. Raises ValueError for another curve."""
    if public_key.curve.name != SECP256R1.name:
        raise ValueError("the key is not on P-256")
    point = public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    x, y = point[1 : 1 + _COORDINATE_BYTES], point[1 + _COORDINATE_BYTES :]
    return {"crv": "P-256", "kty": "EC", "x": encode(x).decode(), "y": encode(y).decode()}


def public_key_from_jwk(jwk: object) -> EllipticCurvePublicKey:
    """Return the P-256 key of a JWK with exactly `crv kty x y`. Raises ValueError; the point must be on the curve."""
    found = members.exact(jwk, "a key", _JWK_MEMBERS)
    if found["kty"] != "EC" or found["crv"] != "P-256":
        raise ValueError("a key must be EC on P-256")
    x = members.octets(found["x"], "x", length=_COORDINATE_BYTES)
    y = members.octets(found["y"], "y", length=_COORDINATE_BYTES)
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), _UNCOMPRESSED + x + y)
    except ValueError as error:
        raise ValueError("a key must be a point on P-256") from error


def thumbprint(public_key: EllipticCurvePublicKey) -> KeyId:
    """Return the RFC 7638 thumbprint (SHA-256, base64url) of a P-256 key."""
    jwk = jwk_from_public_key(public_key)
    canonical = f'{{"crv":"{jwk["crv"]}","kty":"{jwk["kty"]}","x":"{jwk["x"]}","y":"{jwk["y"]}"}}'
    return KeyId(encode(hashlib.sha256(canonical.encode()).digest()).decode())


def certificate_thumbprint(der: bytes) -> str:
    """Return `x5t#S256`: base64url of SHA-256 over a certificate's DER (RFC 7515 §4.1.8)."""
    return encode(hashlib.sha256(der).digest()).decode()
