"""A hand-over reaches the back end of the right party, signed, the same bytes each time; only a 2xx ends it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from gateway.channels import BackendRouter, Endpoint, Timeouts, WebhookBackend
from gateway.domain.ids import PartyId
from gateway.domain.outcome import HandedOver, HandOverOutcome, TransientFailure
from gateway.ports import BackendChannel
from tests.unit.channels import scripted
from tests.unit.channels.samples import SECRET, inbox_row
from tests.unit.channels.scripted import Authority, FixedClock, Script, answering, serving

OTHER_SECRET = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
SHORT = Timeouts(connect=timedelta(seconds=5), total=timedelta(milliseconds=800))
LONG = Timeouts(connect=timedelta(seconds=5), total=timedelta(seconds=20))


@asynccontextmanager
async def backend_at(
    url: str,
    *,
    clock: FixedClock | None = None,
    secrets: tuple[str, ...] = (SECRET,),
    timeouts: Timeouts = LONG,
    tls: ssl.SSLContext | None = None,
    batch: int = 1,
) -> AsyncIterator[WebhookBackend]:
    endpoint = Endpoint(url=url, tls=tls, allow_loopback=True, insecure_plain_http=tls is None, timeouts=timeouts)
    backend = WebhookBackend(endpoint, secrets=secrets, clock=clock or FixedClock(), batch=batch)
    try:
        yield backend
    finally:
        await backend.close()


async def outcome_of(script: Script, *, timeouts: Timeouts = LONG) -> HandOverOutcome:
    async with serving(script) as server, backend_at(server.url(), timeouts=timeouts) as backend:
        return await backend.hand_over(inbox_row(), b"<a/>")


def failed(outcome: HandOverOutcome) -> TransientFailure:
    assert isinstance(outcome, TransientFailure)
    return outcome


async def test_the_standard_library_of_receivers_verifies_what_arrives() -> None:
    clock = FixedClock(datetime.now(UTC))
    async with serving(answering(200)) as server, backend_at(server.url() + "/hook", clock=clock) as backend:
        implements: BackendChannel = backend
        assert await implements.hand_over(inbox_row(), b"<a/>") == HandedOver()
    request = server.requests[0]
    assert request.line == "POST /hook HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == inbox_row().message_id
    told = Webhook(SECRET).verify(request.body, request.headers)
    assert told["data"]["sender"] == "GB-HMRC"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body.replace(b"GB-HMRC", b"GB-OTHR"), request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER_SECRET).verify(request.body, request.headers)


async def test_while_a_secret_changes_both_verify() -> None:
    clock = FixedClock(datetime.now(UTC))
    async with (
        serving(answering(200)) as server,
        backend_at(server.url(), clock=clock, secrets=(SECRET, OTHER_SECRET)) as backend,
    ):
        await backend.hand_over(inbox_row(), b"<a/>")
    for secret in (SECRET, OTHER_SECRET):
        assert Webhook(secret).verify(server.requests[0].body, server.requests[0].headers)


async def test_a_repeat_is_the_same_id_and_the_same_bytes_later() -> None:
    clock = FixedClock()
    async with serving(answering(503)) as server, backend_at(server.url(), clock=clock) as backend:
        await backend.hand_over(inbox_row(attempts=0), b"<a/>")
        clock.time += timedelta(hours=1)
        await backend.hand_over(inbox_row(attempts=1), b"<a/>")
    first, second = server.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 3600
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


async def test_a_large_document_arrives_whole_and_does_not_hold_up_the_loop() -> None:
    view = b"<a>" + b"x" * 3_000_000 + b"</a>"
    clock = FixedClock(datetime.now(UTC))
    async with serving(answering(200)) as server, backend_at(server.url(), clock=clock) as backend:
        assert await backend.hand_over(inbox_row(), view) == HandedOver()
    request = server.requests[0]
    assert Webhook(SECRET).verify(request.body, request.headers)["data"]["kind"] == "declaration"
    assert len(request.body) > 4_000_000


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_the_back_end_taking_over(status: int) -> None:
    assert await outcome_of(answering(status)) == HandedOver()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (301, "channel.unexpected_answer"),
        (307, "channel.unexpected_answer"),
        (400, "channel.refused"),
        (401, "channel.refused"),
        (404, "channel.refused"),
        (410, "channel.refused"),
        (422, "channel.refused"),
        (408, "channel.timeout"),
        (429, "channel.busy"),
        (503, "channel.busy"),
        (500, "channel.unexpected_answer"),
        (502, "channel.unexpected_answer"),
    ],
)
async def test_every_other_answer_means_try_again_and_says_why(status: int, code: str) -> None:
    outcome = failed(await outcome_of(answering(status, Location="/elsewhere", Retry_After="5")))
    assert (outcome.code, outcome.sent, outcome.connected) == (code, True, True)
    assert outcome.retry_after == timedelta(seconds=5)
    assert str(status) in outcome.detail


async def test_silence_and_a_reset_are_failures() -> None:
    assert failed(await outcome_of(scripted.hanging, timeouts=SHORT)).code == "channel.timeout"
    assert failed(await outcome_of(scripted.resetting)).code == "channel.interrupted"


async def test_tls_is_used_and_a_wrong_server_gets_no_byte(tmp_path: Path) -> None:
    ca, other = Authority(tmp_path, "ca"), Authority(tmp_path, "other")
    server_tls = scripted.server_context(ca.issue("server"))
    async with serving(answering(200), server_tls) as server:
        async with backend_at(server.url("https"), tls=scripted.client_context(ca.file)) as backend:
            assert await backend.hand_over(inbox_row(), b"<a/>") == HandedOver()
        async with backend_at(server.url("https"), tls=scripted.client_context(other.file)) as backend:
            outcome = failed(await backend.hand_over(inbox_row(), b"<a/>"))
        assert len(server.requests) == 1
    assert (outcome.code, outcome.sent) == ("channel.tls_refused", False)


async def test_each_party_has_its_own_back_end() -> None:
    async with serving(answering(200)) as dutch, serving(answering(200)) as german:
        async with backend_at(dutch.url()) as nl, backend_at(german.url()) as de:
            router: BackendChannel = BackendRouter({PartyId("NL-DUANE"): nl, PartyId("DE-ZOLL"): de})
            await asyncio.gather(*(router.hand_over(inbox_row("DE-ZOLL"), b"<a/>") for _ in range(3)))
            await router.hand_over(inbox_row("NL-DUANE"), b"<a/>")
            unknown = failed(await router.hand_over(inbox_row("FR-DGDDI"), b"<a/>"))
        assert (len(dutch.requests), len(german.requests)) == (1, 3)
    assert (unknown.code, unknown.sent, unknown.connected) == ("channel.unreachable", False, False)
