"""Everything that can be wrong with a TLS certificate that GB-HMRC shows to FR-DGDDI."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.domain.ids import PartyId
from gateway.trust import KeyFiles, read_certificates
from tests.pki import TestPki, forge, make_pki, uri

GB, FR = PartyId("GB-HMRC"), PartyId("FR-DGDDI")
CLIENT_ONLY = (ExtendedKeyUsageOID.CLIENT_AUTH,)
SERVER_ONLY = (ExtendedKeyUsageOID.SERVER_AUTH,)
ANY = (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)

Shape = Callable[[TestPki, Path, datetime], KeyFiles]


def der_of(files: KeyFiles) -> bytes:
    return read_certificates(files.certificate)[0].public_bytes(Encoding.DER)


def _forged(**shape: object) -> Shape:
    return lambda pki, folder, now: forge(pki[GB].authority, folder, now, **{"uris": [uri(GB)], **shape})  # type: ignore[arg-type]  # keyword arguments of forge


def _revoked(pki: TestPki, _folder: Path, now: datetime) -> KeyFiles:
    pki[GB].revoke(pki[GB].tls, now)
    return pki[GB].tls


def _superseded(pki: TestPki, _folder: Path, now: datetime) -> KeyFiles:
    pki[GB].revoke(pki[GB].tls, now, x509.ReasonFlags.superseded)
    return pki[GB].tls


def _wrong_authority(pki: TestPki, folder: Path, now: datetime) -> KeyFiles:
    # An agreed authority, but FR's, certifies a key that names GB.
    return forge(pki[FR].authority, folder, now, uris=[uri(GB)])


def _wrong_root(pki: TestPki, folder: Path, now: datetime) -> KeyFiles:
    return forge(pki[FR].authority, folder, now, uris=[uri(GB)], by="root")


def _stranger(_pki: TestPki, folder: Path, now: datetime) -> KeyFiles:
    return make_pki(folder / "stranger", [GB], now)[GB].tls


FLAWS: dict[str, Shape] = {
    "expired": _forged(begins=-timedelta(days=2), ends=-timedelta(days=1)),
    "not yet valid": _forged(begins=timedelta(days=1), ends=timedelta(days=2)),
    "revoked": _revoked,
    "superseded": _superseded,
    "another partner's authority": _wrong_authority,
    "another partner's root": _wrong_root,
    "an unknown authority": _stranger,
    "no extended key usage": _forged(usages=()),
    "any extended key usage": _forged(usages=ANY),
    "no SAN URI": _forged(uris=[]),
    "a stranger's SAN URI": _forged(uris=[uri("XX-NOBODY")]),
    "two parties": _forged(uris=[uri(GB), uri("XX-NOBODY")]),
}
CLIENT_FLAWS = {**FLAWS, "for servers only": _forged(usages=SERVER_ONLY)}
SERVER_FLAWS = {**FLAWS, "for clients only": _forged(usages=CLIENT_ONLY)}
