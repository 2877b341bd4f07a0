"""Hand inbox messages to the back end: at least once, under a stable id, in order within a conversation.

The bytes are the same however often they are handed over. Trying again never gives up by itself within the agreement's
retention; a back end that keeps refusing one message has it quarantined, which blocks the rest of that conversation
until an operator releases it.

A back end that takes several messages in one request gets what is due together, one message of a conversation at most,
as the claim sees to. Each has its own answer. Where a request failed as a whole, one of its messages may be to blame:
each of them goes alone when it is tried again, so that a bad one does not hold the others for longer than that.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.lifecycle import HandOverEvent
from gateway.domain.limits import MAX_BATCH_ENVELOPES
from gateway.domain.outcome import Damaged, HandedOver, HandOverOutcome, TransientFailure
from gateway.domain.records import ClaimedHandOver, InboxRow
from gateway.domain.retry import RetryPolicy, wait_before_retry
from gateway.errors import GatewayError
from gateway.exchange.arrivals import Arrivals
from gateway.exchange.claiming import Pace, work_off, work_off_in_groups
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.notify import notice_bell
from gateway.exchange.opened import opened
from gateway.exchange.receive import hand_over_bell
from gateway.ports import BackendChannel, Clock, HandOverSettlement, Ids, Sealer, Store, Telemetry

_MAY_BE_ITS_FAULT: Final = frozenset(
    {"channel.refused", "channel.unexpected_answer", "channel.interrupted", "channel.timeout"}
)
"""With what a message must have failed to go alone the next time. A back end that is busy or away says nothing of any
one message, and is not to be called once for each when it is back."""


_Message = tuple[InboxRow, bytes]
"""What is handed over: the row, and the document's exact bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noted:
    """What came of one attempt. `error`: the name of an unforeseen one."""

    code: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOverLimits:
    """`parallel`: messages for one party under way at once; so many places or messages are `worth` a claim while some
    are under way, and nothing waits longer than `linger` for others to come (`claiming`). `groups` and `apart`: the
    same where the back end takes several together. `retries`: per party of ours; `attempts` there bounds the tries of a
    back end that answers before the message is quarantined, while one that can not be reached is tried for ever."""

    parallel: int = 8
    worth: int = 6
    groups: int = 4
    linger: timedelta = timedelta(milliseconds=20)
    apart: timedelta = timedelta(milliseconds=50)
    lease: timedelta = timedelta(seconds=60)
    poll: timedelta = timedelta(seconds=1)
    retries: Mapping[PartyId, RetryPolicy] = field(default_factory=dict)


