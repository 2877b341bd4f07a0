"""Send what is due, one loop per partner, so that a slow or dead partner holds up nobody else's transfers.

A loop claims a group of due transfers from the store (a lease with a fencing token each, one of a conversation), has
them sealed in a worker, sends them in one request, has the answers checked in a worker, and commits what came of each
(`conclude.py`). Nothing is kept in memory that the store does not know: a killed process loses its leases, `sweep` or
`recover` gives them back, and the next attempt sends the same JWS under the same id, so the partner answers with the
receipt it already gave.

Going together is only for speed. Each transfer of a group keeps an attempt, an outcome and a change of its own; one
that fails, at any step, leaves the others alone. What changes in the store together shares a transaction there.

Two kinds of waiting are told apart. A transfer waits for its own `next_attempt_at`. A partner that could not be reached
at all is left alone as a whole until its back-off ends (`reaching`): nothing is claimed for it meanwhile.

Nor is anything sent under an agreement that is no longer in force: the claim holds it instead, for a person to decide.

What was claimed in the commit that accepted it comes by the fast path (`fast_path.py`), and goes with what the claim
finds in the store.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.ids import PartyId
from gateway.domain.jobs import SealedEnvelope, SealJob, SealResult
from gateway.domain.limits import MAX_BATCH_ENVELOPES
from gateway.domain.outcome import Damaged, TransientFailure
from gateway.domain.records import ClaimedTransfer, TransferRow
from gateway.errors import GatewayError
from gateway.exchange.attempts import is_lost, within_bytes
from gateway.exchange.catch_up import CatchUp
from gateway.exchange.claiming import Pace, work_off_in_groups
from gateway.exchange.conclude import Conclude, Sent
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.fast_path import FastPath
from gateway.exchange.opened import not_opened
from gateway.exchange.reaching import Reaching, ReachLimits
from gateway.exchange.settle import Settle
from gateway.ports import Agreements, Clock, Ids, PartnerChannel, Store, Telemetry, Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchLimits:
    """`requests`: groups of transfers to one partner under way at once; `batch`: transfers in a group, and `one_by_one`
    for a partner that takes one message a request. `batch_bytes`: of envelopes in one request, but for a single one.
    `worth`, `linger` and `apart`: when to claim (`claiming`). `lease` must outlast the channel's longest attempt.
    `poll`: how often to look for what is due without being told. `reached_for`: see `reaching`."""

    requests: int = 4
    batch: int = MAX_BATCH_ENVELOPES
    one_by_one: int = 8
    batch_bytes: int = 8 * 1024 * 1024
    worth: int = MAX_BATCH_ENVELOPES
    linger: timedelta = timedelta(milliseconds=50)
    apart: timedelta = timedelta(milliseconds=50)
    lease: timedelta = timedelta(seconds=90)
    poll: timedelta = timedelta(seconds=1)
    reached_for: timedelta = timedelta(seconds=1)


_Leased = tuple[ClaimedTransfer, SealedEnvelope | None]
"""What one attempt begins with: a lease, and the first envelope if there is one already."""


class Dispatch:
    """The use case. `serve` runs for one partner until it is cancelled. `limits`: of every partner that has none of its
    own in `partner_limits`; `catch_up`: messages a second to a partner that was out of reach, where it is not usual."""

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
        partner_limits: Mapping[PartyId, DispatchLimits] | None = None,
        catch_up: Mapping[PartyId, int] | None = None,
        reach: Reach = pass_by,
    ) -> None:
        self._store = store
        self._workers = workers
        self._channel = channel
        self._agreements = agreements
        self._clock = clock
        self._bells = bells
        self._telemetry = telemetry
        self._fast_path = fast_path
        self._limits = limits
        self._partner_limits = dict(partner_limits or {})
        self._catch_up = CatchUp(clock=clock, rates=catch_up or {})
        self._reach = reach
        self._conclude = Conclude(store=store, settle=settle, clock=clock, ids=ids, reach=reach)
        self._reaching = Reaching(
            store=store,
            channel=channel,
            clock=clock,
            ids=ids,
            telemetry=telemetry,
            limits=ReachLimits(first_wait=limits.poll, reached_for=limits.reached_for),
            returned=self._catch_up.begin,
        )

    async def serve(self, partner: PartyId) -> None:
        """Send to `partner` until cancelled."""
        limits = self._of(partner)

        def at_once(most: int) -> int:
            return most if self._channel.takes(partner) > 1 else min(most, limits.one_by_one)

        async def claim(most: int) -> list[_Leased]:
            return await self._claim(partner, at_once(most))

        def begun(most: int) -> list[_Leased]:
            return self._claimed_already(partner, at_once(most))

        def failed(error: GatewayError) -> None:
            self._telemetry.line("transfer.claim", outcome="failure", code=error.code, partner=partner)

        pace = Pace(
            most=limits.batch,
            at_once=limits.requests,
            worth=limits.worth,
            linger=limits.linger,
            apart=limits.apart,
            poll=limits.poll,
        )
        await work_off_in_groups(
            claim, self._attempt, bells=self._bells, bell=partner, pace=pace, failed=failed, begun=begun
        )

    def _of(self, partner: PartyId) -> DispatchLimits:
        return self._partner_limits.get(partner, self._limits)

    async def _claim(self, partner: PartyId, most: int) -> list[_Leased]:
        """Return what came by the fast path and, as far as there is room, what is due in the store."""
        fast = self._claimed_already(partner, most)
        if not fast:
            return await self._claim_stored(partner, most)
        if len(fast) == most or not self._reaching.lately(partner):
            return fast  # it is leased already, and must not wait for a ping
        with self._bells.at_work():
            try:
                return [*fast, *await self._claim_stored(partner, most - len(fast))]
            except GatewayError:
                return fast

    def _claimed_already(self, partner: PartyId, most: int) -> list[_Leased]:
        """Return what came by the fast path."""
        return [(one.claimed, one.envelope) for one in self._fast_path.take(partner, most)]

    async def _claim_stored(self, partner: PartyId, most: int) -> list[_Leased]:
        """Lease what is due in the store. If that is all, what comes now may take the fast path for a moment: no
        longer, so that whatever falls due meanwhile is not overtaken for ever."""
        if not await self._reaching(partner):
            self._fast_path.close(partner)
            return []
        share, wait = self._catch_up.turn(partner, most)
        if wait:
            await asyncio.sleep(wait)
        if self._bells.hushed:  # since the claim was begun
            return []
        now, limits = self._clock.now(), self._limits
        in_force, stopped = self._agreements.in_force(now), self._agreements.stopped(now)
        with self._bells.at_work():
            claimed = await self._store.claim(
                partner, limit=share, now=now, lease=limits.lease, in_force=in_force, stopped=stopped
            )
        if self._catch_up.claimed(partner, [one.row for one in claimed], asked=share):
            self._telemetry.line("partner.caught_up", outcome="success", partner=partner)
        if len(claimed) < share:
            self._fast_path.open(partner, lasting=limits.reached_for)
        else:
            self._fast_path.close(partner)
        return [(one, None) for one in claimed]

    async def _attempt(self, group: Sequence[_Leased]) -> None:
        """Make one attempt for each of a group, all to one partner, from claim to commit.

        What the store can not commit now is left to the end of the lease.
        """
        started, clock = self._clock.now(), self._clock.monotonic()
        partner = group[0][0].row.recipient
        try:
            self._reach(Failpoint.TRANSFER_LEASED)
            sent = await self._send(partner, group)
            checked = await self._conclude.check(sent)
        except Exception as error:  # noqa: BLE001 - a task's outermost boundary: one group must not stop the rest
            for claimed, _ in group:
                self._line(claimed.row, clock, "internal", error=type(error).__name__)
            return
        concluded = await self._conclude.commit(sent, checked, started)
        lost = next((one.outcome for one in sent if is_lost(one.outcome)), None)
        if isinstance(lost, TransientFailure):
            await self._leave_alone(partner, lost, started)
        if len(sent) > 1:
            self._group_line(partner, clock, [code for code, _ in concluded])
        for one, (code, labels) in zip(sent, concluded, strict=True):
            if code != "ok" or len(sent) == 1:
                self._line(one.claimed.row, clock, code, **labels)

    def _line(self, row: TransferRow, clock: float, code: str, **labels: str) -> None:
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

    def _group_line(self, partner: PartyId, clock: float, codes: Sequence[str]) -> None:
        concluded = sum(code == "ok" for code in codes)
        self._telemetry.line(
            "transfer.group",
            outcome="success" if concluded == len(codes) else "failure",
            duration=timedelta(seconds=self._clock.monotonic() - clock),
            partner=partner,
            transfers=len(codes),
            concluded=concluded,
        )

    async def _leave_alone(self, partner: PartyId, failure: TransientFailure, started: datetime) -> None:
        try:
            await self._reaching.leave_alone(partner, failure, started)
        except GatewayError as error:
            self._telemetry.line("partner.leave_alone", outcome="failure", code=error.code, partner=partner)

    # ── sending ──

    async def _send(self, partner: PartyId, group: Sequence[_Leased]) -> list[Sent]:
        """Return what came of sealing and sending each of a group."""
        ready = [(claimed, envelope) for claimed, envelope in group if envelope is not None]
        waiting = [claimed for claimed, envelope in group if envelope is None]
        failed: list[Sent] = []
        for claimed, sealed in zip(waiting, await self._seal(waiting), strict=True):
            if isinstance(sealed, SealedEnvelope):
                ready.append((claimed, sealed))
            else:
                failed.append(Sent(claimed=claimed, outcome=sealed))
        requests = within_bytes(ready, self._limits.batch_bytes)
        sent = await asyncio.gather(*(self._request(partner, request) for request in requests))
        return [*failed, *(one for some in sent for one in some)]

    async def _seal(self, waiting: Sequence[ClaimedTransfer]) -> list[SealedEnvelope | TransientFailure | Damaged]:
        now = self._clock.now()
        sealed = iter(
            await self._workers.seal_all(
                [
                    SealJob(
                        transfer_id=one.row.id,
                        message_id=one.row.message_id,
                        sender=one.row.sender,
                        recipient=one.row.recipient,
                        sealed_jws=one.sealed_jws,
                        now=now,
                    )
                    for one in waiting
                    if not one.unreadable
                ]
            )
        )
        return [
            not_opened(one.unreadable, "What is stored of the message can not be read")
            if one.unreadable
            else _sealed(next(sealed))
            for one in waiting
        ]

    async def _request(self, partner: PartyId, request: Sequence[tuple[ClaimedTransfer, SealedEnvelope]]) -> list[Sent]:
        """Send envelopes together."""
        with self._reaching.sending(partner):
            outcomes = await self._channel.send_batch(
                partner, [(claimed.row.message_id, envelope.jwe) for claimed, envelope in request]
            )
        if not self._reaching.note(partner, outcomes):
            self._fast_path.close(partner)
        return [
            Sent(claimed=claimed, outcome=outcome, envelope=envelope)
            for (claimed, envelope), outcome in zip(request, outcomes, strict=True)
        ]


def _sealed(result: SealResult) -> SealedEnvelope | TransientFailure | Damaged:
    return result if isinstance(result, SealedEnvelope) else not_opened(result.code, result.detail)
