"""The partner listener (C2 → C3), over mutual TLS: messages in, receipts out (docs/protocol.md).

Who a partner is comes from its client certificate, judged anew on every request: a connection may outlive a
revocation. The answer to a message is a signed statement whenever one could be signed; only where none could, and for
what is wrong with the request itself, a problem is sent, and it tells the public code only. The body of a message is
passed on as it came: what is no envelope is the worker's to say, so that it leaves its one audit record.

A batch is judged line by line. How much of batches one partner may have under way is bounded before a byte is read.
"""

import hashlib
import ssl
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from gateway.domain.access import Role
from gateway.domain.batch import ANSWERS_TYPE, BATCH_TYPE, LineAnswer, write_answers
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.ids import MessageId, PartyId, is_uuid
from gateway.domain.limits import MAX_BATCH_BYTES, MAX_BATCH_ENVELOPES, MAX_DOCUMENT_BYTES, max_envelope_bytes
from gateway.domain.records import NoticeStored
from gateway.envelope.compact import parse_json, parse_jws
from gateway.envelope.statement import MAX_STATEMENT_BYTES
from gateway.errors import EnvelopeError, GatewayError, RequestError
from gateway.exchange.asked import Asked
from gateway.exchange.receive import Answer, Receive
from gateway.exchange.settle import Settle
from gateway.exchange.turn_away import TurnAway
from gateway.ports import Peers
from gateway.web.door import Admits, Door, Route, build_app, request_id
from gateway.web.problem import Audience, problem_members, public_problem, retry_after_seconds
from gateway.web.query import Query, path_id, read_body
from gateway.web.steps import half_answered

__all__ = ["ROUTES", "PartnerParts", "partner_app"]

_JOSE: Final = frozenset({"application/jose"})
_BATCH: Final = frozenset({BATCH_TYPE})

BATCHES_UNDER_WAY: Final = 8
"""Of one partner, at once: as many as it may have connections."""

BATCH_BYTES_UNDER_WAY: Final = 2 * MAX_BATCH_BYTES
"""Of one partner, at once. How much all may have together, the door bounds (`Door.in_work_bytes`)."""


class BatchesUnderWay:
    """How many batches each partner has in work, and how many bytes they declare."""

    def __init__(self) -> None:
        self._batches: Counter[PartyId] = Counter()
        self._size: Counter[PartyId] = Counter()

    @contextmanager
    def room_for(self, size: int, partner: PartyId) -> Iterator[None]:
        """Know of one more batch of `size` bytes while the block runs. Raises GatewayError `capacity.exhausted`."""
        if self._batches[partner] >= BATCHES_UNDER_WAY or self._size[partner] + size > BATCH_BYTES_UNDER_WAY:
            raise GatewayError("capacity.exhausted")
        self._batches[partner] += 1
        self._size[partner] += size
        try:
            yield
        finally:
            self._batches[partner] -= 1
            self._size[partner] -= size


class KeptTokens:
    """Signed statements kept in memory for a while, one a partner."""

    def __init__(self) -> None:
        self._kept: dict[PartyId, tuple[str, float]] = {}

    def get(self, partner: PartyId, make: Callable[[], str], *, at: float, kept: timedelta) -> str:
        """Return the kept statement for `partner`, or a new one. `at`: monotonic seconds."""
        token, until = self._kept.get(partner, ("", at))
        if at >= until:
            token = make()
            self._kept[partner] = (token, at + kept.total_seconds())
        return token


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerParts:
    """What the partner listener needs.

    `capabilities(partner, now)` and `pong(partner, now)` return signed statements for that partner; the first is made
    anew every `capabilities_kept`.
    """

    door: Door
    receive: Receive
    asked: Asked
    settle: Settle
    turn_away: TurnAway
    peers: Peers
    capabilities: Callable[[PartyId, datetime], str]
    pong: Callable[[PartyId, datetime], str]
    capabilities_kept: timedelta = timedelta(minutes=1)
    max_document_bytes: int = MAX_DOCUMENT_BYTES
    kept: KeptTokens = field(default_factory=KeptTokens, repr=False)
    batches: BatchesUnderWay = field(default_factory=BatchesUnderWay, repr=False)
    reach: Reach = pass_by


