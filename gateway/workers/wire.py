"""Frames between a node and one of its workers, over a pair of pipes. Both ends block.

A batch and its results are some hundred kilobytes. A pipe that holds them lets the writer go on instead of waiting for
the reader piece by piece, and a reader that knows the length reads into one place: a fifth of what `multiprocessing`'s
own framing costs, most of it fresh memory for every piece (docs/performance-changes.md).
"""

import fcntl
import os
import struct
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from typing import Any, Final, Self

_LENGTH: Final = struct.Struct("!Q")
_PIPE_BYTES: Final = 1024 * 1024
"""What a pipe may hold: as much as Linux lets anybody ask for. Elsewhere, and past a user's share, it holds less."""

_KEPT_BYTES: Final = 1024 * 1024
"""How large the place may be that is kept from one frame to the next."""


class Wire:
    """One end: frames go out and come in. Used by one thread at a time; a process that is spawned may be given it."""

    def __init__(self, reads: "Connection[Any, Any]", writes: "Connection[Any, Any]") -> None:
        self._reads = reads
        self._writes = writes
        self._place = bytearray()

    @classmethod
    def pair(cls, context: SpawnContext) -> tuple[Self, Self]:
        """Return two ends that talk to each other. Raises OSError when no more files can be opened."""
        here_reads, there_writes = context.Pipe(duplex=False)
        there_reads, here_writes = context.Pipe(duplex=False)
        for pipe in (here_writes, there_writes):
            with suppress(OSError, AttributeError):
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        return cls(here_reads, here_writes), cls(there_reads, there_writes)

    def send(self, frame: bytes) -> None:
        """Send a frame. Raises OSError when nobody reads."""
        pipe = self._writes.fileno()
        rest = memoryview(frame)
        head = _LENGTH.pack(len(rest))
        # A head is less than what a pipe takes whole or not at all (pipe(7)).
        rest = rest[os.writev(pipe, [head, rest]) - len(head) :]
        while rest:
            rest = rest[os.write(pipe, rest) :]

    def receive(self) -> memoryview:
        """Return the next frame, which is good until the one after it. Raises EOFError when the other end is gone, and
        OSError when this one is."""
        head = bytearray(_LENGTH.size)
        self._fill(memoryview(head))
        (size,) = _LENGTH.unpack(head)
        place = self._place if len(self._place) >= size else bytearray(size)
        self._place = place if len(place) <= _KEPT_BYTES else bytearray()
        frame = memoryview(place)[:size]
        self._fill(frame)
        return frame

    def close(self) -> None:
        """Let go of this end. May be called again."""
        self._reads.close()
        self._writes.close()

    def _fill(self, place: memoryview) -> None:
        pipe = self._reads.fileno()
        while place:
            came = os.readv(pipe, [place])
            if came == 0:
                raise EOFError
            place = place[came:]
