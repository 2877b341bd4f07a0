"""Transfers that are held, found and counted by a reader. Only the newest hold of each counts."""

from functools import partial
from typing import Any

from sqlalchemy import Integer, Text, and_, bindparam, case, exists, func, literal_column, or_, select

from gateway.domain.hold import HeldCount, HeldQuery
from gateway.domain.lifecycle import TransferState
from gateway.domain.records import TransferRow
from gateway.storage.engine import Connection
from gateway.storage.readers import Readers
from gateway.storage.tables import LISTED, approval, hold, transfer
from gateway.storage.values import micros, transfer_row

_earlier = hold.alias("earlier")
_NEWEST = select(func.max(_earlier.c.id)).where(_earlier.c.transfer_id == transfer.c.id).scalar_subquery()
_RULE = bindparam("rule", type_=Text)
_UP_TO = bindparam("up_to", type_=Integer)
_HELD = and_(
    literal_column(f"state = '{TransferState.HELD}'"),
    literal_column(LISTED),
    hold.c.id == _NEWEST,
    hold.c.since >= bindparam("since"),
    or_(bindparam("recipient", type_=Text).is_(None), transfer.c.recipient == bindparam("recipient", type_=Text)),
    or_(bindparam("code", type_=Text).is_(None), transfer.c.last_code == bindparam("code", type_=Text)),
    or_(_RULE.is_(None), hold.c.reasons.like(_RULE, escape="\\")),
    transfer.c.id > bindparam("after"),
    or_(_UP_TO.is_(None), hold.c.id <= _UP_TO),
)
_JOINED = transfer.join(hold, hold.c.transfer_id == transfer.c.id)
_ROWS = select(transfer).select_from(_JOINED).where(_HELD).order_by(transfer.c.id).limit(bindparam("limit"))
_APPROVED = exists(
    select(literal_column("1")).where(approval.c.hold_id == hold.c.id, approval.c.officer == bindparam("officer"))
)
_OWN = transfer.c.client == bindparam("officer")
_COUNT = (
    select(
        func.count().label("fit"),
        func.coalesce(func.sum(case((_OWN, 1), else_=0)), 0).label("own"),
        func.coalesce(func.sum(case((and_(~_OWN, _APPROVED), 1), else_=0)), 0).label("approved"),
        func.coalesce(func.max(hold.c.id), 0).label("up_to"),
    )
    .select_from(_JOINED)
    .where(_HELD)
)


class SqlHeldStore:
    """See `gateway.ports.Store` for what each method promises."""

    _readers: Readers

    async def held(self, query: HeldQuery, *, limit: int) -> list[TransferRow]:
        """Return transfers that are HELD and fit, the oldest first."""
        return await self._readers.read(partial(_read, values={**_values(query), "limit": limit}))

    async def count_held(self, query: HeldQuery, *, officer: str) -> HeldCount:
        """Return how many fit."""
        return await self._readers.read(partial(_count, values={**_values(query), "officer": officer}))


def _read(connection: Connection, values: dict[str, Any]) -> list[TransferRow]:
    return [transfer_row(row) for row in connection.rows(_ROWS, values)]


def _count(connection: Connection, values: dict[str, Any]) -> HeldCount:
    found = connection.one(_COUNT, values)
    return (
        HeldCount(fit=0)
        if found is None
        else HeldCount(**{name: found[name] for name in ("fit", "own", "approved", "up_to")})
    )


def _values(query: HeldQuery) -> dict[str, Any]:
    return {
        "recipient": query.recipient,
        "code": query.code,
        "rule": None if query.rule is None else _naming(query.rule),
        "since": 0 if query.since is None else micros(query.since),
        "after": query.after or "",
        "up_to": query.up_to,
    }


def _naming(rule: str) -> str:
    """Return the pattern of reasons that name a rule: they are kept as JSON (`holds.py`), a quote in it escaped."""
    escaped = rule.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f'%"code":"{escaped}"%'
