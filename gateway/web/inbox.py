"""The inbox of a back end that pulls (C4), on the submission listener: lease messages, and answer for each.

Role `backend`, and only for the parties the client is registered for; another party's message is answered as if it did
not exist. docs/hand-over.md tells how a back end uses this, docs/api.md lists the routes.
"""

import hashlib
from typing import Any, Final, Protocol

import pybase64
from aiohttp import web

from gateway.domain.access import Caller
from gateway.domain.hand_over import terms_beside
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.records import InboxRow
from gateway.errors import RequestError
from gateway.exchange.pull import Pull, PulledMessage
from gateway.web.door import Door
from gateway.web.query import Query, path_id, read_json
from gateway.web.shapes import json_response, timestamp

__all__ = ["InboxParts", "acknowledge", "lease", "postpone", "quarantine"]

MAX_AT_ONCE: Final = 32


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
    return json_response(
        {
            "message_id": row.message_id,
            "sender": row.sender,
            "hand_over": row.hand_over.value,
            "handed_over": timestamp(row.handed_over),
            "next_attempt_at": timestamp(row.next_attempt_at),
        }
    )
