"""Receipts and notices verified as anyone could, offline: from the partner's public bundle, by PyJWT and cryptography.

Shares no code with `gateway.envelope`, so a gateway that believes what it should not is found out. And one forged
receipt, for a gateway to turn away: everything about it is right but the key that signed it.
"""

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.domain.ids import MessageId, PartyId

RECEIPT: Final = "wcx-receipt+jws"
NOTICE: Final = "wcx-handed-over+jws"


def public_certificates(bundle: Path) -> tuple[x509.Certificate, ...]:
    """Return the signing certificates that a partner's bundle names."""
    texts = json.loads(bundle.read_text(encoding="utf-8"))["signing"]
    return tuple(x509.load_pem_x509_certificate(text.encode()) for text in texts)


def what_is_wrong(
    token: str | None,
    typ: str,
    certificates: Sequence[x509.Certificate],
    *,
    issuer: PartyId,
    audience: PartyId,
    about: Mapping[str, object],
) -> str:
    """Return why a statement can not be believed; empty if it can. `about`: members it must have with these values."""
    if token is None:
        return "there is none"
    try:
        header = jwt.get_unverified_header(token)
        named = [one for one in certificates if _fingerprint(one) == header.get("x5t#S256")]
        if header.get("typ") != typ or len(named) != 1:
            return "it is of another type or names a key that is not the partner's"
        key = named[0].public_key()
        if not isinstance(key, EllipticCurvePublicKey):
            return "the partner's key is of another sort"
        claims = jwt.decode(token, key, algorithms=["ES256"], audience=audience, issuer=issuer)
    except jwt.PyJWTError as error:
        return f"it does not verify: {type(error).__name__}"
    differing = [name for name, value in about.items() if claims.get(name) != value]
    return f"it says otherwise about {', '.join(differing)}" if differing else ""


def forge_receipt(
    certificate: x509.Certificate, *, issuer: PartyId, audience: PartyId, message: MessageId, digest: str, now: datetime
) -> str:
    """Return a receipt that says `accepted` and names the issuer's true key, signed by a key made just now."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": audience,
        "iat": int(now.timestamp()),
        "jti": str(uuid.uuid4()),
        "message_id": message,
        "digest": digest,
        "verdict": "accepted",
        "code": "ok",
        "agreement_version": 1,
    }
    header = {"typ": RECEIPT, "kid": _thumbprint(certificate), "x5t#S256": _fingerprint(certificate)}
    return jwt.encode(claims, generate_private_key(SECP256R1()), algorithm="ES256", headers=header)


def _fingerprint(certificate: x509.Certificate) -> str:
    return _base64url(certificate.fingerprint(SHA256()))


def _thumbprint(certificate: x509.Certificate) -> str:
    """RFC 7638, for a key on P-256."""
    key = certificate.public_key()
    if not isinstance(key, EllipticCurvePublicKey):
        raise TypeError("the demo's keys are on P-256")
    numbers = key.public_numbers()
    members = {"crv": "P-256", "kty": "EC"} | {
        name: _base64url(number.to_bytes(32)) for name, number in (("x", numbers.x), ("y", numbers.y))
    }
    text = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return _base64url(hashlib.sha256(text).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
