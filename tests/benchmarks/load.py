"""A light client of the submission API and a light back end, so that what drives a measurement costs little of it.

Both speak just as much HTTP/1.1 as the gateway needs of them. The back end believes every webhook; that signatures
hold is what other tests are for. They share the process and the cores with the measurement, and their CPU time is
told apart in the report.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterable, Sequence
from typing import Final

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_WEBHOOK_ID: Final = re.compile(rb"\r\nwebhook-id: *([^\r]+)", re.IGNORECASE)
_GROUP: Final = b'{"type":"messages.received"'
_NAMED: Final = re.compile(rb'"message_id":"([^"]+)".*?"sender":"([^"]+)"')
_AROUND: Final = b'{"messages":[]}'
_ANSWER: Final = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{"messages":[%b]}'
_LINE_TAKEN: Final = b'{"status":202,'
_HEAD_END: Final = b"\r\n\r\n"


class LightBackend:
    """Takes webhooks on loopback, with one message or several, and keeps the messages' ids only.

    `port`: 0 for any that is free; when it is started, the one that it has.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._new = asyncio.Event()
        self.ids: set[bytes] = set()
        self.last_new = 0.0
        """When the last id that was not known before came, on the monotonic clock."""

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and hang up."""
        if self._server is not None:
            self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def wait_for(self, number: int) -> None:
        """Return when so many different webhooks have come."""
        while len(self.ids) < number:
            self._new.clear()
            await self._new.wait()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._talks.add(task)
            task.add_done_callback(self._talks.discard)
        try:
            while True:
                head, body = await _read(reader)
                writer.write(self._taken(head, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the gateway hung up
        finally:
            writer.close()

    def _taken(self, head: bytes, body: bytes) -> bytes:
        """Keep what one webhook brings, and return the answer to it."""
        if not body.startswith(_GROUP):
            found = _WEBHOOK_ID.search(head)
            self._know([] if found is None else [found[1]])
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        named = [found for line in body.splitlines() if (found := _NAMED.search(line)) is not None]
        self._know(found[1] for found in named)
        said = b",".join(b'{"message_id":"%b","sender":"%b","status":204}' % found.groups() for found in named)
        return _ANSWER % (len(said) + len(_AROUND), said)

    def _know(self, ids: Iterable[bytes]) -> None:
        before = len(self.ids)
        self.ids.update(ids)
        if len(self.ids) > before:
            self.last_new = time.perf_counter()
            self._new.set()


async def submit_all(port: int, requests: Sequence[bytes], *, connections: int) -> float:
    """Send all requests over so many connections, each after the answer to the one before; return when the last was
    acknowledged, on the monotonic clock. Raises RuntimeError for any answer but 202."""
    waiting = iter(requests)

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for request in waiting:
                await exchange(reader, writer, request)
        finally:
            writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(work())
    return time.perf_counter()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    """Send one submission, or several, and read the answer. Raises RuntimeError for any but 202, of each line too."""
    writer.write(request)
    head, body = await _read(reader)
    several = head.startswith(b"HTTP/1.1 200 ") and all(line.startswith(_LINE_TAKEN) for line in body.splitlines())
    if not several and not head.startswith(b"HTTP/1.1 202 "):
        raise RuntimeError(f"a submission was not accepted: {(head.splitlines()[0] + body)[:400]!r}")


def submission(document: bytes, *, key: str, to: str, token: str, port: int) -> bytes:
    """Return one request to the submission API, as it goes over the wire."""
    head = (
        f"POST /v1/submissions?to={to} HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {token}\r\n"
        f"Idempotency-Key: {key}\r\n"
        "Content-Type: application/xml\r\n"
        f"Content-Length: {len(document)}\r\n\r\n"
    )
    return head.encode("ascii") + document


def submissions(documents: Sequence[tuple[str, bytes]], *, to: str, token: str, port: int) -> bytes:
    """Return one request with several submissions, (key, document) each, as it goes over the wire."""
    lines = [{"idempotency_key": key, "to": to, "document": document.decode()} for key, document in documents]
    body = b"\n".join(json.dumps(line, ensure_ascii=False).encode() for line in lines)
    head = (
        "POST /v1/submissions/bulk HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {token}\r\n"
        "Content-Type: application/x-ndjson\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return head and body of the next request or answer. Raises IncompleteReadError at its end."""
    head = await reader.readuntil(_HEAD_END)
    length = _LENGTH.search(head)
    if length is None:
        raise RuntimeError("a head without Content-Length")
    return head, await reader.readexactly(int(length[1]))
