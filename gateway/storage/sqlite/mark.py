"""The high-water mark: how far the audit chain went, kept in a small file apart from the database.

A database that is put back from an older copy is whole in itself: its chain verifies, only it ends too soon. So the
newest audit record is noted beside it every few seconds, always after its commit, and compared at the next start. The
mark may lag behind the database and is never ahead of it, whatever cuts the power (docs/adr/0013).
"""

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.audit import ChainHead
from gateway.errors import StorageError

EVERY_SECONDS: Final = 5.0
"""How far the mark may lag behind: an older copy of the last few seconds is not noticed."""

_MAX_BYTES: Final = 4096


def read_mark(path: Path) -> ChainHead | None:
    """Return the mark, or None when there is none or it can not be read: it is a witness, not a lock."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_MAX_BYTES))
        return ChainHead(chain=str(found["chain"]), seq=int(found["seq"]), hash=str(found["hash"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_mark(path: Path, head: ChainHead) -> None:
    """Replace the mark, all or nothing. Raises OSError."""
    draft = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
        json.dump({"chain": head.chain, "seq": head.seq, "hash": head.hash}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def rolled_back(mark: ChainHead, head: ChainHead) -> StorageError:
    """Return the error for a database that lies behind its mark, or took another way."""
    if head.seq < mark.seq:
        found = f"ends at audit record {head.seq}, and record {mark.seq} had been written"
    else:
        found = f"has another audit record {mark.seq} than the one that had been written"
    return StorageError(
        "storage.rolled_back",
        f"The database {found}: an older copy was put in its place. Put the newest one back; if this is the newest "
        'there is, start with --restored "why", which is recorded',
    )


class MarkKeeper:
    """A thread that writes the mark every few seconds while the chain grows. `head`: how far it is committed."""

    def __init__(self, path: Path, head: Callable[[], ChainHead | None]) -> None:
        self._path = path
        self._head = head
        self._written: ChainHead | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-mark", daemon=True)

    def start(self) -> None:
        """Write the mark now and from then on."""
        self._write()
        self._thread.start()

    def close(self) -> None:
        """Stop, and leave the mark where the chain ends."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._write()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self._write()

    def _write(self) -> None:
        head = self._head()
        if head is None or head == self._written:
            return
        # A full disk or a failing one shows in every commit; the mark only lags behind meanwhile.
        with suppress(OSError):
            write_mark(self._path, head)
            self._written = head
