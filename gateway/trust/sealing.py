"""Encryption at rest: the Sealer port over key-encryption keys in files.

A sealed blob, version 1:

    version 0x01 | format | key id (8) | nonce (12) | wrapped data key (32 + 16) | nonce (12) | ciphertext | tag (16)

Each blob has its own data key, AES-256-GCM (NIST SP 800-38D) under a random nonce; the data key is wrapped the same way
under a key-encryption key. Both layers take version, format, key id and the row's name as associated data, so that no
blob can be moved to another row. The format says how the plaintext was packed before (`packing.py`): 0x00 as it is,
0x01 compressed, 0x02 a token, taken apart and compressed.

A key file is JSON, mode 0600: an id, a 256-bit key, and the index secret. Rotation makes a new file that keeps the
index secret, so what was indexed stays findable; the newest file seals, all unseal. One key wraps at most 2³² times
(SP 800-38D §8.3), far more than a node stores between rotations.
"""

import binascii
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.domain.jobs import ReferenceKind
from gateway.errors import TrustError
from gateway.trust.files import read_secret, write_secret
from gateway.trust.packing import FORMS, pack, unpack

__all__ = ["FileSealer", "PlainSealer", "create_at_rest_key", "rotate_at_rest_key"]

KEY_FORMAT: Final = "wco-gateway-at-rest-key/1"
OVERHEAD_BYTES: Final = 1 + 1 + 8 + 12 + 48 + 12 + 16

_VERSION: Final = 1
_MEMBERS: Final = frozenset({"format", "id", "key", "index_secret"})
_WRAP: Final = b"wco-gateway at rest: data key\0"
_DATA: Final = b"wco-gateway at rest: content\0"
_INDEX_INFO: Final = b"wco-gateway at rest: index v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class _AtRestKey:
    """The content of a key file."""

    key_id: bytes
    key: bytes = field(repr=False)
    index_secret: bytes = field(repr=False)


class FileSealer:
    """Implements ports.Sealer. Never pickled; a worker opens the files itself."""

    def __init__(self, key: Path, retired: Sequence[Path] = ()) -> None:
        """`key` seals; `retired` still unseal. Raises TrustError `trust.key_unreadable` or `trust.key_exposed`."""
        current = _read(key)
        others = [_read(path) for path in retired]
        if any(one.index_secret != current.index_secret for one in others):
            raise TrustError(
                "trust.key_unreadable", f"{key} has another index secret than a retired key; rotate instead"
            )
        keys = [current, *others]
        if len({one.key_id for one in keys}) != len(keys):
            raise TrustError("trust.key_unreadable", f"{key}: an at-rest key stands twice")
        self._current = current.key_id
        self._wrapping = {one.key_id: AESGCM(one.key) for one in keys}
        derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=_INDEX_INFO)
        self._index = HMAC(derive.derive(current.index_secret), SHA256())

    def seal(self, plaintext: bytes, *, row: str) -> bytes:
        """Return `plaintext` packed and sealed for `row`; at most `OVERHEAD_BYTES` longer."""
        form, packed = pack(plaintext)
        head = bytes((_VERSION, form)) + self._current
        bound = head + row.encode()
        chance = os.urandom(56)
        data_key, wrap_nonce, nonce = chance[:32], chance[32:44], chance[44:]
        wrapped = self._wrapping[self._current].encrypt(wrap_nonce, data_key, _WRAP + bound)
        return b"".join((head, wrap_nonce, wrapped, nonce, AESGCM(data_key).encrypt(nonce, packed, _DATA + bound)))

    def unseal(self, sealed: bytes, *, row: str) -> bytes:
        """Return the plaintext. Raises TrustError `trust.unsealing_failed`: changed bytes, another row;
        `trust.key_unknown`: sealed under a key that is not here, or the key id was changed."""
        head, wrap_nonce, wrapped, nonce = sealed[:10], sealed[10:22], sealed[22:70], sealed[70:82]
        if len(sealed) < OVERHEAD_BYTES or head[0] != _VERSION or head[1] not in FORMS:
            raise TrustError("trust.unsealing_failed", "the stored bytes have no known form")
        wrapping = self._wrapping.get(head[2:])
        if wrapping is None:
            raise TrustError("trust.key_unknown", "the stored bytes name an at-rest key that is not here")
        bound = head + row.encode()
        try:
            data_key = wrapping.decrypt(wrap_nonce, wrapped, _WRAP + bound)
            packed = AESGCM(data_key).decrypt(nonce, sealed[82:], _DATA + bound)
        except InvalidTag as error:
            raise TrustError(
                "trust.unsealing_failed", "the stored bytes were changed or belong to another row"
            ) from error
        return unpack(head[1], packed)

    def index(self, kind: ReferenceKind, value: str) -> str:
        """Return HMAC-SHA256 over kind and value, in hex; the same under every key of a rotation."""
        keyed = self._index.copy()
        keyed.update(kind.encode() + b"\0" + value.encode())
        return keyed.finalize().hex()

    def __repr__(self) -> str:
        return f"FileSealer(key_id={self._current.hex()}, keys={len(self._wrapping)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("at-rest keys are never pickled; a worker opens its own files")


class PlainSealer:
    """Seals nothing. Only for `insecure_plain_at_rest`, to see what a store holds."""

    def seal(self, plaintext: bytes, *, row: str) -> bytes:  # noqa: ARG002  the port's signature
        """Return `plaintext` itself."""
        return plaintext

    def unseal(self, sealed: bytes, *, row: str) -> bytes:  # noqa: ARG002  the port's signature
        """Return `sealed` itself."""
        return sealed

    def index(self, kind: ReferenceKind, value: str) -> str:
        """Return kind and value, readable."""
        return f"{kind}:{value}"


def create_at_rest_key(path: Path) -> None:
    """Write a new key with a new index secret. Raises ConfigurationError when the file exists."""
    _write(path, index_secret=os.urandom(32))


def rotate_at_rest_key(old: Path, new: Path) -> None:
    """Write a new key that keeps the index secret of `old`, which then becomes one of the retired."""
    _write(new, index_secret=_read(old).index_secret)


def _write(path: Path, *, index_secret: bytes) -> None:
    members = {
        "format": KEY_FORMAT,
        "id": os.urandom(8).hex(),
        "key": os.urandom(32).hex(),
        "index_secret": index_secret.hex(),
    }
    write_secret(path, json.dumps(members, indent=2).encode() + b"\n")


def _read(path: Path) -> _AtRestKey:
    found = _parse(read_secret(path))
    if found is None:
        raise TrustError("trust.key_unreadable", f"{path} is not an at-rest key file")
    return found


def _parse(content: bytes) -> _AtRestKey | None:
    # None rather than an exception: a JSON error carries the whole text it read, and this text is the key.
    try:
        members = json.loads(content)
    except ValueError:
        return None
    if not isinstance(members, dict) or members.keys() != _MEMBERS or members["format"] != KEY_FORMAT:
        return None
    key_id, key, index_secret = _octets(members["id"]), _octets(members["key"]), _octets(members["index_secret"])
    if (len(key_id), len(key), len(index_secret)) != (8, 32, 32):
        return None
    return _AtRestKey(key_id=key_id, key=key, index_secret=index_secret)


def _octets(value: object) -> bytes:
    try:
        return binascii.unhexlify(value) if isinstance(value, str) else b""
    except ValueError:
        return b""
