"""Rows: who may not even speak, and requests that are wrong before they hold a message."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.audit import AuditEvent
from gateway.domain.batch import BATCH_TYPE
from gateway.domain.limits import MAX_BATCH_BYTES, max_envelope_bytes
from gateway.trust import KeyFiles
from tests.integration.hostile_stage import Row, Sent, Stage
from tests.integration.one_gateway import GB, MAX_DOCUMENT_BYTES, NL, US
from tests.integration.scripted_partner import BATCHES, JOSE, MESSAGES, Reply, careless_context, now
from tests.pki import forge, make_pki, uri
from tests.unit.trust.flaws import ANY, SERVER_ONLY

LIMIT = max_envelope_bytes(MAX_DOCUMENT_BYTES)


def _in_handshake(name: str, send: Callable[[Stage], Awaitable[Sent]], code: str) -> Row:
    """Return the row of a client that TLS turned away."""
    return Row(
        name=name,
        send=send,
        status=0,
        said="nothing",
        public="",
        event=AuditEvent.CHANNEL_REFUSED,
        code=code,
        actor="system",
    )


def _at_the_door(name: str, identity: Callable[[Stage], KeyFiles]) -> Row:
    """Return the row of a client whose certificate passes the handshake and not our own examination."""
    return Row(
        name=name,
        send=_showing(identity),
        status=403,
        said="unsigned",
        public="access.certificate_refused",
        event=AuditEvent.CHANNEL_REFUSED,
        code="access.certificate_refused",
        actor="system",
    )


def _wrong(name: str, send: Callable[[Stage], Awaitable[Reply]], status: int, code: str) -> Row:
    """Return the row of a request of GB that is wrong before its message is looked at."""

    async def sent(stage: Stage) -> Sent:
        return Sent(reply=await send(stage))

    return Row(
        name=name,
        send=sent,
        status=status,
        said="unsigned",
        public=code,
        event=AuditEvent.MESSAGE_UNOPENED,
        code=code,
    )


def _showing(identity: Callable[[Stage], KeyFiles] | None) -> Callable[[Stage], Awaitable[Sent]]:
    """Return how to send an honest message of GB over another certificate, or over none."""

    async def send(stage: Stage) -> Sent:
        sealed = stage.gb.message()
        if identity is None:
            return Sent(reply=await stage.gb.post(sealed, over="nothing"))
        return Sent(reply=await stage.gb.post(sealed, identity=identity(stage)))

    return send


def _forged(**shape: Any) -> Callable[[Stage], KeyFiles]:
    issuer = shape.pop("issuer", GB)
    return lambda stage: forge(stage.world.pki[issuer].authority, _folder(stage), now(), **{"uris": [uri(GB)], **shape})


def _folder(stage: Stage) -> Path:
    folder = stage.world.folder / "forged"
    folder.mkdir(exist_ok=True)
    return folder / str(len(list(folder.iterdir())))


def _spare(name: str) -> Callable[[Stage], KeyFiles]:
    return lambda stage: stage.world.spare[name]


def _stranger(stage: Stage) -> KeyFiles:
    return make_pki(_folder(stage), [GB], now())[GB].tls


async def _old_tls(stage: Stage) -> Sent:
    context = careless_context(stage.world.pki[US], stage.gb.node.tls)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return Sent(reply=await _raw(stage, b"GET / HTTP/1.1\r\n\r\n", context=context))


async def _no_tls(stage: Stage) -> Sent:
    reply = await _raw(stage, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", context=None)
    return Sent(reply=reply)


def _declared(size: int, path: str = MESSAGES, media_type: str = JOSE) -> Callable[[Stage], Awaitable[Reply]]:
    """Return how to announce a body of `size` bytes and send none of it: only an answer that does not wait comes."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {media_type}\r\nContent-Length: {size}\r\n\r\n".encode()
    return lambda stage: _raw(stage, head)


async def _endless(stage: Stage) -> Reply:
    """A body without a declared length that goes beyond the limit."""
    head = f"POST {MESSAGES} HTTP/1.1\r\nHost: x\r\nContent-Type: {JOSE}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return await _raw(stage, head + b"%x\r\n" % (LIMIT + 1) + b"A" * (LIMIT + 1) + b"\r\n")


