"""The part of the store that receipts which come later need: one change or one question each, as in `store.py`."""

from datetime import datetime
from functools import partial

from gateway.audit import AuditEntry
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.jobs import Admitted, Refused
from gateway.domain.later import MAX_TAKEN, MAX_TAKEN_BYTES, OwedReceipt, Taken, TakenEnvelope, Unjudged
from gateway.domain.lifecycle import NoticeState
from gateway.domain.records import AdmitStored
from gateway.domain.statement import Receipt
from gateway.storage import later
from gateway.storage.readers import Readers
from gateway.storage.writer import Writer


class SqlLaterStore:
    """See `gateway.ports.LaterStore` for what each method promises."""

    _writer: Writer
    _readers: Readers

    async def take_envelope(
        self, envelope: TakenEnvelope, *, audit: AuditEntry, most: int = MAX_TAKEN, most_bytes: int = MAX_TAKEN_BYTES
    ) -> Taken:
        change = partial(later.take, envelope=envelope, audit=audit, most=most, most_bytes=most_bytes)
        return await self._writer.write(change)

    async def is_taken(self, sender: PartyId, message_id: MessageId) -> bool:
        return await self._readers.read(lambda ask: later.is_taken(ask, sender, message_id))

    async def taken_envelopes(self, sender: PartyId, *, limit: int, now: datetime) -> list[TakenEnvelope]:
        return await self._readers.read(lambda ask: later.read_due(ask, sender, limit=limit, now=now))

    async def unjudged(self) -> list[Unjudged]:
        return await self._readers.read(later.read_unjudged)

    async def admit_taken(
        self, envelope: TakenEnvelope, result: Admitted | Refused, *, now: datetime, audit: AuditEntry
    ) -> AdmitStored:
        """Decide about an envelope, and owe its receipt in the same commit."""
        return await self._writer.write(partial(later.admit, envelope=envelope, result=result, now=now, audit=audit))

    async def answer_taken(
        self, envelope: TakenEnvelope, receipt: Receipt, token: str, *, now: datetime, audit: AuditEntry
    ) -> None:
        """Owe a receipt that only the caller could sign."""
        change = partial(later.answer, envelope=envelope, receipt=receipt, token=token, now=now, audit=audit)
        await self._writer.write(change)

    async def put_off_taken(self, envelope: TakenEnvelope, *, until: datetime) -> None:
        await self._writer.write(partial(later.put_off, envelope=envelope, until=until))

    async def drop_taken(self, envelope: TakenEnvelope, *, audit: AuditEntry) -> None:
        await self._writer.write(partial(later.drop, envelope=envelope, audit=audit))

    async def receipts_owed(self, partner: PartyId, *, limit: int, now: datetime) -> list[OwedReceipt]:
        return await self._readers.read(lambda ask: later.read_receipts_due(ask, partner, limit=limit, now=now))

    async def receipt_owed(self, partner: PartyId, message_id: MessageId) -> OwedReceipt | None:
        return await self._readers.read(lambda ask: later.read_receipt(ask, partner, message_id))

    async def settle_receipt(
        self,
        owed: OwedReceipt,
        becomes: NoticeState,
        *,
        now: datetime,
        audit: AuditEntry | None = None,
        next_attempt_at: datetime | None = None,
    ) -> bool:
        """Note what came of an attempt to give a receipt, with its audit entry in one commit."""
        change = partial(
            later.settle, owed=owed, becomes=becomes, now=now, audit=audit, next_attempt_at=next_attempt_at
        )
        return await self._writer.write(change)

    async def owing_later(self) -> frozenset[PartyId]:
        return await self._readers.read(later.read_owing)
