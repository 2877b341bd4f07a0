"""A TCP relay that records every byte in both directions; for tests that ask what a network sees.

Plain, it is the wire: between two gateways it sees TLS records, before a listener without TLS it sees the requests.
Given the TLS identities of both ends it stands between them as each end would stand for itself: two mutual TLS
connections, and the recording holds what they protect. That is how a test can read the JWE as it was really sent; the
gateways on both sides do all they always do.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_REQUEST = re.compile(rb"([A-Z]+ \S+) HTTP/1\.1\r\n((?:[^\r\n]+\r\n)*)\r\n")


@dataclass(kw_only=True)
class Recording:
    """One connection: what the side that opened it said, and what it was told."""

    asked: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request of a recording. `line` is method and target; names of headers are in lower case."""

    line: str
    headers: Mapping[str, str]
    body: bytes


class Relay:
    """Listens on `port` of loopback from the beginning, and passes on once `start` says to where."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._target = 0
        self._outward: ssl.SSLContext | None = None
        self.port: int = self._socket.getsockname()[1]
        self.recordings: list[Recording] = []

    async def start(
        self, target: int, *, inward: ssl.SSLContext | None = None, outward: ssl.SSLContext | None = None
    ) -> None:
        """Pass on to port `target` of loopback. `inward`, `outward`: TLS towards who connects, and towards the target."""
        self._target, self._outward = target, outward
        self._server = await asyncio.start_server(self._connected, sock=self._socket, ssl=inward)

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._socket.close()

    @property
    def recorded(self) -> bytes:
        """All that passed, connection by connection."""
        return b"".join(bytes(one.asked) + bytes(one.answered) for one in self.recordings)

    def requests(self) -> Iterator[Request]:
        """Return the HTTP requests that passed. Raises AssertionError for bytes that are none."""
        for one in self.recordings:
            yield from _requests(bytes(one.asked))

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._pass_on(reader, writer)
        finally:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1",
                self._target,
                ssl=self._outward,
                server_hostname=None if self._outward is None else "127.0.0.1",
            )
        except OSError:  # the target is down: whoever asked sees a connection that ends at once
            return
        recording = Recording()
        self.recordings.append(recording)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far_writer, recording.asked))
                group.create_task(_pump(far_reader, writer, recording.answered))
        finally:
            far_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: bytearray) -> None:
    """Pass bytes on until one side ends, then end the other."""
    try:
        while chunk := await reader.read(65536):
            record += chunk
            writer.write(chunk)
            await writer.drain()
    except OSError:  # a process at either end was killed
        pass
    finally:
        writer.close()


def _requests(asked: bytes) -> Iterator[Request]:
    while asked:
        head = _REQUEST.match(asked)
        assert head is not None, "what was sent is no HTTP request"
        lines = head[2].decode("ascii").split("\r\n")[:-1]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        end = head.end() + int(headers.get("content-length", "0"))
        yield Request(line=head[1].decode("ascii"), headers=headers, body=asked[head.end() : end])
        asked = asked[end:]


# ── standing between two gateways ────────────────────────────────────────────────────────────────────────────────


def as_server(keys: Path, root: Path) -> ssl.SSLContext:
    """Return the context of a gateway's partner listener. `keys`: the folder with `tls-1.crt.pem` and its key."""
    return _mutual(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), keys, root)


def as_client(keys: Path, root: Path) -> ssl.SSLContext:
    """Return the context of a gateway that connects to a partner."""
    return _mutual(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), keys, root)


def _mutual(context: ssl.SSLContext, keys: Path, root: Path) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(keys / "tls-1.crt.pem", keys / "tls-1.key.pem")
    context.load_verify_locations(root)
    return context
