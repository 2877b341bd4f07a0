"""Real handshakes between aiohttp's client and server over loopback, on asyncio and uvloop.

What test_tls.py shows to be refused carries no byte of a message here, and the refusing side knows its reason.
"""

import asyncio
import inspect
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiohttp import web

from gateway.errors import GatewayError
from gateway.trust import KeyFiles, PartnerGate, plain_client_context, plain_server_context, refusal_behind
from tests.pki import TestPki
from tests.unit.trust.conftest import StandingClock
from tests.unit.trust.flaws import CLIENT_FLAWS, FR, GB, SERVER_FLAWS


def on_both_loops(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """Run a coroutine test on asyncio's own loop and on uvloop's."""

    def run(*, loop_factory: Callable[[], asyncio.AbstractEventLoop], **fixtures: object) -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(test(**fixtures))

    signature = inspect.signature(test)
    factory = inspect.Parameter("loop_factory", inspect.Parameter.KEYWORD_ONLY)
    run.__name__ = test.__name__
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), factory])  # type: ignore[attr-defined]  # read by pytest
    factories = [asyncio.new_event_loop, uvloop.new_event_loop]
    return pytest.mark.parametrize("loop_factory", factories, ids=["asyncio", "uvloop"])(run)


@dataclass(slots=True)
class _Seen:
    """What a server saw: party or code of each request, and who was turned away in the handshake."""

    requests: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    resumed: list[bool | None] = field(default_factory=list)


