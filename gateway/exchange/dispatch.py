"""Send what is due, one loop per partner, so that a slow or dead partner holds up nobody else's transfers.

A loop claims due transfers from the store (a lease with a fencing token), has each sealed in a worker, sends it, has
the answer checked in a worker, and commits what came of it. Nothing is kept in memory that the store does not know: a
killed process loses its leases, `sweep` or `recover` gives them back, and the next attempt sends the same JWS under the
same id, so the partner answers with the receipt it already gave.

Two kinds of waiting are told apart. A transfer waits for its own `next_attempt_at`. A partner that could not be reached
at all is left alone as a whole until its back-off ends (durable, in partner health); hearing from it ends that at once.

No transfer is claimed for a partner unless its gateway was reached a moment ago or answers a ping now. So a partner
that is down, or whose certificate does not hold, or that does not accept ours, uses up nobody's attempts: its transfers
stay as they are. Why they wait stands in the partner's health, and in the audit where a certificate was refused.

Nor is anything sent under an agreement that is no longer in force: the claim holds it instead, for a person to decide.

What was claimed in the commit that accepted it comes by the fast path (`fast_path.py`), and is worked on the same way.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.ids import PartyId
from gateway.domain.jobs import CheckJob, SealedEnvelope, SealJob, SealResult
from gateway.domain.lifecycle import TransferEvent
from gateway.domain.outcome import ReceiptReturned, SendOutcome, TransientFailure, TransportAccepted
from gateway.domain.records import Attempt, ClaimedTransfer, PartnerHealth, TransferRow
from gateway.domain.retry import RetryPolicy, next_attempt_at, wait_before_retry
from gateway.domain.statement import Problem, Receipt, Verdict
from gateway.errors import GatewayError, TransferError
from gateway.exchange.claiming import work_off
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.fast_path import FastPath
from gateway.exchange.settle import Settle, rejected, speaks_against
from gateway.ports import Agreements, Clock, Ids, PartnerChannel, Store, Telemetry, Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchLimits:
    """`parallel`: transfers to one partner under way at once. `lease` must outlast the channel's longest attempt.

    `poll`: how often to look for what is due without being told. `reached_for`: how long an answer of any kind proves
    that the partner can be reached; one that could not be is left alone for `poll`, then longer, up to `longest_wait`
    and half of it. A partner that comes back must not wait long for what is due, and a ping costs next to nothing.
    """

    parallel: int = 8
    lease: timedelta = timedelta(seconds=90)
    poll: timedelta = timedelta(seconds=1)
    reached_for: timedelta = timedelta(milliseconds=100)
    longest_wait: timedelta = timedelta(seconds=20)


_Leased = tuple[ClaimedTransfer, SealedEnvelope | None]
"""What one attempt begins with: a lease, and the first envelope if there is one already."""


class Dispatch:
    """The use case. `serve` runs for one partner until it is cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        workers: Workers,
        channel: PartnerChannel,
        agreements: Agreements,
        settle: Settle,
        clock: Clock,
        ids: Ids,
        bells: Doorbells,
        telemetry: Telemetry,
        fast_path: FastPath,
        limits: DispatchLimits,
        reach: Reach = pass_by,
    ) -> None:
        self._store = store
        self._workers = workers
        self._channel = channel
        self._agreements = agreements
        self._settle = settle
        self._clock = clock
        self._ids = ids
        self._bells = bells
        self._telemetry = telemetry
        self._fast_path = fast_path
        self._limits = limits
        self._reach = reach
        self._reached: dict[PartyId, float] = {}  # when a partner last answered anything, in monotonic seconds
        self._sending: Counter[PartyId] = Counter()  # messages under way

    async def serve(self, partner: PartyId) -> None:
        """Send to `partner` until cancelled."""

        async def claim(free: int) -> list[_Leased]:
            fast = self._fast_path.take(partner, free)
            return [(one.claimed, one.envelope) for one in fast] or await self._claim(partner, free)

        def failed(error: GatewayError) -> None:
            self._telemetry.line("transfer.claim", outcome="failure", code=error.code, partner=partner)

        limits = self._limits
        await work_off(
            claim,
            self._attempt,
            bells=self._bells,
            bell=partner,
            parallel=limits.parallel,
            poll=limits.poll,
            failed=failed,
        )

    async def _claim(self, partner: PartyId, free: int) -> list[_Leased]:
        """Lease what is due in the store. If that is all, what comes now may take the fast path for a moment: no
        longer, so that whatever falls due meanwhile is not overtaken for ever."""
        if not await self._reaches(partner):
            self._fast_path.close(partner)
            return []
        now, limits = self._clock.now(), self._limits
        in_force = self._agreements.in_force(now)
        claimed = await self._store.claim(partner, limit=free, now=now, lease=limits.lease, in_force=in_force)
        if len(claimed) < free:
            self._fast_path.open(partner, lasting=limits.reached_for)
        else:
            self._fast_path.close(partner)
        return [(one, None) for one in claimed]

    async def _reaches(self, partner: PartyId) -> bool:
        """Tell whether to claim for `partner`: it answered a moment ago, or something is due and it answers a ping."""
        last = self._reached.get(partner)
        if last is not None and self._clock.monotonic() - last < self._limits.reached_for.total_seconds():
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
            await self._leave_alone(partner, outcome, began, evidence=outcome.code not in _OUT_OF_REACH)
            return False
        health = await self._health(partner)
        if health is not None and health.failures:
            # What kept everything waiting is over. From here on a transfer that fails shows a difficulty of its own.
            await self._store.partner_reached(partner, now=self._clock.now())
        self._reached[partner] = self._clock.monotonic()
        return True

    async def _attempt(self, leased: _Leased) -> None:
        """Make one attempt from claim to commit. What the store can not commit now is left to the end of the lease."""
        claimed, made = leased
        started, clock = self._clock.now(), self._clock.monotonic()
        row, labels = claimed.row, {}
        try:
            self._reach(Failpoint.TRANSFER_LEASED)
            outcome, envelope_sha256 = await self._send(claimed, made)
            code = await self._commit(claimed, outcome, envelope_sha256, started)
        except GatewayError as error:
            code = error.code
        except Exception as error:  # noqa: BLE001 - a task's outermost boundary: one message must not stop the rest
            code, labels = "internal", {"error": type(error).__name__}
        self._telemetry.line(
            "transfer.attempt",
            outcome="success" if code == "ok" else "failure",
            duration=timedelta(seconds=self._clock.monotonic() - clock),
            code="" if code == "ok" else code,
            partner=row.recipient,
            transfer_id=row.id,
            attempt=row.attempts,
            **labels,
        )

    async def _send(self, claimed: ClaimedTransfer, made: SealedEnvelope | None) -> tuple[SendOutcome, str]:
        row = claimed.row
        sealed = made or await self._sealed(claimed)
        if not isinstance(sealed, SealedEnvelope):
            failure = TransientFailure(code=sealed.code, detail=sealed.detail, sent=False, connected=True)
            return failure, ""
        self._sending[row.recipient] += 1
        try:
            outcome = await self._channel.send(row.recipient, row.message_id, sealed.jwe)
        finally:
            self._sending[row.recipient] -= 1
        if isinstance(outcome, TransientFailure) and not _answered(outcome):
            self._reached.pop(row.recipient, None)
            self._fast_path.close(row.recipient)
        else:
            self._reached[row.recipient] = self._clock.monotonic()
        return outcome, sealed.sha256

    async def _sealed(self, claimed: ClaimedTransfer) -> SealResult:
        row = claimed.row
        job = SealJob(
            transfer_id=row.id,
            message_id=row.message_id,
            sender=row.sender,
            recipient=row.recipient,
            sealed_jws=claimed.sealed_jws,
            now=self._clock.now(),
        )
        try:
            return await self._workers.seal(job)
        except GatewayError as error:
            return error  # no worker could be had

    async def _commit(
        self, claimed: ClaimedTransfer, outcome: SendOutcome, envelope_sha256: str, started: datetime
    ) -> str:
        """Commit what came of the attempt; return `ok` or the code that explains it."""
        match outcome:
            case ReceiptReturned():
                return await self._statement(claimed, outcome.token, envelope_sha256, started)
            case TransportAccepted():
                return await self._taken(claimed, started)
            case TransientFailure():
                return await self._failed(claimed, outcome, started)
            case _:
                assert_never(outcome)

    async def _statement(self, claimed: ClaimedTransfer, token: str, envelope_sha256: str, started: datetime) -> str:
        self._reach(Failpoint.RECEIPT_IN)
        row, now = claimed.row, self._clock.now()
        job = CheckJob(
            token=token,
            message_id=row.message_id,
            digest=row.digest,
            envelope_sha256=envelope_sha256,
            sender=row.sender,
            recipient=row.recipient,
            agreement=row.agreement,
            now=now,
        )
        try:
            checked = await self._workers.check(job)
        except GatewayError as error:
            # Nobody could look at the statement. The partner gives it again when the message comes again.
            failure = TransientFailure(code=error.code, detail=error.detail, sent=True, connected=True)
            return await self._failed(claimed, failure, started)
        if isinstance(checked, Receipt):
            self._reach(Failpoint.RECEIPT_VERIFIED)
            accepted = checked.verdict is Verdict.ACCEPTED
            attempt = self._attempt_row(row, started, "delivered" if accepted else "refused", checked.code, "")
            await self._settle.receipt(row, checked, token, fence=claimed.fence, attempt=attempt)
            self._reach(Failpoint.RECEIPT_COMMITTED)
            return checked.code
        if isinstance(checked, Problem):
            detail = "The partner could not open the message, and said so in a signed problem"
            failure = TransientFailure(code=checked.code, detail=detail, sent=True, connected=True)
            return await self._failed(claimed, failure, started)
        if speaks_against(checked):
            await self._store.record(rejected(row, checked, now))
        failure = TransientFailure(code=checked.code, detail=checked.detail, sent=True, connected=True)
        return await self._failed(claimed, failure, started)

    async def _taken(self, claimed: ClaimedTransfer, started: datetime) -> str:
        row, now = claimed.row, self._clock.now()
        await self._store.settle(
            row,
            TransferEvent.TAKEN,
            audit=_entry(AuditEvent.TRANSFER_TAKEN, row, now),
            now=now,
            fence=claimed.fence,
            attempt=self._attempt_row(row, started, "taken", "ok", "The partner will send its receipt later"),
            sent=True,
            next_attempt_at=now + row.retry.cap,
        )
        return "ok"

    async def _failed(self, claimed: ClaimedTransfer, failure: TransientFailure, started: datetime) -> str:
        row, now = claimed.row, self._clock.now()
        jitter = self._ids.jitter()
        again = next_attempt_at(row.retry, attempt=row.attempts, jitter=jitter, now=now, deadline=row.deadline)
        if again is not None and failure.retry_after is not None:
            again = min(max(again, now + failure.retry_after), row.deadline)
        event = TransferEvent.EXHAUSTED if again is None else TransferEvent.FAILED
        audit = AuditEvent.TRANSFER_EXHAUSTED if again is None else AuditEvent.TRANSFER_FAILED
        try:
            await self._store.settle(
                row,
                event,
                audit=_entry(audit, row, now, code=failure.code),
                now=now,
                fence=claimed.fence,
                attempt=self._attempt_row(row, started, "failed", failure.code, failure.detail),
                sent=failure.sent,
                next_attempt_at=again,
                code=failure.code if again else _why_no_more(row),
                detail=failure.detail,
            )
        except TransferError as error:
            # Our lease ended, or a receipt came by another way. Who holds the row now decides about it.
            return error.code
        if not failure.connected:
            await self._leave_alone(
                row.recipient, failure, started, evidence=False
            )  # this attempt's own record is evidence
        return failure.code

    async def _leave_alone(
        self, partner: PartyId, failure: TransientFailure, began: datetime, *, evidence: bool
    ) -> None:
        """Leave a partner that could not be reached alone, longer each time in a row.

        `began`: when this attempt did; those that fail together count once. `evidence`: this is worth an audit
        record, unless the failure before it was the same.
        """
        now = self._clock.now()
        back_off = RetryPolicy(first_wait=self._limits.poll, cap=self._limits.longest_wait)
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

    def _attempt_row(self, row: TransferRow, started: datetime, outcome: str, code: str, detail: str) -> Attempt:
        return Attempt(
            transfer_id=row.id,
            number=row.attempts,
            started=started,
            ended=self._clock.now(),
            outcome=outcome,
            code=code,
            detail=detail,
        )


