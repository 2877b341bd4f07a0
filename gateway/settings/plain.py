"""Reads a file that somebody put there, if it is one: what waits for a writer, or never ends, is refused and not opened
to be read. A named pipe in a folder of policies would else hold up a start for ever.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Final

__all__ = ["plain_bytes"]

_STREAMS: Final = ("/dev/", "/proc/")
"""Where a shell puts what a person hands over on purpose: `<(…)` and standard input."""


def plain_bytes(path: Path, most: int = -1) -> bytes:
    """Return what stands in a regular file, at most `most` bytes of it. Raises OSError, for a pipe or a device too."""
    # Without waiting: a pipe that nobody writes to would hold up the opening itself.
    handle = os.open(path, os.O_RDONLY | (0 if str(path).startswith(_STREAMS) else os.O_NONBLOCK))
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "It is a folder, not a file", str(path))
        if not stat.S_ISREG(mode) and not str(path).startswith(_STREAMS):
            raise OSError(errno.EINVAL, "It is a pipe or a device, not a file", str(path))
        with os.fdopen(handle, "rb", closefd=False) as stream:
            return stream.read(most)
    finally:
        os.close(handle)
