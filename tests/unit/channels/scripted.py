"""Real servers on loopback that behave as a script says, and a throw-away PKI. For the channel tests."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FixedClock:
    """A clock that stands still."""

    def __init__(self, now: datetime = NOW) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return 0.0


@dataclass
class Request:
    """One request as the bytes on the wire said it."""

    line: str
    headers: dict[str, str]
    body: bytes


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Request], Awaitable[None]]


@dataclass
class Scripted:
    """A running server: where it is, and what it was asked."""

    port: int = 0
    connections: int = 0
    requests: list[Request] = field(default_factory=list)

    def url(self, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def serving(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Scripted]:
    """Run `script` for every request of every connection, until the block ends."""
    state = Scripted()
    tasks: set[asyncio.Task[None]] = set()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        state.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while (request := await read_request(reader)) is not None:
                state.requests.append(request)
                await script(reader, writer, request)
        writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0, ssl=tls)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readuntil(b"\r\n\r\n")
    line, *rows = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
    return Request(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


def answering(status: int, body: bytes = b"", **headers: str) -> Script:
    """Answer every request with this, and keep the connection."""
    rows = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n{rows}\r\n".encode()
    return writing(head + body)


def writing(raw: bytes) -> Script:
    """Write these bytes for every request, and keep the connection."""

    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _request: Request) -> None:
        writer.write(raw)
        await writer.drain()

    return script


def then_closing(script: Script) -> Script:
    """Do as `script`, then close the connection in an orderly way."""

    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> None:
        await script(reader, writer, request)
        writer.close()

    return closing


async def hanging(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _request: Request) -> None:
    """Say nothing, for ever."""
    await asyncio.Event().wait()


async def resetting(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _request: Request) -> None:
    """Reset the connection (RST)."""
    import socket
    import struct

    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# ── a throw-away PKI ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Authority:
    """A certificate authority that lives as long as one test."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        subject = _name(self.name)
        self.certificate = (
            _builder(subject, subject, self.key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.file = self.folder / f"{self.name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, expired: bool = False) -> Path:
        """Return a file with a key and a certificate for 127.0.0.1, for either side of TLS."""
        key = ec.generate_private_key(ec.SECP256R1())
        until = datetime.now(UTC) - timedelta(days=1) if expired else datetime.now(UTC) + timedelta(days=1)
        certificate = (
            _builder(_name(name), self.certificate.subject, key.public_key(), until=until)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        file = self.folder / f"{name}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return file


def server_context(identity: Path, clients: Path | None = None) -> ssl.SSLContext:
    """Return a TLS 1.3 server context; with `clients`, a client certificate of that CA is required."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(identity)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    return context


def client_context(servers: Path, identity: Path | None = None) -> ssl.SSLContext:
    """Return a TLS 1.3 client context that trusts one CA and shows a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(servers)
    if identity is not None:
        context.load_cert_chain(identity)
    return context


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, until: datetime | None = None
) -> x509.CertificateBuilder:
    end = until or datetime.now(UTC) + timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=3))
        .not_valid_after(end)
    )
