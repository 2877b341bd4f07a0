"""What was in force when: every text of agreements and policies, who brought it into force, and what it changed."""

import asyncio
from typing import Any, Final

from aiohttp import web

from gateway.domain.access import Caller
from gateway.domain.wording import Followed, changes, followed_before
from gateway.errors import RequestError
from gateway.web.console.pages import page
from gateway.web.door import Route
from gateway.web.operations_api import READERS, OperationsParts
from gateway.web.query import Query
from gateway.web.wordings import beginning_of_hash, in_force_json

__all__ = ["ROUTES"]

_MOST: Final = 200
_MOST_LINES: Final = 2000


async def _list(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    query = Query(request, ("of", "sha256"), form=True)
    of = query.text("of") or ""
    found = await parts.store.history(of=of, begins=beginning_of_hash(query), limit=_MOST)
    texts = [in_force_json(one) for one in found]
    return page(request, parts, "history.html", caller=caller, texts=texts, of=of, is_cut=len(found) == _MOST)


async def _text(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    """Show one text, when it was followed, and what differs from the one that was followed before it."""
    Query(request, ())
    text = await parts.store.wording(request.match_info["id"])
    if text is None:
        raise RequestError("request.not_found", "No text with this hash was ever in force here")
    history = [one for one in await parts.store.history(of=text.id, limit=_MOST) if one.kind is text.kind]
    times = [one for one in history if one.text_sha256 == text.text_sha256]
    return page(
        request,
        parts,
        "text.html",
        caller=caller,
        text={"kind": text.kind.value, "id": text.id, "version": text.version, "text": text.text},
        sha256=text.sha256,
        text_sha256=text.text_sha256,
        times=[in_force_json(one) for one in times],
        **await _changes(parts, text.text, times, history),
    )


async def _changes(parts: OperationsParts, text: str, times: list[Followed], history: list[Followed]) -> dict[str, Any]:
    """Return what the newest coming of a text changed; nothing where it was the first of its name."""
    before = followed_before(times[0], history) if times else None
    earlier = None if before is None else await parts.store.wording(before.text_sha256)
    if before is None or earlier is None:
        return {"before": None, "lines": [], "left_out": 0}
    # Texts of a thousand rules take a while to compare: not on the loop that answers everybody.
    lines = await asyncio.to_thread(changes, earlier.text, text)
    return {"before": in_force_json(before), "lines": lines[:_MOST_LINES], "left_out": len(lines[_MOST_LINES:])}


ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    Route(method="GET", path="/console/policies/history", handler=_list, admits=READERS),
    Route(method="GET", path="/console/policies/history/{id}", handler=_text, admits=READERS),
)
