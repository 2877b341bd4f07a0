"""The crypto profile `wcx-es256-1`, straight on `cryptography`: ES256 (RFC 7518 §3.4) and ECDH-ES+A256KW on P-256 with
A256GCM (RFC 7518 §4.6, §5.3).

Only bytes and keys come in here; what a token says of itself was read and checked before (compact.py, protected.py).
Sizes are checked before a key is used. One code for each kind of failure, and no difference visible from outside.
"""

import hashlib
import os
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from gateway.envelope.compact import CompactJwe, encode
from gateway.envelope.keys import Unwrapper
from gateway.errors import EnvelopeError

PROFILE: Final = "wcx-es256-1"
SIGNATURE_ALGORITHM: Final = "ES256"
KEY_ALGORITHM: Final = "ECDH-ES+A256KW"
CONTENT_ALGORITHM: Final = "A256GCM"

# The order of P-256 (FIPS 186-5, SP 800-186 §3.2.1.3): r and s lie between 1 and one less.
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SIGNATURE_BYTES: Final = 64
_HALF: Final = _SIGNATURE_BYTES // 2
_KEY_BYTES: Final = 32
_ENCRYPTED_KEY_BYTES: Final = _KEY_BYTES + 8  # RFC 3394 adds one block of integrity
_FIRST_ROUND: Final = (1).to_bytes(4, "big")
_IV_BYTES: Final = 12
_TAG_BYTES: Final = 16
_CURVE: Final = ec.SECP256R1()
_ES256: Final = ec.ECDSA(Prehashed(SHA256()))


def _length_prefixed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


# AlgorithmID ‖ PartyUInfo ‖ PartyVInfo ‖ SuppPubInfo (RFC 7518 §4.6.2). apu and apv are absent: both parties stand in
# the protected header, which the content encryption authenticates.
_OTHER_INFO: Final = (
    _length_prefixed(KEY_ALGORITHM.encode())
    + _length_prefixed(b"")
    + _length_prefixed(b"")
    + (_KEY_BYTES * 8).to_bytes(4, "big")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeSecrets:
    """What makes one encryption unlike any other. Used for exactly one token, never kept, never shown."""

    ephemeral: ec.EllipticCurvePrivateKey = field(repr=False)
    cek: bytes = field(repr=False)
    iv: bytes = field(repr=False)


def fresh_secrets() -> OneTimeSecrets:
    """Return a new ephemeral key, content key and initialisation vector."""
    chance = os.urandom(_KEY_BYTES + _IV_BYTES)
    return OneTimeSecrets(ephemeral=ec.generate_private_key(_CURVE), cek=chance[:_KEY_BYTES], iv=chance[_KEY_BYTES:])


def derive_key_encryption_key(shared_secret: bytes) -> bytes:
    """Return the 32-byte key that wraps the content key (Concat KDF, RFC 7518 §4.6.2). `shared_secret`: Z."""
    # As many bytes as one SHA-256 has, so one round: counter ‖ Z ‖ OtherInfo (NIST SP 800-56A §5.8.2.1).
    return hashlib.sha256(_FIRST_ROUND + shared_secret + _OTHER_INFO).digest()


def encrypt(
    plaintext: bytes, protected: bytes, *, recipient: ec.EllipticCurvePublicKey, secrets: OneTimeSecrets
) -> bytes:
    """Return a compact JWE. `protected` is the encoded header, which must carry the ephemeral key as `epk`."""
    shared_secret = secrets.ephemeral.exchange(ec.ECDH(), recipient)
    encrypted_key = aes_key_wrap(derive_key_encryption_key(shared_secret), secrets.cek)
    sealed = AESGCM(secrets.cek).encrypt(secrets.iv, plaintext, protected)
    parts = (encrypted_key, secrets.iv, sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:])
    return b".".join((protected, *map(encode, parts)))


def decrypt(token: CompactJwe, ephemeral: ec.EllipticCurvePublicKey, unwrapper: Unwrapper) -> bytes:
    """Return the plaintext. Raises EnvelopeError `envelope.malformed` (sizes) or `envelope.decryption_failed`."""
    sizes = (len(token.encrypted_key), len(token.iv), len(token.tag))
    if sizes != (_ENCRYPTED_KEY_BYTES, _IV_BYTES, _TAG_BYTES):
        raise EnvelopeError("envelope.malformed", "a part of the token has the wrong length")
    key_encryption_key = derive_key_encryption_key(unwrapper.agree(ephemeral))
    try:
        cek = aes_key_unwrap(key_encryption_key, token.encrypted_key)
        return AESGCM(cek).decrypt(token.iv, token.ciphertext + token.tag, token.protected)
    except (InvalidUnwrap, InvalidTag) as error:
        raise EnvelopeError("envelope.decryption_failed") from error


def read_signature(signature: bytes) -> bytes:
    """Return a signature given as R‖S in DER (RFC 3279 §2.2.3), its form being right; needs no key.

    Zero for r or s verifies anything in a careless library ("psychic signatures", CVE-2022-21449). Raises
    EnvelopeError `envelope.signature_invalid`.
    """
    if len(signature) != _SIGNATURE_BYTES:
        raise EnvelopeError("envelope.signature_invalid", "the signature has the wrong length")
    r, s = int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")
    if not (0 < r < _ORDER and 0 < s < _ORDER):
        raise EnvelopeError("envelope.signature_invalid", "the signature is out of range")
    return encode_dss_signature(r, s)


def verify(public_key: ec.EllipticCurvePublicKey, digest: bytes, signature: bytes) -> None:
    """Raise EnvelopeError `envelope.signature_invalid` unless `signature`, as `read_signature` returns it, is by this
    key over what hashes to `digest` (SHA-256)."""
    try:
        public_key.verify(signature, digest, _ES256)
    except InvalidSignature as error:
        raise EnvelopeError("envelope.signature_invalid") from error
