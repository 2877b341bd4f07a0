"""What went wrong on the way to another side, in words for an operator.

Every foreign exception of a request becomes one TransientFailure here: nothing that a partner or a network does ends
a transfer by itself. Texts use our own words and OpenSSL's fixed reasons, never bytes the other side chose.
"""

import ssl
from dataclasses import dataclass
from typing import Final, TypeVar

import aiohttp

from gateway.channels.addresses import AddressRefusedError
from gateway.domain.outcome import TransientFailure
from gateway.errors import GatewayError

EXPECTED: Final = (aiohttp.ClientError, OSError, GatewayError, ValueError, LookupError)
"""What a request may raise because of the other side. OSError includes TimeoutError and ssl.SSLError; a GatewayError
comes from the examination of the server's certificate; the last two from parsers that meet odd bytes."""

_LONGEST_CHAIN: Final = 8

_Found = TypeVar("_Found", bound=BaseException)

_ALERTS: Final = {
    "CERTIFICATE_REQUIRED": "it wants a client certificate and got none it knows",
    "UNKNOWN_CA": "it does not trust the issuer of our certificate",
    "CERTIFICATE_EXPIRED": "it says our certificate has expired",
    "CERTIFICATE_REVOKED": "it says our certificate is revoked",
    "BAD_CERTIFICATE": "it does not accept our certificate",
    "CERTIFICATE_UNKNOWN": "it does not accept our certificate",
    "UNSUPPORTED_CERTIFICATE": "it does not accept our certificate",
    "ACCESS_DENIED": "it does not let our certificate in",
    "PROTOCOL_VERSION": "it does not speak TLS 1.3",
    "HANDSHAKE_FAILURE": "no common algorithm",
    "UNRECOGNIZED_NAME": "it does not serve this host name",
}


@dataclass(slots=True)
class Progress:
    """How far one request came. Written by the tracing hooks of its session."""

    queued: bool = False
    tried: bool = False
    connected: bool = False
    fresh: bool = False
    sent: bool = False

    def failed(self, code: str, detail: str) -> TransientFailure:
        """Return the failure of a request that came this far."""
        return TransientFailure(code=code, detail=detail, sent=self.sent, connected=self.connected)

    def turned_away(self, detail: str, code: str = "channel.tls_refused") -> TransientFailure:
        """Return the failure of a connection that one of the sides did not accept.

        It does not count as connected: who was reached is not proven, and every other request would fare the same.
        """
        return TransientFailure(code=code, detail=detail, sent=self.sent, connected=False)


def explain(error: Exception, progress: Progress, *, plain: bool) -> TransientFailure:
    """Return the failure that `error` means for a request that came as far as `progress`. `plain`: without TLS."""
    if isinstance(error, TimeoutError):
        return _timed_out(progress)
    ours = _first_behind(error, GatewayError)
    if ours is not None:
        return progress.turned_away(safe_words(ours.detail), ours.code)
    tls = _first_behind(error, ssl.SSLError)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return progress.turned_away(_certificate_words(tls))
    if tls is not None and not isinstance(tls, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return progress.turned_away(_tls_words(tls))
    if not progress.connected:
        return _not_connected(error, progress, plain=plain)
    return _broken(error, progress, plain=plain)


def _timed_out(progress: Progress) -> TransientFailure:
    if progress.sent:
        return progress.failed("channel.timeout", "The request left, but no whole answer came in time")
    if progress.connected:
        return progress.failed("channel.timeout", "The connection stood, but the request could not be sent in time")
    if progress.queued and not progress.tried:
        return progress.failed("channel.timeout", "All connections to the other side stayed busy until the time ended")
    return progress.failed("channel.timeout", "No connection came about in time")


def _not_connected(error: Exception, progress: Progress, *, plain: bool) -> TransientFailure:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, AddressRefusedError):
        return progress.failed(
            "channel.unreachable",
            "The host name leads only to addresses this endpoint may not reach; see allow_private and allow_loopback",
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return progress.failed("channel.unreachable", "The host name can not be resolved")
    if isinstance(error, aiohttp.InvalidURL):
        return progress.failed("channel.unreachable", "The URL of the endpoint can not be used")
    if isinstance(cause, ConnectionRefusedError):
        return progress.failed("channel.unreachable", "Nothing listens at the address of the other side")
    if not plain and (isinstance(cause, ConnectionResetError | ConnectionAbortedError | ssl.SSLError)):
        return progress.turned_away("The other side closed the connection during the TLS handshake")
    return progress.failed("channel.unreachable", "The other side can not be reached over the network")


def _broken(error: Exception, progress: Progress, *, plain: bool) -> TransientFailure:
    if isinstance(error, aiohttp.ClientPayloadError):
        return progress.failed("channel.interrupted", "The connection broke in the middle of the answer")
    if isinstance(error, aiohttp.ClientConnectionError | OSError):
        if progress.fresh and not plain:
            # TLS 1.3: the client's handshake ends before the server has judged the client certificate, so a refusal
            # shows as a closed connection where the first answer should be (RFC 8446 §4.4.2.4, appendix C).
            return progress.turned_away(
                "The other side closed the new connection right after the TLS handshake, without an answer: it "
                "probably refused our client certificate (or it stopped just then)",
            )
        return progress.failed("channel.interrupted", "The connection broke before the answer came")
    return progress.failed("channel.unexpected_answer", "The other side answered something that is not HTTP/1.1")


def _first_behind(error: BaseException, kind: type[_Found]) -> _Found | None:
    """Return the first error of this kind in the chain of causes. aiohttp wraps what the handshake raised, and a late
    alert arrives as the cause of a disconnect."""
    seen: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if seen is None or (isinstance(seen, kind) and not isinstance(seen, aiohttp.ClientError)):
            return seen
        wrapped = seen.certificate_error if isinstance(seen, aiohttp.ClientConnectorCertificateError) else None
        seen = wrapped or seen.__cause__ or seen.__context__
    return None


def _certificate_words(error: ssl.SSLCertVerificationError) -> str:
    reason = getattr(error, "verify_message", "") or "it is not the one that was agreed"
    return f"The certificate of the other side is not accepted: {safe_words(str(reason))}"


def _tls_words(error: ssl.SSLError) -> str:
    reason = str(getattr(error, "reason", None) or "")
    if "ALERT" not in reason:
        return f"TLS failed: {safe_words(reason.replace('_', ' ').lower()) or 'no reason is known'}"
    for alert, words in _ALERTS.items():
        if reason.endswith(alert):
            return f"The other side refused the TLS handshake: {words}"
    return f"The other side refused the TLS handshake: {safe_words(reason.replace('_', ' ').lower())}"


def safe_words(text: str) -> str:
    """Return at most 200 printable ASCII characters of `text`, so that no line or terminal can be forged with it."""
    return "".join(sign for sign in text[:200] if " " <= sign <= "~")
