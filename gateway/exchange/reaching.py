"""Whether a partner's gateway can be reached, and how long one that could not be is left alone.

A partner was reached a moment ago, or answers a ping now: only then is anything claimed for it. So a partner that is
down, or whose certificate does not hold, or that does not accept ours, uses up nobody's attempts. What keeps its
transfers waiting stands in its health (durable, shared by all that waits for it), and in the audit where a certificate
was refused; hearing from it ends the back-off at once.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import PartyId
from gateway.domain.outcome import SendOutcome, TransientFailure
from gateway.domain.records import PartnerHealth
from gateway.domain.retry import RetryPolicy, wait_before_retry
from gateway.ports import Clock, Ids, PartnerChannel, Store, Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachLimits:
    """`reached_for`: how long an answer of any kind proves that a partner can be reached, which is longer than groups
    at full load are apart; one that could not be is left alone for `first_wait`, then longer, up to `longest_wait` and
    half of it. A partner that comes back must not wait long for what is due, and a ping costs next to nothing."""

    first_wait: timedelta = timedelta(seconds=1)
    reached_for: timedelta = timedelta(seconds=1)
    longest_wait: timedelta = timedelta(seconds=20)


class Reaching:
    """What is known of the way to each partner. Only the back-off is durable; the rest is forgotten at a restart.

    `returned` is told when a partner that was out of reach answers again.
    """

    def __init__(
        self,
        *,
        store: Store,
        channel: PartnerChannel,
        clock: Clock,
        ids: Ids,
        telemetry: Telemetry,
        limits: ReachLimits,
        returned: Callable[[PartyId], None] = lambda _partner: None,
    ) -> None:
        self._store = store
        self._channel = channel
        self._clock = clock
        self._ids = ids
        self._telemetry = telemetry
        self._limits = limits
        self._returned = returned
        self._reached: dict[PartyId, float] = {}  # when a partner last answered anything, in monotonic seconds
        self._sending: Counter[PartyId] = Counter()  # requests under way

    async def __call__(self, partner: PartyId) -> bool:
        """Tell whether to claim for `partner`: it answered a moment ago, or something is due and it answers a ping."""
        if self.lately(partner):
            return True
        due = await self._store.due_at(partner)
        if due is None or due > self._clock.now():
            return False
        began = self._clock.now()
        outcome = await self._channel.ping(partner)
        if isinstance(outcome, TransientFailure) and not _answered(outcome):
            if self._sending[partner]:
                return False  # a ping may wait behind the messages under way; what comes of those will tell
            self._telemetry.line("partner.ping", outcome="failure", code=outcome.code, partner=partner)
            await self.leave_alone(partner, outcome, began, evidence=outcome.code not in _OUT_OF_REACH)
            return False
        health = await self._health(partner)
        if health is not None and health.failures:
            # What kept everything waiting is over. From here on a transfer that fails shows a difficulty of its own.
            await self._store.partner_reached(partner, now=self._clock.now())
            self._returned(partner)
        self._reached[partner] = self._clock.monotonic()
        return True

    def lately(self, partner: PartyId) -> bool:
        """Tell whether a partner answered a moment ago."""
        last = self._reached.get(partner)
        return last is not None and self._clock.monotonic() - last < self._limits.reached_for.total_seconds()

    @contextmanager
    def sending(self, partner: PartyId) -> Iterator[None]:
        """Know that a request is under way while the block runs."""
        self._sending[partner] += 1
        try:
            yield
        finally:
            self._sending[partner] -= 1

    def note(self, partner: PartyId, outcomes: Sequence[SendOutcome]) -> bool:
        """Learn from what came of messages that went together, and tell whether the partner answered."""
        answered = any(not isinstance(one, TransientFailure) or _answered(one) for one in outcomes)
        if answered:
            self._reached[partner] = self._clock.monotonic()
        else:
            self._reached.pop(partner, None)
        return answered

    async def leave_alone(
        self, partner: PartyId, failure: TransientFailure, began: datetime, *, evidence: bool = False
    ) -> None:
        """Leave a partner that could not be reached alone, longer each time in a row.

        `began`: when this attempt did; those that fail together count once. `evidence`: this is worth an audit
        record, unless the failure before it was the same. (A transfer's own attempt is evidence by itself.)
        """
        now = self._clock.now()
        back_off = RetryPolicy(first_wait=self._limits.first_wait, cap=self._limits.longest_wait)
        health = await self._health(partner)
        failures = health.failures if health else 0
        again = health is not None and failures > 0 and health.last_code == failure.code
        wait = wait_before_retry(back_off, attempt=failures + 1, jitter=self._ids.jitter()) or back_off.cap
        await self._store.partner_failed(
            partner,
            now=now,
            not_before=now + wait,
            since=began,
            code=failure.code,
            detail=failure.detail,
            audit=_refused(partner, failure, now) if evidence and not again else None,
        )

    async def _health(self, partner: PartyId) -> PartnerHealth | None:
        return next((one for one in await self._store.partners() if one.partner == partner), None)


_OUT_OF_REACH = frozenset({"channel.unreachable", "channel.timeout", "channel.interrupted"})
"""Codes of failures that say nothing about who is there; every other one comes from what TLS proved, or could not."""


def _answered(failure: TransientFailure) -> bool:
    """Tell whether a failure is an answer, whatever it says; silence on a connection that stands is none."""
    return failure.connected and failure.code not in _OUT_OF_REACH


def _refused(partner: PartyId, failure: TransientFailure, now: datetime) -> AuditEntry:
    """Return the evidence that no connection to a partner was accepted, by us or by it. No message was involved."""
    facts = {"recipient": partner, "code": failure.code, "detail": failure.detail}
    return AuditEntry(event=AuditEvent.CHANNEL_REFUSED, at=now, actor="system", facts=facts)
