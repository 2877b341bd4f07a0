"""What SQLite leaves unsaid when it opens a log that was cut off: how much of its end it dropped.

The log holds frames of one page each. A commit counts from the moment its last frame is whole on disk; what a power cut
or a kill left of a transaction after the last commit is dropped at the next opening, without a word. Nothing of it was
ever acknowledged, yet whoever looks into a crash should know. Frames are counted, never read: SQLite checks their sums.

Format: https://sqlite.org/fileformat2.html#walformat
"""

import os
import struct
from pathlib import Path
from typing import Final

_HEADER: Final = struct.Struct(">8I")
_FRAME: Final = struct.Struct(">6I")
_MAGIC: Final = frozenset({0x377F0682, 0x377F0683})


def frames_in(log: Path) -> int:
    """Return how many frames of its present run a write-ahead log holds, committed or not; 0 without a log.

    Frames of an earlier run, which the present one has not yet written over, have other salts and do not count. The
    last frame counts if its header is there, whole or not.
    """
    try:
        file = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        head = os.pread(file, _HEADER.size, 0)
        if len(head) < _HEADER.size:
            return 0
        magic, _, page_bytes, _, *salts, _, _ = _HEADER.unpack(head)
        return _count(file, page_bytes, salts) if magic in _MAGIC else 0
    finally:
        os.close(file)


def _count(file: int, page_bytes: int, salts: list[int]) -> int:
    count, at = 0, _HEADER.size
    while len(head := os.pread(file, _FRAME.size, at)) == _FRAME.size:
        _, _, *found, _, _ = _FRAME.unpack(head)
        if found != salts:
            break
        count += 1
        at += _FRAME.size + page_bytes
    return count
