"""What time does by itself: leases that ran out, deadlines that passed, agreements that ended, rows to forget."""

import asyncio
from datetime import datetime, timedelta

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.lifecycle import HandOverEvent, TransferEvent, TransferState
from gateway.domain.records import TransferRow
from gateway.errors import GatewayError, TransferError
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.ended import HoldEnded
from gateway.exchange.receive import hand_over_bell
from gateway.ports import Clock, Store, Telemetry

_BATCH = 500
_PURGES = 20  # changes in one round; the rest goes in the next ones, and leases and deadlines do not wait for it
_SLEWED_SECONDS = 2.0  # less than this within one round is a clock being steered, not one being set


class Sweep:
    """The use case. `serve` runs until it is cancelled; `once` makes one round."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        bells: Doorbells,
        telemetry: Telemetry,
        ended: HoldEnded,
        every: timedelta,
        purge_every: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bells = bells
        self._telemetry = telemetry
        self._ended = ended
        self._every = every
        self._purge_every = purge_every
        self._purged = float("-inf")
        self._offset = self._clock.now().timestamp() - self._clock.monotonic()

    async def serve(self) -> None:
        """Sweep for ever, `every` so often."""
        while True:
            try:
                await self.once()
            except GatewayError as error:
                self._telemetry.line("sweep", outcome="failure", code=error.code)
            await asyncio.sleep(self._every.total_seconds())

    async def once(self) -> None:
        """Make one round over transfers, hand-overs and rows past their keeping."""
        now = self._clock.now()
        await self._follow_clock(now)
        is_long_ago = self._clock.monotonic() >= self._purged + self._purge_every.total_seconds()
        # What came back to QUEUED since, under an agreement that had ended before, is found with the purge.
        await self._ended.look(now, anew=is_long_ago)
        for row in await self._store.overdue(now=now, limit=_BATCH):
            if row.state is not TransferState.AWAITING_RECEIPT or now >= row.deadline:
                await self._transfer(row, now)  # an overdue receipt is asked after: `follow_up`
        for message in await self._store.overdue_hand_overs(now=now, limit=_BATCH):
            try:
                await self._store.settle_hand_over(
                    message,
                    HandOverEvent.LEASE_LOST,
                    audit=AuditEntry(
                        event=AuditEvent.HAND_OVER_LEASE_LOST, at=now, actor="system", message_id=message.message_id
                    ),
                    now=now,
                    next_attempt_at=now,
                )
            except TransferError:
                continue  # its holder came back first
            self._bells.ring(hand_over_bell(message.recipient))
        if is_long_ago:
            await self._purge(now)

    async def _purge(self, now: datetime) -> None:
        """Forget what is past its keeping: a bounded amount, and what is left in the next round."""
        for _ in range(_PURGES):
            if not await self._store.purge(now=now):
                self._purged = self._clock.monotonic()
                return

    async def _follow_clock(self, now: datetime) -> None:
        """Notice that the clock was set back since the last round, and let what waits not wait for it.

        Set forward, leases end early: what is under way then is refused its late write and loses nothing.
        """
        offset = now.timestamp() - self._clock.monotonic()
        if (seconds := self._offset - offset) > _SLEWED_SECONDS:
            audit = AuditEntry(
                event=AuditEvent.NODE_CLOCK_SET_BACK, at=now, actor="system", facts={"count": round(seconds)}
            )
            await self._store.clock_set_back(timedelta(seconds=seconds), now=now, audit=audit)
            self._telemetry.line("node.clock_set_back", outcome="success", seconds=round(seconds))
        self._offset = offset

    async def _transfer(self, row: TransferRow, now: datetime) -> None:
        event, evidence, code, detail = _what_is_due(row, now)
        try:
            await self._store.settle(
                row,
                event,
                audit=AuditEntry(
                    event=evidence,
                    at=now,
                    actor="system",
                    transfer_id=row.id,
                    message_id=row.message_id,
                    facts={"state": row.state.value},
                ),
                now=now,
                next_attempt_at=now if event is TransferEvent.LEASE_LOST else None,
                code=code,
                detail=detail,
            )
        except TransferError:
            return  # its holder came back first
        self._bells.ring(row.recipient)


def _what_is_due(row: TransferRow, now: datetime) -> tuple[TransferEvent, AuditEvent, str, str]:
    """Return what has to happen to an overdue transfer: event, evidence, code, words for the operator."""
    if row.state is TransferState.IN_FLIGHT:
        words = "The attempt did not report back before its lease ended"
        return TransferEvent.LEASE_LOST, AuditEvent.TRANSFER_LEASE_LOST, "transfer.lease_lost", words
    if now >= row.deadline and row.state is TransferState.HELD:
        words = "Nobody released it before the time for its message was over"
        return TransferEvent.DEADLINE, AuditEvent.TRANSFER_DEADLINE, "transfer.deadline", words
    words = "The deadline of the agreement passed before the partner gave a receipt"
    return TransferEvent.DEADLINE, AuditEvent.TRANSFER_DEADLINE, "transfer.deadline", words
