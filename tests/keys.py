"""Keys held in memory, for tests: a signer, an unwrapper, and all keys of a party at once.

The certificates are stand-ins: an envelope only ever sees the hash of one.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from gateway.domain.ids import KeyId, PartyId
from gateway.envelope import Unwrapper, VerificationKey, WrappingKey, certificate_thumbprint, thumbprint
from gateway.errors import EnvelopeError

VALID_FROM = datetime(2026, 1, 1, tzinfo=UTC)
VALID_UNTIL = datetime(2028, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySigner:
    """A signing key in memory. `deterministic`: RFC 6979, so that the same bytes get the same signature."""

    private_key: ec.EllipticCurvePrivateKey = field(repr=False)
    key_id: KeyId
    certificate_sha256: str
    deterministic: bool = False

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the ES256 signature as R‖S."""
        algorithm = ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=self.deterministic)
        r, s = decode_dss_signature(self.private_key.sign(digest, algorithm))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUnwrapper:
    """A key-agreement key in memory."""

    private_key: ec.EllipticCurvePrivateKey = field(repr=False)
    key_id: KeyId

    def agree(self, ephemeral: ec.EllipticCurvePublicKey) -> bytes:
        """Return the ECDH shared secret."""
        return self.private_key.exchange(ec.ECDH(), ephemeral)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyKeys:
    """All keys of one party: its own halves and what partners know of them."""

    party: PartyId
    signer: MemorySigner
    unwrapper: MemoryUnwrapper
    verification: VerificationKey
    wrapping: WrappingKey


def make_party_keys(
    party: str,
    *,
    signing: ec.EllipticCurvePrivateKey | None = None,
    decryption: ec.EllipticCurvePrivateKey | None = None,
    certificate_der: bytes | None = None,
    not_before: datetime = VALID_FROM,
    not_after: datetime = VALID_UNTIL,
    deterministic: bool = False,
) -> PartyKeys:
    """Return keys for `party`, fresh ones where none are given."""
    signing = signing or ec.generate_private_key(ec.SECP256R1())
    decryption = decryption or ec.generate_private_key(ec.SECP256R1())
    certificate = certificate_thumbprint(certificate_der or hashlib.sha256(party.encode()).digest())
    signing_id, decryption_id = thumbprint(signing.public_key()), thumbprint(decryption.public_key())
    return PartyKeys(
        party=PartyId(party),
        signer=MemorySigner(
            private_key=signing, key_id=signing_id, certificate_sha256=certificate, deterministic=deterministic
        ),
        unwrapper=MemoryUnwrapper(private_key=decryption, key_id=decryption_id),
        verification=VerificationKey(
            key_id=signing_id,
            party=PartyId(party),
            certificate_sha256=certificate,
            public_key=signing.public_key(),
            not_before=not_before,
            not_after=not_after,
        ),
        wrapping=WrappingKey(
            key_id=decryption_id,
            party=PartyId(party),
            public_key=decryption.public_key(),
            not_before=not_before,
            not_after=not_after,
        ),
    )


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Looks keys up as the trust directory does: unknown ids raise `envelope.key_unknown`."""

    parties: tuple[PartyKeys, ...]

    def unwrapper(self, party: PartyId, key_id: KeyId) -> Unwrapper:
        """Return a party's decryption key."""
        for keys in self.parties:
            if keys.party == party and keys.unwrapper.key_id == key_id:
                return keys.unwrapper
        raise EnvelopeError("envelope.key_unknown")

    def verification_key(self, key_id: KeyId) -> VerificationKey:
        """Return the signing key with this id."""
        for keys in self.parties:
            if keys.verification.key_id == key_id:
                return keys.verification
        raise EnvelopeError("envelope.key_unknown")
