"""Follow up what can not go on by itself, one loop per partner, so that a slow one holds up nobody else's.

A transfer whose receipt is overdue is asked after first: if the partner has judged it meanwhile, the answer settles it
and nothing is sent twice. Only when nothing is learnt is it sent again. A transfer whose partner has sworn never to
have had its message gets a new one (`supersede`). Nothing is leased: each step is compare-and-set, and what was under
way in a process that died is simply still to do. A partner that dispatch leaves alone is left alone here too.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.hold import HoldCause, HoldStart
from gateway.domain.ids import PartyId, TransferId
from gateway.domain.lifecycle import TransferEvent, TransferState
from gateway.domain.records import TransferRow
from gateway.errors import AgreementError, GatewayError, TransferError
from gateway.exchange.ask import Ask
from gateway.exchange.claiming import Pace, work_off
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.supersede import Supersede
from gateway.ports import Clock, Store, Telemetry

__all__ = ["FollowUp", "FollowUpLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpLimits:
    """`parallel`: transfers to one partner followed up at once."""

    parallel: int = 4
    poll: timedelta = timedelta(seconds=1)


class FollowUp:
    """The use case. `serve` runs for one partner until it is cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        ask: Ask,
        supersede: Supersede,
        clock: Clock,
        bells: Doorbells,
        telemetry: Telemetry,
        limits: FollowUpLimits,
    ) -> None:
        self._store = store
        self._ask = ask
        self._supersede = supersede
        self._clock = clock
        self._bells = bells
        self._telemetry = telemetry
        self._limits = limits
        self._under_way: set[TransferId] = set()

    async def serve(self, partner: PartyId) -> None:
        """Follow up what is sent to `partner` until cancelled."""

        async def claim(free: int) -> list[TransferRow]:
            busy = frozenset(self._under_way)
            due = await self._store.to_follow_up(partner, limit=free + len(busy), now=self._clock.now())
            taken = [row for row in due if row.id not in busy][:free]
            self._under_way.update(row.id for row in taken)
            return taken

        def failed(error: GatewayError) -> None:
            self._telemetry.line("transfer.follow_up", outcome="failure", code=error.code, partner=partner)

        limits = self._limits
        await work_off(
            claim,
            self._attempt,
            bells=self._bells,
            bell=f"follow-up:{partner}",
            pace=Pace(most=limits.parallel, at_once=limits.parallel, worth=1, poll=limits.poll),
            failed=failed,
        )

    async def _attempt(self, row: TransferRow) -> None:
        code = "internal"
        try:
            code = await self.one(row)
        except GatewayError as error:
            code = error.code
            await asyncio.sleep(self._limits.poll.total_seconds())
        except asyncio.CancelledError:
            code = ""  # the node stops: it is followed up after the next start
            raise
        finally:
            self._under_way.discard(row.id)
            if code:
                self._line(row, code)

    def _line(self, row: TransferRow, code: str) -> None:
        self._telemetry.line(
            "transfer.follow_up",
            outcome="success" if code == "ok" else "failure",
            code="" if code == "ok" else code,
            partner=row.recipient,
            transfer_id=row.id,
        )

    async def one(self, row: TransferRow) -> str:
        """Follow up one transfer; return `ok` or the code that explains why nothing more was learnt."""
        if row.state is TransferState.AWAITING_RECEIPT:
            return await self._overdue(row)
        try:
            await self._supersede(row, actor="system", reason="The partner has sworn never to have had the message")
        except TransferError as error:
            return error.code
        except GatewayError as error:
            if error.entry.retryable:
                raise
            await self._hold(row, error)
            return error.code
        return "ok"

    async def _overdue(self, row: TransferRow) -> str:
        found = await self._ask(row)
        if found.row.state is not TransferState.AWAITING_RECEIPT:
            return "ok"
        now, row = self._clock.now(), found.row
        event = TransferEvent.TAKEN if found.judging else TransferEvent.OVERDUE
        evidence = AuditEvent.TRANSFER_TAKEN if found.judging else AuditEvent.TRANSFER_OVERDUE
        words = "it is still being judged" if found.judging else f"it is sent again ({found.detail})"
        await self._store.settle(
            row,
            event,
            audit=AuditEntry(
                event=evidence,
                at=now,
                actor="system",
                transfer_id=row.id,
                message_id=row.message_id,
                facts={"state": row.state.value, "code": found.code or "channel.timeout"},
            ),
            now=now,
            next_attempt_at=now + row.retry.cap if found.judging else now,
            code="channel.timeout",
            detail=f"The partner took the message, its receipt is overdue, and {words}",
        )
        self._bells.ring(row.recipient)
        return found.code or "ok"

    async def _hold(self, row: TransferRow, error: GatewayError) -> None:
        """Have a person look at what could not be prepared again."""
        now = self._clock.now()
        why = f"It could not be prepared again: {error.detail or error.entry.title}"[:500]
        cause = HoldCause.AGREEMENT if isinstance(error, AgreementError) else HoldCause.CHANGED
        await self._store.hold(
            row,
            HoldStart(cause=cause, by="system", reason=why),
            audit=AuditEntry(
                event=AuditEvent.TRANSFER_HELD,
                at=now,
                actor="system",
                transfer_id=row.id,
                message_id=row.message_id,
                facts={"code": error.code, "state": row.state.value, "reason": why},
            ),
            now=now,
            deadline=row.expires,
        )
