"""Tell partners that our back end took their messages, one loop per partner, so that a slow one holds up nobody else's.

That a notice is owed was committed with the hand-over itself. Here each is signed anew for every attempt, so that a key
that was rotated meanwhile strands nothing, and posted until the partner takes it or its time is over. A notice says the
same however often it is sent, so nothing is leased: what was under way in a process that died is simply still owed, and
the partner answers the second time as the first. A partner that dispatch leaves alone is left alone here too.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import assert_never

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.lifecycle import NoticeState
from gateway.domain.outcome import ReceiptReturned, SendOutcome, TransientFailure, TransportAccepted
from gateway.domain.records import OwedNotice
from gateway.domain.retry import RetryPolicy, next_attempt_at
from gateway.domain.statement import Notice
from gateway.envelope import sign_notice
from gateway.errors import GatewayError
from gateway.exchange.claiming import work_off
from gateway.exchange.doorbell import Doorbells
from gateway.ports import Clock, Ids, PartnerChannel, Store, Telemetry, Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyLimits:
    """`parallel`: notices to one partner under way at once. `retry`: how long after each other; when to give up stands
    with each notice."""

    parallel: int = 4
    poll: timedelta = timedelta(seconds=1)
    retry: RetryPolicy = field(default_factory=RetryPolicy)


def notice_bell(partner: PartyId) -> str:
    """Name the bell of the loop that tells `partner`."""
    return f"notice:{partner}"


class Notify:
    """The use case. `serve` runs for one partner until it is cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        channel: PartnerChannel,
        trust: Trust,
        clock: Clock,
        ids: Ids,
        bells: Doorbells,
        telemetry: Telemetry,
        limits: NotifyLimits,
    ) -> None:
        self._store = store
        self._channel = channel
        self._trust = trust
        self._clock = clock
        self._ids = ids
        self._bells = bells
        self._telemetry = telemetry
        self._limits = limits
        self._under_way: set[tuple[PartyId, MessageId]] = set()

    async def serve(self, partner: PartyId) -> None:
        """Tell `partner` until cancelled."""

        async def claim(free: int) -> list[OwedNotice]:
            """Return what is due and not under way yet."""
            # What is under way when the question is asked may still be owed in the answer.
            busy = frozenset(self._under_way)
            due = await self._store.notices_owed(partner, limit=free + len(busy), now=self._clock.now())
            taken = [one for one in due if (one.sender, one.message_id) not in busy][:free]
            self._under_way.update((one.sender, one.message_id) for one in taken)
            return taken

        def failed(error: GatewayError) -> None:
            self._telemetry.line("notice.find", outcome="failure", code=error.code, partner=partner)

        limits = self._limits
        await work_off(
            claim,
            self._attempt,
            bells=self._bells,
            bell=notice_bell(partner),
            parallel=limits.parallel,
            poll=limits.poll,
            failed=failed,
        )

    async def _attempt(self, owed: OwedNotice) -> None:
        clock, labels = self._clock.monotonic(), {}
        try:
            code = await self._commit(owed, await self._post(owed))
        except GatewayError as error:
            code = error.code
            await self._pause()
        except Exception as error:  # noqa: BLE001 - a task's outermost boundary: one notice must not stop the rest
            code, labels = "internal", {"error": type(error).__name__}
            await self._pause()
        finally:
            self._under_way.discard((owed.sender, owed.message_id))
        self._telemetry.line(
            "notice.attempt",
            outcome="success" if code == "ok" else "failure",
            duration=timedelta(seconds=self._clock.monotonic() - clock),
            code="" if code == "ok" else code,
            partner=owed.sender,
            message_id=owed.message_id,
            attempt=owed.attempts + 1,
            **labels,
        )

    async def _pause(self) -> None:
        """Wait before an attempt of which nothing could be noted may be made again."""
        await asyncio.sleep(self._limits.poll.total_seconds())

    async def _post(self, owed: OwedNotice) -> SendOutcome:
        now = self._clock.now()
        notice = Notice(
            message_id=owed.message_id,
            digest=owed.digest,
            handed_over=owed.handed_over.replace(microsecond=0),
            issuer=owed.recipient,
            audience=owed.sender,
            issued_at=max(now, owed.handed_over).replace(microsecond=0),  # clocks may be set back
            statement_id=self._ids.uuid4(),
        )
        try:
            token = sign_notice(notice, self._trust.signer(owed.recipient, now))
        except GatewayError as error:  # no key of ours is good now
            return TransientFailure(code=error.code, detail=error.detail, sent=False, connected=True)
        return await self._channel.post_notice(owed.sender, token)

    async def _commit(self, owed: OwedNotice, outcome: SendOutcome) -> str:
        """Commit what came of the attempt; return `ok` or the code that explains it."""
        match outcome:
            case TransportAccepted():
                audit = self._entry(AuditEvent.NOTICE_GIVEN, owed)
                await self._store.settle_notice(owed, NoticeState.GIVEN, now=self._clock.now(), audit=audit)
                return "ok"
            case TransientFailure():
                return await self._failed(owed, outcome)
            case ReceiptReturned():
                detail = "The partner answered a notice with a statement, which the protocol does not know"
                code = "channel.unexpected_answer"
                return await self._failed(owed, TransientFailure(code=code, detail=detail, sent=True, connected=True))
            case _:
                assert_never(outcome)

    async def _failed(self, owed: OwedNotice, failure: TransientFailure) -> str:
        now, made = self._clock.now(), owed.attempts + 1
        again = next_attempt_at(
            self._limits.retry, attempt=made, jitter=self._ids.jitter(), now=now, deadline=owed.deadline
        )
        if again is not None and failure.retry_after is not None:
            again = min(max(again, now + failure.retry_after), owed.deadline)
        await self._store.settle_notice(
            owed,
            NoticeState.GIVEN_UP if again is None else NoticeState.OWED,
            now=now,
            audit=self._entry(AuditEvent.NOTICE_GIVEN_UP, owed, failure.code) if again is None else None,
            next_attempt_at=again,
            code=failure.code,
            detail=failure.detail,
        )
        return failure.code

    def _entry(self, event: AuditEvent, owed: OwedNotice, code: str = "") -> AuditEntry:
        facts: dict[str, str | int] = {"sender": owed.sender, "attempt": owed.attempts + 1, "digest": owed.digest}
        if code:
            facts["code"] = code
        return AuditEntry(event=event, at=self._clock.now(), actor="system", message_id=owed.message_id, facts=facts)
