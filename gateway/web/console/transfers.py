"""Transfers as pages: the list and its filter, one transfer, its receipt to keep, what a person does, its documents."""

from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from gateway.domain.access import Caller, Role
from gateway.domain.ids import PartyId, TransferId
from gateway.domain.lifecycle import TransferState
from gateway.domain.records import PartnerHealth
from gateway.errors import RequestError, TransferError
from gateway.web.console.outlook import ACTS, outlook
from gateway.web.console.pages import page, redirect
from gateway.web.console.session import read_form
from gateway.web.door import Route
from gateway.web.operations_api import (
    ACTORS,
    READERS,
    RELEASERS,
    SEARCHABLE,
    TRANSFER_QUERY,
    OperationsParts,
    find_transfer,
    find_transfers,
    tell_transfer,
)
from gateway.web.query import Query, path_id
from gateway.web.shapes import transfer_of_operator_json

__all__ = ["ROUTES"]

_MAY_SEE_DOCUMENTS: Final = frozenset({Role.OFFICER, Role.AUDITOR})
_DONE: Final = ("requeue", "cancel", "hold", "skip", "approved", "released", "prepared_again")
_MOST_LEAVES: Final = 2000
"""Values on one page; what is beyond is counted. A browser should not have to hold a declaration of 999 items."""


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def _list(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    query = Query(request, TRANSFER_QUERY, form=True)
    rows, following = await find_transfers(query, parts)
    chosen = {name: request.query[name] for name in ("state", "recipient", "limit") if name in query}
    by_reference = "reference" in query
    failing = {party for party, health in (await _health(parts)).items() if health.last_code}
    return page(
        request,
        parts,
        "transfers.html",
        caller=caller,
        transfers=[{**transfer_of_operator_json(row), "waits_for_partner": row.recipient in failing} for row in rows],
        states=[state.value for state in TransferState],
        kinds=[kind.value for kind in SEARCHABLE],
        chosen=chosen,
        partners=sorted(parts.partners()),
        may_release=chosen.get("state") == TransferState.HELD and bool(caller.roles & RELEASERS),
        # A reference is never written back into a page, a link to the next page included.
        by_reference=by_reference,
        more=by_reference and following is not None,
        older=None if following is None or by_reference else f"?{urlencode({**chosen, 'before': following})}",
        newest=None if "before" not in query else f"?{urlencode(chosen)}",
    )


async def _health(parts: OperationsParts) -> dict[PartyId, PartnerHealth]:
    return {one.partner: one for one in await parts.store.partners()}


# ── one transfer ─────────────────────────────────────────────────────────────────────────────────────────────────


async def _one(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    query = Query(request, ("done",))
    done = query.text("done")
    if done is not None and done not in _DONE:
        raise RequestError("request.malformed", f"`done` is one of {', '.join(_DONE)}")
    found = await find_transfer(_id(request), parts)
    health = (await _health(parts)).get(found.row.recipient)
    return page(
        request,
        parts,
        "transfer.html",
        caller=caller,
        transfer=await tell_transfer(found, parts),
        outlook=outlook(found, health, parts.door.clock.now()),
        may={verb: bool(caller.roles & (RELEASERS if verb == "release" else ACTORS)) for verb in ACTS},
        may_see=bool(caller.roles & _MAY_SEE_DOCUMENTS),
        done=done,
    )


async def _receipt(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    """Send the receipt as it came, to be kept as a file and verified anywhere."""
    Query(request, ())
    receipt = (await find_transfer(_id(request), parts)).receipt
    if receipt is None:
        raise RequestError("request.not_found", "The partner has given no receipt yet")
    name = f"receipt-{receipt.message_id}.jws"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=receipt.token.encode("ascii"), content_type="application/jose", headers=headers)


# ── acts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _requeue(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    reason = (await read_form(request, parts, "reason"))["reason"]
    row = await parts.operate.requeue(_id(request), operator=caller.client, reason=reason)
    return redirect(f"/console/transfers/{row.id}?done=requeue")


async def _cancel(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    reason = (await read_form(request, parts, "reason"))["reason"]
    row = await parts.operate.cancel(_id(request), operator=caller.client, reason=reason)
    return redirect(f"/console/transfers/{row.id}?done=cancel")


async def _skip(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    reason = (await read_form(request, parts, "reason"))["reason"]
    row = await parts.operate.skip(_id(request), operator=caller.client, reason=reason)
    return redirect(f"/console/transfers/{row.id}?done=skip")


async def _hold(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    reason = (await read_form(request, parts, "reason"))["reason"]
    row = await parts.holds.hold(_id(request), operator=caller.client, reason=reason)
    return redirect(f"/console/transfers/{row.id}?done=hold")


async def _release(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    reason = (await read_form(request, parts, "reason"))["reason"]
    transfer_id = _id(request)
    try:
        row = await parts.holds.release(transfer_id, officer=caller.client, reason=reason)
    except TransferError as error:
        if error.code != "transfer.prepared_again":
            raise
        return redirect(f"/console/transfers/{transfer_id}?done=prepared_again")  # the page shows what changed
    done = "approved" if row.state is TransferState.HELD else "released"
    return redirect(f"/console/transfers/{row.id}?done={done}")


async def _documents(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    """Show the view beside the original. A form and no link: each look has its own reason and its own record."""
    form = await read_form(request, parts, "reason", "show")
    shown = await parts.show.documents(_id(request), person=caller.client, reason=form["reason"])
    every = shown.beside.leaves
    chosen = [leaf for leaf in every if form["show"] != "withheld" or leaf.sent is None]
    values: dict[str, Any] = {"withheld": sum(leaf.sent is None for leaf in every), "total": len(every)}
    return page(
        request,
        parts,
        "documents.html",
        caller=caller,
        transfer=transfer_of_operator_json(shown.row),
        beside=shown.beside,
        leaves=chosen[:_MOST_LEAVES],
        left_out=max(0, len(chosen) - _MOST_LEAVES),
        reason=shown.reason,
        only_withheld=form["show"] == "withheld",
        **values,
    )


def _id(request: web.Request) -> TransferId:
    return TransferId(path_id(request, "transfer.not_found"))


ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    Route(method="GET", path="/console/transfers", handler=_list, admits=READERS),
    Route(method="GET", path="/console/transfers/{id}", handler=_one, admits=READERS),
    Route(method="GET", path="/console/transfers/{id}/receipt", handler=_receipt, admits=READERS),
    Route(method="POST", path="/console/transfers/{id}/requeue", handler=_requeue, admits=ACTORS),
    Route(method="POST", path="/console/transfers/{id}/cancel", handler=_cancel, admits=ACTORS),
    Route(method="POST", path="/console/transfers/{id}/skip", handler=_skip, admits=ACTORS),
    Route(method="POST", path="/console/transfers/{id}/hold", handler=_hold, admits=ACTORS),
    Route(method="POST", path="/console/transfers/{id}/release", handler=_release, admits=RELEASERS),
    Route(method="POST", path="/console/transfers/{id}/documents", handler=_documents, admits=_MAY_SEE_DOCUMENTS),
)
