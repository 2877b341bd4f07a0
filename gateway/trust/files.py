"""Files of secrets and trust: written atomically and never over another, read only when nobody else can read them.

A private file has mode 0600, its folder 0700. The check is on the opened file, so that a link can not be swapped
between check and read. Nothing here ever puts the content of a file into an error.
"""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationError, TrustError

__all__ = [
    "FileStamp",
    "as_utc",
    "make_private_folder",
    "read_public",
    "read_secret",
    "replace_file",
    "stamp",
    "write_public",
    "write_secret",
]

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
"""Larger than any key, chain, bundle or JWKS; room for a large revocation list."""

_PRIVATE: Final = 0o600
_PUBLIC: Final = 0o644
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

FileStamp = tuple[int, int, int] | None
"""What changes when a file does: mtime in ns, size, inode. None when there is no file."""


def read_secret(path: Path) -> bytes:
    """Return the bytes of a private file.

    Raises TrustError: `trust.key_unreadable` when it can not be read, `trust.key_exposed` when its mode gives group
    or others any right.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise TrustError("trust.key_unreadable", f"{path} is not a regular file")
            if status.st_mode & _OTHERS:
                mode = stat.S_IMODE(status.st_mode)
                raise TrustError("trust.key_exposed", f"{path} has mode {mode:04o}; run: chmod 600 {path}")
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise TrustError("trust.key_unreadable", f"{path}: {error.strerror}") from error


def read_public(path: Path) -> bytes:
    """Return the bytes of a public file. Raises ConfigurationError `config.not_found` or `config.invalid`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigurationError("config.not_found", f"{path}: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigurationError("config.invalid", f"{path} is larger than {MAX_FILE_BYTES} bytes")
    return content


def write_secret(path: Path, content: bytes) -> None:
    """Write a new file with mode 0600, all or nothing. Raises ConfigurationError when it exists or can not be made."""
    _write(path, content, _PRIVATE, replace=False)


def write_public(path: Path, content: bytes) -> None:
    """Write a new file with mode 0644, all or nothing. Raises ConfigurationError when it exists or can not be made."""
    _write(path, content, _PUBLIC, replace=False)


def replace_file(path: Path, content: bytes) -> None:
    """Write a public file in place of an older one, all or nothing."""
    _write(path, content, _PUBLIC, replace=True)


def make_private_folder(path: Path) -> None:
    """Make `path` and its missing parents with mode 0700; an existing folder keeps its mode."""
    try:
        for folder in reversed([path, *path.parents]):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigurationError("config.invalid", f"{path} can not be made: {error.strerror}") from error


def stamp(path: Path) -> FileStamp:
    """Return what tells whether the file changed since the last look."""
    try:
        status = os.stat(path)  # noqa: PTH116  asked for every message; Path.stat costs three times as much
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def as_utc(moment: datetime) -> datetime:
    """Return an aware time in UTC, whole seconds, as certificates hold it. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC).replace(microsecond=0)


def _write(path: Path, content: bytes, mode: int, *, replace: bool) -> None:
    # The name is taken from the target, so two writers of one target collide here and one of them fails.
    draft = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                draft.replace(path)
            else:
                path.hardlink_to(draft)  # unlike a rename, this fails when the target exists
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except FileExistsError as error:
        raise ConfigurationError("config.invalid", f"{path} exists already and is never overwritten") from error
    except OSError as error:
        raise ConfigurationError("config.invalid", f"{path} can not be written: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
