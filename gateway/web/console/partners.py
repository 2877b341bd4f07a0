"""Partners as a page: can each be reached, since when not and why, what is agreed, which keys count and until when."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from aiohttp import web

from gateway.domain.access import Caller
from gateway.domain.agreement import Agreement
from gateway.domain.ids import PartyId
from gateway.domain.records import KeyFacts, PartnerHealth
from gateway.web.console.outlook import is_left_alone
from gateway.web.console.pages import page
from gateway.web.door import Route
from gateway.web.operations_api import READERS, OperationsParts
from gateway.web.query import Query
from gateway.web.shapes import health_json, timestamp

__all__ = ["ROUTES", "agreement_state", "key_state"]

_SOON: Final = timedelta(days=30)


async def _partners(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    Query(request, ())
    now = parts.door.clock.now()
    known = {one.partner: one for one in await parts.store.partners()}
    return page(
        request,
        parts,
        "partners.html",
        caller=caller,
        partners=[_partner(party, known.get(party), parts, now) for party in sorted(parts.partners() | known.keys())],
        own=[{"party": party, "keys": _keys(parts.keys(party), now)} for party in sorted(parts.own)],
    )


def _partner(party: PartyId, health: PartnerHealth | None, parts: OperationsParts, now: datetime) -> dict[str, Any]:
    return {
        "party": party,
        "reach": _reach(health, now),
        "health": None if health is None else health_json(health),
        "agreements": _agreements(party, parts.agreements(), now),
        "keys": _keys(parts.keys(party), now),
    }


def _reach(health: PartnerHealth | None, now: datetime) -> str:
    """Return `alone`, `failing`, `reached` or `untried`."""
    if is_left_alone(health, now):
        return "alone"
    if health is None or (not health.failures and health.last_success is None):
        return "untried"
    return "failing" if health.failures else "reached"


def _agreements(party: PartyId, agreements: Iterable[Agreement], now: datetime) -> list[dict[str, Any]]:
    mine = sorted((one for one in agreements if party in one.parties), key=lambda one: (one.id, -one.version))
    return [
        {
            "id": one.id,
            "version": one.version,
            "sha256": one.sha256,
            "state": agreement_state(one, now),
            "valid_from": timestamp(one.valid_from),
            "valid_until": timestamp(one.valid_until),
            "legal_basis": one.terms.legal_basis,
            "flows": [(flow.sender, flow.recipient, sorted(flow.kinds)) for flow in one.flows],
        }
        for one in mine
    ]


def agreement_state(agreement: Agreement, now: datetime) -> str:
    """Return `suspended`, `future`, `ended`, `ending` (within 30 days) or `in_force`."""
    if agreement.suspended:
        return "suspended"
    word = _within(agreement.valid_from, agreement.valid_until, now)
    return "in_force" if word == "valid" else word


def key_state(key: KeyFacts, now: datetime) -> str:
    """Return `revoked`, `future`, `ended`, `ending` (within 30 days) or `valid`."""
    return "revoked" if key.revoked else _within(key.not_before, key.not_after, now)


def _within(begins: datetime, ends: datetime, now: datetime) -> str:
    if now < begins:
        return "future"
    if now >= ends:
        return "ended"
    return "ending" if ends - now < _SOON else "valid"


def _keys(keys: Iterable[KeyFacts], now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "use": key.use,
            "key_id": key.key_id,
            "state": key_state(key, now),
            "not_before": timestamp(key.not_before),
            "not_after": timestamp(key.not_after),
        }
        for key in keys
    ]


ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    Route(method="GET", path="/console/partners", handler=_partners, admits=READERS),
)
