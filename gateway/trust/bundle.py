"""Partner bundles: what two administrations hand each other before the first message. Public data only.

A bundle is one JSON file: the party's id, its signing and encryption certificates, the authorities above them, and, for
a party whose TLS certificates are to be pinned, their pins. It goes by an independent way, and both sides read the
fingerprints to each other: that is the first trust. Reading is strict: unknown, missing or doubled members are refused.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from gateway.domain.ids import PartyId, party_id
from gateway.errors import ConfigurationError, TrustError
from gateway.trust.certificates import fingerprint, is_root, parse_certificates, read_certificates, spki_sha256, to_pem
from gateway.trust.files import read_public

__all__ = ["PartnerBundle", "export_bundle", "fingerprints", "load_bundle", "write_bundle_json"]

FORMAT: Final = "wco-gateway-partner-bundle/1"
MAX_CERTIFICATES: Final = 64

_MEMBERS: Final = frozenset({"format", "party", "signing", "encryption", "authorities", "tls_pins"})
_PIN: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerBundle:
    """A party as its partners know it. `tls_pins`: SHA-256 of SubjectPublicKeyInfo, lower-case hex."""

    party: PartyId
    signing: tuple[x509.Certificate, ...] = field(repr=False)
    encryption: tuple[x509.Certificate, ...] = field(repr=False)
    authorities: tuple[x509.Certificate, ...] = field(repr=False)
    tls_pins: tuple[str, ...] = ()

    @property
    def roots(self) -> tuple[x509.Certificate, ...]:
        """The authorities that nobody stands above."""
        return tuple(one for one in self.authorities if is_root(one))

    @property
    def intermediates(self) -> tuple[x509.Certificate, ...]:
        """The authorities below the roots."""
        return tuple(one for one in self.authorities if not is_root(one))


def export_bundle(
    party: PartyId,
    *,
    signing: Sequence[Path],
    encryption: Sequence[Path],
    authorities: Path,
    pinned_tls: Sequence[Path] = (),
) -> PartnerBundle:
    """Return the bundle of one of our own parties from certificate files.

    `authorities`: issuing and root certificates. `pinned_tls`: TLS certificates that partners shall pin; leave it
    empty to be known by the SAN URI, which survives a renewal.
    """
    return PartnerBundle(
        party=party,
        signing=tuple(read_certificates(path)[0] for path in signing),
        encryption=tuple(read_certificates(path)[0] for path in encryption),
        authorities=read_certificates(authorities),
        tls_pins=tuple(spki_sha256(read_certificates(path)[0]) for path in pinned_tls),
    )


def write_bundle_json(bundle: PartnerBundle) -> bytes:
    """Return the bundle as JSON: members sorted, two blanks of indent, a final newline."""
    members = {
        "format": FORMAT,
        "party": bundle.party,
        "signing": _pems(bundle.signing),
        "encryption": _pems(bundle.encryption),
        "authorities": _pems(bundle.authorities),
        "tls_pins": list(bundle.tls_pins),
    }
    return json.dumps(members, indent=2, sort_keys=True).encode() + b"\n"


def load_bundle(path: Path) -> PartnerBundle:
    """Return a bundle from a file. Raises ConfigurationError `config.not_found`, `config.invalid`; or TrustError."""
    try:
        members = json.loads(read_public(path), object_pairs_hook=_object)
    except ValueError as error:
        raise ConfigurationError("config.invalid", f"{path} is not the JSON of a partner bundle") from error
    if not isinstance(members, dict) or members.keys() != _MEMBERS or members["format"] != FORMAT:
        raise ConfigurationError(
            "config.invalid", f"{path} needs exactly {', '.join(sorted(_MEMBERS))}; format {FORMAT}"
        )
    pins = _texts(path, members, "tls_pins")
    if not all(_PIN.fullmatch(pin) for pin in pins):
        raise ConfigurationError("config.invalid", f"{path}: a TLS pin is a SHA-256 in lower-case hex")
    try:
        party = party_id(str(members["party"]))
    except ValueError as error:
        raise ConfigurationError("config.invalid", f"{path}: {error}") from error
    return PartnerBundle(
        party=party,
        signing=_certificates(path, members, "signing"),
        encryption=_certificates(path, members, "encryption"),
        authorities=_certificates(path, members, "authorities"),
        tls_pins=tuple(pins),
    )


def fingerprints(bundle: PartnerBundle) -> tuple[tuple[str, str], ...]:
    """Return what people compare aloud: (label, SHA-256) of each certificate and, last, of the whole bundle."""
    lines: list[tuple[str, str]] = []
    for label, certificates in (
        ("signing", bundle.signing),
        ("encryption", bundle.encryption),
        ("authority", bundle.authorities),
    ):
        lines += [(label, fingerprint(one)) for one in certificates]
    lines += [("tls pin", bytes.fromhex(pin).hex(":").upper()) for pin in bundle.tls_pins]
    whole = hashlib.sha256(write_bundle_json(bundle)).digest()
    return (*lines, ("bundle", whole.hex(":").upper()))


def _pems(certificates: Sequence[x509.Certificate]) -> list[str]:
    return [to_pem([one]).decode("ascii") for one in certificates]


def _texts(path: Path, members: dict[str, Any], name: str) -> list[str]:
    value = members[name]
    if not isinstance(value, list) or len(value) > MAX_CERTIFICATES or not all(isinstance(one, str) for one in value):
        raise ConfigurationError("config.invalid", f"{path}: {name} is a list of at most {MAX_CERTIFICATES} texts")
    return value


def _certificates(path: Path, members: dict[str, Any], name: str) -> tuple[x509.Certificate, ...]:
    found: list[x509.Certificate] = []
    for text in _texts(path, members, name):
        parsed = parse_certificates(text.encode(), f"{path}: {name}")
        if len(parsed) != 1:
            raise TrustError("trust.certificate_invalid", f"{path}: {name} holds several certificates in one text")
        found += parsed
    if not found:
        raise TrustError("trust.certificate_invalid", f"{path}: {name} holds no certificate")
    return tuple(found)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members
