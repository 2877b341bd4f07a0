"""The gateway of a partner that is broken below HTTP: it takes a request and resets, hangs, talks nonsense, or stops halfway.

A ping it answers, so that messages are sent to it at all; what it does to those is the caller's choice.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.integration.scripted_partner import ScriptedPartner

Misbehave = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What becomes of a request that is no ping; the connection is closed when it returns."""


@dataclass(kw_only=True)
class Broken:
    """What the broken partner has seen: requests that were no pings, by target."""

    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def broken(partner: ScriptedPartner, port: int, misbehave: Misbehave) -> AsyncIterator[Broken]:
    """Run the partner's gateway on `port`, with its own certificate and its own idea of HTTP."""
    seen, tasks = Broken(), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                target = await _request(reader)
                if target.endswith("/ping"):
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                    continue
                seen.asked.append(target)
                await misbehave(writer)
                break
        writer.close()

    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=_context(partner), limit=2**20)
        stack.callback(server.close)
        yield seen
        for task in tasks:
            task.cancel()


async def _request(reader: asyncio.StreamReader) -> str:
    """Read one request to its end and return its target."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lines = head.split("\r\n")
    for line in lines:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            await reader.readexactly(int(value))
    return lines[0].split()[1]


def _context(partner: ScriptedPartner) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(partner.node.tls.certificate, partner.node.tls.key)
    context.load_verify_locations(partner.us.authority.chain)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


# ── misbehaviours ──


async def hang(_writer: asyncio.StreamWriter) -> None:
    """Say nothing, and keep the connection."""
    await asyncio.Event().wait()


async def reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection off: the other side reads a reset."""
    broken_off: socket.socket = writer.get_extra_info("socket")
    broken_off.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hang_up(_writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""


async def garbage(writer: asyncio.StreamWriter) -> None:
    """Answer in no language."""
    writer.write(b"\x00\xff\x16\x03garbage\r\n\r\n" * 8)


async def half_an_answer(writer: asyncio.StreamWriter) -> None:
    """Begin an answer, and keep the connection."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/jose\r\nContent-Length: 900\r\n\r\neyJhbGciOi")
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter) -> None:
    """Answer so slowly that it never comes to an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Padding: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def cut_short(writer: asyncio.StreamWriter) -> None:
    """Begin an answer, and close the connection."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/jose\r\nContent-Length: 900\r\n\r\neyJhbGciOi")
