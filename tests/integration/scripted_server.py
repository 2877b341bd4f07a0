"""The gateway of a scripted partner: it opens what arrives and answers from a script, be it a lie.

`listening_as` is the other kind: a server under any certificate, of which nothing may be heard but the handshake.
"""

import asyncio
import itertools
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.domain.batch import ANSWERS_TYPE, LineAnswer, write_answers
from gateway.envelope import OpenedMessage, open_envelope
from gateway.envelope.compact import decode
from gateway.trust import KeyFiles
from tests.integration.scripted_partner import BATCHES, JOSE, MESSAGES, NOTICE_BATCHES, NOTICES, PING, ScriptedPartner


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One message of ours at the partner's door, opened. `at`: seconds of the loop's clock."""

    jwe: str = field(repr=False)
    opened: OpenedMessage
    at: float


Answer = Callable[[ScriptedPartner, Arrived], web.StreamResponse]
"""What the partner answers to one message."""

BatchAnswer = Callable[[ScriptedPartner, Sequence[Arrived]], web.StreamResponse]
"""What the partner answers to a batch."""


class ScriptedServer:
    """The partner's gateway, answering message after message from `script`, whose last line is repeated."""

    def __init__(
        self,
        partner: ScriptedPartner,
        *script: Answer,
        notices: Sequence[int] = (404,),
        batches: Sequence[BatchAnswer] = (),
    ) -> None:
        self.partner = partner
        self._statuses = itertools.chain(notices, itertools.repeat(notices[-1]))
        self.arrived: list[Arrived] = []
        self.notices: list[str] = []
        self._script = itertools.chain(script, itertools.repeat(script[-1]))
        self._batch_script = itertools.chain(batches, itertools.repeat(batches[-1])) if batches else iter(())
        self.batches: list[int] = []
        self.notice_batches: list[int] = []
        self.unheard: set[str] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        arrived = self._open((await request.read()).decode("ascii"))
        return next(self._script)(self.partner, arrived)

    async def answer_batch(self, request: web.Request) -> web.StreamResponse:
        batch = [self._open(jwe) for jwe in (await request.read()).decode("ascii").split("\n")]
        self.batches.append(len(batch))
        return next(self._batch_script)(self.partner, batch)

    def _open(self, jwe: str) -> Arrived:
        partner = self.partner
        opened = open_envelope(
            jwe,
            channel_party=partner.us.party,
            ours={partner.party},
            unwrapper=partner.trust.unwrapper,
            verification_key=partner.trust.verification_key,
        )
        arrived = Arrived(jwe=jwe, opened=opened, at=asyncio.get_running_loop().time())
        self.arrived.append(arrived)
        return arrived

    async def take_notices(self, request: web.Request) -> web.StreamResponse:
        """Take notices that came together, but those about messages in `unheard`."""
        tokens = (await request.read()).decode("ascii").split("\n")
        self.notice_batches.append(len(tokens))
        self.notices += tokens
        about = [json.loads(decode(token.split(".")[1].encode()))["message_id"] for token in tokens]
        said = {one: 404 if one in self.unheard else 204 for one in about}
        body = write_answers(LineAnswer(message_id=one, status=status) for one, status in said.items())
        return web.Response(body=body, content_type=ANSWERS_TYPE)

    async def take_notice(self, request: web.Request) -> web.StreamResponse:
        self.notices.append((await request.read()).decode("ascii"))
        return web.Response(status=next(self._statuses))


@asynccontextmanager
async def answering(
    partner: ScriptedPartner,
    port: int,
    *script: Answer,
    notices: Sequence[int] = (404,),
    batches: Sequence[BatchAnswer] = (),
    notices_together: bool = False,
) -> AsyncIterator[ScriptedServer]:
    """Run the partner's gateway on `port` with its own certificate.

    `notices`: the HTTP status for each notice, `batches`: the answer to each batch, the last one repeated; by default
    it knows of no such things. `notices_together`: it takes several in one request.
    """
    server = ScriptedServer(partner, *script, notices=notices, batches=batches)
    is_over = False

    @web.middleware
    async def only_until_the_end(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        # A connection whose handshake was under way at the cleanup is not closed by it, and would be answered for ever.
        if is_over and request.transport is not None:
            request.transport.abort()
            raise web.HTTPServiceUnavailable
        return await handler(request)

    app = web.Application(client_max_size=64 * 1024 * 1024, middlewares=[only_until_the_end])
    if batches:
        app.router.add_post(BATCHES, server.answer_batch)
    app.router.add_post(MESSAGES, server.answer)
    app.router.add_post(NOTICES, server.take_notice)
    if notices_together:
        app.router.add_post(NOTICE_BATCHES, server.take_notices)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(partner.node.tls.certificate, partner.node.tls.key)
    context.load_verify_locations(partner.us.authority.chain)
    context.verify_mode = ssl.CERT_REQUIRED
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    try:
        yield server
    finally:
        is_over = True
        await runner.cleanup()


@dataclass(slots=True)
class Overheard:
    """What a server that should have heard nothing did hear: connections tried, and every decrypted byte."""

    connections: int = 0
    content: bytes = b""


@asynccontextmanager
async def listening_as(
    identity: KeyFiles, port: int, *, weaken: Callable[[ssl.SSLContext], None] | None = None
) -> AsyncIterator[Overheard]:
    """Run a server on `port` that shows `identity`, asks for no certificate and keeps every byte it can decrypt.

    It answers a ping, without which nobody would send it anything, and nothing else.
    """
    heard = Overheard()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    if weaken is not None:
        weaken(context)

    open_now: list[asyncio.BaseTransport] = []

    class Listening(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self._transport = transport
            open_now.append(transport)

        def data_received(self, data: bytes) -> None:
            heard.content += data
            if data.split(b" ", 2)[1:2] == [PING.encode()]:
                self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    class Counted(ssl.SSLObject):
        def do_handshake(self) -> None:
            if not getattr(self, "_counted", False):
                self._counted = True
                heard.connections += 1
            super().do_handshake()

    context.sslobject_class = Counted
    server = await asyncio.get_running_loop().create_server(Listening, "127.0.0.1", port, ssl=context)
    try:
        yield heard
    finally:
        server.close()
        for transport in open_now:
            transport.close()
        await server.wait_closed()


# ── what a partner may answer ──


def statement(token: str, status: int = 200) -> web.Response:
    return web.Response(status=status, body=token.encode("latin-1"), content_type=JOSE)


def accepts(partner: ScriptedPartner, arrived: Arrived) -> web.Response:
    """The honest answer."""
    return statement(partner.signed_receipt(arrived.opened))


def takes(_partner: ScriptedPartner, _arrived: Arrived) -> web.Response:
    """202: the receipt comes later."""
    return web.Response(status=202)


def says(status: int, **headers: str) -> Answer:
    """Return an answer without a statement."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _partner, _arrived: web.Response(status=status, headers=named)


async def eventually(what: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    """Return the first true result of `what`, asked again and again. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not (found := what()):  # noqa: ASYNC110  a database rings no bell
            await asyncio.sleep(0.02)
    return found
