"""The keys an envelope needs, as seen from here. Private keys stay behind Protocols, so that a file or an HSM can hold
them; public keys are values with their owner, validity and revocation.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from gateway.domain.ids import KeyId, PartyId


class Signer(Protocol):
    """A private signing key. `certificate_sha256`: base64url of SHA-256 over the DER (RFC 7515 §4.1.8)."""

    @property
    def key_id(self) -> KeyId: ...

    @property
    def certificate_sha256(self) -> str: ...

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the ES256 signature over what hashes to `digest` (SHA-256) as R‖S, 64 bytes (RFC 7518 §3.4)."""
        ...


class Unwrapper(Protocol):
    """A private key-agreement key."""

    @property
    def key_id(self) -> KeyId: ...

    def agree(self, ephemeral: EllipticCurvePublicKey) -> bytes:
        """Return the ECDH shared secret Z, 32 bytes (RFC 7518 §4.6)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """A party's public signing key. A retired key still verifies what was made in its validity; a key revoked for
    compromise verifies nothing."""

    key_id: KeyId
    party: PartyId
    certificate_sha256: str
    public_key: EllipticCurvePublicKey = field(repr=False)
    not_before: datetime
    not_after: datetime
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappingKey:
    """A party's public encryption key."""

    key_id: KeyId
    party: PartyId
    public_key: EllipticCurvePublicKey = field(repr=False)
    not_before: datetime
    not_after: datetime
