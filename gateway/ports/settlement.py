"""What is given to the store to be committed about one transfer, as a value, so that several can be given together."""

from dataclasses import dataclass
from datetime import datetime

from gateway.audit import AuditEntry
from gateway.domain.lifecycle import TransferEvent
from gateway.domain.records import Attempt, TransferRow
from gateway.domain.statement import Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The arguments of one `Store.settle`, by its names."""

    row: TransferRow
    event: TransferEvent
    audit: AuditEntry
    now: datetime
    fence: int | None = None
    attempt: Attempt | None = None
    sent: bool = False
    receipt: tuple[Receipt, str] | None = None
    next_attempt_at: datetime | None = None
    deadline: datetime | None = None
    code: str = ""
    detail: str = ""
