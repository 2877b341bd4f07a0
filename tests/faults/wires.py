"""A bad line between two gateways: connections break off after so many bytes, drawn from a seeded random.

It passes bytes on, TLS and all, so what breaks is where it happens to be: a handshake, a request, a batch, a receipt on
its way back. Until `heal`; from then on nothing breaks.
"""

import asyncio
import socket
import struct
from random import Random
from types import TracebackType
from typing import Final, Self

_USUAL_BYTES: Final = 400_000
"""How much a connection carries on the average, both ways together: some batches of messages and their receipts."""


class BadLine:
    """Listens on `port` of loopback from the beginning, and passes on to `target`. An async context."""

    def __init__(self, draw: Random) -> None:
        self._draw = draw
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._bad = True
        self.port: int = self._socket.getsockname()[1]
        self.target = 0
        self.broken_off = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, sock=self._socket)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def heal(self) -> None:
        """Break nothing off from now on."""
        self._bad = False

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:  # the target is down: whoever asked sees a connection that ends at once
            writer.close()
            return
        life = _Life(self._draw.expovariate(1 / _USUAL_BYTES), (writer, far_writer))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(reader, far_writer, life))
            group.create_task(self._pump(far_reader, writer, life))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, life: "_Life") -> None:
        try:
            while chunk := await reader.read(4096):
                life.left -= len(chunk)
                if self._bad and life.left < 0:
                    self.broken_off += 1
                    life.end()
                    return
                writer.write(chunk)
                await writer.drain()
        except OSError:  # broken off, or a process at either end was killed
            pass
        finally:
            writer.close()


class _Life:
    """How much one connection may still carry."""

    def __init__(self, left: float, ends: tuple[asyncio.StreamWriter, ...]) -> None:
        self.left = left
        self._ends = ends

    def end(self) -> None:
        """Reset it, at both ends."""
        for writer in self._ends:
            taken = writer.get_extra_info("socket")
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
