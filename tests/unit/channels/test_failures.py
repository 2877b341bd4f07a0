"""What an operator reads about a failure is ours, and no partner can write into it."""

import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.failures import Progress, explain, safe_words
from gateway.errors import CATALOGUE, ChannelError

KEY = ConnectionKey("gateway.example", 443, True, True, None, None, None)


@given(st.text())
def test_words_hold_no_line_ends_and_no_terminal_codes(text: str) -> None:
    words = safe_words(text)
    assert len(words) <= 200
    assert all(" " <= sign <= "~" for sign in words)


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(tried=True, connected=True, sent=True), "request left"),
        (Progress(tried=True, connected=True), "could not be sent"),
        (Progress(queued=True), "stayed busy"),
        (Progress(tried=True), "No connection"),
    ],
)
def test_a_time_out_says_how_far_the_request_came(progress: Progress, words: str) -> None:
    failure = explain(TimeoutError(), progress, plain=False)
    assert failure.code == "channel.timeout"
    assert words in failure.detail
    assert failure.sent is progress.sent
    assert failure.connected is progress.connected


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "wants a client certificate"),
        ("TLSV1_ALERT_UNKNOWN_CA", "does not trust the issuer"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "has expired"),
        ("SSLV3_ALERT_CERTIFICATE_REVOKED", "is revoked"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "TLS 1.3"),
        ("TLSV1_ALERT_INTERNAL_ERROR", "tlsv1 alert internal error"),
    ],
)
def test_a_tls_alert_is_put_into_words(reason: str, words: str) -> None:
    error = ssl.SSLError(1, "text")
    error.reason = reason
    failure = explain(error, Progress(tried=True, connected=True, fresh=True, sent=True), plain=False)
    assert failure.code == "channel.tls_refused"
    assert words in failure.detail


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (aiohttp.ClientConnectorDNSError(KEY, OSError("told by the resolver")), "can not be resolved"),
        (aiohttp.ClientConnectorError(KEY, ConnectionRefusedError()), "Nothing listens"),
        (aiohttp.ClientConnectorError(KEY, OSError("no route")), "over the network"),
    ],
)
def test_not_getting_there_is_told_apart(error: Exception, words: str) -> None:
    failure = explain(error, Progress(tried=True), plain=False)
    assert (failure.code, failure.sent, failure.connected) == ("channel.unreachable", False, False)
    assert words in failure.detail


def test_a_refusal_by_our_own_check_in_the_handshake_is_told_and_nothing_left() -> None:
    failure = explain(ChannelError("channel.tls_refused", "It is another party"), Progress(tried=True), plain=False)
    assert (failure.code, failure.detail) == ("channel.tls_refused", "It is another party")
    assert (failure.sent, failure.connected) == (False, False)


@given(
    st.sampled_from(
        [OSError(), ValueError("x"), KeyError("x"), ConnectionResetError(), ssl.SSLError(1, "x"), ssl.SSLEOFError()]
    ),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_every_expected_error_at_every_stage_has_a_code_of_the_catalogue(
    error: Exception, connected: bool, fresh: bool, sent: bool, plain: bool
) -> None:
    progress = Progress(connected=connected, fresh=fresh, sent=sent)
    failure = explain(error, progress, plain=plain)
    assert CATALOGUE[failure.code].retryable
    assert failure.sent is sent
