"""Many held transfers released together, as a page: which, how many that are, then the release and what came of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from gateway.domain.access import Caller
from gateway.domain.lifecycle import TransferState
from gateway.web.console.pages import page
from gateway.web.console.session import read_form
from gateway.web.door import Route
from gateway.web.operations_api import RELEASERS, OperationsParts, read_held
from gateway.web.query import Query

__all__ = ["ROUTES"]

_CHOSEN: Final = ("recipient", "code", "rule")
_CODES: Final = ("transfer.held", "agreement.not_in_force")
"""Why a transfer waits for a person, as its row has it."""


async def _choose(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    """Show how many held transfers fit what was chosen; before anything was, only the choice."""
    query = Query(request, _CHOSEN, form=True)
    chosen = {name: request.query[name] for name in _CHOSEN if name in query}
    found = await parts.holds.count(read_held(query), officer=caller.client) if chosen else None
    return _page(request, parts, caller, chosen, found=found, left=found)


async def _release(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    """Release them, and show what came of it. What is left over can be released from the same page."""
    form = await read_form(request, parts, *_CHOSEN, "after", "up_to", "reason")
    chosen = {name: form[name] for name in _CHOSEN if form[name]}
    query = Query.of({name: value for name, value in form.items() if value})
    meant, up_to = read_held(query), query.number("up_to")
    done = await parts.holds.release_many(
        meant, officer=caller.client, reason=form["reason"], up_to=up_to, limit=query.limit()
    )
    approved = sum(row.state is TransferState.HELD for row in done.rows)
    rest = None if done.following is None else replace(meant, after=done.following, up_to=up_to)
    left = None if rest is None else await parts.holds.count(rest, officer=caller.client)
    told = {"done": done, "approved": approved, "released": len(done.rows) - approved}
    return _page(request, parts, caller, chosen, left=left, after=done.following or "", **told)


def _page(
    request: web.Request, parts: OperationsParts, caller: Caller, chosen: Mapping[str, str], **values: Any
) -> web.Response:
    """Render it. `found`: what was just counted; `left`: what the form at its end releases."""
    known: dict[str, Any] = {
        "found": None,
        "done": None,
        "after": "",
        "partners": sorted(parts.partners()),
        "codes": _CODES,
    }
    return page(request, parts, "release.html", caller=caller, chosen=chosen, **{**known, **values})


ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    Route(method="GET", path="/console/transfers/release", handler=_choose, admits=RELEASERS),
    Route(method="POST", path="/console/transfers/release", handler=_release, admits=RELEASERS),
)
