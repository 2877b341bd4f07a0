"""A development certificate authority in a folder: a root, an issuing authority, their revocation lists.

For demos, tests and first trials; in production certificates come from the administration's own authority. The state is
the files alone (docs/security.md shows the layout): the last revocation list is the register of what is revoked, and
`issued/` holds every certificate given out. Time comes in as a value; keys and serial numbers are drawn here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.domain.ids import KeyId, PartyId, party_id
from gateway.envelope import thumbprint
from gateway.errors import ConfigurationError, TrustError
from gateway.trust.certificates import PARTY_URI_PREFIX, fingerprint, read_certificates, san_uris, to_pem
from gateway.trust.files import as_utc, make_private_folder, read_public, replace_file, write_public, write_secret
from gateway.trust.issuing import (
    BACKDATED,
    CertifiedKey,
    Leaf,
    Use,
    certify_issuing,
    certify_leaf,
    certify_root,
    list_revoked,
)
from gateway.trust.keys import KeyFiles, key_files_in, load_private_key

__all__ = ["Authority", "Issued", "init", "issue", "refresh_crls", "renew", "revoke"]

ROOT_LIFETIME: Final = timedelta(days=3650)
ISSUING_LIFETIME: Final = timedelta(days=1825)
LEAF_LIFETIME: Final = timedelta(days=397)
CRL_LIFETIME: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The files of an authority. `chain` (issuing, root) goes into partner bundles; `roots` into settings."""

    folder: Path

    @property
    def roots(self) -> Path:
        """The root certificate."""
        return self.folder / "root.crt.pem"

    @property
    def chain(self) -> Path:
        """Issuing certificate, then root."""
        return self.folder / "chain.crt.pem"

    @property
    def crls(self) -> tuple[Path, Path]:
        """The root's list (of authorities) and the issuing authority's (of parties' certificates)."""
        return (self.folder / "root.crl.pem", self.folder / "issuing.crl.pem")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What was written for a party."""

    party: PartyId
    use: Use
    files: KeyFiles
    key_id: KeyId
    serial: int
    fingerprint: str
    not_after: datetime


def init(folder: Path, *, now: datetime, name: str = "Development") -> Authority:
    """Make a root, an issuing authority and their empty revocation lists in `folder`.

    Raises ConfigurationError when any of the files exists.
    """
    begin = as_utc(now) - BACKDATED
    root = certify_root(name, begin, begin + ROOT_LIFETIME)
    issuing = certify_issuing(root, name, begin, begin + ISSUING_LIFETIME)
    make_private_folder(folder / "issued")
    for prefix, authority in (("root", root), ("issuing", issuing)):
        _write_key(folder / f"{prefix}.key.pem", authority.key)
        write_public(folder / f"{prefix}.crt.pem", to_pem([authority.certificate]))
        write_public(_crl_path(folder, prefix), _list(authority, [], 1, now))
    write_public(folder / "chain.crt.pem", to_pem([issuing.certificate, root.certificate]))
    return Authority(folder=folder)


def issue(
    authority: Path,
    party: PartyId,
    use: Use,
    *,
    keys: Path,
    now: datetime,
    dns: Sequence[str] = (),
    addresses: Sequence[IPv4Address | IPv6Address] = (),
    not_before: datetime | None = None,
    lifetime: timedelta = LEAF_LIFETIME,
) -> Issued:
    """Make a key and its certificate as `keys/<PARTY>/<use>-<n>.{key,crt}.pem`, n being one more than the last.

    `not_before` later than now announces a key: partners learn it before it is used. `dns` and `addresses` name the
    listener and stand only in TLS certificates. Raises ConfigurationError or TrustError.
    """
    if use is not Use.TLS and (dns or addresses):
        raise ConfigurationError("config.invalid", "host names and addresses belong into tls certificates only")
    begin = as_utc(not_before) if not_before else as_utc(now) - BACKDATED
    leaf = Leaf(
        party=party_id(party),
        use=use,
        dns=tuple(dns),
        addresses=tuple(addresses),
        not_before=begin,
        not_after=begin + lifetime,
    )
    issuing = _load(authority, "issuing")
    key = generate_private_key(SECP256R1())
    certificate = certify_leaf(issuing, leaf, key)
    files = _next_files(keys / party, use)
    write_public(authority / "issued" / f"{certificate.serial_number:040x}.crt.pem", to_pem([certificate]))
    _write_key(files.key, key)
    write_public(files.certificate, to_pem([certificate, issuing.certificate]))
    return Issued(
        party=party,
        use=use,
        files=files,
        key_id=thumbprint(key.public_key()),
        serial=certificate.serial_number,
        fingerprint=fingerprint(certificate),
        not_after=certificate.not_valid_after_utc,
    )


def renew(
    authority: Path, certificate: Path, *, keys: Path, now: datetime, lifetime: timedelta = LEAF_LIFETIME
) -> Issued:
    """Issue a successor with a new key and the same party, use and names. The old one stays valid until it ends."""
    old = read_certificates(certificate)[0]
    names = _names(old)
    party = next((uri.removeprefix(PARTY_URI_PREFIX) for uri in san_uris(old) if uri.startswith(PARTY_URI_PREFIX)), "")
    use = next((one for one in Use if certificate.name.startswith(f"{one}-")), None)
    if use is None or not party:
        raise ConfigurationError("config.invalid", f"{certificate} is not a certificate that this program issued")
    return issue(
        authority,
        party_id(party),
        use,
        keys=keys,
        now=now,
        dns=names.get_values_for_type(x509.DNSName),
        addresses=_addresses(names),
        lifetime=lifetime,
    )


def revoke(
    authority: Path,
    certificate: int | x509.Certificate,
    *,
    now: datetime,
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified,
) -> None:
    """Put a certificate (or its serial number) on the issuing authority's list and publish the list again.

    A second revocation keeps the first date and may only sharpen the reason to keyCompromise. Raises TrustError
    `trust.certificate_invalid` for a certificate that this authority did not issue.
    """
    serial = certificate if isinstance(certificate, int) else certificate.serial_number
    if not (authority / "issued" / f"{serial:040x}.crt.pem").exists():
        raise TrustError("trust.certificate_invalid", "this authority issued no certificate with that serial number")
    entries = {entry.serial_number: entry for entry in _current_crl(authority, "issuing")}
    if serial not in entries or reason is x509.ReasonFlags.key_compromise:
        since = entries[serial].revocation_date_utc if serial in entries else as_utc(now)
        entries[serial] = _entry(serial, since, reason)
    _publish(authority, "issuing", list(entries.values()), now)


def refresh_crls(authority: Path, *, now: datetime, lifetime: timedelta = CRL_LIFETIME) -> None:
    """Publish both lists again with the same entries, fresh from `now` for `lifetime`."""
    for prefix in ("root", "issuing"):
        _publish(authority, prefix, list(_current_crl(authority, prefix)), now, lifetime)


def _load(folder: Path, prefix: str) -> CertifiedKey:
    key = load_private_key(folder / f"{prefix}.key.pem")
    certificate = read_certificates(folder / f"{prefix}.crt.pem")[0]
    if certificate.public_key() != key.public_key():
        raise TrustError("trust.certificate_invalid", f"key and certificate of {folder / prefix} do not fit")
    return CertifiedKey(key, certificate)


def _write_key(path: Path, key: EllipticCurvePrivateKey) -> None:
    write_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _next_files(folder: Path, use: Use) -> KeyFiles:
    make_private_folder(folder)
    taken = key_files_in(folder, use)
    number = int(taken[-1].key.name.removeprefix(f"{use}-").removesuffix(".key.pem")) + 1 if taken else 1
    return KeyFiles(key=folder / f"{use}-{number}.key.pem", certificate=folder / f"{use}-{number}.crt.pem")


def _entry(serial: int, since: datetime, reason: x509.ReasonFlags) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
    if reason is not x509.ReasonFlags.unspecified:  # RFC 5280 §5.3.1: leave it out rather than say "unspecified"
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    return builder.build()


def _current_crl(folder: Path, prefix: str) -> x509.CertificateRevocationList:
    # A lost list is an error: starting a new one would silently take every revocation back.
    path = _crl_path(folder, prefix)
    try:
        return x509.load_pem_x509_crl(read_public(path))
    except ValueError as error:
        raise ConfigurationError("config.invalid", f"{path} is not a revocation list; restore it") from error


def _publish(
    folder: Path,
    prefix: str,
    entries: Sequence[x509.RevokedCertificate],
    now: datetime,
    lifetime: timedelta = CRL_LIFETIME,
) -> None:
    number = _current_crl(folder, prefix).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    replace_file(_crl_path(folder, prefix), _list(_load(folder, prefix), entries, number + 1, now, lifetime))


def _crl_path(folder: Path, prefix: str) -> Path:
    return folder / f"{prefix}.crl.pem"


def _list(
    issuer: CertifiedKey,
    entries: Sequence[x509.RevokedCertificate],
    number: int,
    now: datetime,
    lifetime: timedelta = CRL_LIFETIME,
) -> bytes:
    begin = as_utc(now)
    made = list_revoked(issuer, entries, number=number, now=begin, next_update=begin + lifetime)
    return made.public_bytes(Encoding.PEM)


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound as error:
        raise TrustError("trust.certificate_invalid", "the certificate names nobody") from error


def _addresses(names: x509.SubjectAlternativeName) -> list[IPv4Address | IPv6Address]:
    found = names.get_values_for_type(x509.IPAddress)
    return [one for one in found if isinstance(one, IPv4Address | IPv6Address)]