_OUT_OF_REACH = frozenset({"channel.unreachable", "channel.timeout", "channel.interrupted"})
"""Codes of failures that say nothing about who is there; every other one comes from what TLS proved, or could not."""


def _answered(failure: TransientFailure) -> bool:
    """Tell whether a failure is an answer, whatever it says; silence on a connection that stands is none."""
    return failure.connected and failure.code not in _OUT_OF_REACH


def _refused(partner: PartyId, failure: TransientFailure, now: datetime) -> AuditEntry:
    """Return the evidence that no connection to a partner was accepted, by us or by it. No message was involved."""
    facts = {"recipient": partner, "code": failure.code, "detail": failure.detail}
    return AuditEntry(event=AuditEvent.CHANNEL_REFUSED, at=now, actor="system", facts=facts)


def _why_no_more(row: TransferRow) -> str:
    """Return the code that tells why a transfer is not tried again; the attempt itself keeps its own."""
    used_up = row.retry.attempts is not None and row.attempts >= row.retry.attempts
    return "transfer.attempts_exhausted" if used_up else "transfer.deadline"


def _entry(event: AuditEvent, row: TransferRow, now: datetime, *, code: str = "") -> AuditEntry:
    facts: dict[str, str | int] = {"attempt": row.attempts}
    if code:
        facts["code"] = code
    return AuditEntry(event=event, at=now, actor="system", transfer_id=row.id, message_id=row.message_id, facts=facts)