def partner_app(parts: PartnerParts) -> web.Application:
    """Return the listener as an application, ready for `serve` with a context that requires client certificates."""

    async def ask(request: web.Request, _admits: frozenset[Role] | Admits) -> PartyId:
        certificate = _certificate(request)
        try:
            return parts.peers.party_of(certificate, parts.door.clock.now())
        except GatewayError as error:
            sha256 = "" if certificate is None else hashlib.sha256(certificate).hexdigest()
            await parts.turn_away(error, certificate_sha256=sha256)
            raise

    return build_app(
        parts.door,
        ROUTES,
        parts,
        ask=ask,
        audience=Audience.PARTNER,
        max_body_bytes=max(max_envelope_bytes(parts.max_document_bytes), MAX_BATCH_BYTES),
    )


def _certificate(request: web.Request) -> bytes | None:
    """Return the client certificate of the connection (DER), or None without TLS or certificate."""
    transport = request.transport
    connection = None if transport is None else transport.get_extra_info("ssl_object")
    if not isinstance(connection, ssl.SSLObject):
        return None
    return connection.getpeercert(binary_form=True)


async def _message(request: web.Request, parts: PartnerParts, partner: PartyId) -> web.StreamResponse:
    max_bytes = max_envelope_bytes(parts.max_document_bytes)
    (jwe,) = await _envelopes(
        request, parts, partner, media_types=_JOSE, max_bytes=max_bytes, split=lambda body: [body]
    )
    answer = await parts.receive(jwe, channel_party=partner)
    if answer.token is not None:
        return await half_answered(request, _jose(answer.token, status=answer.status), parts.reach)
    if answer.status == 202:
        return web.Response(status=202)
    return public_problem(answer.code, answer.status, instance=request_id(request))


async def _batch(request: web.Request, parts: PartnerParts, partner: PartyId) -> web.StreamResponse:
    size = request.content_length
    with parts.batches.room_for(MAX_BATCH_BYTES if size is None else min(size, MAX_BATCH_BYTES), partner):
        lines = await _envelopes(
            request, parts, partner, media_types=_BATCH, max_bytes=MAX_BATCH_BYTES, split=_lines_of
        )
        max_bytes = max_envelope_bytes(parts.max_document_bytes)
        answers = await parts.receive.batch(lines, channel_party=partner, max_bytes=max_bytes)
    response = web.Response(body=write_answers(map(_line, answers)), content_type=ANSWERS_TYPE)
    return await half_answered(request, response, parts.reach)


async def _envelopes(
    request: web.Request,
    parts: PartnerParts,
    partner: PartyId,
    *,
    media_types: Collection[str],
    max_bytes: int,
    split: Callable[[str], list[str]],
) -> list[str]:
    """Return the envelopes that a request brings, unread. One that brings none is recorded. Raises RequestError."""
    try:
        Query(request, ())
        within = parts.door.body_timeout
        body = await read_body(request, media_types=media_types, max_bytes=max_bytes, within=within)
        # Latin-1 takes any byte, so whatever is no token reaches the strict parser and is refused there.
        envelopes = split(body.decode("latin-1"))
    except RequestError as error:
        await parts.receive.unread(error, channel_party=partner)
        raise
    parts.reach(Failpoint.MESSAGE_IN)
    return envelopes


def _lines_of(body: str) -> list[str]:
    """Return the lines of a batch, whatever they hold; a line feed at the end begins no other. Raises RequestError."""
    lines = body.removesuffix("\n").split("\n")
    if len(lines) > MAX_BATCH_ENVELOPES:
        raise RequestError("request.too_large", f"A batch has at most {MAX_BATCH_ENVELOPES} envelopes")
    if lines == [""]:
        raise RequestError("request.malformed", "The batch is empty")
    return lines


def _line(answer: Answer) -> LineAnswer:
    return LineAnswer(
        message_id=answer.message_id,
        status=answer.status,
        token=answer.token,
        code=answer.code if answer.token is None and answer.status != 202 else "",
        retry_after=retry_after_seconds(answer.status) if answer.token is None else None,
    )


async def _receipt(request: web.Request, parts: PartnerParts, partner: PartyId) -> web.Response:
    to = Query(request, {"to"}).party("to")
    token = await parts.asked(MessageId(path_id(request)), channel_party=partner, to=to)
    return web.Response(status=202) if token is None else _jose(token)


async def _late_receipt(request: web.Request, parts: PartnerParts, partner: PartyId) -> web.Response:
    within = parts.door.body_timeout
    try:
        Query(request, ())
        body = await read_body(request, media_types=_JOSE, max_bytes=MAX_STATEMENT_BYTES, within=within)
        token = body.decode("latin-1")
        message_id = _message_of(token)
    except (EnvelopeError, RequestError) as error:
        await parts.settle.unread(error, channel_party=partner)
        raise
    await parts.settle.late(message_id, token, channel_party=partner)
    return web.Response(status=204)


