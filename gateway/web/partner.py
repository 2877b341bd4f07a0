"""The partner listener (C2 → C3), over mutual TLS: messages in, receipts out (docs/protocol.md).

Who a partner is comes from its client certificate, judged anew on every request: a connection may outlive a
revocation. The answer to a message is a signed statement whenever one could be signed; only where none could, and for
what is wrong with the request itself, a problem is sent, and it tells the public code only. The body of a message is
passed on as it came: what is no envelope is the worker's to say, so that it leaves its one audit record.
"""

import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from gateway.domain.access import Role
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.ids import MessageId, PartyId, is_uuid
from gateway.domain.limits import MAX_DOCUMENT_BYTES, max_envelope_bytes
from gateway.envelope.compact import parse_json, parse_jws
from gateway.envelope.statement import MAX_STATEMENT_BYTES
from gateway.errors import EnvelopeError, GatewayError, RequestError
from gateway.exchange.receive import Receive
from gateway.exchange.settle import Settle
from gateway.exchange.turn_away import TurnAway
from gateway.ports import Peers
from gateway.web.door import Admits, Door, Route, build_app, request_id
from gateway.web.problem import Audience, public_problem
from gateway.web.query import Query, path_id, read_body
from gateway.web.steps import half_answered

__all__ = ["ROUTES", "PartnerParts", "partner_app"]

_JOSE: Final = frozenset({"application/jose"})


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
    settle: Settle
    turn_away: TurnAway
    peers: Peers
    capabilities: Callable[[PartyId, datetime], str]
    pong: Callable[[PartyId, datetime], str]
    capabilities_kept: timedelta = timedelta(minutes=1)
    max_document_bytes: int = MAX_DOCUMENT_BYTES
    kept: KeptTokens = field(default_factory=KeptTokens, repr=False)
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
        max_body_bytes=max_envelope_bytes(parts.max_document_bytes),
    )


def _certificate(request: web.Request) -> bytes | None:
    """Return the client certificate of the connection (DER), or None without TLS or certificate."""
    transport = request.transport
    connection = None if transport is None else transport.get_extra_info("ssl_object")
    if not isinstance(connection, ssl.SSLObject):
        return None
    return connection.getpeercert(binary_form=True)


async def _message(request: web.Request, parts: PartnerParts, partner: PartyId) -> web.StreamResponse:
    try:
        Query(request, ())
        body = await read_body(
            request,
            media_types=_JOSE,
            max_bytes=max_envelope_bytes(parts.max_document_bytes),
            within=parts.door.body_timeout,
        )
    except RequestError as error:
        await parts.receive.unread(error, channel_party=partner)
        raise
    parts.reach(Failpoint.MESSAGE_IN)
    # Latin-1 takes any byte, so whatever is no token reaches the strict parser and is refused there.
    answer = await parts.receive(body.decode("latin-1"), channel_party=partner)
    if answer.token is not None:
        return await half_answered(request, _jose(answer.token, status=answer.status), parts.reach)
    return public_problem(answer.code, answer.status, instance=request_id(request))


async def _receipt(request: web.Request, parts: PartnerParts, partner: PartyId) -> web.Response:
    Query(request, ())
    token = await parts.receive.receipt(MessageId(path_id(request)), channel_party=partner)
    if token is None:
        raise RequestError("request.not_found")
    return _jose(token)


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
    Route(method="POST", path="/exchange/v1/messages", handler=_message, admits=Admits.PARTNER),
    Route(method="GET", path="/exchange/v1/receipts/{id}", handler=_receipt, admits=Admits.PARTNER),
    Route(method="POST", path="/exchange/v1/receipts", handler=_late_receipt, admits=Admits.PARTNER),
    Route(method="POST", path="/exchange/v1/notices", handler=_notice, admits=Admits.PARTNER),
    Route(method="GET", path="/exchange/v1/capabilities", handler=_capabilities, admits=Admits.PARTNER),
    Route(method="POST", path="/exchange/v1/ping", handler=_ping, admits=Admits.PARTNER),
)
