"""Revocation lists: loaded from files, believed only when the issuer signed them, used only while fresh.

Every certificate of a path but its root needs a list of its issuer (RFC 5280 §6.3, without indirect and delta lists;
a list with an unknown critical extension is not used). A list is fresh from thisUpdate to nextUpdate and, where a
greatest age is set, no older than that. Stale or missing means refuse: `trust.crl_stale`. A file that changed is read
again at the next look; if the new content is broken or older than what was read before, the older knowledge stays, and
goes stale in time.

A reason that only ends a key's use (superseded, cessation, affiliation changed) retires it as of the revocation date;
every other reason, and none, counts as compromise.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, pairwise
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from gateway.domain.limits import MAX_CLOCK_SKEW
from gateway.errors import ConfigurationError, TrustError
from gateway.trust.files import FileStamp, read_public, stamp

__all__ = ["RevocationLists", "Standing"]

_PEM_END: Final = b"-----END X509 CRL-----"
_KNOWN_LIST_EXTENSIONS: Final = (x509.CRLNumber, x509.AuthorityKeyIdentifier)
_ISSUER_KEYS: Final = (EllipticCurvePublicKey, RSAPublicKey, Ed25519PublicKey)
_RETIRING: Final = frozenset(
    {
        x509.ReasonFlags.superseded,
        x509.ReasonFlags.cessation_of_operation,
        x509.ReasonFlags.affiliation_changed,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the lists say of a path. `retired_at`: from then on it counts no more, what was before still holds."""

    compromised: bool = False
    retired_at: datetime | None = None

    @property
    def revoked(self) -> bool:
        """Whether it is on a list at all, which is enough to refuse a TLS connection."""
        return self.compromised or self.retired_at is not None


class RevocationLists:
    """The lists of some files. `generation` grows whenever what they say may have changed."""

    def __init__(self, paths: Iterable[Path], *, max_age: timedelta | None = None) -> None:
        self._paths = tuple(paths)
        self._max_age = max_age
        self._stamps: dict[Path, FileStamp] = {}
        self._problems: dict[Path, str] = {}
        self._read: dict[Path, list[x509.CertificateRevocationList]] = {}
        self._kept: list[x509.CertificateRevocationList] = []
        self._by_issuer: dict[x509.Certificate, x509.CertificateRevocationList | None] = {}
        self.generation = 0
        self._steady = False
        self.refresh()

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the files as they are now, for the operator."""
        return tuple(self._problems.values())

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Look at the files now, and let what they say stand for all that is asked inside."""
        self.refresh()
        self._steady = True
        try:
            yield
        finally:
            self._steady = False

    def refresh(self) -> None:
        """Read again what changed. Costs one stat per file when nothing did; never raises."""
        if self._steady:
            return
        seen = {path: stamp(path) for path in self._paths}
        if seen == self._stamps:
            return
        changed = [path for path in self._paths if path not in self._stamps or seen[path] != self._stamps[path]]
        self._stamps = seen
        for path in changed:
            try:
                self._read[path] = _parse(read_public(path))
            except (ConfigurationError, ValueError) as error:
                reason = error.detail if isinstance(error, ConfigurationError) else f"{path} holds no readable CRL"
                self._problems[path] = reason
                continue
            self._problems.pop(path, None)
        # What was relied on stays a candidate, so that an older list in a file can not take knowledge back.
        self._kept = [one for one in self._by_issuer.values() if one is not None]
        self._by_issuer.clear()
        self.generation += 1

    def require_fresh(self, path: Sequence[x509.Certificate], now: datetime) -> None:
        """Return when every issuer of `path` has a fresh list. Raises TrustError `trust.crl_stale`."""
        for issuer in path[1:]:
            found = self._list_of(issuer)
            if found is None:
                raise TrustError("trust.crl_stale", f"there is no revocation list of {_name(issuer)}")
            if not self._is_fresh(found, now):
                raise TrustError("trust.crl_stale", f"the revocation list of {_name(issuer)} is out of date")

    def turning_points(self, path: Sequence[x509.Certificate]) -> Iterator[datetime]:
        """Yield the moments at which a list of an issuer of `path` begins or ceases to be fresh."""
        for issuer in path[1:]:
            found = self._list_of(issuer)
            if found is None:
                continue
            yield found.last_update_utc - MAX_CLOCK_SKEW
            if found.next_update_utc is not None:
                yield found.next_update_utc
            if self._max_age is not None:
                yield found.last_update_utc + self._max_age

    def standing(self, path: Sequence[x509.Certificate]) -> Standing:
        """Return what the lists say of a path, fresh or not. `path` goes from the leaf to the root."""
        compromised = False
        retired: list[datetime] = []
        for certificate, issuer in pairwise(path):
            found = self._list_of(issuer)
            entry = (
                found.get_revoked_certificate_by_serial_number(certificate.serial_number) if found is not None else None
            )
            if entry is None:
                continue
            if _reason(entry) in _RETIRING:
                retired.append(entry.revocation_date_utc)
            else:
                compromised = True
        return Standing(compromised=compromised, retired_at=min(retired, default=None))

    def _is_fresh(self, found: x509.CertificateRevocationList, now: datetime) -> bool:
        until = found.next_update_utc
        if until is None or now > until or found.last_update_utc > now + MAX_CLOCK_SKEW:
            return False
        return self._max_age is None or now - found.last_update_utc <= self._max_age

    def _list_of(self, issuer: x509.Certificate) -> x509.CertificateRevocationList | None:
        # The newest list that this very key signed; a CA that changed its key keeps its name.
        if issuer not in self._by_issuer:
            everything = chain.from_iterable((*self._read.values(), self._kept))
            candidates = [one for one in everything if _is_from(one, issuer)]
            newest = max(candidates, key=lambda one: (_number(one), one.last_update_utc), default=None)
            self._by_issuer[issuer] = newest
        return self._by_issuer[issuer]


def _name(issuer: x509.Certificate) -> str:
    return issuer.subject.rfc4514_string()


def _parse(content: bytes) -> list[x509.CertificateRevocationList]:
    """Return the lists of a DER file, or of a PEM file with one or several. Raises ValueError."""
    if _PEM_END not in content:
        return [x509.load_der_x509_crl(content)]
    blocks = content.split(_PEM_END)[:-1]
    return [x509.load_pem_x509_crl(block + _PEM_END + b"\n") for block in blocks]


def _is_from(found: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    if found.issuer != issuer.subject or not _may_sign_lists(issuer):
        return False
    try:
        if any(one.critical and not isinstance(one.value, _KNOWN_LIST_EXTENSIONS) for one in found.extensions):
            return False
        key = issuer.public_key()
        return isinstance(key, _ISSUER_KEYS) and found.is_signature_valid(key)
    except (ValueError, TypeError):
        return False


def _may_sign_lists(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except (x509.ExtensionNotFound, ValueError):
        return False


def _number(found: x509.CertificateRevocationList) -> int:
    try:
        return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return -1


def _reason(entry: x509.RevokedCertificate) -> x509.ReasonFlags:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except (x509.ExtensionNotFound, ValueError):
        return x509.ReasonFlags.unspecified
