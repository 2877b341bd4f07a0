"""The shapes of what the development authority issues, as pure functions: certificates and revocation lists.

P-256 and ECDSA with SHA-256 throughout (RFC 5480, RFC 5758); extensions after RFC 5280 §4.2: basic constraints and key
usage critical, key identifiers always, a party named by a SAN URI. A TLS certificate has both extended usages, since a
node is client and server at once; signing and decryption certificates have none, so they are never good for TLS.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.domain.ids import PartyId
from gateway.trust.certificates import p256_key, party_uri

__all__ = [
    "BACKDATED",
    "CertifiedKey",
    "Leaf",
    "Use",
    "certify_issuing",
    "certify_leaf",
    "certify_root",
    "list_revoked",
]

BACKDATED: Final = timedelta(minutes=5)
"""Certificates begin this much before now, for partners whose clocks are behind."""


class Use(StrEnum):
    """What a party's key is for; also the first part of its file names."""

    TLS = "tls"
    SIGN = "sign"
    DECRYPT = "decrypt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """What a party's certificate says."""

    party: PartyId
    use: Use
    dns: Sequence[str] = ()
    addresses: Sequence[IPv4Address | IPv6Address] = ()
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A private key of an authority and its certificate. Its repr shows no key."""

    key: EllipticCurvePrivateKey
    certificate: x509.Certificate

    def __repr__(self) -> str:
        return f"CertifiedKey({self.certificate.subject.rfc4514_string()})"


def certify_root(name: str, not_before: datetime, not_after: datetime) -> CertifiedKey:
    """Return a new root under which one level of issuing authorities may stand."""
    key = generate_private_key(SECP256R1())
    subject = _name(f"{name} root")
    builder = _builder(subject, subject, key, not_before, not_after)
    builder = _with_authority(builder, key, key, path_length=1)
    return CertifiedKey(key, builder.sign(key, SHA256()))


def certify_issuing(root: CertifiedKey, name: str, not_before: datetime, not_after: datetime) -> CertifiedKey:
    """Return a new issuing authority; under it only end entities may stand."""
    key = generate_private_key(SECP256R1())
    builder = _builder(_name(f"{name} issuing"), root.certificate.subject, key, not_before, not_after)
    builder = _with_authority(builder, key, root.key, path_length=0)
    return CertifiedKey(key, builder.sign(root.key, SHA256()))


def certify_leaf(issuing: CertifiedKey, leaf: Leaf, key: EllipticCurvePrivateKey) -> x509.Certificate:
    """Return a certificate for `key`, ending no later than the issuing authority itself."""
    until = min(leaf.not_after, issuing.certificate.not_valid_after_utc)
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(party_uri(leaf.party))]
    names += [x509.DNSName(one) for one in leaf.dns]
    names += [x509.IPAddress(one) for one in leaf.addresses]
    builder = _builder(_name(f"{leaf.party} {leaf.use}"), issuing.certificate.subject, key, leaf.not_before, until)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(
        _usage(digital_signature=leaf.use is not Use.DECRYPT, key_agreement=leaf.use is Use.DECRYPT), critical=True
    )
    builder = _with_key_identifiers(builder, key, issuing.key)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if leaf.use is Use.TLS:
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
    return builder.sign(issuing.key, SHA256())


def list_revoked(
    issuer: CertifiedKey,
    entries: Sequence[x509.RevokedCertificate],
    *,
    number: int,
    now: datetime,
    next_update: datetime,
) -> x509.CertificateRevocationList:
    """Return a signed revocation list (RFC 5280 §5) with a CRL number."""
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(p256_key(issuer.certificate))
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now)
        .next_update(next_update)
        .add_extension(authority, critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for entry in entries:
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, SHA256())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: EllipticCurvePrivateKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def _with_authority(
    builder: x509.CertificateBuilder,
    key: EllipticCurvePrivateKey,
    issuer: EllipticCurvePrivateKey,
    *,
    path_length: int,
) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    builder = builder.add_extension(_usage(authority=True), critical=True)
    return _with_key_identifiers(builder, key, issuer)


def _with_key_identifiers(
    builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey, issuer: EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    return builder.add_extension(own, critical=False).add_extension(above, critical=False)


def _usage(*, digital_signature: bool = False, key_agreement: bool = False, authority: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=key_agreement,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