class HandOver:
    """The use case. `serve` runs for one party of ours, whose back end is called or written to, until it is cancelled:
    so a back end that is slow holds up nobody else's. One that pulls (`pull`) is left alone, and what is for a party
    without a back end waits."""

    def __init__(
        self,
        *,
        store: Store,
        channel: BackendChannel,
        sealer: Sealer,
        clock: Clock,
        ids: Ids,
        bells: Doorbells,
        telemetry: Telemetry,
        arrivals: Arrivals,
        limits: HandOverLimits,
        reach: Reach = pass_by,
    ) -> None:
        self._store = store
        self._channel = channel
        self._sealer = sealer
        self._clock = clock
        self._ids = ids
        self._bells = bells
        self._telemetry = telemetry
        self._arrivals = arrivals
        self._limits = limits
        self._reach = reach

    async def serve(self, recipient: PartyId) -> None:
        """Hand over what is for `recipient` until cancelled."""

        async def claim(most: int) -> Sequence[ClaimedHandOver]:
            return await self._claim(recipient, most)

        def begun(most: int) -> Sequence[ClaimedHandOver]:
            return self._arrivals.take(recipient, most)

        def failed(error: GatewayError) -> None:
            self._telemetry.line("hand_over.claim", outcome="failure", code=error.code)

        bell, takes, limits = hand_over_bell(recipient), self._takes(recipient), self._limits
        if takes == 1:
            most = limits.parallel
            pace = Pace(most=most, at_once=most, worth=limits.worth, linger=limits.linger, poll=limits.poll)
            await work_off(
                claim, self._attempt_one, bells=self._bells, bell=bell, pace=pace, failed=failed, begun=begun
            )
        else:
            pace = Pace(
                most=takes,
                at_once=limits.groups,
                worth=takes,
                linger=limits.linger,
                apart=limits.apart,
                poll=limits.poll,
            )
            await work_off_in_groups(
                claim, self._attempt, bells=self._bells, bell=bell, pace=pace, failed=failed, begun=begun
            )

    async def _claim(self, recipient: PartyId, most: int) -> Sequence[ClaimedHandOver]:
        """Return what was leased as it came in and, as far as there is room, what is due in the store. If that is all,
        what comes now may be leased as it comes in for a moment."""
        ready = self._arrivals.take(recipient, most)
        if len(ready) == most:
            return ready
        with self._bells.at_work():
            now, limits = self._clock.now(), self._limits
            try:
                due = await self._store.claim_hand_overs(
                    {recipient}, limit=most - len(ready), now=now, lease=limits.lease
                )
            except GatewayError:
                self._arrivals.close(recipient)
                if not ready:
                    raise
                return ready
        if len(ready) + len(due) < most:
            self._arrivals.open(recipient, lasting=limits.poll, room=2 * most)
        else:
            self._arrivals.close(recipient)
        return [*ready, *due]

    def _takes(self, recipient: PartyId) -> int:
        return min(self._channel.takes(recipient), MAX_BATCH_ENVELOPES)

    async def _attempt_one(self, claimed: ClaimedHandOver) -> None:
        await self._attempt((claimed,))

    async def _attempt(self, group: Sequence[ClaimedHandOver]) -> None:
        """Make one attempt for each of a group, all for one party."""
        clock = self._clock.monotonic()
        try:
            self._reach(Failpoint.HAND_OVER_LEASED)
            noted = await self._note(group, await self._give(group))
        except GatewayError as error:
            noted = [_Noted(code=error.code)] * len(group)
        except Exception as error:  # noqa: BLE001 - a task's outermost boundary: one group must not stop the rest
            noted = [_Noted(code="internal", error=type(error).__name__)] * len(group)
        duration = timedelta(seconds=self._clock.monotonic() - clock)
        if len(group) > 1:
            self._group_line(group, noted, duration)
        for claimed, one in zip(group, noted, strict=True):
            if one.code != "ok" or len(group) == 1:
                self._line(claimed.row, one, duration)

    def _line(self, row: InboxRow, noted: _Noted, duration: timedelta) -> None:
        labels = {"error": noted.error} if noted.error else {}
        self._telemetry.line(
            "hand_over.attempt",
            outcome="success" if noted.code == "ok" else "failure",
            duration=duration,
            code="" if noted.code == "ok" else noted.code,
            message_id=row.message_id,
            attempt=row.attempts,
            **labels,
        )

    def _group_line(self, group: Sequence[ClaimedHandOver], noted: Sequence[_Noted], duration: timedelta) -> None:
        taken = sum(one.code == "ok" for one in noted)
        self._telemetry.line(
            "hand_over.group",
            outcome="success" if taken == len(group) else "failure",
            duration=duration,
            recipient=group[0].row.recipient,
            messages=len(group),
            taken=taken,
        )

    # ── giving ──

    async def _give(self, group: Sequence[ClaimedHandOver]) -> list[HandOverOutcome | Damaged]:
        """Return what came of opening each of a group and handing it over, in its order."""
        views = [opened(one, self._sealer) for one in group]
        ready = [(one.row, view) for one, view in zip(group, views, strict=True) if isinstance(view, bytes)]
        requests = list(_in_requests(ready))
        outcomes = await asyncio.gather(*map(self._request, requests))
        came = {
            _name(row): outcome
            for request, some in zip(requests, outcomes, strict=True)
            for (row, _), outcome in zip(request, some, strict=True)
        }
        return [
            came[_name(one.row)] if isinstance(view, bytes) else view for one, view in zip(group, views, strict=True)
        ]

    async def _request(self, messages: Sequence[_Message]) -> list[HandOverOutcome]:
        row, view = messages[0]
        if self._takes(row.recipient) == 1:
            return [await self._channel.hand_over(row, view)]
        return await self._channel.hand_over_group(messages)

    # ── what came of it ──

    async def _note(
        self, group: Sequence[ClaimedHandOver], outcomes: Sequence[HandOverOutcome | Damaged]
    ) -> list[_Noted]:
        """Commit what came of each of a group, together; one that can not be noted does not stop the others."""
        if any(isinstance(outcome, HandedOver) for outcome in outcomes):
            self._reach(Failpoint.HAND_OVER_ACKNOWLEDGED)
        now = self._clock.now()
        settlements = [self._settlement(one, outcome, now) for one, outcome in zip(group, outcomes, strict=True)]
        settled = await self._store.settle_hand_overs(settlements)
        taken = [one.sender for one in settled if isinstance(one, InboxRow) and one.handed_over is not None]
        if taken:
            self._reach(Failpoint.HAND_OVER_COMMITTED)
        for sender, times in Counter(taken).items():
            self._bells.ring(notice_bell(sender), times=times)
        return [
            _Noted(code=one.code if isinstance(one, GatewayError) else settlement.code or "ok")
            for one, settlement in zip(settled, settlements, strict=True)
        ]

    def _settlement(
        self, claimed: ClaimedHandOver, outcome: HandOverOutcome | Damaged, now: datetime
    ) -> HandOverSettlement:
        """Return what is to be committed of one attempt."""
        match outcome:
            case HandedOver():
                return _settlement(claimed, HandOverEvent.ACKNOWLEDGED, now)
            case TransientFailure():
                return self._failed(claimed, outcome, now)
            case Damaged():
                return _settlement(claimed, HandOverEvent.EXHAUSTED, now, outcome)
            case _:
                assert_never(outcome)

    def _failed(self, claimed: ClaimedHandOver, failure: TransientFailure, now: datetime) -> HandOverSettlement:
        retry = self._limits.retries.get(claimed.row.recipient, RetryPolicy())
        wait = wait_before_retry(retry, attempt=claimed.row.attempts, jitter=self._ids.jitter())
        if wait is None and failure.connected:
            return _settlement(claimed, HandOverEvent.EXHAUSTED, now, failure)
        wait = max(wait or retry.cap, failure.retry_after or timedelta(0))
        return _settlement(claimed, HandOverEvent.FAILED, now, failure, now + wait)


