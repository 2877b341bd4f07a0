"""Show a document to a person who may see it: first the reason, then the audit record, then the document.

Whoever looks is named in the audit trail before a byte is unsealed; when the record can not be committed, nothing is
shown. Whether a person may look at all is decided at the door, by role.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import TransferId
from gateway.domain.records import TransferRow
from gateway.errors import TransferError
from gateway.exchange.beside import Beside, BesideJob
from gateway.exchange.operate import stated_reason
from gateway.ports import Clock, Store

__all__ = ["Show", "Shown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A transfer, its two documents, and the reason as it was recorded."""

    row: TransferRow
    beside: Beside
    reason: str


class Show:
    """The use case. `look` unseals and compares; it runs where the keys and rules are."""

    def __init__(self, *, store: Store, clock: Clock, look: Callable[[BesideJob], Awaitable[Beside]]) -> None:
        self._store = store
        self._clock = clock
        self._look = look

    async def documents(self, transfer_id: TransferId, *, person: str, reason: str) -> Shown:
        """Return the view of a transfer beside its original, after `person` and `reason` were recorded.

        Raises RequestError for a reason that is none, TransferError `transfer.not_found` or `transfer.purged`, and what
        unsealing raises.
        """
        reason = stated_reason(reason)
        found = await self._store.transfer(transfer_id)
        if found is None:
            raise TransferError("transfer.not_found")
        row = found.row
        if row.purged is not None:
            raise TransferError("transfer.purged")
        await self._store.record(
            AuditEntry(
                event=AuditEvent.DOCUMENT_SHOWN,
                at=self._clock.now(),
                actor=f"operator:{person}",
                transfer_id=row.id,
                message_id=row.message_id,
                facts={"reason": reason, "state": row.state.value},
            )
        )
        job = BesideJob(
            row=row,
            original=await self._store.original(row.submission_id),
            view=await self._store.view(row.id),
        )
        return Shown(row=row, beside=await self._look(job), reason=reason)
