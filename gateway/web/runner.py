"""Listening: one application on one address, with limits below the level of requests, and a graceful stop.

aiohttp's own runner is used for its shut-down; connections are accepted here, because that is where the time of a TLS
handshake and the number of connections can be bounded, and where what can not be read as a request is refused as a
problem too.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import uuid4

from aiohttp import web

from gateway.errors import GatewayError
from gateway.web.problem import Audience, problem

__all__ = ["Listener", "serve"]

_HANDSHAKE_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 60.0
"""How long a connection may stand between two requests; what has not become a request by then is closed."""
_HEAD_SECONDS: Final = 10.0
"""How long a new connection has for the head of its first request."""
_MAX_CONNECTIONS: Final = 1024
_MAX_HEAD_LINE_BYTES: Final = 8190
_MAX_HEADERS: Final = 64
_LINGERING_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A listener that is open. `port` is the real one when 0 was asked for."""

    host: str
    port: int
    tls: bool
    server: asyncio.AbstractServer
    runner: web.AppRunner

    @property
    def url(self) -> str:
        """Where it can be reached."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    async def stop(self) -> None:
        """Accept nothing new, let requests in work finish within the time given to `serve`, close."""
        self.server.close()
        await self.runner.cleanup()


async def serve(
    app: web.Application,
    *,
    host: str,
    port: int,
    ssl_context: ssl.SSLContext | None = None,
    stop_within: timedelta = timedelta(seconds=20),
) -> Listener:
    """Open a listener. Raises OSError when the address can not be had. `stop_within` bounds what `stop` waits for."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=stop_within.total_seconds())
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("the runner has no server after its set-up")
    try:
        server = await asyncio.get_running_loop().create_server(
            _accept(runner.server),
            host,
            port,
            ssl=ssl_context,
            ssl_handshake_timeout=None if ssl_context is None else _HANDSHAKE_SECONDS,
            backlog=512,
        )
    except OSError:
        await runner.cleanup()
        raise
    real_port: int = server.sockets[0].getsockname()[1]
    return Listener(host=host, port=real_port, tls=ssl_context is not None, server=server, runner=runner)


def _accept(server: web.Server) -> Callable[[], asyncio.Protocol]:
    loop = asyncio.get_running_loop()

    def accept() -> asyncio.Protocol:
        if len(server.connections) >= _MAX_CONNECTIONS and not _make_room(server):
            return _TurnedAway()
        return _Connection(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None turns it off, though the annotation forgot so
            keepalive_timeout=_IDLE_SECONDS,
            max_line_size=_MAX_HEAD_LINE_BYTES,
            max_field_size=_MAX_HEAD_LINE_BYTES,
            max_headers=_MAX_HEADERS,
            lingering_time=_LINGERING_SECONDS,
            # A compressed body could be a bomb; handlers refuse any Content-Encoding.
            auto_decompress=False,
        )

    return accept


def _make_room(server: web.Server) -> bool:
    """Close one connection that has no request in work, so that nobody fills a listener with heads that never end.

    It is the one that has stood longest of the address that holds most of them: whoever opens many displaces its own.
    """
    idle = [one for one in server.connections if isinstance(one, _Connection) and one.idle]
    if not idle:
        return False
    held = Counter(one.address for one in idle)
    max(idle, key=lambda one: (held[one.address], -one.since)).force_close()
    return True


class _Connection(web.RequestHandler):
    """One connection; what can not be read as a request is refused as a problem too."""

    __slots__ = ("_head_timer",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the first request's head its time."""
        super().connection_made(transport)
        self._head_timer = self._loop.call_later(_HEAD_SECONDS, self._expect_request)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Leave no timer behind."""
        self._head_timer.cancel()
        super().connection_lost(exc)

    def _expect_request(self) -> None:
        if not self._request_count:
            self.force_close()

    @property
    def idle(self) -> bool:
        """Whether no request is in work, and none waits."""
        return not self._request_in_progress and not self._messages

    @property
    def since(self) -> float:
        """Since when it has been idle, in seconds of the loop; for one that is idle."""
        return self._next_keepalive_close_time - self._keepalive_timeout

    @property
    def address(self) -> str:
        """Where it comes from, without the port."""
        return str(self.peername[0]) if isinstance(self.peername, tuple) else ""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to an unreadable request; aiohttp's own would quote the bytes it could not read."""
        super().handle_error(request, status, exc, message)
        code = "request.malformed" if status < 500 else "internal"
        response = problem(GatewayError(code), audience=Audience.PARTNER, instance=str(uuid4()))
        response.headers["Server"] = "gateway"
        response.force_close()
        return response


class _TurnedAway(asyncio.Protocol):
    """A connection too many: closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
