"""The inbox of a back end that pulls (C4), on the submission listener: lease messages, and answer for each.

Role `backend`, and only for the parties the client is registered for; another party's message is answered as if it did
not exist. docs/hand-over.md tells how a back end uses this, docs/api.md lists the routes.
"""

import hashlib
from typing import Any, Final, Protocol

import orjson
import pybase64
from aiohttp import web

from gateway.domain.access import Caller
from gateway.domain.hand_over import terms_beside
from gateway.domain.ids import MessageId, PartyId, is_uuid
from gateway.domain.limits import MAX_BATCH_ENVELOPES
from gateway.domain.records import InboxRow
from gateway.errors import GatewayError, RequestError
from gateway.exchange.pull import Pull, PulledMessage
from gateway.web.door import Door
from gateway.web.problem import Audience, problem_members
from gateway.web.query import Query, path_id, read_body, read_json
from gateway.web.shapes import json_response, timestamp

__all__ = ["InboxParts", "acknowledge", "acknowledge_all", "lease", "postpone", "quarantine"]

MAX_AT_ONCE: Final = 32

_MAX_BYTES: Final = 16 * 1024


class InboxParts(Protocol):
    """What these routes need of their listener."""

    @property
    def door(self) -> Door: ...

    @property
    def pull(self) -> Pull: ...


async def lease(request: web.Request, parts: InboxParts, caller: Caller) -> web.Response:
    """Lease messages that wait: `for` a party, at most `limit`."""
    query = Query(request, {"for", "limit"})
    limit = query.limit(default=1, most=MAX_AT_ONCE)
    messages = await parts.pull.lease(_party(query.party("for"), caller), limit=limit, caller=caller)
    return json_response({"messages": [_pulled_json(message) for message in messages]})


def _party(named: PartyId | None, caller: Caller) -> PartyId:
    """Return whose messages are asked for: the named party's, or those of the only one the client may fetch for."""
    if named is None:
        if len(caller.parties) != 1:
            raise RequestError("request.malformed", "Name the party: for=GB-HMRC")
        return next(iter(caller.parties))
    return named


async def acknowledge(request: web.Request, parts: InboxParts, caller: Caller) -> web.Response:
    """Take note that the back end has a message."""
    given = await _said(request, parts, {"lease"})
    return _settled(await parts.pull.acknowledge(_message_id(request), given["lease"], caller=caller))


async def acknowledge_all(request: web.Request, parts: InboxParts, caller: Caller) -> web.Response:
    """Take note that the back end has several messages. Each has an answer of its own."""
    Query(request, ())
    body = await read_body(
        request, media_types={"application/json"}, max_bytes=_MAX_BYTES, within=parts.door.body_timeout
    )
    taken = _taken(body)
    settled = await parts.pull.acknowledge_all(taken, caller=caller)
    answers = [_answered(message_id, one) for (message_id, _), one in zip(taken, settled, strict=True)]
    return json_response({"messages": answers})


def _taken(body: bytes) -> list[tuple[MessageId, str]]:
    """Return which messages under which leases a body names. Raises RequestError."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError("request.malformed", "The body is not JSON") from error
    messages = found.get("messages") if isinstance(found, dict) and len(found) == 1 else None
    if not isinstance(messages, list) or not 1 <= len(messages) <= MAX_BATCH_ENVELOPES:
        raise RequestError("request.malformed", f"The body holds `messages`, 1 to {MAX_BATCH_ENVELOPES} of them")
    return [_named(one) for one in messages]


def _named(one: object) -> tuple[MessageId, str]:
    if isinstance(one, dict) and set(one) == {"message_id", "lease"}:
        message_id, token = one["message_id"], one["lease"]
        if isinstance(message_id, str) and is_uuid(message_id) and isinstance(token, str):
            return MessageId(message_id), token
    raise RequestError("request.malformed", "Each of `messages` has `message_id` and `lease`, both as they came")


def _answered(message_id: MessageId, settled: InboxRow | GatewayError) -> dict[str, Any]:
    if isinstance(settled, GatewayError):
        told = problem_members(settled, audience=Audience.CLIENT)
        return {"message_id": message_id, "status": told["status"], "code": told["code"]}
    return {"status": 200, **_members(settled)}


async def postpone(request: web.Request, parts: InboxParts, caller: Caller) -> web.Response:
    """Take a message back for a while."""
    given = await _said(request, parts, {"lease", "reason"})
    row = await parts.pull.postpone(_message_id(request), given["lease"], reason=given["reason"], caller=caller)
    return _settled(row)


async def quarantine(request: web.Request, parts: InboxParts, caller: Caller) -> web.Response:
    """Take a message back until an operator releases it."""
    given = await _said(request, parts, {"lease", "reason"})
    row = await parts.pull.quarantine(_message_id(request), given["lease"], reason=given["reason"], caller=caller)
    return _settled(row)


async def _said(request: web.Request, parts: InboxParts, members: set[str]) -> dict[str, str]:
    Query(request, ())
    return await read_json(request, members=members, within=parts.door.body_timeout)


def _message_id(request: web.Request) -> MessageId:
    return MessageId(path_id(request))


def _pulled_json(message: PulledMessage) -> dict[str, Any]:
    return {
        **terms_beside(message.row),
        "document_sha256": hashlib.sha256(message.view).hexdigest(),
        "document": pybase64.b64encode(message.view).decode("ascii"),
        "attempt": message.row.attempts,
        "lease": {"token": message.lease, "expires": timestamp(message.expires)},
    }


def _settled(row: InboxRow) -> web.Response:
    return json_response(_members(row))


def _members(row: InboxRow) -> dict[str, Any]:
    return {
        "message_id": row.message_id,
        "sender": row.sender,
        "hand_over": row.hand_over.value,
        "handed_over": timestamp(row.handed_over),
        "next_attempt_at": timestamp(row.next_attempt_at),
    }