_EVIDENCE: Final = {
    HandOverEvent.ACKNOWLEDGED: AuditEvent.HAND_OVER_ACKNOWLEDGED,
    HandOverEvent.FAILED: AuditEvent.HAND_OVER_FAILED,
    HandOverEvent.EXHAUSTED: AuditEvent.HAND_OVER_EXHAUSTED,
    HandOverEvent.LEASE_LOST: AuditEvent.HAND_OVER_LEASE_LOST,
}


def not_begun(claimed: ClaimedHandOver, now: datetime) -> HandOverSettlement:
    """Return what is to be committed of a hand-over that was leased and never begun: it is due since it came in."""
    # A clock that was set back must not keep it waiting.
    lost = _settlement(claimed, HandOverEvent.LEASE_LOST, now, next_attempt_at=min(claimed.row.received, now))
    return replace(lost, begun=False)


def _settlement(
    claimed: ClaimedHandOver,
    event: HandOverEvent,
    now: datetime,
    failure: TransientFailure | Damaged | None = None,
    next_attempt_at: datetime | None = None,
) -> HandOverSettlement:
    row = claimed.row
    facts: dict[str, str | int] = {"attempt": row.attempts}
    if failure is not None:
        facts["code"] = failure.code
    return HandOverSettlement(
        row=row,
        event=event,
        audit=AuditEntry(event=_EVIDENCE[event], at=now, actor="system", message_id=row.message_id, facts=facts),
        now=now,
        fence=claimed.fence,
        next_attempt_at=next_attempt_at,
        code=failure.code if failure else "",
        detail=failure.detail if failure else "",
    )


def _name(row: InboxRow) -> tuple[PartyId, MessageId]:
    return row.sender, row.message_id


def _in_requests(messages: Sequence[_Message]) -> Iterator[Sequence[_Message]]:
    """Cut what is to be handed over into requests: one for all that may go together, one for each that goes alone."""
    together = [one for one in messages if one[0].last_code not in _MAY_BE_ITS_FAULT]
    if together:
        yield together
    for one in messages:
        if one[0].last_code in _MAY_BE_ITS_FAULT:
            yield [one]
