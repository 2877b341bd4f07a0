"""Private keys in files, behind the envelope's Signer and Unwrapper.

A key is taken only when nobody but its owner can read the file, it is on P-256, it fits its certificate, the
certificate allows the use, and it is not one of the published test-vector keys. Keys are never pickled and never
shown: workers open the files themselves.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, NoReturn

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from gateway.domain.ids import KeyId
from gateway.envelope import VECTOR_KEY_IDS, certificate_thumbprint, thumbprint
from gateway.errors import TrustError
from gateway.trust.certificates import Purpose, check_usage, read_certificates
from gateway.trust.files import read_secret
from gateway.trust.issuing import Use

__all__ = ["FileSigner", "FileUnwrapper", "KeyFiles", "OwnKey", "key_files_in", "load_own_key", "load_private_key"]

_ES256: Final = ECDSA(Prehashed(SHA256()))
_KEY_NAME: Final = re.compile(r"(tls|sign|decrypt)-([1-9][0-9]{0,5})\.key\.pem")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    """A private key and its certificate chain (leaf first), both PEM."""

    key: Path
    certificate: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnKey:
    """One of our own private keys, checked, with its certificate and what stands above it."""

    files: KeyFiles
    key_id: KeyId
    certificate: x509.Certificate = field(repr=False)
    intermediates: tuple[x509.Certificate, ...] = field(repr=False)
    private_key: EllipticCurvePrivateKey = field(repr=False)

    def valid(self, now: datetime) -> bool:
        """Tell whether `now` lies in the validity of the certificate."""
        return self.certificate.not_valid_before_utc <= now <= self.certificate.not_valid_after_utc

    def __reduce__(self) -> NoReturn:
        _never_pickled()


class FileSigner:
    """A Signer whose key came from a file."""

    __slots__ = ("_certificate_sha256", "_key", "_key_id")

    def __init__(self, own: OwnKey) -> None:
        self._key = own.private_key
        self._key_id = own.key_id
        self._certificate_sha256 = certificate_thumbprint(own.certificate.public_bytes(Encoding.DER))

    @property
    def key_id(self) -> KeyId:
        """RFC 7638 thumbprint of the public key."""
        return self._key_id

    @property
    def certificate_sha256(self) -> str:
        """Base64url of SHA-256 over the certificate's DER."""
        return self._certificate_sha256

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the ES256 signature over what hashes to `digest` (SHA-256) as R‖S, 64 bytes (RFC 7518 §3.4)."""
        r, s = decode_dss_signature(self._key.sign(digest, _ES256))
        return r.to_bytes(32) + s.to_bytes(32)

    def __repr__(self) -> str:
        return f"FileSigner(key_id={self._key_id!r})"

    def __reduce__(self) -> NoReturn:
        _never_pickled()


class FileUnwrapper:
    """An Unwrapper whose key came from a file."""

    __slots__ = ("_key", "_key_id")

    def __init__(self, own: OwnKey) -> None:
        self._key = own.private_key
        self._key_id = own.key_id

    @property
    def key_id(self) -> KeyId:
        """RFC 7638 thumbprint of the public key."""
        return self._key_id

    def agree(self, ephemeral: EllipticCurvePublicKey) -> bytes:
        """Return the ECDH shared secret Z, 32 bytes (RFC 7518 §4.6)."""
        return self._key.exchange(ECDH(), ephemeral)

    def __repr__(self) -> str:
        return f"FileUnwrapper(key_id={self._key_id!r})"

    def __reduce__(self) -> NoReturn:
        _never_pickled()


def load_private_key(path: Path) -> EllipticCurvePrivateKey:
    """Return the P-256 key of an unencrypted PEM file.

    Raises TrustError: `trust.key_unreadable`, `trust.key_exposed`.
    """
    try:
        key = load_pem_private_key(read_secret(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Not chained: the parser's own words may describe the bytes it saw.
        raise TrustError("trust.key_unreadable", f"{path} is not an unencrypted PKCS#8 PEM key") from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise TrustError("trust.key_unreadable", f"{path} is not a key on P-256")
    return key


def load_own_key(files: KeyFiles, purpose: Purpose) -> OwnKey:
    """Return a key of our own after all checks but path and revocation.

    Raises TrustError `trust.key_unreadable`, `trust.key_exposed`, `trust.certificate_invalid`.
    """
    private_key = load_private_key(files.key)
    chain = read_certificates(files.certificate)
    leaf = chain[0]
    if leaf.public_key() != private_key.public_key():
        raise TrustError("trust.certificate_invalid", f"{files.certificate} is not the certificate of {files.key}")
    key_id = thumbprint(private_key.public_key())
    if key_id in VECTOR_KEY_IDS:
        raise TrustError(
            "trust.key_unreadable", f"{files.key} is a published test key; make one with: gateway pki issue"
        )
    try:
        check_usage(leaf, purpose)
    except TrustError as error:
        raise TrustError(error.code, f"{files.certificate}: {error.detail}") from error
    return OwnKey(files=files, key_id=key_id, certificate=leaf, intermediates=chain[1:], private_key=private_key)


def key_files_in(folder: Path, use: Use) -> tuple[KeyFiles, ...]:
    """Return the pairs `<use>-<n>.key.pem` and `<use>-<n>.crt.pem` of a party's folder, by number."""
    numbered = {
        int(match[2]): path
        for path in folder.glob("*.key.pem")
        if (match := _KEY_NAME.fullmatch(path.name)) and match[1] == use
    }
    return tuple(
        KeyFiles(key=numbered[number], certificate=folder / f"{use}-{number}.crt.pem") for number in sorted(numbered)
    )


def _never_pickled() -> NoReturn:
    raise TypeError("private keys are never pickled; a worker opens its own files")
