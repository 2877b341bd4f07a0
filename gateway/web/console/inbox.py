"""The inbox as pages: what partners sent, and how far each message has come on its way to the back end."""

from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from gateway.audit import AuditEvent
from gateway.domain.access import Caller
from gateway.domain.ids import MessageId, PartyId, party_id
from gateway.domain.lifecycle import HandOverState
from gateway.errors import RequestError
from gateway.web.console.pages import page, redirect
from gateway.web.console.session import read_form
from gateway.web.door import Route
from gateway.web.operations_api import (
    ACTORS,
    INBOX_QUERY,
    READERS,
    OperationsParts,
    find_inbox,
    read_inbox_message,
)
from gateway.web.query import Query, path_id
from gateway.web.shapes import inbox_json

__all__ = ["ROUTES"]


async def _list(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    query = Query(request, INBOX_QUERY, form=True)
    rows, following = await find_inbox(query, parts)
    chosen = {name: request.query[name] for name in ("state", "over_shared", "limit") if name in query}
    return page(
        request,
        parts,
        "inbox.html",
        caller=caller,
        messages=[inbox_json(row) for row in rows],
        states=[state.value for state in HandOverState],
        chosen=chosen,
        older=None if following is None else f"?{urlencode({**chosen, 'before': following})}",
        newest=None if "before" not in query else f"?{urlencode(chosen)}",
    )


async def _one(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    query = Query(request, ("done",))
    done = query.text("done")
    if done not in {None, "release", "acknowledge"}:
        raise RequestError("request.malformed", "`done` is release or acknowledge")
    told = await read_inbox_message(request, parts)
    seen_to = any(one["event"] == AuditEvent.MESSAGE_ACKNOWLEDGED for one in told["timeline"])
    answered = None
    if told["in_reply_to"] is not None:
        answered = await parts.store.transfer_by_message(told["in_reply_to"])
    return page(
        request,
        parts,
        "message.html",
        caller=caller,
        message=told,
        seen_to=seen_to,
        answered=None if answered is None else answered.id,
        may_act=bool(caller.roles & ACTORS),
        done=done,
    )


async def _release(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    message_id, sender, reason = await _asked(request, parts)
    await parts.operate.release(message_id, sender=sender, operator=caller.client, reason=reason)
    return redirect(f"/console/inbox/{message_id}?done=release")


async def _acknowledge(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    message_id, sender, reason = await _asked(request, parts)
    await parts.operate.acknowledge(message_id, sender=sender, operator=caller.client, reason=reason)
    return redirect(f"/console/inbox/{message_id}?done=acknowledge")


async def _asked(request: web.Request, parts: OperationsParts) -> tuple[MessageId, PartyId, str]:
    """Return which message an act is about, and why it is done."""
    form = await read_form(request, parts, "reason", "sender")
    try:
        return MessageId(path_id(request)), party_id(form["sender"]), form["reason"]
    except ValueError as error:
        raise RequestError("request.malformed", f"`sender`: {error}") from None


ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    Route(method="GET", path="/console/inbox", handler=_list, admits=READERS),
    Route(method="GET", path="/console/inbox/{id}", handler=_one, admits=READERS),
    Route(method="POST", path="/console/inbox/{id}/release", handler=_release, admits=ACTORS),
    Route(method="POST", path="/console/inbox/{id}/acknowledge", handler=_acknowledge, admits=ACTORS),
)
