"""Hand-over to a back end by a folder that both sides see: a document and its sidecar, each whole or not there at all.

For one message two files with one stem, `<message id>_<sender>`, since an id is unique for one sender only:

    0195…_GB-HMRC.xml     the document's exact bytes
    0195…_GB-HMRC.json    the sidecar: the terms beside it, and the SHA-256 of the document file

Each is written under a temporary name that begins with a dot, synced, renamed, and the folder synced, and only then
comes the next. The sidecar is last, so it is the mark that a pair is ready: a reader who waits for `*.json` never sees
a part of anything. Handing over again makes the same bytes under the same names; what stands there already is compared
and left alone, anything else there is never followed, opened for writing or replaced.

Everything goes through a descriptor of the folder (openat(2) and its kin), so no name leads out of it, and runs on
threads of its own, so a network share that hangs holds up nobody else. A thread that was given up may still end its
work later: temporary names are never shared, and what it puts in place is the same again.
"""

import asyncio
import errno
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.hand_over import terms_beside
from gateway.domain.ids import PartyId, is_message_id, party_id
from gateway.domain.outcome import HandedOver, HandOverOutcome, TransientFailure
from gateway.domain.records import InboxRow
from gateway.errors import ChannelError, ConfigurationError

THREADS: Final = 4

_LEFTOVER: Final = re.compile(r"\.[0-9a-f-]{36}_[A-Z]{2}-[A-Z0-9]{2,16}\.(?:xml|json)\.[0-9a-f]{16}\.part")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_WORDS: Final = {
    errno.ENOENT: "The folder is missing",
    errno.ENOTDIR: "What stands in the folder's place is no folder, or a symbolic link to one",
    errno.ELOOP: "What stands in the folder's place is a symbolic link",
    errno.EACCES: "This process may not write in the folder",
    errno.EPERM: "This process may not write in the folder",
    errno.EROFS: "The folder's file system is read-only",
}
_OF_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OF_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OF_FOUND_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FolderBackend:
    """Implements `ports.BackendChannel` for one back end. `file_mode`: rights of the files, whatever the umask says.

    `timeout`: when one hand-over counts as failed. `reach` is called at the steps of the fault plan.
    """

    def __init__(
        self,
        folder: Path,
        *,
        file_mode: int = 0o640,
        timeout: timedelta = timedelta(seconds=15),
        reach: Reach = pass_by,
    ) -> None:
        self._folder = folder
        self._file_mode = file_mode
        self._timeout = timeout
        self._reach = reach
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="folder")

    def check(self) -> None:
        """Raise ConfigurationError unless files can be handed over here now. Changes nothing."""
        try:
            with _opened(self._folder):
                _must_be_writable(self._folder)
        except ChannelError as error:
            raise ConfigurationError("config.invalid", f"{self._folder}: {error.detail}") from error

    async def start(self) -> None:
        """Remove what a process that was killed left half written. Call before the first hand-over, and only where no
        other process hands over into this folder. A folder that can not be used is left for the hand-overs to tell."""
        with suppress(ChannelError):
            await asyncio.get_running_loop().run_in_executor(self._threads, _clean, self._folder)

    def takes(self, recipient: PartyId) -> int:  # noqa: ARG002  # every party has its own back end
        """Return 1: files are put there message by message."""
        return 1

    async def hand_over_group(self, messages: Sequence[tuple[InboxRow, bytes]]) -> list[HandOverOutcome]:
        """Put several messages into the folder, each by itself, and return what came of each."""
        return await asyncio.gather(*(self.hand_over(row, view) for row, view in messages))

    async def hand_over(self, row: InboxRow, view: bytes) -> HandOverOutcome:
        """Put one message into the folder and return what came of it. `view`: the document's exact bytes."""
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._put, row, view)
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                await work
        except TimeoutError:
            return _failure("channel.timeout", "The folder did not take the files in time")
        except ChannelError as error:
            return _failure(error.code, error.detail)
        return HandedOver()

    async def close(self) -> None:
        """Take no more work. What a thread has begun it ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    # ── on a thread ──

    def _put(self, row: InboxRow, view: bytes) -> None:
        stem = file_stem(row)
        with _opened(self._folder) as folder:
            self._place(folder, f"{stem}.xml", view)
            self._place(folder, f"{stem}.json", sidecar(row, view))

    def _place(self, folder: int, name: str, content: bytes) -> None:
        """Have `content` stand under `name`, durably. Raises ChannelError `channel.folder_occupied` or OSError."""
        if _stands(folder, name, content):
            os.fsync(folder)  # whoever put it there may have died before doing so
            return
        temporary = f".{name}.{secrets.token_hex(8)}.part"
        try:
            self._write(folder, temporary, content)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
        self._reach(Failpoint.FILE_RENAMED)
        os.fsync(folder)
        self._reach(Failpoint.FOLDER_SYNCED)

    def _write(self, folder: int, temporary: str, content: bytes) -> None:
        with os.fdopen(os.open(temporary, _OF_NEW_FILE, 0o600, dir_fd=folder), "wb", buffering=0) as file:
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
            os.fchmod(file.fileno(), self._file_mode)
            self._reach(Failpoint.FILE_WRITTEN)
            os.fsync(file.fileno())
            self._reach(Failpoint.FILE_SYNCED)


def file_stem(row: InboxRow) -> str:
    """Return the name of a message's files without their ending: `<message id>_<sender>`.

    Raises ValueError for what is no id: neither part may bring a character that means something in a path.
    """
    if not is_message_id(row.message_id):
        raise ValueError("a message id is a UUIDv7")
    return f"{row.message_id}_{party_id(row.sender)}"


def sidecar(row: InboxRow, view: bytes) -> bytes:
    """Return the sidecar of a message: one line of ASCII JSON, the same at every attempt."""
    content = {
        **terms_beside(row),
        "document_file": f"{file_stem(row)}.xml",
        "document_sha256": hashlib.sha256(view).hexdigest(),
    }
    return json.dumps(content, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Yield a descriptor of the folder; every OSError inside becomes a ChannelError that says what to look at."""
    try:
        folder = os.open(path, _OF_FOLDER)
        try:
            if os.fstat(folder).st_mode & stat.S_IWOTH:
                raise ChannelError("channel.folder_unusable", "Everybody may write in the folder; chmod o-w it")
            yield folder
        finally:
            os.close(folder)
    except OSError as error:
        if error.errno in _FULL:
            raise ChannelError("channel.folder_full", "The folder's file system or quota is full") from error
        name = errno.errorcode.get(error.errno or 0, "unknown error")
        words = _WORDS.get(error.errno or 0, f"The folder can not be used ({name})")
        raise ChannelError("channel.folder_unusable", words) from error


