"""The rows of holds and approvals: what made a transfer wait for a person, and who let it go.

Nothing here moves a transfer: that is `holding.py`, with the change of state in the same transaction. Reasons are kept
as one text, since nobody searches in them; the paths and words in it hold no value of a document.
"""

import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select, update

from gateway.domain.hold import Approval, Hold, HoldCause, HoldStart
from gateway.domain.ids import TransferId
from gateway.errors import Violation
from gateway.storage.engine import Connection, Row, insert_into
from gateway.storage.tables import approval, hold
from gateway.storage.values import micros, time_of, time_or_none

_INSERT = insert_into(hold)
_INSERT_APPROVAL = insert_into(approval)
_OF_TRANSFER = select(hold).where(hold.c.transfer_id == bindparam("transfer_id")).order_by(hold.c.id)
_APPROVALS = (
    select(approval).where(approval.c.hold_id == bindparam("hold_id")).order_by(approval.c.at, approval.c.officer)
)
_RELEASED = update(hold).where(hold.c.id == bindparam("of")).values(released=bindparam("at"))

_MEMBERS: Final = tuple(field.name for field in fields(Violation) if field.name != "value")
"""What is kept of a reason: all but a value, which a submitter may have asked to be told, and nobody else is."""


def begin(connection: Connection, transfer_id: TransferId, start: HoldStart, now: datetime) -> None:
    """Write that a transfer is held from now on."""
    connection.run(
        _INSERT,
        {
            "transfer_id": transfer_id,
            "cause": start.cause.value,
            "since": micros(now),
            "actor": start.by,
            "reason": start.reason,
            "reasons": _text_of(start.reasons),
            "approvals": start.approvals,
            "released": None,
        },
    )


def approve(connection: Connection, transfer_id: TransferId, given: Approval) -> None:
    """Write one officer's approval of the newest hold. The same officer twice breaks a rule of the store."""
    connection.run(
        _INSERT_APPROVAL,
        {
            "hold_id": _newest(connection, transfer_id)["id"],
            "officer": given.officer,
            "reason": given.reason,
            "at": micros(given.at),
        },
    )


def end(connection: Connection, transfer_id: TransferId, now: datetime) -> None:
    """Write that the newest hold was released."""
    connection.run(_RELEASED, {"of": _newest(connection, transfer_id)["id"], "at": micros(now)})


def read_of(connection: Connection, transfer_id: TransferId) -> tuple[Hold, ...]:
    """Return every hold of a transfer, the newest last."""
    return tuple(_hold(connection, row) for row in connection.rows(_OF_TRANSFER, {"transfer_id": transfer_id}))


def _newest(connection: Connection, transfer_id: TransferId) -> Row:
    return connection.rows(_OF_TRANSFER, {"transfer_id": transfer_id})[-1]


def _hold(connection: Connection, row: Row) -> Hold:
    given = connection.rows(_APPROVALS, {"hold_id": row["id"]})
    return Hold(
        start=HoldStart(
            cause=HoldCause(row["cause"]),
            by=row["actor"],
            reason=row["reason"],
            reasons=_reasons_in(row["reasons"]),
            approvals=row["approvals"],
        ),
        since=time_of(row["since"]),
        approvals=tuple(Approval(officer=one["officer"], reason=one["reason"], at=time_of(one["at"])) for one in given),
        released=time_or_none(row["released"]),
    )


def _text_of(reasons: Sequence[Violation]) -> str:
    kept = [{name: getattr(one, name) for name in _MEMBERS} for one in reasons]
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)


def _reasons_in(text: str) -> tuple[Violation, ...]:
    found: list[dict[str, Any]] = json.loads(text)
    return tuple(Violation(**{name: one[name] for name in _MEMBERS if name in one}) for one in found)
