"""What would leave: a document of one's own beside the view a partner would get, under an agreement in force here.

The document is read, judged and forgotten: it is not stored, not logged, not sent, and no record is made of it.
"""

import hmac
from typing import Any, Final

from aiohttp import web

from gateway.domain.access import Caller
from gateway.domain.agreement import Flow
from gateway.errors import AccessError, DocumentError, RequestError, SchemaError
from gateway.policy.telling.diff import Diff, Mark
from gateway.web.console.pages import page
from gateway.web.console.session import form_token, refuse_other_sites
from gateway.web.console.upload import read_upload
from gateway.web.door import Route
from gateway.web.operations_api import READERS, OperationsParts
from gateway.web.query import Query

__all__ = ["ROUTES"]

_MOST_BYTES: Final = 2 * 1024 * 1024
_FORM_BYTES: Final = _MOST_BYTES + 16 * 1024
_MOST_PLACES: Final = 5000


async def _form(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    Query(request, ())
    return _page(request, parts, caller, chosen="")


async def _show(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    """Show what would leave. What is wrong with the document is told beside the form."""
    refuse_other_sites(request)
    Query(request, ())
    given = await read_upload(request, parts, max_bytes=_FORM_BYTES)
    known = form_token(request)
    if not known or not hmac.compare_digest(given.pop("form_token", b""), known.encode()):
        raise AccessError("access.forbidden", "The form was not made for this session. Open the page again")
    if given.keys() - {"only"} != {"flow", "document"}:
        raise RequestError("request.malformed", "The form has the fields flow, document and only")
    chosen = given["flow"].decode("ascii", "replace")
    flow = _flows(parts).get(chosen)
    if flow is None:
        raise RequestError("request.not_found", "That direction is in no agreement here")
    try:
        found = await parts.try_out(given["document"], flow[2].policy_sha256)
    except (DocumentError, SchemaError) as error:
        return _page(request, parts, caller, chosen=chosen, problem=error, status=error.entry.status)
    return _page(request, parts, caller, chosen=chosen, **_told(found, flow[2], only="only" in given))


def _flows(parts: OperationsParts) -> dict[str, tuple[str, int, Flow]]:
    """Return every direction of every agreement by the word that the form sends for it."""
    agreements = sorted(parts.agreements(), key=lambda one: (one.id, -one.version))
    return {
        f"{one.id}:{one.version}:{index}": (one.id, one.version, flow)
        for one in agreements
        for index, flow in enumerate(one.flows)
    }


def _page(
    request: web.Request, parts: OperationsParts, caller: Caller, *, chosen: str, status: int = 200, **told: Any
) -> web.Response:
    flows = [
        {
            "word": word,
            "agreement": agreement,
            "version": version,
            "sender": flow.sender,
            "recipient": flow.recipient,
            "kinds": sorted(kind.value for kind in flow.kinds),
        }
        for word, (agreement, version, flow) in _flows(parts).items()
    ]
    nothing: dict[str, Any] = {"problem": None, "outcome": None, "places": [], "left_out": 0, "only": False}
    shown = {**nothing, **told}
    return page(request, parts, "policies.html", caller=caller, status=status, flows=flows, chosen=chosen, **shown)


def _told(found: Diff, flow: Flow, *, only: bool) -> dict[str, Any]:
    (outcome,) = found.outcomes
    policy = outcome.policy.policy
    places = [
        {
            "path": place.path,
            "value": place.value,
            "mark": side.mark.value,
            "leaves": side.value,
            "why": " · ".join(filter(None, (side.note, side.reason))),
            "legal": side.legal,
            "rule": side.rule.rpartition("/")[2],
        }
        for place in found.places
        for side in place.sides
        if not only or side.mark is not Mark.KEPT
    ]
    return {
        "only": only,
        "recipient": flow.recipient,
        "policy": f"{policy.id} {policy.version}",
        "outcome": {"code": outcome.code, "detail": outcome.detail, "held": [one.reason for one in outcome.held]},
        "counts": {mark.value: found.count(mark) for mark in Mark},
        "places": places[:_MOST_PLACES],
        "left_out": max(0, len(places) - _MOST_PLACES),
    }


ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    Route(method="GET", path="/console/policies", handler=_form, admits=READERS),
    Route(method="POST", path="/console/policies", handler=_show, admits=READERS, max_body_bytes=_FORM_BYTES),
)