def _must_be_writable(path: Path) -> None:
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "not writable")


def _stands(folder: int, name: str, content: bytes) -> bool:
    """Tell whether a regular file with these bytes stands under `name`; sync it if so.

    Raises ChannelError `channel.folder_occupied` for anything else that stands there.
    """
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if stat.S_ISREG(found.st_mode) and found.st_size == len(content):
        try:
            with os.fdopen(os.open(name, _OF_FOUND_FILE, dir_fd=folder), "rb") as file:
                if stat.S_ISREG(os.fstat(file.fileno()).st_mode) and file.read(len(content) + 1) == content:
                    os.fsync(file.fileno())
                    return True
        except FileNotFoundError:
            return False  # the reader has just taken it away
        except PermissionError:
            pass  # what we may not read was not put there by us
    raise ChannelError("channel.folder_occupied", "Something else stands under the name of the message; move it away")


def _clean(path: Path) -> None:
    with _opened(path) as folder:
        for name in os.listdir(folder):  # noqa: PTH208  of a descriptor, which a Path can not be
            if _LEFTOVER.fullmatch(name) and _is_own_file(folder, name):
                os.unlink(name, dir_fd=folder)


def _is_own_file(folder: int, name: str) -> bool:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()


def _failure(code: str, detail: str) -> TransientFailure:
    # A name that is taken is a matter of this message, and comes to rest after the attempts that settings allow; a
    # folder that can not be used fails every message alike and is tried for ever, as a back end that is not reached.
    occupied = code == "channel.folder_occupied"
    return TransientFailure(code=code, detail=detail, sent=occupied, connected=occupied)
