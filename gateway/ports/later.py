"""The part of the store that receipts which come later need. See `store.py` for what holds of every method."""

from datetime import datetime
from typing import Protocol

from gateway.audit import AuditEntry
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.jobs import Admitted, Refused
from gateway.domain.later import MAX_TAKEN, MAX_TAKEN_BYTES, OwedReceipt, Taken, TakenEnvelope, Unjudged
from gateway.domain.lifecycle import NoticeState
from gateway.domain.records import AdmitStored
from gateway.domain.statement import Receipt


class LaterStore(Protocol):
    """Envelopes that were answered with 202, and the receipts that are owed for them."""

    async def take_envelope(
        self, envelope: TakenEnvelope, *, audit: AuditEntry, most: int = MAX_TAKEN, most_bytes: int = MAX_TAKEN_BYTES
    ) -> Taken:
        """Keep an envelope to be judged later. One under an id that waits already is passed over: KNOWN. NO_ROOM:
        nothing was written, since `most` of its sender wait, or `most_bytes` would."""
        ...

    async def is_taken(self, sender: PartyId, message_id: MessageId) -> bool:
        """Tell whether an envelope under this id waits to be judged."""
        ...

    async def taken_envelopes(self, sender: PartyId, *, limit: int, now: datetime) -> list[TakenEnvelope]:
        """Return envelopes of `sender` that are due to be judged, the longest waiting first: at most MAX_BATCH_BYTES
        but for a single one."""
        ...

    async def unjudged(self) -> list[Unjudged]:
        """Return for each partner of whom envelopes wait to be judged how many do, by party id."""
        ...

    async def admit_taken(
        self, envelope: TakenEnvelope, result: Admitted | Refused, *, now: datetime, audit: AuditEntry
    ) -> AdmitStored:
        """Decide and commit as `admit`; in the same commit the envelope is gone and its receipt is owed.

        Where `admit` returns no token nothing is owed yet, and the envelope stays: the caller signs and comes back.
        """
        ...

    async def answer_taken(
        self, envelope: TakenEnvelope, receipt: Receipt, token: str, *, now: datetime, audit: AuditEntry
    ) -> None:
        """Owe a receipt that only the caller could sign, after another message was known under the id."""
        ...

    async def put_off_taken(self, envelope: TakenEnvelope, *, until: datetime) -> None:
        """Note that no verdict was possible; judge it again at `until`."""
        ...

    async def drop_taken(self, envelope: TakenEnvelope, *, audit: AuditEntry) -> None:
        """Forget an envelope that can not be believed. Nothing can be owed for it: its sender asks when overdue."""
        ...

    async def receipts_owed(self, partner: PartyId, *, limit: int, now: datetime) -> list[OwedReceipt]:
        """Return receipts that are due to `partner`, the earliest first; none while its back-off lasts."""
        ...

    async def receipt_owed(self, partner: PartyId, message_id: MessageId) -> OwedReceipt | None:
        """Return the receipt that is owed, or was, for a message that was answered with 202."""
        ...

    async def settle_receipt(
        self,
        owed: OwedReceipt,
        becomes: NoticeState,
        *,
        now: datetime,
        audit: AuditEntry | None = None,
        next_attempt_at: datetime | None = None,
    ) -> bool:
        """Note what came of an attempt to give a receipt, as `settle_notice` does for a notice."""
        ...

    async def owing_later(self) -> frozenset[PartyId]:
        """Return the partners of whom envelopes wait, or to whom receipts are owed."""
        ...
