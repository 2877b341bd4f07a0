"""What is given to the store to be committed about a transfer, a hand-over or a notice, as a value, so that several can
be given together."""

from dataclasses import dataclass
from datetime import datetime

from gateway.audit import AuditEntry
from gateway.domain.lifecycle import HandOverEvent, NoticeState, TransferEvent
from gateway.domain.records import Attempt, InboxRow, OwedNotice, TransferRow
from gateway.domain.statement import Notice, Receipt


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


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOverSettlement:
    """The arguments of one `Store.settle_hand_over`, by its names."""

    row: InboxRow
    event: HandOverEvent
    audit: AuditEntry
    now: datetime
    fence: int | None = None
    next_attempt_at: datetime | None = None
    code: str = ""
    detail: str = ""
    begun: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSettlement:
    """The arguments of one `Store.settle_notice`, by its names."""

    owed: OwedNotice
    becomes: NoticeState
    now: datetime
    audit: AuditEntry | None = None
    next_attempt_at: datetime | None = None
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TakenNotice:
    """The arguments of one `Store.take_notice`, by its names."""

    row: TransferRow
    notice: Notice
    token: str
    now: datetime
    audit: AuditEntry
