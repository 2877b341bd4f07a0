"""The secret behind a node's pseudonyms, and the keys that come of it: one for each agreement and period.

The secret is 256 bits in a file of its own, JSON, mode 0600. Each key is HKDF-SHA-256 (RFC 5869) of it, with the
agreement and the period as context, so that no key tells anything of another, and nothing but the secret must be kept.
Who loses the file loses the link between old and new pseudonyms and nothing else; who steals it can try values. It is
never rotated by itself: the period of an agreement does that for its pseudonyms.
"""

import binascii
import json
import os
from pathlib import Path
from typing import Final, NoReturn

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.domain.ids import AgreementId
from gateway.errors import TrustError
from gateway.trust.files import read_secret, write_secret

__all__ = ["FilePseudonymKeys", "create_pseudonym_secret"]

FILE_FORMAT: Final = "wco-gateway-pseudonym-secret/1"
_SECRET_BYTES: Final = 32
_INFO: Final = "wco-gateway pseudonyms v1"


class FilePseudonymKeys:
    """Implements ports.PseudonymKeys over a file. Never pickled; a worker opens the file itself."""

    def __init__(self, path: Path) -> None:
        """Raises TrustError `trust.key_unreadable` or `trust.key_exposed`."""
        secret = _parse(read_secret(path))
        if secret is None:
            raise TrustError("trust.key_unreadable", f"{path} is not a secret for pseudonyms")
        self._secret = secret
        self._keys: dict[tuple[AgreementId, str], bytes] = {}

    def key(self, agreement: AgreementId, period: str) -> bytes:
        """Return the 32 bytes for one agreement and period."""
        found = self._keys.get((agreement, period))
        if found is None:
            # Lengths first: no agreement and period can be written like another two.
            info = f"{_INFO}\0{len(agreement)}\0{agreement}\0{period}".encode()
            found = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self._secret)
            self._keys[agreement, period] = found
        return found

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret for pseudonyms is never pickled; a worker opens its own file")


def create_pseudonym_secret(path: Path) -> None:
    """Write a new secret. Raises ConfigurationError when the file exists."""
    members = {"format": FILE_FORMAT, "secret": os.urandom(_SECRET_BYTES).hex()}
    write_secret(path, json.dumps(members, indent=2).encode() + b"\n")


def _parse(content: bytes) -> bytes | None:
    # None rather than an exception: a JSON error carries the whole text it read, and this text is the secret.
    try:
        members = json.loads(content)
    except ValueError:
        return None
    if not isinstance(members, dict) or members.keys() != {"format", "secret"} or members["format"] != FILE_FORMAT:
        return None
    try:
        secret = binascii.unhexlify(members["secret"]) if isinstance(members["secret"], str) else b""
    except ValueError:
        return None
    return secret if len(secret) == _SECRET_BYTES else None
