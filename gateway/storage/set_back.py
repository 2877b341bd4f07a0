"""When the clock was set back: what waits by the clock waits no longer for it.

Leases, next attempts and back-offs stand in the database as times, because they outlive the process. They mean lengths
of time, though, and a clock that is set back by a day would have each of them last a day longer. So all that lie ahead
move with the clock. What was promised as a time (deadlines, expiry, how long a row is kept) stays where it is.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Column, Table, bindparam, update

from gateway.audit import AuditEntry
from gateway.storage.engine import Transaction
from gateway.storage.inbox_tables import hand_over, notice_owed
from gateway.storage.tables import partner_health, transfer
from gateway.storage.values import micros, span

_MOVED: Final[tuple[tuple[Table, Column[int]], ...]] = (
    (transfer, transfer.c.lease_until),
    (transfer, transfer.c.next_attempt_at),
    (hand_over, hand_over.c.lease_until),
    (hand_over, hand_over.c.next_attempt_at),
    (notice_owed, notice_owed.c.next_attempt_at),
    (partner_health, partner_health.c.not_before),
)
_MOVES = [
    update(table).where(column > bindparam("now")).values({column.name: column - bindparam("by")})
    for table, column in _MOVED
]


def move(transaction: Transaction, *, by: timedelta, now: datetime, audit: AuditEntry) -> None:
    """Move everything that waits by the clock back by `by`. `now`: by the clock as it stands after it was set."""
    for statement in _MOVES:
        transaction.connection.run(statement, {"now": micros(now), "by": span(by)})
    transaction.record(audit)
