"""The network between the nodes: the real client and the real listener, with a simulated connection between them.

`channels.partner` speaks to a `Wire` as it speaks to its HTTP line; at the other end the partner listener's own
application answers the request, middleware and all. Between them lies what the seed decides: delay, loss before or
after the request was worked on, copies that arrive later, resets, 503, partitions, answers that are garbled or forged.
What is left out is TLS: who calls is known.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.streams import StreamReader
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from gateway.channels.http import Answer, HttpLine
from gateway.channels.partner import BATCHES_PATH, RECEIPTS_PATH, HttpsPartnerChannel
from gateway.channels.retry_after import read_retry_after
from gateway.domain.batch import ANSWERS_TYPE
from gateway.domain.ids import PartyId
from gateway.domain.outcome import TransientFailure
from gateway.ports import Clock
from tests.simulation.loop import Owner
from tests.simulation.plan import NONE, Faults
from tests.simulation.trace import Trace

TOTAL: Final = timedelta(seconds=10)
PING: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it leaves."""

    source: PartyId
    target: PartyId
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Server:
    """A node as the network sees it: whose work it is, and what answers."""

    def __init__(self, owner: Owner, app: web.Application) -> None:
        self.owner = owner
        self.app = app


class _Progress:
    """How far a request came."""

    connected = False
    sent = False

    def failed(self, code: str, detail: str) -> TransientFailure:
        return TransientFailure(code=code, detail=detail, sent=self.sent, connected=self.connected)


Forge = Callable[[Request], Answer | None]
"""Returns what a confused or hostile partner answers without having looked, or None where it has nothing to say."""

ForgeLines = Callable[[Request, bytes], bytes]
"""Returns the answer to a batch as a confused or hostile partner gives it, which has worked on all of it."""

Race = Callable[[Request], float]
"""Is told of a receipt that is about to arrive by itself, and returns how many seconds later it does."""


class Stall:
    """A time in which a node does not come to look at what became of what it sent, longer than its leases may last."""

    until = 0.0

    async def over(self) -> None:
        """Return when it is over."""
        await asyncio.sleep(max(0.0, self.until - asyncio.get_running_loop().time()))


class Network:
    """All connections. `servers`: who listens now. `cut`: pairs that can not reach each other."""

    def __init__(self, chance: Random, trace: Trace, forge: Forge, forge_lines: ForgeLines, race: Race) -> None:
        self._chance = chance
        self._trace = trace
        self._forge = forge
        self._forge_lines = forge_lines
        self._race = race
        self.faults: Faults = NONE
        self.servers: dict[PartyId, Server] = {}
        self.cut: set[tuple[PartyId, PartyId]] = set()
        self.stalls: defaultdict[PartyId, Stall] = defaultdict(Stall)
        self._world = Owner(chance)

    def channel(self, party: PartyId, partners: tuple[PartyId, ...], clock: Clock) -> HttpsPartnerChannel:
        """Return the real channel of a node over simulated wires."""
        return _Channel({partner: Wire(self, party, partner, clock) for partner in partners}, clock)

    async def carry(
        self, request: Request, reads: str | None, within: timedelta, clock: Clock
    ) -> Answer | TransientFailure:
        """Take one request to the other side and its answer back, or not."""
        progress, fate = _Progress(), self._fate()
        number = self._trace_request(request, fate)
        try:
            async with asyncio.timeout(within.total_seconds()):
                answer = await self._exchange(request, fate, progress, reads, clock)
        except TimeoutError:
            answer = progress.failed("channel.timeout", "No whole answer came in time")
        await self.stalls[request.source].over()
        told = answer.code if isinstance(answer, TransientFailure) else f"HTTP {answer.status}"
        self._trace.say("network", f"{number} {told}")
        return answer

    def _trace_request(self, request: Request, fate: str) -> str:
        number = f"{request.source[:2]}>{request.target[:2]} {request.path.rsplit('/', 1)[-1][-12:]}"
        self._trace.say("network", f"{number} leaves", fate=fate)
        return number

    def _fate(self) -> str:
        """Return the one thing that goes wrong with a request, or an empty text."""
        faults, drawn = self.faults, self._chance.random()
        for name in ("unreachable", "lost_before", "lost_after", "reset", "busy", "twice", "garbled", "forged", "slow"):
            drawn -= getattr(faults, name)
            if drawn < 0:
                return name
        return ""

    async def _exchange(
        self, request: Request, fate: str, progress: _Progress, reads: str | None, clock: Clock
    ) -> Answer | TransientFailure:
        await self._travel(request.source, request.target)
        server = self.servers.get(request.target)
        if server is None or fate == "unreachable":
            return progress.failed("channel.unreachable", "Nothing listens at the address of the other side")
        progress.connected = True
        if fate == "busy":
            progress.sent = True
            return Answer(status=503, media_type="", body=None, retry_after=timedelta(seconds=3)).busy()
        progress.sent = True
        if fate == "lost_before":
            await _for_ever()
        if fate == "slow":
            await asyncio.sleep(self._chance.uniform(2.0, 12.0))
        if fate == "twice":
            self._world.begin(self._copy(request))
        forged = self._forge(request) if fate == "forged" else None
        if forged is not None:
            return forged
        if (request.method, request.path) == ("POST", RECEIPTS_PATH):
            await asyncio.sleep(self._race(request))
        task = server.owner.spawn(ask(server.app, request))
        await asyncio.wait({task})
        if fate == "reset" or task.cancelled() or server.owner.dead:
            return progress.failed("channel.interrupted", "The connection broke before the answer came")
        if fate == "lost_after":
            await _for_ever()
        await self._travel(request.target, request.source)
        response = task.result()
        if response.media_type == ANSWERS_TYPE and request.path == BATCHES_PATH:
            response = self._some_forged(request, response)
        answer = _answer(response, reads, clock)
        return self._garbled(answer) if fate == "garbled" else answer

    def _some_forged(self, request: Request, response: "Response") -> "Response":
        if self._chance.random() >= self.faults.forged_lines:
            return response
        return replace(response, body=self._forge_lines(request, response.body))

    async def _travel(self, source: PartyId, target: PartyId) -> None:
        await asyncio.sleep(self._chance.uniform(0.001, 0.08))
        if (source, target) in self.cut:
            await _for_ever()

    async def _copy(self, request: Request) -> None:
        """Deliver the same request once more, later; nobody hears the answer."""
        await asyncio.sleep(self._chance.uniform(0.0, 25.0))
        server = self.servers.get(request.target)
        if server is not None and (request.source, request.target) not in self.cut:
            self._trace.say("network", f"a copy of {request.source[:2]}>{request.target[:2]} {request.path} arrives")
            await asyncio.wait({server.owner.spawn(ask(server.app, request))})

    def _garbled(self, answer: Answer) -> Answer:
        if not answer.body:
            return replace(answer, status=self._chance.choice((200, 302, 404, 500)), media_type="text/html", body=None)
        at = self._chance.randrange(len(answer.body))
        body = answer.body[:at] + b"!" + answer.body[at + 1 :]
        return replace(answer, body=body)


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()


