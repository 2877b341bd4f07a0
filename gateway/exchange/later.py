"""Receipts that come later, at the receiver: judge what was answered with 202, and give its sender the receipt.

A partner whose receipts come later (`receipts = "later"`) is answered 202 once its envelope is on disk as it came. Here
the rest happens, one loop per partner. Judging is the same as for everybody (`receive`); the verdict, the end of the
waiting and the receipt that is owed are one commit. Then the receipt is posted until the partner takes it, or its time
is over. A receipt says the same however often it is sent, so nothing is leased: what was under way in a process that
died is simply still to do, and the commit decides duplicates as always.

A partner may ask before (`asked`): it is told that the message is still being judged, or gets the receipt then.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import assert_never

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.later import OwedReceipt, TakenEnvelope
from gateway.domain.lifecycle import NoticeState
from gateway.domain.limits import STAGE_BATCH
from gateway.domain.outcome import ReceiptReturned, TransientFailure, TransportAccepted
from gateway.domain.retry import RetryPolicy, next_attempt_at
from gateway.errors import GatewayError
from gateway.exchange.claiming import Pace, work_off, work_off_in_groups
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.receive import Receive, judge_bell
from gateway.ports import Clock, Ids, ReceiptChannel, Store, Telemetry

__all__ = ["GiveReceipts", "JudgeLater", "LaterLimits", "given_receipt", "receipt_bell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterLimits:
    """`batch`: envelopes judged together, and groups of them one after the other: a backlog must not hold many of them
    in memory. `parallel`: receipts posted to one partner at once. `retry`: how long after each other; when to give up
    stands with each."""

    batch: int = STAGE_BATCH
    parallel: int = 4
    poll: timedelta = timedelta(seconds=1)
    retry: RetryPolicy = field(default_factory=RetryPolicy)


def receipt_bell(partner: PartyId) -> str:
    """Name the bell of the loop that gives `partner` its receipts."""
    return f"receipt:{partner}"


class JudgeLater:
    """Judges what waits. `serve` runs for one partner until it is cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        receive: Receive,
        clock: Clock,
        bells: Doorbells,
        telemetry: Telemetry,
        limits: LaterLimits,
        reach: Reach = pass_by,
    ) -> None:
        self._store = store
        self._receive = receive
        self._clock = clock
        self._bells = bells
        self._telemetry = telemetry
        self._limits = limits
        self._reach = reach

    async def serve(self, partner: PartyId) -> None:
        """Judge what `partner` sent until cancelled."""

        async def claim(most: int) -> list[TakenEnvelope]:
            return await self._store.taken_envelopes(partner, limit=most, now=self._clock.now())

        def failed(error: GatewayError) -> None:
            self._telemetry.line("message.judge", outcome="failure", code=error.code, partner=partner)

        pace = Pace(most=self._limits.batch, at_once=1, worth=1, poll=self._limits.poll)
        bell = judge_bell(partner)
        await work_off_in_groups(claim, self._judge_all, bells=self._bells, bell=bell, pace=pace, failed=failed)

    async def _judge_all(self, envelopes: Sequence[TakenEnvelope]) -> None:
        done = await asyncio.gather(*map(self._one, envelopes))
        self._bells.ring(receipt_bell(envelopes[0].sender))
        if not all(done):
            await asyncio.sleep(self._limits.poll.total_seconds())  # the store may be failing

    async def _one(self, envelope: TakenEnvelope) -> bool:
        """Judge one envelope. It does not stop the others of its group. Return whether the store knows what came."""
        try:
            await self._receive.judge(envelope)
        except GatewayError as error:
            code, defect = error.code, ""
        except Exception as error:  # noqa: BLE001 - the outermost boundary of one envelope
            code, defect = "internal", type(error).__name__
        else:
            self._reach(Failpoint.RECEIPT_OWED)
            return True
        self._telemetry.line(
            "message.judge",
            outcome="failure",
            code=code,
            partner=envelope.sender,
            message_id=envelope.message_id,
            error=defect,
        )
        return False


