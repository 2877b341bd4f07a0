"""Certificates: reading them, building a path to the agreed roots, what one may be used for, and whom it names.

Paths are built by `cryptography.x509.verification` (RFC 5280 §6) as of a given time. It has no word about the key usage
of signing and decryption certificates, so usage, names and key type are checked here, after the path holds. A subject
is named by a SAN URI `urn:wco-gateway:party:GB-HMRC`; common names count for nothing. Revocation is in `crl`.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from gateway.domain.ids import PartyId
from gateway.errors import TrustError
from gateway.trust.files import read_public

__all__ = [
    "PARTY_URI_PREFIX",
    "Purpose",
    "build_path",
    "check_usage",
    "fingerprint",
    "is_root",
    "p256_key",
    "parse_certificates",
    "party_uri",
    "read_certificates",
    "san_uris",
    "spki_sha256",
    "to_pem",
]

PARTY_URI_PREFIX: Final = "urn:wco-gateway:party:"
MAX_CHAIN_DEPTH: Final = 4

Extended = ExtendedKeyUsageOID
_TLS_PURPOSES: Final = frozenset({Extended.CLIENT_AUTH, Extended.SERVER_AUTH, Extended.ANY_EXTENDED_KEY_USAGE})


class Purpose(StrEnum):
    """What a certificate is about to be used for."""

    TLS_CLIENT = "tls client"
    TLS_SERVER = "tls server"
    SIGN = "signing"
    DECRYPT = "decryption"


def party_uri(party: PartyId) -> str:
    """Return the SAN URI by which certificates name a party."""
    return f"{PARTY_URI_PREFIX}{party}"


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a PEM file, in its order. Raises ConfigurationError or TrustError."""
    return parse_certificates(read_public(path), str(path))


def parse_certificates(pem: bytes, origin: str) -> tuple[x509.Certificate, ...]:
    """Return the certificates of PEM text; `origin` is named in the TrustError `trust.certificate_invalid`."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise TrustError("trust.certificate_invalid", f"{origin} holds no readable PEM certificates") from error


def to_pem(certificates: Sequence[x509.Certificate]) -> bytes:
    """Return certificates as PEM, in the order given."""
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return SHA-256 of the DER as people compare it: capitals, colons between bytes."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest().hex(":").upper()


def spki_sha256(certificate: x509.Certificate) -> str:
    """Return the pin of a certificate: SHA-256 of its SubjectPublicKeyInfo, lower-case hex (RFC 7469 §2.4, in hex)."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def is_root(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate names itself as issuer. Its signature is checked when a path is built on it."""
    return certificate.subject == certificate.issuer


def san_uris(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the URIs of the subject alternative name; empty when there is none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    except ValueError as error:
        raise TrustError("trust.certificate_invalid", "the certificate's extensions can not be read") from error
    return tuple(names.get_values_for_type(x509.UniformResourceIdentifier))


def p256_key(certificate: x509.Certificate) -> EllipticCurvePublicKey:
    """Return the public key, which must be on P-256. Raises TrustError `trust.certificate_invalid`."""
    key = certificate.public_key()
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise TrustError("trust.certificate_invalid", "the key of the certificate is not on P-256")
    return key


def build_path(
    leaf: x509.Certificate,
    *,
    roots: Sequence[x509.Certificate],
    intermediates: Sequence[x509.Certificate],
    at: datetime,
) -> tuple[x509.Certificate, ...]:
    """Return the path from `leaf` to one of `roots`, leaf first, all of it valid at `at`.

    Raises TrustError `trust.certificate_invalid`: expired, not yet valid, another CA, constraints broken.
    """
    if at < leaf.not_valid_before_utc:
        _refuse("the certificate is not valid yet")
    if at > leaf.not_valid_after_utc:
        _refuse("the certificate has expired")
    if not roots:
        _refuse("there is no agreed root for this certificate")
    builder = PolicyBuilder().store(Store(list(roots))).time(at).max_chain_depth(MAX_CHAIN_DEPTH)
    verifier = builder.extension_policies(ca_policy=_CA_POLICY, ee_policy=_LEAF_POLICY).build_client_verifier()
    try:
        return tuple(verifier.verify(leaf, list(intermediates)).chain)
    except (VerificationError, ValueError) as error:
        raise TrustError("trust.certificate_invalid", "the certificate does not chain to an agreed root") from error


def check_usage(certificate: x509.Certificate, purpose: Purpose) -> None:
    """Return when key usage and extended key usage allow `purpose`. Raises TrustError `trust.certificate_invalid`.

    TLS needs the exact extended usage: an absent one and anyExtendedKeyUsage count as refusal. Signing and decryption
    certificates must not be good for TLS, so that no key serves two protocols.
    """
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        extended = _extended_usages(certificate)
    except x509.ExtensionNotFound as error:
        raise TrustError("trust.certificate_invalid", "the certificate has no key usage") from error
    except ValueError as error:
        raise TrustError("trust.certificate_invalid", "the certificate's extensions can not be read") from error
    if purpose in (Purpose.TLS_CLIENT, Purpose.TLS_SERVER):
        needed = Extended.CLIENT_AUTH if purpose is Purpose.TLS_CLIENT else Extended.SERVER_AUTH
        allowed = usage.digital_signature and needed in extended
    elif purpose is Purpose.SIGN:
        allowed = usage.digital_signature and not extended & _TLS_PURPOSES
    else:
        allowed = usage.key_agreement and not extended & _TLS_PURPOSES
    if not allowed:
        _refuse(f"the key usage of the certificate does not allow it as {purpose}")


def _extended_usages(certificate: x509.Certificate) -> frozenset[x509.ObjectIdentifier]:
    try:
        return frozenset(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return frozenset()


def _not_a_ca(_: Policy, __: x509.Certificate, constraints: x509.BasicConstraints | None) -> None:
    if constraints is not None and constraints.ca:
        raise ValueError("a CA certificate can not stand for a party")


def _refuse(detail: str) -> NoReturn:
    raise TrustError("trust.certificate_invalid", detail)


_CA_POLICY: Final = ExtensionPolicy.webpki_defaults_ca()
_LEAF_POLICY: Final = ExtensionPolicy.permit_all().may_be_present(
    x509.BasicConstraints, Criticality.AGNOSTIC, _not_a_ca
)