class Wire(HttpLine):
    """Stands where a node's HTTP line to one partner stands."""

    def __init__(self, network: Network, source: PartyId, target: PartyId, clock: Clock) -> None:
        self._network = network
        self._source = source
        self._target = target
        self._clock = clock

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        reads: str | None = None,
        within: timedelta | None = None,
        **more: Any,
    ) -> Answer | TransientFailure:
        """Send one request; see `HttpLine.request`."""
        request = Request(
            source=self._source, target=self._target, method=method, path=path, headers=headers, body=body
        )
        del more  # limits of size, which tiny documents never reach
        return await self._network.carry(request, reads, within or TOTAL, self._clock)

    async def close(self) -> None:
        """Do nothing: no connection is open."""


class _Channel(HttpsPartnerChannel):
    """The real channel, given its lines."""

    def __init__(self, lines: Mapping[PartyId, Wire], clock: Clock) -> None:
        super().__init__({}, clock=clock)
        self._lines = dict(lines)


# ── the other end: the listener's application, asked without a socket ────────────────────────────────────────────────

CALLER: ContextVar[PartyId] = ContextVar("CALLER")
"""Who asks: what a client certificate would prove."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What the application answered."""

    status: int
    media_type: str
    retry_after: str | None
    body: bytes


class _Protocol(BaseProtocol):
    """The end of a connection that is none."""

    ssl_context = None
    peername = ("127.0.0.1", 1)
    sockname = ("127.0.0.1", 2)


class _Paper:
    """Takes what a response writes."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.length: int | None = None
        self.output_size = 0
        self.transport = None

    async def write_headers(self, status_line: str, headers: Any) -> None:
        """Leave the head aside; the response still has it."""

    async def write(self, chunk: bytes, **_: Any) -> None:
        """Take a piece of the body."""
        self.written += chunk

    async def write_eof(self, chunk: bytes = b"") -> None:
        """Take the last piece."""
        self.written += chunk

    async def drain(self) -> None:
        """Wait for nothing."""

    def send_headers(self) -> None:
        """Leave the head aside."""

    def set_eof(self) -> None:
        """Nothing follows."""

    def enable_chunking(self) -> None:
        """Pieces are taken as they come."""


async def ask(app: web.Application, request: Request) -> Response:
    """Have a listener's application answer, as its server would."""
    loop = asyncio.get_running_loop()
    headers = CIMultiDict(request.headers)
    if request.body or request.method == "POST":
        headers["Content-Length"] = str(len(request.body))
    protocol = _Protocol(loop)
    payload = StreamReader(protocol, 2**16, loop=loop)
    if request.body:
        payload.feed_data(request.body)
    payload.feed_eof()
    raw = tuple((name.encode(), value.encode()) for name, value in headers.items())
    message = RawRequestMessage(
        request.method, request.path, HttpVersion11, CIMultiDictProxy(headers), raw, False, None, False, False,
        URL(request.path),
    )  # fmt: skip
    paper = _Paper()
    task = cast("asyncio.Task[None]", asyncio.current_task())
    asked = web.Request(message, payload, cast("Any", protocol), cast("Any", paper), task, loop)
    CALLER.set(request.source)  # this task answers one request and ends
    response = await app._handle(asked)  # what aiohttp's own server calls
    await response.prepare(asked)
    await response.write_eof()
    return Response(
        status=response.status,
        media_type=response.content_type if "Content-Type" in response.headers else "",
        retry_after=response.headers.get("Retry-After"),
        body=bytes(paper.written),
    )


def _answer(response: Response, reads: str | None, clock: Clock) -> Answer:
    wanted = reads is not None and response.media_type == reads
    return Answer(
        status=response.status,
        media_type=response.media_type,
        body=response.body if wanted else None,
        retry_after=read_retry_after(response.retry_after, now=clock.now()),
    )