async def _notice(request: web.Request, parts: PartnerParts, partner: PartyId) -> web.Response:
    within = parts.door.body_timeout
    try:
        Query(request, ())
        body = await read_body(request, media_types=_JOSE, max_bytes=MAX_STATEMENT_BYTES, within=within)
        token = body.decode("latin-1")
        message_id = _message_of(token)
    except (EnvelopeError, RequestError) as error:
        await parts.settle.notice_unread(error, channel_party=partner)
        raise
    await parts.settle.notice(message_id, token, channel_party=partner)
    return web.Response(status=204)


async def _notices(request: web.Request, parts: PartnerParts, partner: PartyId) -> web.Response:
    try:
        Query(request, ())
        within, most = parts.door.body_timeout, MAX_BATCH_ENVELOPES * MAX_STATEMENT_BYTES
        body = await read_body(request, media_types=_BATCH, max_bytes=most, within=within)
        tokens = _lines_of(body.decode("latin-1"))
    except RequestError as error:
        await parts.settle.notice_unread(error, channel_party=partner)
        raise
    about = [await _told_of(token, parts, partner) for token in tokens]
    readable = [(one, token) for one, token in zip(about, tokens, strict=True) if not isinstance(one, GatewayError)]
    kept = iter(await parts.settle.notices(readable, channel_party=partner))
    answers = [
        _notice_line(None, one) if isinstance(one, GatewayError) else _notice_line(one, next(kept)) for one in about
    ]
    return web.Response(body=write_answers(answers), content_type=ANSWERS_TYPE)


async def _told_of(token: str, parts: PartnerParts, partner: PartyId) -> MessageId | EnvelopeError:
    """Return which message a notice claims to be about, or why that can not be read, which is then recorded."""
    try:
        return _message_of(token)
    except EnvelopeError as error:
        await parts.settle.notice_unread(error, channel_party=partner)
        return error


def _notice_line(message_id: MessageId | None, kept: NoticeStored | GatewayError) -> LineAnswer:
    if not isinstance(kept, GatewayError):
        return LineAnswer(message_id=message_id, status=204)
    told = problem_members(kept, audience=Audience.PARTNER)
    status: int = told["status"]
    return LineAnswer(message_id=message_id, status=status, code=told["code"], retry_after=retry_after_seconds(status))


def _message_of(token: str) -> MessageId:
    """Return which message a statement claims to be about. Nothing is believed yet; `settle` verifies the statement."""
    claimed = parse_json(parse_jws(token, max_bytes=MAX_STATEMENT_BYTES).payload).get("message_id")
    if not isinstance(claimed, str) or not is_uuid(claimed):
        raise EnvelopeError("envelope.malformed", "The statement names no message")
    return MessageId(claimed)


async def _capabilities(request: web.Request, parts: PartnerParts, partner: PartyId) -> web.Response:
    Query(request, ())
    clock = parts.door.clock

    def make() -> str:
        return parts.capabilities(partner, clock.now())

    return _jose(parts.kept.get(partner, make, at=clock.monotonic(), kept=parts.capabilities_kept))


async def _ping(request: web.Request, parts: PartnerParts, partner: PartyId) -> web.Response:
    Query(request, ())
    return _jose(parts.pong(partner, parts.door.clock.now()))


def _jose(token: str, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=token.encode("ascii"), content_type="application/jose")


ROUTES: Final[tuple[Route[PartnerParts, PartyId], ...]] = (
    Route(method="POST", path="/exchange/v1/batches", handler=_batch, admits=Admits.PARTNER),
    Route(method="POST", path="/exchange/v1/messages", handler=_message, admits=Admits.PARTNER),
    Route(method="GET", path="/exchange/v1/receipts/{id}", handler=_receipt, admits=Admits.PARTNER),
    Route(method="POST", path="/exchange/v1/receipts", handler=_late_receipt, admits=Admits.PARTNER),
    Route(method="POST", path="/exchange/v1/notices", handler=_notice, admits=Admits.PARTNER),
    Route(method="POST", path="/exchange/v1/notices/batch", handler=_notices, admits=Admits.PARTNER),
    Route(method="GET", path="/exchange/v1/capabilities", handler=_capabilities, admits=Admits.PARTNER),
    Route(method="POST", path="/exchange/v1/ping", handler=_ping, admits=Admits.PARTNER),
)
