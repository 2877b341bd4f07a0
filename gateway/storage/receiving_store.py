"""The part of the store that takes messages in and hands them over: one change or one question each, as in `store.py`.

What is given about several messages at once is made together (`together.py`).
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Final

from gateway.audit import AuditEntry
from gateway.domain.failpoint import Reach
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.jobs import Admitted, Refused
from gateway.domain.lifecycle import HandOverEvent, NoticeState
from gateway.domain.records import (
    AdmitStored,
    ClaimAtOnce,
    ClaimedHandOver,
    InboxRow,
    OwedNotice,
    StoredReceipt,
    TransferRow,
)
from gateway.domain.statement import NotSeen
from gateway.errors import GatewayError
from gateway.ports import HandOverSettlement, NoticeSettlement
from gateway.storage import answers, hand_overs, leasing, notices, read_back, receiving
from gateway.storage.read_back import ReadBack
from gateway.storage.readers import Readers
from gateway.storage.receiving import Judgement
from gateway.storage.together import Kind, Together
from gateway.storage.writer import Change, Writer

_HANDING_OVER: Final = ReadBack(hand_overs.settle_all, hand_overs.settle_all_again)
_NOTING: Final = ReadBack(notices.settle_all, notices.settle_all_again)


class SqlReceivingStore:
    """See `gateway.ports.Store` for what each method promises."""

    _writer: Writer
    _readers: Readers
    _reach: Reach

    @cached_property
    def _admitting(self) -> Kind[Judgement, AdmitStored]:
        return partial(receiving.admit_all, reach=self._reach)

    # ── receiving ──

    async def admit(self, result: Admitted | Refused, *, now: datetime, audit: AuditEntry) -> AdmitStored:
        """Decide about a message in the commit: new, known, or another under a known id."""
        return await self._writer.write(Together(self._admitting, Judgement(result, now, audit)))

    async def admit_all(
        self,
        given: Sequence[tuple[Admitted | Refused, AuditEntry]],
        *,
        now: datetime,
        claim: ClaimAtOnce | None = None,
    ) -> list[AdmitStored | GatewayError]:
        """As `admit`, for several at once; `claim`: whose hand-overs to lease with it."""
        kind = self._admitting
        judgements = [Judgement(result, now, audit, claim) for result, audit in given]
        return await leasing.write_all(self._writer, [Together(kind, one) for one in judgements], _nobody_holds)

    async def given_receipt(self, sender: PartyId, message_id: MessageId) -> StoredReceipt | None:
        return await self._readers.read(lambda ask: receiving.read_given(ask, sender, message_id))

    async def forswear(self, statement: NotSeen, token: str, *, now: datetime, audit: AuditEntry) -> str:
        return await self._writer.write(
            lambda transaction: receiving.forswear(transaction, statement, token, now=now, audit=audit)
        )

    async def answers_given(self, sender: PartyId, message_id: MessageId) -> list[TransferRow]:
        return await self._readers.read(lambda ask: answers.read_given(ask, sender, message_id))

    # ── hand-over ──

    async def claim_hand_overs(
        self, recipients: Collection[PartyId], *, limit: int, now: datetime, lease: timedelta, actor: str = "system"
    ) -> list[ClaimedHandOver]:
        """Lease due hand-overs to `recipients`, audited as an act of `actor`."""
        claim = partial(hand_overs.claim, recipients=recipients, limit=limit, now=now, lease=lease, actor=actor)
        leased = await leasing.lease(self._writer, claim, partial(hand_overs.give_unheld_back, now=now))
        found = await leasing.read_all(self._readers, leasing.of_message, [row for row, _ in leased])
        return [
            ClaimedHandOver(row=row, fence=fence, sealed_message=sealed, unreadable=code)
            for (row, fence), (sealed, code) in zip(leased, found, strict=True)
        ]

    async def hand_over(self, message_id: MessageId, *, sender: PartyId) -> tuple[InboxRow, int] | None:
        return await self._readers.read(lambda ask: hand_overs.read_fence(ask, message_id, sender))

    async def settle_hand_over(
        self,
        row: InboxRow,
        event: HandOverEvent,
        *,
        audit: AuditEntry,
        now: datetime,
        fence: int | None = None,
        next_attempt_at: datetime | None = None,
        code: str = "",
        detail: str = "",
        begun: bool = True,
    ) -> InboxRow:
        """Move a hand-over, compare-and-set, with its audit entry in one commit."""
        settlement = HandOverSettlement(
            row=row,
            event=event,
            audit=audit,
            now=now,
            fence=fence,
            next_attempt_at=next_attempt_at,
            code=code,
            detail=detail,
            begun=begun,
        )
        return await read_back.write(self._writer, _HANDING_OVER, settlement)

    async def settle_hand_overs(self, settlements: Sequence[HandOverSettlement]) -> list[InboxRow | GatewayError]:
        """As `settle_hand_over`, for several at once."""
        return await read_back.write_all(self._writer, _HANDING_OVER, settlements)

    async def overdue_hand_overs(self, *, now: datetime, limit: int) -> list[InboxRow]:
        return await self._readers.read(lambda ask: hand_overs.read_overdue(ask, now=now, limit=limit))

    async def notices_owed(self, partner: PartyId, *, limit: int, now: datetime) -> list[OwedNotice]:
        return await self._readers.read(lambda ask: notices.read_due(ask, partner, limit=limit, now=now))

    async def notice_owed(self, sender: PartyId, message_id: MessageId) -> OwedNotice | None:
        return await self._readers.read(lambda ask: notices.read_owed(ask, sender, message_id))

    async def settle_notice(
        self,
        owed: OwedNotice,
        becomes: NoticeState,
        *,
        now: datetime,
        audit: AuditEntry | None = None,
        next_attempt_at: datetime | None = None,
        code: str = "",
        detail: str = "",
    ) -> bool:
        """Note what came of an attempt to give a notice, with its audit entry in one commit."""
        settlement = NoticeSettlement(
            owed=owed,
            becomes=becomes,
            now=now,
            audit=audit,
            next_attempt_at=next_attempt_at,
            code=code,
            detail=detail,
        )
        return await read_back.write(self._writer, _NOTING, settlement)

    async def settle_notices(self, settlements: Sequence[NoticeSettlement]) -> list[bool | GatewayError]:
        """As `settle_notice`, for several at once."""
        return await read_back.write_all(self._writer, _NOTING, settlements)


def _nobody_holds(stored: AdmitStored) -> Sequence[Change[object]]:
    """Return what gives the lease back that came with an admission."""
    if stored.claimed is None:
        return ()
    row, fence = stored.claimed.row, stored.claimed.fence
    return (hand_overs.give_unheld_back(row, fence, now=row.received),)
