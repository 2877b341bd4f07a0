"""A receipt checked by someone who has the partner's public key and nothing of this program (RFC 7515, ES256)."""

import base64
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256


def why_not(
    token: str, key: EllipticCurvePublicKey, *, issuer: str, audience: str, message_id: str, digest: str
) -> str:
    """Return an empty text if `token` is `issuer`'s accepting receipt for exactly this message, else what is wrong."""
    signed, _, signature = token.rpartition(".")
    raw = _decode(signature)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    try:
        key.verify(encode_dss_signature(r, s), signed.encode("ascii"), ECDSA(SHA256()))
    except InvalidSignature:
        return "the signature is not of this key"
    claims = json.loads(_decode(signed.partition(".")[2]))
    said = {name: claims[name] for name in ("iss", "aud", "message_id", "digest", "verdict")}
    meant = {"iss": issuer, "aud": audience, "message_id": message_id, "digest": digest, "verdict": "accepted"}
    return "" if said == meant else f"it says {said}"


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
