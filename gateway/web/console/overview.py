"""The first page: how much stands where, and what needs a person first."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from aiohttp import web

from gateway.domain.access import Caller
from gateway.domain.agreement import Agreement
from gateway.domain.lifecycle import HandOverState, TransferState
from gateway.domain.records import InboxRow, TransferRow
from gateway.web.console.outlook import is_left_alone
from gateway.web.console.pages import page
from gateway.web.console.partners import agreement_state
from gateway.web.door import Route
from gateway.web.operations_api import READERS, OperationsParts
from gateway.web.query import Query
from gateway.web.shapes import health_json, inbox_json, transfer_of_operator_json, unjudged_json

__all__ = ["ROUTES"]

_FEW: Final = 5
_LOOKED_THROUGH: Final = 100
_RECENT: Final = timedelta(days=7)
_WAITING: Final = (TransferState.QUEUED, TransferState.IN_FLIGHT, TransferState.AWAITING_RECEIPT)


async def _overview(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    Query(request, ())
    counts = await parts.store.counts()
    now = parts.door.clock.now()
    health = await parts.store.partners()
    return page(
        request,
        parts,
        "overview.html",
        caller=caller,
        states=[(state.value, counts.get(f"transfer.{state}", 0)) for state in TransferState],
        hand_overs=[(state.value, counts.get(f"hand_over.{state}", 0)) for state in HandOverState],
        dead=await _newest(parts, TransferState.DEAD_LETTERED),
        held=await _newest(parts, TransferState.HELD),
        quarantined=[inbox_json(row) for row in await parts.store.inbox(limit=_FEW, state=HandOverState.QUARANTINED)],
        over_shared=[inbox_json(row) for row in await _over_shared(parts, now - _RECENT)],
        stopped=_stopped(parts.agreements(), now),
        troubled=[{**health_json(one), "alone": is_left_alone(one, now)} for one in health if one.failures],
        oldest=await _oldest_waiting(parts),
        unjudged=[unjudged_json(one) for one in await parts.store.unjudged()],
        few=_FEW,
    )


async def _newest(parts: OperationsParts, state: TransferState) -> list[dict[str, Any]]:
    return [transfer_of_operator_json(row) for row in await parts.store.transfers(limit=_FEW, state=state)]


async def _over_shared(parts: OperationsParts, since: datetime) -> list[InboxRow]:
    """Return the newest messages that hold more than was agreed and nobody has acknowledged; those from before `since`
    are left to the inbox, and so is what lies behind very many newer ones."""
    found: list[InboxRow] = []
    for row in await parts.store.inbox(limit=_LOOKED_THROUGH, over_shared=True):
        if row.received < since or len(found) == _FEW:
            break
        if await parts.operate.acknowledged(row) is None:
            found.append(row)
    return found


def _stopped(agreements: Iterable[Agreement], now: datetime) -> list[dict[str, Any]]:
    """Return the agreements that are suspended, or have ended without another version in their place."""
    states = [(one, agreement_state(one, now)) for one in sorted(agreements, key=lambda one: (one.id, -one.version))]
    running = {one.id for one, state in states if state in {"in_force", "ending"}}
    return [
        {"id": one.id, "version": one.version, "state": state}
        for one, state in states
        if state == "suspended" or (state == "ended" and one.id not in running)
    ]


async def _oldest_waiting(parts: OperationsParts) -> dict[str, Any] | None:
    """Return the transfer that has been on its way the longest, or None when nothing is."""
    found: list[TransferRow] = []
    for state in _WAITING:
        found += await parts.store.transfers(limit=1, state=state, oldest_first=True)
    return transfer_of_operator_json(min(found, key=lambda row: row.created)) if found else None


ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    Route(method="GET", path="/console", handler=_overview, admits=READERS),
)
