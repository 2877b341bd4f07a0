"""The files of a store: open to their owner only, and one process that writes.

`-wal` and `-shm` take their mode from the database file, so that its own is enough.
"""

import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from gateway.errors import StorageError

LEAST_ROOM_BYTES: Final = 64 * 1024 * 1024
"""What the log may grow by before it is carried over. With less the node still works, and says that it is not ready."""


def own_file(path: Path) -> None:
    """Make the database file if there is none, and see that only its owner can open it."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise StorageError("storage.unavailable", f"The database file can not be opened ({error.strerror})") from error


def own_folder(folder: Path) -> None:
    """Make the data folder, open to its owner only. Raises StorageError `storage.exposed` when it can not be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if stat.S_IMODE(found.st_mode) & 0o077:
            # A shared folder such as the system's temporary one is not ours to close.
            if found.st_uid != os.geteuid() or found.st_mode & stat.S_ISVTX:
                raise StorageError("storage.exposed", "The data folder is open to others; give the node one of its own")
            folder.chmod(0o700)
    except OSError as error:
        raise StorageError("storage.unavailable", f"The data folder can not be used ({error.strerror})") from error


def require_room(folder: Path) -> None:
    """Raise StorageError `storage.unavailable` when the disk of a folder has little room left.

    A commit into what the log has already grown to succeeds on a disk that is full, so that alone proves nothing.
    """
    try:
        found = os.statvfs(folder)
    except OSError as error:
        raise StorageError("storage.unavailable", f"The data folder can not be used ({error.strerror})") from error
    if found.f_bavail * found.f_frsize < LEAST_ROOM_BYTES:
        raise StorageError("storage.unavailable", f"The disk of the data folder has under {LEAST_ROOM_BYTES >> 20} MiB")


class WriterLock:
    """The right to write, held through a lock on a file beside the database; the kernel takes it back at the end of
    the process, however that comes. Raises StorageError `storage.locked` when another holds it."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError("storage.unavailable", f"The lock can not be opened ({error.strerror})") from error
        try:
            # flock, not lockf: it also keeps out a second opening by this same process.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise StorageError("storage.locked", "Another process writes to this database; stop it first") from error

    def release(self) -> None:
        """Let another process write. The file stays: removing it would let two processes lock different files."""
        os.close(self._file)
