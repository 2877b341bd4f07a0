"""The store: `ports.Store` over one writer and a few readers, whatever engine opened their connections.

Every method is one change given to the writer or one question given to a reader; the rules stand in the files named
after their rows. `await` returns after COMMIT. Nothing here blocks the event loop.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from gateway.audit import AuditEntry, AuditRecord
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.hold import Approval, HoldStart
from gateway.domain.ids import ClientId, MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.jobs import PreparedTransfer
from gateway.domain.lifecycle import TransferEvent, TransferState
from gateway.domain.records import (
    Accepted,
    AcceptOutcome,
    AcceptSubmission,
    Attempt,
    ClaimedTransfer,
    IdempotencyScope,
    KeyReused,
    NoticeStored,
    PartnerHealth,
    Replayed,
    StoredReceipt,
    SubmissionRow,
    TransferDetail,
    TransferRow,
)
from gateway.domain.statement import Notice, NotSeen, Receipt
from gateway.errors import GatewayError
from gateway.ports import Settlement, TakenNotice
from gateway.storage import (
    accepting,
    evidence,
    hand_overs,
    health,
    holding,
    leasing,
    notices,
    read_back,
    set_back,
    settling,
    submissions,
    superseding,
    transfer_reading,
    transfers,
    upkeep,
)
from gateway.storage.ended import SqlEndedStore
from gateway.storage.engine import Transaction
from gateway.storage.held import SqlHeldStore
from gateway.storage.inbox_store import SqlInboxStore
from gateway.storage.later_store import SqlLaterStore
from gateway.storage.read_back import ReadBack
from gateway.storage.readers import Readers
from gateway.storage.receiving_store import SqlReceivingStore
from gateway.storage.together import Together
from gateway.storage.wordings import SqlWordingStore
from gateway.storage.writer import Change, Writer


class SqlStore(SqlReceivingStore, SqlEndedStore, SqlHeldStore, SqlInboxStore, SqlLaterStore, SqlWordingStore):
    """See `gateway.ports.Store` for what each method promises. `on_close` is run last, after every connection."""

    def __init__(
        self,
        *,
        writer: Writer,
        readers: Readers,
        chain: str,
        on_close: Callable[[], None],
        reach: Reach = pass_by,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._chain = chain
        self._on_close = on_close
        self._reach = reach
        self._accepting = partial(accepting.accept_all, reach=reach)

    async def close(self) -> None:
        """Commit what waits, then close everything. Every later call raises `storage.unavailable`."""
        self._writer.stop_taking()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.close()
        self._writer.close()
        self._on_close()

    # ── submissions ──

    async def find_submission(self, scope: IdempotencyScope) -> Replayed | KeyReused | None:
        return await self._readers.read(lambda ask: submissions.find_key(ask, scope))

    async def accept(self, change: AcceptSubmission, audit: Sequence[AuditEntry]) -> AcceptOutcome:
        """Commit a submission with all that follows from it, or tell why nothing was written."""
        (outcome,) = await self.accept_all([(change, audit)])
        if isinstance(outcome, GatewayError):
            raise outcome
        return outcome

    async def accept_all(
        self, changes: Sequence[tuple[AcceptSubmission, Sequence[AuditEntry]]]
    ) -> list[AcceptOutcome | GatewayError]:
        """As `accept`, for several at once."""
        made = [Together(self._accepting, one) for one in changes]
        return await leasing.write_all(self._writer, made, _nobody_holds)

    async def submission(self, submission_id: SubmissionId) -> SubmissionRow | None:
        return await self._readers.read(lambda ask: submissions.read_one(ask, submission_id))

    async def submissions(self, *, client: ClientId, limit: int, before: SubmissionId | None) -> list[SubmissionRow]:
        return await self._readers.read(partial(submissions.read_of_client, client=client, limit=limit, before=before))

    async def original(self, submission_id: SubmissionId) -> bytes | None:
        return await self._readers.read(lambda ask: submissions.read_original(ask, submission_id))

    # ── transfers ──

    async def claim(
        self,
        recipient: PartyId,
        *,
        limit: int,
        now: datetime,
        lease: timedelta,
        in_force: Collection[str] | None = None,
        stopped: Mapping[str, str] | None = None,
    ) -> list[ClaimedTransfer]:
        """Lease what is due to `recipient`, and hold what is due under an agreement that ended."""
        claim = partial(
            transfers.claim,
            recipient=recipient,
            limit=limit,
            now=now,
            lease=lease,
            in_force=in_force,
            stopped=stopped,
        )
        leased = await leasing.lease(self._writer, claim, settling.give_unheld_back)
        found = await leasing.read_all(self._readers, leasing.of_transfer, [row for row, _ in leased])
        return [
            ClaimedTransfer(row=row, fence=fence, sealed_jws=sealed, unreadable=code)
            for (row, fence), (sealed, code) in zip(leased, found, strict=True)
        ]

    async def settle(
        self,
        row: TransferRow,
        event: TransferEvent,
        *,
        audit: AuditEntry,
        now: datetime,
        fence: int | None = None,
        attempt: Attempt | None = None,
        sent: bool = False,
        receipt: tuple[Receipt, str] | None = None,
        next_attempt_at: datetime | None = None,
        deadline: datetime | None = None,
        code: str = "",
        detail: str = "",
    ) -> TransferRow:
        """Move a transfer, compare-and-set, with its attempt, receipt, health and audit entry in one commit."""
        settlement = Settlement(
            row=row,
            event=event,
            audit=audit,
            now=now,
            fence=fence,
            attempt=attempt,
            sent=sent,
            receipt=receipt,
            next_attempt_at=next_attempt_at,
            deadline=deadline,
            code=code,
            detail=detail,
        )
        return await read_back.write(self._writer, _SETTLING, settlement)

    async def settle_all(self, settlements: Sequence[Settlement]) -> list[TransferRow | GatewayError]:
        """As `settle`, for several at once."""
        return await read_back.write_all(self._writer, _SETTLING, settlements)

    async def hold(
        self, row: TransferRow, start: HoldStart, *, audit: AuditEntry, now: datetime, deadline: datetime
    ) -> TransferRow:
        return await self._writer.write(
            partial(holding.hold, row=row, start=start, audit=audit, now=now, deadline=deadline)
        )

    async def approve(self, row: TransferRow, approval: Approval, *, audit: AuditEntry) -> TransferRow:
        return await self._writer.write(lambda transaction: holding.approve(transaction, row, approval, audit=audit))

    async def release(
        self, row: TransferRow, last: Approval, signed: PreparedTransfer | None, *, audit: AuditEntry, until: datetime
    ) -> TransferRow:
        return await self._writer.write(
            lambda transaction: holding.release(transaction, row, last, signed, audit=audit, until=until)
        )

    async def prepare_again(
        self, row: TransferRow, prepared: PreparedTransfer, start: HoldStart, *, audit: AuditEntry, now: datetime
    ) -> TransferRow:
        return await self._writer.write(
            partial(holding.prepare_again, row=row, prepared=prepared, start=start, audit=audit, now=now)
        )

    async def note_not_seen(
        self, row: TransferRow, statement: NotSeen, token: str, *, now: datetime, audit: AuditEntry
    ) -> TransferRow:
        return await self._writer.write(
            lambda transaction: superseding.note_not_seen(transaction, row, statement, token, now=now, audit=audit)
        )

    async def supersede(
        self,
        row: TransferRow,
        prepared: PreparedTransfer,
        start: HoldStart | None,
        *,
        audit: AuditEntry,
        now: datetime,
    ) -> TransferRow:
        """Put another message in place of a transfer's, with the audit entry in one commit."""
        change = partial(superseding.supersede, row=row, prepared=prepared, start=start, audit=audit, now=now)
        return await self._writer.write(change)

    async def transfer(self, transfer_id: TransferId) -> TransferDetail | None:
        return await self._readers.read(lambda ask: transfer_reading.read_one(ask, transfer_id))

    async def transfer_by_message(self, message_id: MessageId) -> TransferRow | None:
        return await self._readers.read(lambda ask: transfer_reading.read_by_message(ask, message_id))

    async def transfers_by_message(self, message_ids: Collection[MessageId]) -> Mapping[MessageId, TransferRow]:
        return await self._readers.read(lambda ask: transfer_reading.read_by_messages(ask, message_ids))

    async def transfers(
        self,
        *,
        limit: int,
        before: TransferId | None = None,
        state: TransferState | None = None,
        recipient: PartyId | None = None,
        reference_index: str | None = None,
        oldest_first: bool = False,
    ) -> list[TransferRow]:
        """Return transfers that fit, newest first unless told otherwise."""
        question = partial(
            transfer_reading.read_many,
            limit=limit,
            before=before,
            state=state,
            recipient=recipient,
            reference_index=reference_index,
            oldest_first=oldest_first,
        )
        return await self._readers.read(question)

    async def to_follow_up(self, partner: PartyId, *, limit: int, now: datetime) -> list[TransferRow]:
        ask = partial(transfer_reading.read_to_follow_up, partner=partner, now=now, limit=limit)
        return await self._readers.read(ask)

    async def dead_letters(
        self,
        *,
        limit: int,
        recipient: PartyId | None = None,
        code: str | None = None,
        since: datetime | None = None,
        after: TransferId | None = None,
    ) -> list[TransferRow]:
        """Return dead letters that fit and were not skipped, the oldest first."""
        question = partial(
            transfer_reading.read_dead_letters, limit=limit, recipient=recipient, code=code, since=since, after=after
        )
        return await self._readers.read(question)

    async def view(self, transfer_id: TransferId) -> bytes | None:
        return await self._readers.read(lambda ask: transfer_reading.read_view(ask, transfer_id))

    async def receipt(self, message_id: MessageId) -> StoredReceipt | None:
        return await self._readers.read(lambda ask: transfer_reading.read_receipt(ask, message_id))

    async def due_at(self, recipient: PartyId) -> datetime | None:
        return await self._readers.read(lambda ask: transfer_reading.read_due_at(ask, recipient))

    async def overdue(self, *, now: datetime, limit: int) -> list[TransferRow]:
        return await self._readers.read(lambda ask: transfer_reading.read_overdue(ask, now=now, limit=limit))

    async def take_notice(
        self, row: TransferRow, notice: Notice, token: str, *, now: datetime, audit: AuditEntry
    ) -> NoticeStored:
        """Keep a partner's notice with its audit entry in one commit."""
        given = TakenNotice(row, notice, token, now, audit)
        return await self._writer.write(Together(notices.take_all, given))

    async def take_notices(self, given: Sequence[TakenNotice]) -> list[NoticeStored | GatewayError]:
        """As `take_notice`, for several at once."""
        return await self._writer.write_all([Together(notices.take_all, one) for one in given])

    # ── partner health ──

    async def partner_failed(
        self,
        partner: PartyId,
        *,
        now: datetime,
        not_before: datetime,
        code: str,
        since: datetime | None = None,
        detail: str = "",
        audit: AuditEntry | None = None,
    ) -> None:
        """Count a failure in a row, with its evidence if there is any, and send nothing before `not_before`."""
        await self._writer.write(
            partial(
                health.failed,
                partner=partner,
                now=now,
                until=not_before,
                since=since,
                code=code,
                detail=detail,
                audit=audit,
            )
        )

    async def partner_heard(self, partner: PartyId, *, now: datetime) -> None:
        await self._writer.write(lambda transaction: health.heard(transaction, partner, now=now))

    async def partner_reached(self, partner: PartyId, *, now: datetime) -> None:
        await self._writer.write(lambda transaction: health.reached(transaction, partner, now=now))

    async def partners(self) -> list[PartnerHealth]:
        return await self._readers.read(health.read_all)

    # ── evidence and upkeep ──

    async def record(self, entry: AuditEntry) -> None:
        await self._writer.write(lambda transaction: transaction.record(entry))

    async def audit(
        self, *, after: int = 0, limit: int = 1000, transfer_id: TransferId | None = None, message_id: str | None = None
    ) -> list[AuditRecord]:
        """Return records of this node's chain in order, from sequence `after` + 1."""
        question = partial(
            evidence.read_records,
            chain=self._chain,
            after=after,
            limit=limit,
            transfer_id=transfer_id,
            message_id=message_id,
        )
        return await self._readers.read(question)

    async def counts(self) -> Mapping[str, int]:
        return await self._readers.read(upkeep.counts)

    async def recover(self, *, now: datetime) -> int:
        """Give back what the process before had leased; return how much."""
        given_back = 0
        for some in (settling.give_back_leases, hand_overs.give_back_leases):
            while count := await self._writer.write(partial(some, now=now)):
                given_back += count
            self._reach(Failpoint.RECOVERING)
        return given_back

    async def clock_set_back(self, by: timedelta, *, now: datetime, audit: AuditEntry) -> None:
        """Move what waits by the clock along with it."""
        await self._writer.write(partial(set_back.move, by=by, now=now, audit=audit))

    async def purge(self, *, now: datetime) -> int:
        if not await self._readers.read(partial(upkeep.anything_to_purge, now=now)):
            return 0
        return await self._writer.write(partial(self._purge, now=now))

    def _purge(self, transaction: Transaction, *, now: datetime) -> int:
        gone = upkeep.purge(transaction, now=now)
        self._reach(Failpoint.PURGED)
        return gone

    async def ready(self) -> None:
        await self._writer.write(upkeep.prove_ready)


def _nobody_holds(outcome: AcceptOutcome) -> Sequence[Change[object]]:
    """Return what gives the leases back that came with an acceptance."""
    claimed = outcome.claimed if isinstance(outcome, Accepted) else ()
    return [settling.give_unheld_back(one.row, one.fence) for one in claimed]


_SETTLING: Final = ReadBack(settling.settle_all, settling.settle_all_again)