class GiveReceipts:
    """Gives what is owed. `serve` runs for one partner until it is cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        channel: ReceiptChannel,
        clock: Clock,
        ids: Ids,
        bells: Doorbells,
        telemetry: Telemetry,
        limits: LaterLimits,
        reach: Reach = pass_by,
    ) -> None:
        self._store = store
        self._channel = channel
        self._clock = clock
        self._ids = ids
        self._bells = bells
        self._telemetry = telemetry
        self._limits = limits
        self._reach = reach

    async def serve(self, partner: PartyId) -> None:
        """Give `partner` its receipts until cancelled."""
        mine: set[MessageId] = set()

        async def claim(free: int) -> list[OwedReceipt]:
            busy = frozenset(mine)
            due = await self._store.receipts_owed(partner, limit=free + len(busy), now=self._clock.now())
            taken = [one for one in due if one.message_id not in busy][:free]
            mine.update(one.message_id for one in taken)
            return taken

        async def give(owed: OwedReceipt) -> None:
            try:
                await self._attempt(owed)
            finally:
                mine.discard(owed.message_id)

        def failed(error: GatewayError) -> None:
            self._telemetry.line("receipt.find", outcome="failure", code=error.code, partner=partner)

        limits = self._limits
        pace = Pace(most=limits.parallel, at_once=limits.parallel, worth=1, poll=limits.poll)
        await work_off(claim, give, bells=self._bells, bell=receipt_bell(partner), pace=pace, failed=failed)

    async def _attempt(self, owed: OwedReceipt) -> None:
        clock, labels = self._clock.monotonic(), {}
        try:
            code, kept = await self._give(owed), True
        except GatewayError as error:
            code, kept = error.code, False
        except Exception as error:  # noqa: BLE001 - a task's outermost boundary: one receipt must not stop the rest
            code, kept, labels = "internal", False, {"error": type(error).__name__}
        self._telemetry.line(
            "receipt.attempt",
            outcome="success" if code == "ok" else "failure",
            duration=timedelta(seconds=self._clock.monotonic() - clock),
            code="" if code == "ok" else code,
            partner=owed.partner,
            message_id=owed.message_id,
            attempt=owed.attempts + 1,
            **labels,
        )
        if not kept:
            await asyncio.sleep(self._limits.poll.total_seconds())

    async def _give(self, owed: OwedReceipt) -> str:
        """Post one receipt and commit what came of it; return `ok` or the code that explains it."""
        outcome = await self._channel.post_receipt(owed.partner, owed.token)
        match outcome:
            case TransportAccepted():
                self._reach(Failpoint.RECEIPT_GIVEN)
                now = self._clock.now()
                await self._store.settle_receipt(
                    owed, NoticeState.GIVEN, now=now, audit=given_receipt(owed, self._clock)
                )
                return "ok"
            case TransientFailure():
                return await self._failed(owed, outcome)
            case ReceiptReturned():
                detail = "The partner answered a receipt with a statement, which the protocol does not know"
                code = "channel.unexpected_answer"
                return await self._failed(owed, TransientFailure(code=code, detail=detail, sent=True, connected=True))
            case _:
                assert_never(outcome)

    async def _failed(self, owed: OwedReceipt, failure: TransientFailure) -> str:
        now, made = self._clock.now(), owed.attempts + 1
        again = next_attempt_at(
            self._limits.retry, attempt=made, jitter=self._ids.jitter(), now=now, deadline=owed.deadline
        )
        if again is not None and failure.retry_after is not None:
            again = min(max(again, now + failure.retry_after), owed.deadline)
        await self._store.settle_receipt(
            owed,
            NoticeState.GIVEN_UP if again is None else NoticeState.OWED,
            now=now,
            audit=_entry(AuditEvent.RECEIPT_GIVEN_UP, owed, self._clock, failure.code) if again is None else None,
            next_attempt_at=again,
        )
        return failure.code


def given_receipt(owed: OwedReceipt, clock: Clock) -> AuditEntry:
    """Return the evidence that a partner got its receipt, by our post or by its own question."""
    return _entry(AuditEvent.RECEIPT_GIVEN, owed, clock)


def _entry(event: AuditEvent, owed: OwedReceipt, clock: Clock, code: str = "") -> AuditEntry:
    facts: dict[str, str | int] = {"sender": owed.partner, "attempt": owed.attempts + 1}
    if code:
        facts["code"] = code
    return AuditEntry(event=event, at=clock.now(), actor="system", message_id=owed.message_id, facts=facts)
