"""One line to one other side over HTTP/1.1: a few long-lived connections of its own, and answers that are values.

Shared by the channels to partners and to back ends. Never here: redirects, proxies, cookies, credentials from the
environment, decompression, an answer longer than the limit, or an exception for what the other side did. A line that
hangs holds only its own connections.
"""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Final

import aiohttp

from gateway.channels.addresses import GuardedResolver
from gateway.channels.endpoint import Endpoint
from gateway.channels.failures import EXPECTED, Progress, explain
from gateway.channels.retry_after import read_retry_after
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.outcome import TransientFailure
from gateway.ports import Clock

MAX_ANSWER_BYTES: Final = 64 * 1024
"""The longest answer body that is read: a signed statement is under 4 KiB."""

_IDLE_SECONDS: Final = 50.0  # below the 60 s after which most servers and firewalls drop a silent connection
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}", re.ASCII)
_STREAMED_FROM_BYTES: Final = 512 * 1024  # aiohttp writes whole bytes at once; longer ones go in pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the other side answered. `body` is None unless its media type was asked for and it is within the limit."""

    status: int
    media_type: str
    body: bytes | None
    retry_after: timedelta | None

    def failed(self, code: str, detail: str) -> TransientFailure:
        """Return this answer as a failure: the request was sent, and the other side is there."""
        return TransientFailure(code=code, detail=detail, sent=True, connected=True, retry_after=self.retry_after)

    def busy(self) -> TransientFailure:
        """Return this answer (429 or 503) as a request to come back later."""
        return self.failed("channel.busy", f"The other side is busy (HTTP {self.status})")

    def unexpected(self) -> TransientFailure:
        """Return this answer as one that the protocol does not know."""
        if 300 <= self.status < 400:
            return self.failed(
                "channel.unexpected_answer", f"The other side redirects (HTTP {self.status}); that is never followed"
            )
        kind = f" with {self.media_type}" if _MEDIA_TYPE.fullmatch(self.media_type) else ""
        return self.failed("channel.unexpected_answer", f"The other side answered HTTP {self.status}{kind}")


class HttpLine:
    """The connections to one endpoint, kept open. Opened at the first request."""

    def __init__(self, endpoint: Endpoint, *, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        reads: str | None = None,
        longest: int = MAX_ANSWER_BYTES,
        within: timedelta | None = None,
        reach: Reach = pass_by,
    ) -> Answer | TransientFailure:
        """Send one request and return the answer, or why there is none. Never raises for what the other side does.

        `path`: below the endpoint's URL. `reads`: the media type whose body is read, up to `longest` bytes; no other
        body is. `within`: how long to wait, if not `Timeouts.total`. `reach`: is told how far the body has come; only
        tests give one.
        """
        progress = Progress()
        if self._closed:
            return progress.failed("channel.unreachable", "This side is closing its connections")
        try:
            async with asyncio.timeout((within or self._endpoint.timeouts.total).total_seconds()):
                sent, headers = (body, headers) if reach is pass_by else _in_steps(body, headers, reach)
                return await self._exchange(
                    method, path, headers=headers, body=sent, reads=reads, longest=longest, progress=progress
                )
        except EXPECTED as error:
            return explain(error, progress, plain=self._endpoint.plain)

    async def close(self) -> None:
        """Close the connections. Requests under way end as failures."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | AsyncIterator[bytes],
        reads: str | None,
        longest: int,
        progress: Progress,
    ) -> Answer:
        session = self._open_session()
        async with session.request(
            method,
            self._endpoint.address(path),
            data=io.BytesIO(body) if isinstance(body, bytes) and len(body) >= _STREAMED_FROM_BYTES else body,
            headers={"Accept-Encoding": "identity", **headers},
            allow_redirects=False,
            trace_request_ctx=progress,
        ) as response:
            media_type = response.content_type if "Content-Type" in response.headers else ""
            wanted = reads is not None and media_type == reads and "Content-Encoding" not in response.headers
            return Answer(
                status=response.status,
                media_type=media_type,
                body=await _read_bounded(response, longest) if wanted else None,
                retry_after=read_retry_after(response.headers.get("Retry-After"), now=self._clock.now()),
            )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._endpoint.connections,
                    ssl=self._endpoint.tls or True,
                    resolver=GuardedResolver(self._endpoint.reach),
                    keepalive_timeout=_IDLE_SECONDS,
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._endpoint.timeouts.connect.total_seconds()),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                headers={"User-Agent": "wco-gateway"},
                trace_configs=[_tracing()],
            )
        return self._session


def _in_steps(body: bytes, headers: Mapping[str, str], reach: Reach) -> tuple[AsyncIterator[bytes], Mapping[str, str]]:
    """Return a body that tells `reach` how far it has come, and the headers that go with it."""

    async def steps() -> AsyncIterator[bytes]:
        middle = len(body) // 2
        reach(Failpoint.PARTNER_CONNECTED)
        yield body[:middle]
        await _flushed()
        reach(Failpoint.ENVELOPE_HALF_SENT)
        yield body[middle:]
        await _flushed()
        reach(Failpoint.ENVELOPE_SENT)

    return steps(), {**headers, "Content-Length": str(len(body))}


async def _flushed() -> None:
    # The loop hands what was written to the socket at the end of its turn.
    for _ in range(2):
        await asyncio.sleep(0)


async def _read_bounded(response: aiohttp.ClientResponse, longest: int) -> bytes | None:
    """Return the body, or None if it has more than `longest` bytes; the connection is then dropped."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > longest:
            response.close()
            return None
    return bytes(body)


def _tracing() -> aiohttp.TraceConfig:
    """Return hooks that note how far each request came, so that `sent` and `connected` are not guesses.

    aiohttp calls the headers hook before it writes the first byte of a request: `sent` is False only if none left.
    """
    config = aiohttp.TraceConfig()
    config.on_connection_queued_start.append(_noting(queued=True))
    config.on_connection_create_start.append(_noting(tried=True))
    config.on_connection_create_end.append(_noting(connected=True, fresh=True))
    config.on_connection_reuseconn.append(_noting(connected=True))
    config.on_request_headers_sent.append(_noting(sent=True))
    return config


def _noting(**marks: bool) -> Callable[[aiohttp.ClientSession, SimpleNamespace, object], Awaitable[None]]:
    async def hook(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
        for name, value in marks.items():
            setattr(context.trace_request_ctx, name, value)

    return hook