@asynccontextmanager
async def _serve(
    context: ssl.SSLContext, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"https://{host}:{port}/"
    finally:
        await runner.cleanup()


def _partner_handler(
    gate: PartnerGate, clock: StandingClock, seen: _Seen
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        connection: ssl.SSLObject = request.transport.get_extra_info("ssl_object")
        seen.resumed.append(connection.session_reused)
        try:
            party = gate.party_of(connection.getpeercert(binary_form=True), clock())
        except GatewayError as error:
            seen.requests.append(error.code)
            return web.Response(status=error.entry.status, text=error.code)
        seen.requests.append(party)
        return web.Response(text=f"{party} over {connection.version()}")

    return handle


@asynccontextmanager
async def _listening(pki: TestPki, clock: StandingClock, seen: _Seen) -> AsyncIterator[str]:
    """Run FR's partner listener."""
    gate = pki[FR].gate(clock)
    context = gate.server_context(pki[FR].tls, on_refused=lambda error: seen.refused.append(error.code))
    async with _serve(context, _partner_handler(gate, clock, seen)) as url:
        yield url


def _careless(pki: TestPki, identity: KeyFiles | None) -> ssl.SSLContext:
    """Return the context of a client that trusts FR and shows whatever it was given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pki[FR].authority.chain)
    if identity is not None:
        context.load_cert_chain(identity.certificate, identity.key)
    return context


async def _post(url: str, context: ssl.SSLContext) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(url, data=b"message", ssl=context) as response:
        return response.status, await response.text()


@on_both_loops
async def test_two_gateways_meet_over_tls_1_3(pki: TestPki, clock: StandingClock) -> None:
    seen = _Seen()
    async with _listening(pki, clock, seen) as url:
        context = pki[GB].gate(clock).client_context(pki[GB].tls, FR)
        assert await _post(url, context) == (200, "GB-HMRC over TLSv1.3")
    assert (seen.requests, seen.refused) == ([GB], [])


@on_both_loops
async def test_no_session_is_ever_resumed(pki: TestPki, clock: StandingClock) -> None:
    seen = _Seen()
    async with _listening(pki, clock, seen) as url:
        context = _careless(pki, pki[GB].tls)
        port = int(url.rstrip("/").rpartition(":")[2])
        sessions = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            session = writer.get_extra_info("ssl_object").session
            sessions.append(session.has_ticket if session else False)
            writer.close()
    assert sessions == [False, False]
    assert seen.resumed == [False, False]


@on_both_loops
async def test_tls_1_2_is_refused_by_both_sides(pki: TestPki, clock: StandingClock) -> None:
    seen = _Seen()
    old = _careless(pki, pki[GB].tls)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with _listening(pki, clock, seen) as url:
        with pytest.raises(aiohttp.ClientConnectorError):
            await _post(url, old)
    assert seen.refused == ["channel.tls_refused"]
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    server.load_cert_chain(pki[FR].tls.certificate, pki[FR].tls.key)
    async with _serve(server, _partner_handler(pki[FR].gate(clock), clock, seen)) as url:
        with pytest.raises(aiohttp.ClientConnectorError):
            await _post(url, pki[GB].gate(clock).client_context(pki[GB].tls, FR))
    assert seen.requests == []


@pytest.mark.parametrize("flaw", CLIENT_FLAWS)
@on_both_loops
async def test_a_client_with_a_flaw_gets_no_request_through(
    pki: TestPki, clock: StandingClock, now: datetime, tmp_path: Path, flaw: str
) -> None:
    seen = _Seen()
    identity = CLIENT_FLAWS[flaw](pki, tmp_path / "flawed", now)
    async with _listening(pki, clock, seen) as url:
        try:
            status, text = await _post(url, _careless(pki, identity))
        except aiohttp.ClientError:
            status, text = 0, ""
    # Either the handshake or the program refused: in both cases the server knows with which code.
    assert (seen.requests + seen.refused) == ["access.certificate_refused"]
    assert (status, text) in {(0, ""), (403, "access.certificate_refused")}


@on_both_loops
async def test_a_client_without_a_certificate_is_refused_as_such(pki: TestPki, clock: StandingClock) -> None:
    seen = _Seen()
    async with _listening(pki, clock, seen) as url:
        with pytest.raises(aiohttp.ClientError):
            await _post(url, _careless(pki, None))
    assert (seen.requests, seen.refused) == ([], ["access.certificate_missing"])


@on_both_loops
async def test_a_client_that_refuses_our_certificate_is_none_that_we_turned_away(
    pki: TestPki, clock: StandingClock
) -> None:
    seen = _Seen()
    distrusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    distrusting.load_cert_chain(pki[GB].tls.certificate, pki[GB].tls.key)
    async with _listening(pki, clock, seen) as url:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await _post(url, distrusting)
    assert (seen.requests, seen.refused) == ([], [])


@on_both_loops
async def test_a_stale_list_refuses_clients(pki: TestPki, clock: StandingClock) -> None:
    seen = _Seen()
    clock.pass_by(days=8)
    async with _listening(pki, clock, seen) as url:
        assert await _post(url, _careless(pki, pki[GB].tls)) == (503, "trust.crl_stale")


@on_both_loops
async def test_a_client_revoked_on_an_open_connection_is_refused_at_its_next_request(
    pki: TestPki, clock: StandingClock, now: datetime
) -> None:
    seen = _Seen()
    async with _listening(pki, clock, seen) as url, aiohttp.ClientSession() as session:
        context = _careless(pki, pki[GB].tls)
        statuses = []
        for _ in range(2):
            async with session.post(url, ssl=context) as response:
                statuses.append(response.status)
                await response.read()
            pki[GB].revoke(pki[GB].tls, now)
    assert statuses == [200, 403]
    assert seen.requests == [GB, "access.certificate_refused"]


@asynccontextmanager
async def _listening_as(identity: KeyFiles, received: list[bytes]) -> AsyncIterator[str]:
    """Run a server that shows `identity`, asks for nothing, and notes every decrypted byte of a request."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        received.append(await request.read())
        return web.Response()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    async with _serve(context, handle) as url:
        yield url


async def expect_refused_server(url: str, context: ssl.SSLContext) -> aiohttp.ClientConnectorError:
    with pytest.raises(aiohttp.ClientConnectorError) as caught:
        await _post(url, context)
    return caught.value


@on_both_loops
async def test_the_client_sends_to_a_good_server(pki: TestPki, clock: StandingClock) -> None:
    received: list[bytes] = []
    async with _listening_as(pki[GB].tls, received) as url:
        assert await _post(url, pki[FR].gate(clock).client_context(pki[FR].tls, GB)) == (200, "")
    assert received == [b"message"]


@pytest.mark.parametrize("flaw", SERVER_FLAWS)
@on_both_loops
async def test_no_byte_of_a_message_goes_to_a_server_with_a_flaw(
    pki: TestPki, clock: StandingClock, now: datetime, tmp_path: Path, flaw: str
) -> None:
    received: list[bytes] = []
    identity = SERVER_FLAWS[flaw](pki, tmp_path / "flawed", now)
    context = pki[FR].gate(clock).client_context(pki[FR].tls, GB)
    async with _listening_as(identity, received) as url:
        error = await expect_refused_server(url, context)
    assert isinstance(error, aiohttp.ClientConnectorCertificateError)
    refusal = refusal_behind(error)
    assert refusal is None or refusal.code == "channel.tls_refused"
    assert received == []


@on_both_loops
async def test_our_reason_stands_behind_the_librarys_error(pki: TestPki, clock: StandingClock, now: datetime) -> None:
    pki[GB].revoke(pki[GB].tls, now)
    async with _listening_as(pki[GB].tls, []) as url:
        error = await expect_refused_server(url, pki[FR].gate(clock).client_context(pki[FR].tls, GB))
    refusal = refusal_behind(error)
    assert refusal is not None
    assert (refusal.code, refusal.detail) == (
        "channel.tls_refused",
        "the server's certificate: the certificate was revoked",
    )


@on_both_loops
async def test_a_stale_list_refuses_servers(pki: TestPki, clock: StandingClock) -> None:
    received: list[bytes] = []
    context = pki[FR].gate(clock).client_context(pki[FR].tls, GB)
    clock.pass_by(days=8)
    async with _listening_as(pki[GB].tls, received) as url:
        refusal = refusal_behind(await expect_refused_server(url, context))
    assert refusal is not None
    assert (refusal.code, received) == ("trust.crl_stale", [])


@on_both_loops
async def test_a_server_of_another_host_is_refused(pki: TestPki, clock: StandingClock, now: datetime) -> None:
    async with _listening_as(pki[GB].tls, []) as url:
        elsewhere = url.replace("127.0.0.1", "127.0.0.1.nip.example")
        resolver = _Loopback()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=resolver)) as session:
            with pytest.raises(aiohttp.ClientConnectorCertificateError, match=r"[Mm]ismatch"):
                await session.post(elsewhere, ssl=pki[FR].gate(clock).client_context(pki[FR].tls, GB))


@on_both_loops
async def test_a_server_revoked_on_an_open_connection_gets_nothing_more(
    pki: TestPki, clock: StandingClock, now: datetime
) -> None:
    received: list[bytes] = []
    context = pki[FR].gate(clock).client_context(pki[FR].tls, GB)
    async with _listening_as(pki[GB].tls, received) as url, aiohttp.ClientSession() as session:
        async with session.post(url, data=b"first", ssl=context) as response:
            await response.read()
        pki[GB].revoke(pki[GB].tls, now)
        with pytest.raises((aiohttp.ClientError, OSError)):
            await session.post(url, data=b"second", ssl=context)
    assert received == [b"first"]


@on_both_loops
async def test_the_other_listeners_ask_for_no_certificate(pki: TestPki) -> None:
    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="hello")

    async with _serve(plain_server_context(pki[FR].tls), handle) as url:
        assert await _post(url, plain_client_context(pki.roots)) == (200, "hello")
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await _post(url, plain_client_context(pki[GB].authority.roots))


class _Loopback(aiohttp.abc.AbstractResolver):
    """Finds every host on this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        found = aiohttp.abc.ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0)
        return [found]

    async def close(self) -> None:
        return None
