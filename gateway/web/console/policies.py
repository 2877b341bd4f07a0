"""What would leave: a document of one's own beside the view a partner would get, under an agreement in force here, or
beside the views of two.

The document is read, judged and forgotten: it is not stored, not logged, not sent, and no record is made of it.
"""

import hmac
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from gateway.domain.access import Caller
from gateway.domain.agreement import Flow
from gateway.errors import AccessError, DocumentError, RequestError, SchemaError
from gateway.policy.telling.diff import Diff, Mark, Side
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
    return _page(request, parts, caller)


async def _show(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    """Show what would leave. What is wrong with the document is told beside the form."""
    refuse_other_sites(request)
    Query(request, ())
    given = await read_upload(request, parts, max_bytes=_FORM_BYTES)
    known = form_token(request)
    if not known or not hmac.compare_digest(given.pop("form_token", b""), known.encode()):
        raise AccessError("access.forbidden", "The form was not made for this session. Open the page again")
    if given.keys() - {"only", "other"} != {"flow", "document"}:
        raise RequestError("request.malformed", "The form has the fields flow, other, document and only")
    chosen, other = (given.get(name, b"").decode("ascii", "replace") for name in ("flow", "other"))
    known_flows = _flows(parts)
    if not {chosen, other or chosen} <= known_flows.keys():
        raise RequestError("request.not_found", "That direction is in no agreement here")
    flows = [known_flows[word][2] for word in (chosen, other) if word]
    try:
        found = await parts.try_out(given["document"], [flow.policy_sha256 for flow in flows])
    except (DocumentError, RequestError, SchemaError) as error:
        return _page(request, parts, caller, chosen, other, problem=error, status=error.entry.status)
    return _page(request, parts, caller, chosen, other, **_told(found, flows, only="only" in given))


def _flows(parts: OperationsParts) -> dict[str, tuple[str, int, Flow]]:
    """Return every direction of every agreement by the word that the form sends for it."""
    agreements = sorted(parts.agreements(), key=lambda one: (one.id, -one.version))
    return {
        f"{one.id}:{one.version}:{index}": (one.id, one.version, flow)
        for one in agreements
        for index, flow in enumerate(one.flows)
    }


def _page(
    request: web.Request,
    parts: OperationsParts,
    caller: Caller,
    chosen: str = "",
    other: str = "",
    *,
    status: int = 200,
    **told: Any,
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
    nothing: dict[str, Any] = {"problem": None, "sides": [], "places": [], "left_out": 0, "only": False}
    shown = {"flows": flows, "chosen": chosen, "other": other, **nothing, **told}
    return page(request, parts, "policies.html", caller=caller, status=status, **shown)


def _told(found: Diff, flows: Sequence[Flow], *, only: bool) -> dict[str, Any]:
    places = [
        {"path": place.path, "value": place.value, "sides": [_side(side) for side in place.sides]}
        for place in found.places
        if not only or any(side.mark is not Mark.KEPT for side in place.sides)
    ]
    return {
        "only": only,
        "sides": [_outcome(found, number, flow) for number, flow in enumerate(flows)],
        "places": places[:_MOST_PLACES],
        "left_out": max(0, len(places) - _MOST_PLACES),
    }


def _outcome(found: Diff, number: int, flow: Flow) -> dict[str, Any]:
    """Return what one direction makes of the whole document."""
    outcome = found.outcomes[number]
    policy = outcome.policy.policy
    return {
        "recipient": flow.recipient,
        "policy": f"{policy.id} {policy.version}",
        "code": outcome.code,
        "detail": outcome.detail,
        "held": [one.reason for one in outcome.held],
        "counts": {mark.value: found.count(mark, number) for mark in Mark},
    }


def _side(side: Side) -> dict[str, Any]:
    """Return what one direction makes of one value."""
    return {
        "mark": side.mark.value,
        "leaves": side.value,
        "why": " · ".join(filter(None, (side.note, side.reason))),
        "legal": side.legal,
        "rule": side.rule.rpartition("/")[2],
    }


ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    Route(method="GET", path="/console/policies", handler=_form, admits=READERS),
    Route(method="POST", path="/console/policies", handler=_show, admits=READERS, max_body_bytes=_FORM_BYTES),
)