def _asked(path: str = MESSAGES, **headers: str) -> Callable[[Stage], Awaitable[Reply]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def send(stage: Stage) -> Reply:
        return await stage.gb.ask("POST", path, body=stage.gb.message().jwe.encode(), headers=named)

    return send


async def _raw(stage: Stage, content: bytes, *, context: ssl.SSLContext | str | None = "own") -> Reply:
    """Write bytes to the partner listener and return the answer to them, without any client's good manners."""
    where = urlsplit(stage.gb.url)
    tls = careless_context(stage.world.pki[US], stage.gb.node.tls) if isinstance(context, str) else context
    try:
        reader, writer = await asyncio.open_connection(where.hostname, where.port, ssl=tls)
    except (OSError, ssl.SSLError):
        return Reply(status=0, said="nothing", code="")
    try:
        writer.write(content)
        async with asyncio.timeout(10):
            status = await reader.readline()
            if not status:
                return Reply(status=0, said="nothing", code="")
            while (await reader.readline()).strip():
                pass
            body = await reader.readuntil(b"}")
    except (OSError, ssl.SSLError):
        return Reply(status=0, said="nothing", code="")
    finally:
        writer.close()
    return Reply(status=int(status.split()[1]), said="unsigned", code=json.loads(body)["code"])


CLIENTS = [
    _in_handshake("no certificate", _showing(None), "access.certificate_missing"),
    _in_handshake("an expired certificate", _showing(_spare("tls expired")), "access.certificate_refused"),
    _in_handshake(
        "a certificate that is not valid yet",
        _showing(_forged(begins=timedelta(days=1), ends=timedelta(days=2))),
        "access.certificate_refused",
    ),
    _in_handshake("a certificate of an unknown authority", _showing(_stranger), "access.certificate_refused"),
    _in_handshake(
        "a certificate for servers only", _showing(_forged(usages=SERVER_ONLY)), "access.certificate_refused"
    ),
    _in_handshake("a certificate for any usage", _showing(_forged(usages=ANY)), "access.certificate_refused"),
    _in_handshake("our own certificate", _showing(lambda stage: stage.world.pki[US].tls), "access.certificate_refused"),
    _in_handshake("TLS 1.2", _old_tls, "channel.tls_refused"),
    _in_handshake("no TLS", _no_tls, "channel.tls_refused"),
    _at_the_door("a revoked certificate", _spare("tls revoked")),
    _at_the_door("a superseded certificate", _spare("tls superseded")),
    _at_the_door("a certificate without extended key usage", _forged(usages=())),
    _at_the_door("a certificate of another partner's authority", _forged(issuer=NL)),
    _at_the_door("a certificate without a party", _forged(uris=[])),
    _at_the_door("a certificate of a party nobody knows", _forged(uris=[uri("XX-NOBODY")])),
    _at_the_door("a certificate of two parties", _forged(uris=[uri(GB), uri(NL)])),
    _at_the_door("a certificate that names us", _forged(uris=[uri(US)])),
    _at_the_door("a signing certificate", lambda stage: stage.gb.node.signing[0]),
]

REQUESTS = [
    _wrong("a body over the limit, before it is read", _declared(LIMIT + 1), 413, "request.too_large"),
    _wrong(
        "a batch over the limit, before it is read",
        _declared(MAX_BATCH_BYTES + 1, BATCHES, BATCH_TYPE),
        413,
        "request.too_large",
    ),
    _wrong("a body over the limit, of no declared length", _endless, 413, "request.too_large"),
    _wrong("another media type", _asked(Content_Type="application/xml"), 415, "request.media_type"),
    _wrong("a compressed body", _asked(Content_Encoding="gzip"), 415, "request.media_type"),
    _wrong("a query", _asked(MESSAGES + "?trust=me"), 400, "request.malformed"),
]

ROWS: list[Row] = [*CLIENTS, *REQUESTS]
