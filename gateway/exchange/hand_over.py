"""Hand inbox messages to the back end: at least once, under a stable id, in order within a conversation.

The bytes are the same however often they are handed over. Trying again never gives up by itself within the agreement's
retention; a back end that keeps refusing one message has it quarantined, which blocks the rest of that conversation
until an operator releases it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import assert_never

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.ids import PartyId
from gateway.domain.lifecycle import HandOverEvent
from gateway.domain.outcome import Damaged, HandedOver, HandOverOutcome, TransientFailure
from gateway.domain.records import ClaimedHandOver
from gateway.domain.retry import RetryPolicy, wait_before_retry
from gateway.errors import GatewayError
from gateway.exchange.claiming import Pace, work_off
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.notify import notice_bell
from gateway.exchange.opened import opened
from gateway.exchange.receive import HAND_OVER_BELL
from gateway.ports import BackendChannel, Clock, Ids, Sealer, Store, Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOverLimits:
    """`parallel`: messages under way at once; so many places or messages are `worth` a claim while some are under way,
    and nothing waits longer than `linger` for others to come (`claiming`). `retries`: per party of ours; `attempts`
    there bounds the tries of a back end that answers before the message is quarantined, while one that can not be
    reached is tried for ever."""

    parallel: int = 8
    worth: int = 6
    linger: timedelta = timedelta(milliseconds=20)
    lease: timedelta = timedelta(seconds=60)
    poll: timedelta = timedelta(seconds=1)
    retries: Mapping[PartyId, RetryPolicy] = field(default_factory=dict)


class HandOver:
    """The use case. `serve` runs until it is cancelled.

    `recipients`: the parties of ours whose back ends are called or written to. A back end that pulls (`pull`) is left
    alone, and what is for a party without a back end waits.
    """

    def __init__(
        self,
        *,
        store: Store,
        recipients: frozenset[PartyId],
        channel: BackendChannel,
        sealer: Sealer,
        clock: Clock,
        ids: Ids,
        bells: Doorbells,
        telemetry: Telemetry,
        limits: HandOverLimits,
        reach: Reach = pass_by,
    ) -> None:
        self._store = store
        self._recipients = recipients
        self._channel = channel
        self._sealer = sealer
        self._clock = clock
        self._ids = ids
        self._bells = bells
        self._telemetry = telemetry
        self._limits = limits
        self._reach = reach

    async def serve(self) -> None:
        """Hand over until cancelled."""

        async def claim(free: int) -> list[ClaimedHandOver]:
            if not self._recipients:
                return []
            now, lease = self._clock.now(), self._limits.lease
            return await self._store.claim_hand_overs(self._recipients, limit=free, now=now, lease=lease)

        def failed(error: GatewayError) -> None:
            self._telemetry.line("hand_over.claim", outcome="failure", code=error.code)

        limits = self._limits
        await work_off(
            claim,
            self._attempt,
            bells=self._bells,
            bell=HAND_OVER_BELL,
            pace=Pace(
                most=limits.parallel,
                at_once=limits.parallel,
                worth=limits.worth,
                linger=limits.linger,
                poll=limits.poll,
            ),
            failed=failed,
        )

    async def _attempt(self, claimed: ClaimedHandOver) -> None:
        clock, row, labels = self._clock.monotonic(), claimed.row, {}
        try:
            self._reach(Failpoint.HAND_OVER_LEASED)
            code = await self._commit(claimed, await self._give(claimed))
        except GatewayError as error:
            code = error.code
        except Exception as error:  # noqa: BLE001 - a task's outermost boundary: one message must not stop the rest
            code, labels = "internal", {"error": type(error).__name__}
        self._telemetry.line(
            "hand_over.attempt",
            outcome="success" if code == "ok" else "failure",
            duration=timedelta(seconds=self._clock.monotonic() - clock),
            code="" if code == "ok" else code,
            message_id=row.message_id,
            attempt=row.attempts,
            **labels,
        )

    async def _give(self, claimed: ClaimedHandOver) -> HandOverOutcome | Damaged:
        view = opened(claimed, self._sealer)
        return await self._channel.hand_over(claimed.row, view) if isinstance(view, bytes) else view

    async def _commit(self, claimed: ClaimedHandOver, outcome: HandOverOutcome | Damaged) -> str:
        match outcome:
            case HandedOver():
                self._reach(Failpoint.HAND_OVER_ACKNOWLEDGED)
                await self._settle(claimed, HandOverEvent.ACKNOWLEDGED, AuditEvent.HAND_OVER_ACKNOWLEDGED)
                self._reach(Failpoint.HAND_OVER_COMMITTED)
                self._bells.ring(notice_bell(claimed.row.sender))
                return "ok"
            case TransientFailure():
                await self._failed(claimed, outcome)
                return outcome.code
            case Damaged():
                await self._settle(claimed, HandOverEvent.EXHAUSTED, AuditEvent.HAND_OVER_EXHAUSTED, outcome)
                return outcome.code
            case _:
                assert_never(outcome)

    async def _failed(self, claimed: ClaimedHandOver, failure: TransientFailure) -> None:
        retry = self._limits.retries.get(claimed.row.recipient, RetryPolicy())
        wait = wait_before_retry(retry, attempt=claimed.row.attempts, jitter=self._ids.jitter())
        if wait is None and failure.connected:
            await self._settle(claimed, HandOverEvent.EXHAUSTED, AuditEvent.HAND_OVER_EXHAUSTED, failure)
            return
        wait = max(wait or retry.cap, failure.retry_after or timedelta(0))
        await self._settle(claimed, HandOverEvent.FAILED, AuditEvent.HAND_OVER_FAILED, failure, wait)

    async def _settle(
        self,
        claimed: ClaimedHandOver,
        event: HandOverEvent,
        evidence: AuditEvent,
        failure: TransientFailure | Damaged | None = None,
        wait: timedelta | None = None,
    ) -> None:
        row, now = claimed.row, self._clock.now()
        facts: dict[str, str | int] = {"attempt": row.attempts}
        if failure is not None:
            facts["code"] = failure.code
        await self._store.settle_hand_over(
            row,
            event,
            audit=AuditEntry(event=evidence, at=now, actor="system", message_id=row.message_id, facts=facts),
            now=now,
            fence=claimed.fence,
            next_attempt_at=None if wait is None else now + wait,
            code=failure.code if failure else "",
            detail=failure.detail if failure else "",
        )
