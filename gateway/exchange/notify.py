"""Tell partners that our back end took their messages, one loop per partner, so that a slow one holds up nobody else's.

That a notice is owed was committed with the hand-over itself. Here each is signed anew for every attempt, so that a key
that was rotated meanwhile strands nothing, and posted until the partner takes it or its time is over. A notice says the
same however often it is sent, so nothing is leased: what was under way in a process that died is simply still owed, and
the partner answers the second time as the first. A partner that dispatch leaves alone is left alone here too.

Those that are due together are posted together. Each stays a statement of its own: whoever shows one as evidence shows
nothing of other messages.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, assert_never

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.lifecycle import NoticeState
from gateway.domain.limits import MAX_BATCH_ENVELOPES
from gateway.domain.outcome import ReceiptReturned, SendOutcome, TransientFailure, TransportAccepted
from gateway.domain.records import OwedNotice
from gateway.domain.retry import RetryPolicy, next_attempt_at
from gateway.domain.statement import Notice
from gateway.envelope import sign_notice
from gateway.errors import GatewayError
from gateway.exchange.claiming import Pace, work_off_in_groups
from gateway.exchange.doorbell import Doorbells
from gateway.ports import Clock, Ids, NoticeSettlement, PartnerChannel, Store, Telemetry, Trust

_SIGNED_AT_ONCE: Final = 8
"""Notices that are signed before anything else gets its turn: about half a millisecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyLimits:
    """`requests`: to one partner under way at once; `batch`: notices in one. `worth` and `linger`: when to look again
    (`claiming`), whether something is under way or not: nobody waits for a notice. `retry`: how long after each other;
    when to give up stands with each notice."""

    requests: int = 2
    batch: int = MAX_BATCH_ENVELOPES
    worth: int = MAX_BATCH_ENVELOPES
    linger: timedelta = timedelta(milliseconds=250)
    poll: timedelta = timedelta(seconds=1)
    retry: RetryPolicy = field(default_factory=RetryPolicy)


