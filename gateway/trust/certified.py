"""The values of trust: which files a node's trust comes from, and what becomes of the keys in them.

A public key counts with its certificate, the path above it and the party it names; what revocation lists say of it is
asked anew each time and never kept here.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.ids import KeyId, PartyId
from gateway.envelope import VECTOR_KEY_IDS, VerificationKey, certificate_thumbprint, thumbprint
from gateway.errors import GatewayError, TrustError
from gateway.trust.certificates import PARTY_URI_PREFIX, Purpose, check_usage, p256_key, party_uri, san_uris
from gateway.trust.crl import Standing
from gateway.trust.keys import KeyFiles

__all__ = [
    "Anchor",
    "Certified",
    "OwnFiles",
    "OwnPublicKey",
    "PartnerFiles",
    "TrustFiles",
    "certify",
    "require_usage",
    "verification_key_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFiles:
    """The signing and decryption keys of one of our own parties, old and new."""

    party: PartyId
    signing: tuple[KeyFiles, ...]
    decryption: tuple[KeyFiles, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerFiles:
    """A partner's bundle. `san_uri` "" means `urn:wco-gateway:party:{id}`; `pins` (hex) win over the bundle's.

    With pins, its certificates need no URI: the pin knows the TLS certificate, the confirmed bundle knows the others.
    """

    party: PartyId
    bundle: Path
    san_uri: str = ""
    pins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFiles:
    """All files of trust of one node. `roots`: the agreed roots, ours and partners'."""

    own: tuple[OwnFiles, ...]
    partners: tuple[PartnerFiles, ...]
    roots: Path
    crls: tuple[Path, ...]
    crl_max_age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPublicKey:
    """What partners may know of one of our keys. `use`: `sig` or `enc` (RFC 7517 §4.2)."""

    use: Literal["sig", "enc"]
    key_id: KeyId
    public_key: EllipticCurvePublicKey = field(repr=False)
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """How a partner's TLS certificate is known: by a pin if there are any, else by its SAN URI; under which roots."""

    party: PartyId
    uri: str
    pins: frozenset[str]
    roots: tuple[x509.Certificate, ...] = field(repr=False)
    intermediates: tuple[x509.Certificate, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """A public key with its certificate and the path above it, checked but for revocation."""

    party: PartyId
    key_id: KeyId
    path: tuple[x509.Certificate, ...]
    own: bool

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate of the key itself."""
        return self.path[0]

    def valid(self, now: datetime, standing: Standing) -> bool:
        """Tell whether the key may be used for something new at `now`."""
        ended = standing.retired_at is not None and now >= standing.retired_at
        return self.leaf.not_valid_before_utc <= now <= self.leaf.not_valid_after_utc and not (
            ended or standing.compromised
        )

    def turning_points(self, standing: Standing) -> tuple[datetime, ...]:
        """Return the moments at which the key begins or ceases to be valid."""
        retired = () if standing.retired_at is None else (standing.retired_at,)
        return (self.leaf.not_valid_before_utc, self.leaf.not_valid_after_utc, *retired)


def certify(
    party: PartyId,
    path: tuple[x509.Certificate, ...],
    origin: str,
    *,
    uri: str,
    own: bool = True,
    pinned: bool = False,
) -> Certified:
    """Return the key of a path's leaf, which must name `party` alone (nobody, if pinned) and be no test key."""
    try:
        key_id = thumbprint(p256_key(path[0]))
        named = {one for one in san_uris(path[0]) if one == uri or one.startswith(PARTY_URI_PREFIX)}
        if named - {uri, party_uri(party)} or not (named or pinned):
            raise TrustError("trust.certificate_invalid", f"the certificate does not name {party} alone")
    except GatewayError as error:
        raise TrustError("trust.certificate_invalid", f"{origin}: {error.detail}") from error
    if key_id in VECTOR_KEY_IDS:
        raise TrustError("trust.certificate_invalid", f"{origin} holds a published test key")
    return Certified(party=party, key_id=key_id, path=path, own=own)


def verification_key_of(found: Certified, standing: Standing) -> VerificationKey:
    """Return the key as revocation leaves it: marked when compromised, ending at its retirement."""
    not_after = found.leaf.not_valid_after_utc
    return VerificationKey(
        key_id=found.key_id,
        party=found.party,
        certificate_sha256=certificate_thumbprint(found.leaf.public_bytes(Encoding.DER)),
        public_key=p256_key(found.leaf),
        not_before=found.leaf.not_valid_before_utc,
        not_after=min(not_after, standing.retired_at or not_after),
        revoked=standing.compromised,
    )


def require_usage(certificate: x509.Certificate, purpose: Purpose, origin: str) -> None:
    """Return when `certificate` allows `purpose`. Raises TrustError `trust.certificate_invalid`, naming `origin`."""
    try:
        check_usage(certificate, purpose)
    except TrustError as error:
        raise TrustError(error.code, f"{origin}: {error.detail}") from error
