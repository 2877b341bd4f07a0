"""Whatever a partner does, the channel returns a value that says what came of it, with honest flags.

Real servers on loopback play the partner: polite, busy, garbled, silent, resetting, redirecting, endless.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.channels import Endpoint, HttpsPartnerChannel, Timeouts
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.outcome import ReceiptReturned, SendOutcome, TransientFailure, TransportAccepted
from gateway.errors import ConfigurationError
from gateway.ports import PartnerChannel
from tests.unit.channels import scripted
from tests.unit.channels.scripted import Authority, FixedClock, Script, answering, serving, writing

NL = PartyId("NL-DUANE")
MESSAGE = MessageId("0195c7a0-0000-7000-8000-000000000001")
JWE = "eyJhbGciOiJ4In0.a.b.c.d"
SHORT = Timeouts(connect=timedelta(seconds=5), total=timedelta(milliseconds=800))
LONG = Timeouts(connect=timedelta(seconds=5), total=timedelta(seconds=20))


@asynccontextmanager
async def channel_to(
    url: str, *, timeouts: Timeouts = LONG, tls: ssl.SSLContext | None = None, connections: int = 2, batch: int = 64
) -> AsyncIterator[HttpsPartnerChannel]:
    endpoint = Endpoint(
        url=url,
        tls=tls,
        allow_loopback=True,
        insecure_plain_http=tls is None,
        timeouts=timeouts,
        connections=connections,
    )
    channel = HttpsPartnerChannel({NL: endpoint}, clock=FixedClock(), batch=batch)
    try:
        yield channel
    finally:
        await channel.close()


async def outcome_of(script: Script, *, timeouts: Timeouts = LONG, jwe: str = JWE) -> SendOutcome:
    async with serving(script) as partner, channel_to(partner.url(), timeouts=timeouts) as channel:
        return await channel.send(NL, MESSAGE, jwe)


def failed(outcome: SendOutcome) -> TransientFailure:
    assert isinstance(outcome, TransientFailure)
    return outcome


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_envelope_is_the_body_of_a_post_and_the_receipt_comes_back() -> None:
    async def take(request: web.Request) -> web.Response:
        assert request.content_type == "application/jose"
        assert (await request.read()).decode() == JWE
        return web.Response(body=b"h.p.s", content_type="application/jose")

    app = web.Application()
    app.router.add_post("/exchange/v1/messages", take)
    async with TestServer(app) as partner, channel_to(f"http://127.0.0.1:{partner.port}") as channel:
        implements: PartnerChannel = channel
        assert await implements.send(NL, MESSAGE, JWE) == ReceiptReturned(token="h.p.s")


async def test_a_large_envelope_arrives_whole() -> None:
    jwe = "abcd" * 1_000_000
    async with (
        serving(answering(200, b"h.p.s", Content_Type="application/jose")) as partner,
        channel_to(partner.url()) as channel,
    ):
        assert await channel.send(NL, MESSAGE, jwe) == ReceiptReturned(token="h.p.s")
        assert partner.requests[0].body == jwe.encode()


@pytest.mark.parametrize("status", [200, 400, 403, 404, 409, 413, 422])
async def test_a_signed_statement_is_handed_on_whatever_the_status(status: int) -> None:
    assert await outcome_of(answering(status, b"h.p.s", Content_Type="application/jose")) == ReceiptReturned(
        token="h.p.s"
    )


async def test_taken_without_a_receipt_is_202() -> None:
    assert await outcome_of(answering(202)) == TransportAccepted()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("body_type", ["application/jose", "text/plain"])
async def test_busy_is_believed_before_any_body(status: int, body_type: str) -> None:
    outcome = failed(await outcome_of(answering(status, b"h.p.s", Content_Type=body_type, Retry_After="17")))
    assert outcome.code == "channel.busy"
    assert outcome.retry_after == timedelta(seconds=17)
    assert outcome.sent
    assert outcome.connected


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("Sun, 01 Mar 2026 12:00:30 GMT", timedelta(seconds=30)),
        ("999999", timedelta(hours=1)),
        ("tomorrow", None),
    ],
)
async def test_retry_after_is_a_date_or_seconds_and_at_most_an_hour(header: str, wait: timedelta | None) -> None:
    assert failed(await outcome_of(answering(503, Retry_After=header))).retry_after == wait


@pytest.mark.parametrize(
    "script",
    [
        answering(200, b"fine", Content_Type="text/plain"),
        answering(200, b"{}", Content_Type="application/json"),
        answering(200, b"fine"),
        answering(200, b"", Content_Type="application/jose"),
        answering(200, "h.p.ş".encode(), Content_Type="application/jose"),
        answering(200, b"h.p.s", Content_Type="application/jose", Content_Encoding="gzip"),
        answering(201, b"h.p.s", Content_Type="application/jose"),
        answering(500, b"h.p.s", Content_Type="application/jose"),
        answering(422, b"refused", Content_Type="application/problem+json"),
        answering(404, b"<html>", Content_Type="text/html"),
        answering(502),
        answering(101),
        scripted.then_closing(writing(b"220 mail.example ESMTP ready\r\n")),
        scripted.then_closing(writing(b"\x15\x03\x03\x00\x02\x02\x28")),
        writing(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"),
        writing(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\n"),
    ],
)
async def test_an_answer_the_protocol_does_not_know_means_try_again(script: Script) -> None:
    outcome = failed(await outcome_of(script))
    assert outcome.code == "channel.unexpected_answer"
    assert outcome.sent
    assert outcome.connected


async def test_a_redirect_is_never_followed() -> None:
    async with serving(answering(200, b"h.p.s", Content_Type="application/jose")) as elsewhere:
        for status in (301, 302, 303, 307, 308):
            outcome = failed(await outcome_of(answering(status, Location=elsewhere.url() + "/exchange/v1/messages")))
            assert outcome.code == "channel.unexpected_answer"
        assert elsewhere.connections == 0


async def test_an_answer_without_end_is_cut_off_at_the_limit() -> None:
    written = 0

    async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _request: object) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/jose\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1000\r\n" + b"a" * 4096 + b"\r\n")
            written += 4096
            await writer.drain()

    outcome = failed(await outcome_of(endless))
    assert outcome.code == "channel.unexpected_answer"
    assert written < 50_000_000  # what fits into socket buffers, not what memory would hold


async def test_the_longest_statement_is_64_kib() -> None:
    exactly = answering(200, b"a" * 65_536, Content_Type="application/jose")
    assert await outcome_of(exactly) == ReceiptReturned(token="a" * 65_536)
    more = answering(200, b"a" * 65_537, Content_Type="application/jose")
    assert failed(await outcome_of(more)).code == "channel.unexpected_answer"


async def test_a_partner_can_not_write_into_what_operators_read() -> None:
    outcome = failed(
        await outcome_of(
            writing(b"HTTP/1.1 418 \x1b[31mHACK\r\nContent-Type: a/\x1b[31mHACK\r\nContent-Length: 0\r\n\r\n")
        )
    )
    assert outcome.detail.isprintable()
    assert "HACK" not in outcome.detail


async def test_neither_cookies_nor_credentials_nor_a_proxy_come_from_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        serving(answering(200, b"h.p.s", Content_Type="application/jose", Set_Cookie="a=b")) as partner,
        serving(answering(200)) as proxy,
    ):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        async with channel_to(partner.url()) as channel:
            await channel.send(NL, MESSAGE, JWE)
            await channel.send(NL, MESSAGE, JWE)
        assert proxy.connections == 0
        assert set(partner.requests[1].headers) == {
            "host", "user-agent", "accept", "accept-encoding", "content-type", "content-length",
        }  # fmt: skip
        assert partner.requests[1].headers["accept-encoding"] == "identity"


# ── the network ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_nobody_listening_is_unreachable_and_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    async with channel_to(f"http://127.0.0.1:{port}") as channel:
        outcome = failed(await channel.send(NL, MESSAGE, JWE))
    assert (outcome.code, outcome.sent, outcome.connected) == ("channel.unreachable", False, False)


async def test_a_name_that_leads_to_this_host_is_not_connected_to(tmp_path: Path) -> None:
    tls = scripted.client_context(Authority(tmp_path, "ca").file)
    async with serving(answering(200)) as inside:
        endpoint = Endpoint(url=f"https://localhost:{inside.port}", tls=tls, allow_private=True)
        channel = HttpsPartnerChannel({NL: endpoint}, clock=FixedClock())
        outcome = failed(await channel.send(NL, MESSAGE, JWE))
        await channel.close()
        assert inside.connections == 0
    assert (outcome.code, outcome.sent, outcome.connected) == ("channel.unreachable", False, False)
    assert "allow_loopback" in outcome.detail


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001"])
async def test_an_address_in_an_odd_form_is_no_way_around(tmp_path: Path, host: str) -> None:
    tls = scripted.client_context(Authority(tmp_path, "ca").file)
    async with serving(answering(200)) as inside:
        endpoint = Endpoint(url=f"https://{host}:{inside.port}", tls=tls)
        channel = HttpsPartnerChannel({NL: endpoint}, clock=FixedClock())
        outcome = failed(await channel.send(NL, MESSAGE, JWE))
        await channel.close()
        assert inside.connections == 0
    assert (outcome.code, outcome.sent, outcome.connected) == ("channel.unreachable", False, False)


async def test_silence_is_a_time_out_after_sending() -> None:
    outcome = failed(await outcome_of(scripted.hanging, timeouts=SHORT))
    assert (outcome.code, outcome.sent, outcome.connected) == ("channel.timeout", True, True)


async def test_half_an_answer_and_then_silence_is_a_time_out() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: scripted.Request) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/jose\r\nContent-Length: 50\r\n\r\nhalf")
        await scripted.hanging(reader, writer, request)

    outcome = failed(await outcome_of(half, timeouts=SHORT))
    assert (outcome.code, outcome.sent) == ("channel.timeout", True)


async def test_endless_interim_answers_are_a_time_out() -> None:
    async def interim(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _request: object) -> None:
        while not writer.is_closing():
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0)

    assert failed(await outcome_of(interim, timeouts=SHORT)).code == "channel.timeout"


@pytest.mark.parametrize(
    "script",
    [
        scripted.resetting,
        scripted.then_closing(writing(b"")),
        scripted.then_closing(writing(b"HTTP/1.1 200 OK\r\nContent-Ty")),
        scripted.then_closing(
            writing(b"HTTP/1.1 200 OK\r\nContent-Type: application/jose\r\nContent-Length: 50\r\n\r\nhalf")
        ),
        scripted.then_closing(
            writing(b"HTTP/1.1 200 OK\r\nContent-Type: application/jose\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nha")
        ),
    ],
)
async def test_a_broken_connection_is_told_apart_and_counts_as_sent(script: Script) -> None:
    outcome = failed(await outcome_of(script))
    assert (outcome.code, outcome.sent, outcome.connected) == ("channel.interrupted", True, True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=400),
        st.binary(max_size=200).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail),
        st.binary(max_size=200).map(
            lambda tail: (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/jose\r\nTransfer-Encoding: chunked\r\n\r\n" + tail
            )
        ),
    )
)
def test_no_bytes_of_a_partner_make_it_raise(raw: bytes) -> None:
    outcome = asyncio.run(outcome_of(scripted.then_closing(writing(raw)), timeouts=SHORT))
    assert isinstance(outcome, ReceiptReturned | TransportAccepted | TransientFailure)
    if isinstance(outcome, TransientFailure):
        assert outcome.sent


async def test_a_partner_that_hangs_takes_only_its_own_connections() -> None:
    de = PartyId("DE-ZOLL")
    good = answering(200, b"h.p.s", Content_Type="application/jose")
    async with serving(scripted.hanging) as silent, serving(good) as well:
        endpoints = {
            NL: Endpoint(url=silent.url(), insecure_plain_http=True, timeouts=LONG, connections=2),
            de: Endpoint(url=well.url(), insecure_plain_http=True, timeouts=LONG, connections=2),
        }
        channel = HttpsPartnerChannel(endpoints, clock=FixedClock())
        stuck = [asyncio.ensure_future(channel.send(NL, MESSAGE, JWE)) for _ in range(5)]
        for _ in range(20):
            assert await channel.send(de, MESSAGE, JWE) == ReceiptReturned(token="h.p.s")
        assert silent.connections == 2
        assert not any(one.done() for one in stuck)
        for one in stuck:
            one.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        await channel.close()


async def test_waiting_for_a_free_connection_ends_in_time_too() -> None:
    async with (
        serving(scripted.hanging) as partner,
        channel_to(partner.url(), timeouts=SHORT, connections=2) as channel,
    ):
        outcomes = await asyncio.gather(*(channel.send(NL, MESSAGE, JWE) for _ in range(6)))
    assert {failed(one).code for one in outcomes} == {"channel.timeout"}


async def test_connections_are_kept_and_limited() -> None:
    async with serving(answering(202)) as partner, channel_to(partner.url(), connections=3) as channel:
        for _ in range(4):
            await asyncio.gather(*(channel.send(NL, MESSAGE, JWE) for _ in range(10)))
        assert partner.connections == 3
        assert len(partner.requests) == 40


async def test_a_cancelled_caller_is_cancelled_and_the_line_goes_on() -> None:
    asked = asyncio.Event()
    answer = answering(202)

    async def silent_once(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: scripted.Request
    ) -> None:
        if asked.is_set():
            await answer(reader, writer, request)
        asked.set()

    async with serving(silent_once) as partner, channel_to(partner.url()) as channel:
        waiting = asyncio.ensure_future(channel.send(NL, MESSAGE, JWE))
        await asked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await channel.send(NL, MESSAGE, JWE) == TransportAccepted()


async def test_after_close_nothing_is_sent() -> None:
    async with serving(answering(202)) as partner:
        async with channel_to(partner.url()) as channel:
            await channel.send(NL, MESSAGE, JWE)
        outcome = failed(await channel.send(NL, MESSAGE, JWE))
        assert len(partner.requests) == 1
    assert (outcome.code, outcome.sent, outcome.connected) == ("channel.unreachable", False, False)


async def test_an_unknown_partner_is_an_outcome_too() -> None:
    channel = HttpsPartnerChannel({}, clock=FixedClock())
    outcome = failed(await channel.send(NL, MESSAGE, JWE))
    assert (outcome.code, outcome.sent, outcome.connected) == ("channel.unreachable", False, False)


@pytest.mark.parametrize("connections", [0, 1, 9])
def test_a_partner_gets_two_to_eight_connections(connections: int) -> None:
    endpoint = Endpoint(url="http://127.0.0.1:1", insecure_plain_http=True, connections=connections)
    with pytest.raises(ConfigurationError):
        HttpsPartnerChannel({NL: endpoint}, clock=FixedClock())


async def test_each_partner_has_its_own_time_and_connections() -> None:
    de, be = PartyId("DE-ZOLL"), PartyId("BE-FPS")
    async with (
        serving(scripted.hanging) as quick,
        serving(scripted.hanging) as three,
        serving(scripted.hanging) as two,
    ):
        endpoints = {
            NL: Endpoint(url=quick.url(), insecure_plain_http=True, timeouts=SHORT, connections=2),
            de: Endpoint(url=three.url(), insecure_plain_http=True, timeouts=LONG, connections=3),
            be: Endpoint(url=two.url(), insecure_plain_http=True, timeouts=LONG, connections=2),
        }
        channel = HttpsPartnerChannel(endpoints, clock=FixedClock())
        stuck = [asyncio.ensure_future(channel.send(one, MESSAGE, JWE)) for one in (de, be) for _ in range(5)]
        outcomes = await asyncio.gather(*(channel.send(NL, MESSAGE, JWE) for _ in range(5)))
        assert {failed(one).code for one in outcomes} == {"channel.timeout"}
        # Asked of those whose time is not over: where it is, those that waited for a connection get one for a moment.
        assert (three.connections, two.connections) == (3, 2)
        assert not any(one.done() for one in stuck)
        for one in stuck:
            one.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        await channel.close()


# ── the other requests ───────────────────────────────────────────────────────────────────────────────────────────


async def test_ping_and_receipts_have_their_own_paths() -> None:
    statement = answering(200, b"h.p.s", Content_Type="application/jose")
    async with serving(statement) as partner, channel_to(partner.url() + "/customs/") as channel:
        assert await channel.ping(NL) == ReceiptReturned(token="h.p.s")
        assert await channel.fetch_receipt(NL, MESSAGE) == ReceiptReturned(token="h.p.s")
        assert await channel.post_receipt(NL, "our.receipt.token") == ReceiptReturned(token="h.p.s")
        assert await channel.post_notice(NL, "our.notice.token") == ReceiptReturned(token="h.p.s")
    assert [(one.line, one.body) for one in partner.requests] == [
        ("POST /customs/exchange/v1/ping HTTP/1.1", b""),
        (f"GET /customs/exchange/v1/receipts/{MESSAGE}?to={NL} HTTP/1.1", b""),
        ("POST /customs/exchange/v1/receipts HTTP/1.1", b"our.receipt.token"),
        ("POST /customs/exchange/v1/notices HTTP/1.1", b"our.notice.token"),
    ]


async def test_an_id_can_not_change_the_path() -> None:
    async with serving(answering(202)) as partner, channel_to(partner.url()) as channel:
        await channel.fetch_receipt(NL, MessageId("../../admin?x=1#y\r\nz"))
    assert partner.requests[0].line == "GET /exchange/v1/receipts/..%2F..%2Fadmin%3Fx=1%23y%0D%0Az?to=NL-DUANE HTTP/1.1"


async def test_a_receipt_or_a_notice_taken_without_a_word_is_204() -> None:
    async with serving(answering(204)) as partner, channel_to(partner.url()) as channel:
        assert await channel.post_receipt(NL, "h.p.s") == TransportAccepted()
        assert await channel.post_notice(NL, "h.p.s") == TransportAccepted()