def notice_bell(partner: PartyId) -> str:
    """Name the bell of the loop that tells `partner`."""
    return f"notice:{partner}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noted:
    """What came of one attempt. `kept`: the store knows of it. `error`: the name of an unforeseen one."""

    code: str
    kept: bool = True
    error: str = ""


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

        async def claim(most: int) -> list[OwedNotice]:
            """Return what is due and not under way yet."""
            # What is under way when the question is asked may still be owed in the answer.
            busy = frozenset(self._under_way)
            due = await self._store.notices_owed(partner, limit=most + len(busy), now=self._clock.now())
            taken = [one for one in due if (one.sender, one.message_id) not in busy][:most]
            self._under_way.update((one.sender, one.message_id) for one in taken)
            return taken

        def failed(error: GatewayError) -> None:
            self._telemetry.line("notice.find", outcome="failure", code=error.code, partner=partner)

        limits = self._limits
        pace = Pace(
            most=limits.batch,
            at_once=limits.requests,
            worth=limits.worth,
            linger=limits.linger,
            gather=limits.linger,
            poll=limits.poll,
        )
        bell = notice_bell(partner)
        await work_off_in_groups(claim, self._attempt, bells=self._bells, bell=bell, pace=pace, failed=failed)

    async def _attempt(self, group: Sequence[OwedNotice]) -> None:
        """Make one attempt for each of a group, all to one partner."""
        clock = self._clock.monotonic()
        try:
            noted = await self._note(group, await self._post(group))
        except GatewayError as error:
            noted = [_Noted(code=error.code, kept=False)] * len(group)
        except Exception as error:  # noqa: BLE001 - a task's outermost boundary: one group must not stop the rest
            noted = [_Noted(code="internal", kept=False, error=type(error).__name__)] * len(group)
        self._lines(group, noted, timedelta(seconds=self._clock.monotonic() - clock))
        self._under_way.difference_update(_names(group, noted, kept=True))
        if not all(one.kept for one in noted):
            await self._pause()
            self._under_way.difference_update(_names(group, noted, kept=False))

    async def _note(self, group: Sequence[OwedNotice], outcomes: Sequence[SendOutcome]) -> list[_Noted]:
        """Commit what came of each of a group, together; one that can not be noted does not stop the others."""
        now = self._clock.now()
        settlements = [self._settlement(owed, outcome, now) for owed, outcome in zip(group, outcomes, strict=True)]
        return [
            _Noted(code=one.code, kept=False) if isinstance(one, GatewayError) else _Noted(code=settlement.code or "ok")
            for one, settlement in zip(await self._store.settle_notices(settlements), settlements, strict=True)
        ]

    def _lines(self, group: Sequence[OwedNotice], noted: Sequence[_Noted], duration: timedelta) -> None:
        """Tell of a request: one line for all of it, and one for each notice that the partner did not take."""
        given = sum(one.code == "ok" for one in noted)
        if len(group) > 1:
            self._telemetry.line(
                "notice.group",
                outcome="success" if given == len(group) else "failure",
                duration=duration,
                partner=group[0].sender,
                notices=len(group),
                given=given,
            )
        for owed, one in zip(group, noted, strict=True):
            if one.code != "ok" or len(group) == 1:
                self._line(owed, duration, one)

    def _line(self, owed: OwedNotice, duration: timedelta, noted: _Noted) -> None:
        labels = {"error": noted.error} if noted.error else {}
        self._telemetry.line(
            "notice.attempt",
            outcome="success" if noted.code == "ok" else "failure",
            duration=duration,
            code="" if noted.code == "ok" else noted.code,
            partner=owed.sender,
            message_id=owed.message_id,
            attempt=owed.attempts + 1,
            **labels,
        )

    async def _pause(self) -> None:
        """Wait before an attempt of which nothing could be noted may be made again."""
        await asyncio.sleep(self._limits.poll.total_seconds())

    async def _post(self, group: Sequence[OwedNotice]) -> list[SendOutcome]:
        """Return what came of signing and posting each of a group, in its order."""
        signed: list[str | TransientFailure] = []
        for start in range(0, len(group), _SIGNED_AT_ONCE):
            if start:
                await asyncio.sleep(0)  # signing stops the event loop, and somebody may wait for an acknowledgement
            with self._trust.steady():
                signed += [self._sign(owed) for owed in group[start : start + _SIGNED_AT_ONCE]]
        ready = [(owed.message_id, token) for owed, token in zip(group, signed, strict=True) if isinstance(token, str)]
        posted = iter(await self._channel.post_notices(group[0].sender, ready) if ready else ())
        return [next(posted) if isinstance(token, str) else token for token in signed]

    def _sign(self, owed: OwedNotice) -> str | TransientFailure:
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
            return sign_notice(notice, self._trust.signer(owed.recipient, now))
        except GatewayError as error:  # no key of ours is good now
            return TransientFailure(code=error.code, detail=error.detail, sent=False, connected=True)

    def _settlement(self, owed: OwedNotice, outcome: SendOutcome, now: datetime) -> NoticeSettlement:
        """Return what is to be committed of one attempt."""
        match outcome:
            case TransportAccepted():
                audit = self._entry(AuditEvent.NOTICE_GIVEN, owed, now)
                return NoticeSettlement(owed=owed, becomes=NoticeState.GIVEN, now=now, audit=audit)
            case TransientFailure():
                return self._failed(owed, outcome, now)
            case ReceiptReturned():
                detail = "The partner answered a notice with a statement, which the protocol does not know"
                code = "channel.unexpected_answer"
                return self._failed(owed, TransientFailure(code=code, detail=detail, sent=True, connected=True), now)
            case _:
                assert_never(outcome)

    def _failed(self, owed: OwedNotice, failure: TransientFailure, now: datetime) -> NoticeSettlement:
        made = owed.attempts + 1
        again = next_attempt_at(
            self._limits.retry, attempt=made, jitter=self._ids.jitter(), now=now, deadline=owed.deadline
        )
        if again is not None and failure.retry_after is not None:
            again = min(max(again, now + failure.retry_after), owed.deadline)
        return NoticeSettlement(
            owed=owed,
            becomes=NoticeState.GIVEN_UP if again is None else NoticeState.OWED,
            now=now,
            audit=self._entry(AuditEvent.NOTICE_GIVEN_UP, owed, now, failure.code) if again is None else None,
            next_attempt_at=again,
            code=failure.code,
            detail=failure.detail,
        )

    def _entry(self, event: AuditEvent, owed: OwedNotice, now: datetime, code: str = "") -> AuditEntry:
        facts: dict[str, str | int] = {"sender": owed.sender, "attempt": owed.attempts + 1, "digest": owed.digest}
        if code:
            facts["code"] = code
        return AuditEntry(event=event, at=now, actor="system", message_id=owed.message_id, facts=facts)


def _names(group: Sequence[OwedNotice], noted: Sequence[_Noted], *, kept: bool) -> Iterator[tuple[PartyId, MessageId]]:
    return ((owed.sender, owed.message_id) for owed, one in zip(group, noted, strict=True) if one.kept is kept)
