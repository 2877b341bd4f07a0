"""Partner health: a durable row for each partner, so that a restart does not forget who was down."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from gateway.audit import AuditEntry
from gateway.domain.ids import PartyId
from gateway.domain.records import PartnerHealth
from gateway.storage.engine import Connection, Transaction, insert_into
from gateway.storage.tables import partner_health
from gateway.storage.values import health_of, micros, time_or_none

_ALL = select(partner_health).order_by(partner_health.c.partner)
_LAST_FAILURE = select(partner_health.c.last_failure).where(partner_health.c.partner == bindparam("partner"))
_NOT_BEFORE = select(partner_health.c.not_before).where(partner_health.c.partner == bindparam("partner"))
_INSERT = insert_into(partner_health)
_of_partner = update(partner_health).where(partner_health.c.partner == bindparam("of"))
_FAILED = _of_partner.values(
    failures=partner_health.c.failures + 1,
    not_before=bindparam("until"),
    last_failure=bindparam("at"),
    last_code=bindparam("why"),
    last_detail=bindparam("detail"),
)
_SUCCEEDED = _of_partner.values(
    failures=0, not_before=None, last_success=bindparam("at"), last_heard=bindparam("at"), last_code="", last_detail=""
)
_REACHED = _of_partner.values(failures=0, not_before=None, last_heard=bindparam("at"), last_code="", last_detail="")
_HEARD = _of_partner.values(not_before=None, last_heard=bindparam("at"))


def not_before(connection: Connection, partner: PartyId) -> datetime | None:
    """Return when the back-off of a partner ends, or None when there is none."""
    row = connection.one(_NOT_BEFORE, {"partner": partner})
    return None if row is None else time_or_none(row["not_before"])


def is_backing_off(connection: Connection, partner: PartyId, now: datetime) -> bool:
    """Tell whether nothing may be sent to a partner yet."""
    until = not_before(connection, partner)
    return until is not None and until > now


class Waits:
    """Tells who is backing off, asking once for each partner."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._until: dict[PartyId, datetime | None] = {}

    def __call__(self, partner: PartyId, now: datetime) -> bool:
        """Tell whether nothing may be sent to a partner yet."""
        if partner not in self._until:
            self._until[partner] = not_before(self._connection, partner)
        until = self._until[partner]
        return until is not None and until > now


def succeeded(connection: Connection, when: Mapping[PartyId, datetime]) -> None:
    """Note signed answers or taken messages: nothing is wrong with these partners."""
    for partner, now in when.items():
        at = micros(now)
        if not connection.run(_SUCCEEDED, {"of": partner, "at": at}):
            connection.run(_INSERT, _fresh(partner, last_success=at, last_heard=at))


def failed(
    transaction: Transaction,
    partner: PartyId,
    *,
    now: datetime,
    until: datetime,
    since: datetime | None,
    code: str,
    detail: str,
    audit: AuditEntry | None,
) -> None:
    """Count a failure in a row, and send nothing before `until`; nothing if one was counted after `since`.

    Several attempts are under way at once. When a partner goes away, all of them fail, and that is one failure: counted
    each, eight would take the back-off from its first wait to its longest in one step.
    """
    at, end = micros(now), micros(until)
    known = transaction.connection.one(_LAST_FAILURE, {"partner": partner})
    if known is None:
        first = _fresh(partner, failures=1, not_before=end, last_failure=at, last_code=code, last_detail=detail)
        transaction.connection.run(_INSERT, first)
    elif since is not None and known["last_failure"] is not None and known["last_failure"] >= micros(since):
        return
    else:
        change = {"of": partner, "until": end, "at": at, "why": code, "detail": detail}
        transaction.connection.run(_FAILED, change)
    if audit is not None:
        transaction.record(audit)


def heard(transaction: Transaction, partner: PartyId, *, now: datetime) -> None:
    """Clear the back-off: the partner reached us. The failures in a row stay counted until we reach it."""
    if not transaction.connection.run(_HEARD, {"of": partner, "at": micros(now)}):
        transaction.connection.run(_INSERT, _fresh(partner, last_heard=micros(now)))


def reached(transaction: Transaction, partner: PartyId, *, now: datetime) -> None:
    """Forget the failures in a row: the partner answered, whatever it said. Nothing succeeded by that."""
    transaction.connection.run(_REACHED, {"of": partner, "at": micros(now)})


def read_all(connection: Connection) -> list[PartnerHealth]:
    """Return the health of every partner that was ever tried or heard."""
    return [health_of(row) for row in connection.rows(_ALL, {})]


def _fresh(partner: PartyId, **known: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "partner": partner,
        "failures": 0,
        "not_before": None,
        "last_success": None,
        "last_failure": None,
        "last_heard": None,
        "last_code": "",
        "last_detail": "",
    }
    return {**row, **known}
