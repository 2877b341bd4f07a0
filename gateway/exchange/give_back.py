"""What was leased as it was written, and waited too long in memory, goes back to the store.

While a partner stands still, all requests to it are under way and say nothing, and what was leased for it in the
commit that accepted it waits in memory. Its lease is long; left to that, it would stay behind for a minute after the
partner has gone on. So whoever holds the lease gives it back: the transfer is QUEUED under the time at which it was
accepted, as if it had never been claimed. There it keeps its place, can be cancelled, and goes as soon as there is
room. A message for a back end that stands still is given back likewise, as a hand-over whose lease was lost before it
was tried.

Nothing of it was sent, so nothing can be late or doubled by that. It is a change under a lease like any other: where
the store can not make it, or the lease was lost meanwhile, the transfer is left to the end of its lease.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from gateway.audit import AuditEvent
from gateway.domain.lifecycle import TransferEvent
from gateway.domain.records import ClaimedHandOver, ClaimedTransfer, TransferRow
from gateway.errors import GatewayError
from gateway.exchange.arrivals import Arrivals
from gateway.exchange.attempts import attempt_entry
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.fast_path import FastPath
from gateway.exchange.hand_over import not_begun
from gateway.exchange.receive import hand_over_bell
from gateway.ports import Clock, Settlement, Store, Telemetry


class GiveBack:
    """The use case. `serve` runs until it is cancelled; `once` gives back what is late now, `all_of_it` what waits."""

    def __init__(
        self,
        *,
        store: Store,
        fast_path: FastPath,
        arrivals: Arrivals,
        clock: Clock,
        bells: Doorbells,
        telemetry: Telemetry,
        every: timedelta,
    ) -> None:
        self._store = store
        self._fast_path = fast_path
        self._arrivals = arrivals
        self._clock = clock
        self._bells = bells
        self._telemetry = telemetry
        self._every = every

    async def serve(self) -> None:
        """Look for what is late for ever, `every` so often."""
        while True:
            await asyncio.sleep(self._every.total_seconds())
            try:
                await self.once()
            except GatewayError as error:
                self._telemetry.line("transfer.give_back", outcome="failure", code=error.code)

    async def once(self) -> None:
        """Give back what is late. It counts as under way until that is committed, or has failed."""
        if transfers := self._fast_path.late():
            with self._bells.at_work():
                await self._give_transfers_back([one.claimed for one in transfers])
        if hand_overs := self._arrivals.late():
            with self._bells.at_work():
                await self._give_hand_overs_back(hand_overs)

    async def all_of_it(self) -> None:
        """Give back whatever waits, late or not. For a node that stops: nobody takes it any more."""
        self._fast_path.set_aside()
        self._arrivals.set_aside()
        await self.once()

    async def _give_hand_overs_back(self, late: Sequence[ClaimedHandOver]) -> None:
        now = self._clock.now()
        outcomes = await self._store.settle_hand_overs([not_begun(one, now) for one in late])
        for one, outcome in zip(late, outcomes, strict=True):
            if isinstance(outcome, GatewayError):
                self._telemetry.line(
                    "hand_over.give_back", outcome="failure", code=outcome.code, message_id=one.row.message_id
                )
        for recipient in dict.fromkeys(one.row.recipient for one in late):
            self._bells.ring(hand_over_bell(recipient))

    async def _give_transfers_back(self, late: Sequence[ClaimedTransfer]) -> None:
        outcomes = await self._store.settle_all([self._settlement(one) for one in late])
        for one, outcome in zip(late, outcomes, strict=True):
            if isinstance(outcome, GatewayError):
                self._left(one.row, outcome.code)
        for partner in dict.fromkeys(one.row.recipient for one in late):
            self._bells.ring(partner)

    def _settlement(self, claimed: ClaimedTransfer) -> Settlement:
        row, now = claimed.row, self._clock.now()
        return Settlement(
            row=row,
            event=TransferEvent.GIVEN_BACK,
            audit=attempt_entry(AuditEvent.TRANSFER_GIVEN_BACK, row, now),
            now=now,
            fence=claimed.fence,
            next_attempt_at=min(row.created, now),  # a clock that was set back must not keep it waiting
        )

    def _left(self, row: TransferRow, code: str) -> None:
        self._telemetry.line(
            "transfer.give_back", outcome="failure", code=code, partner=row.recipient, transfer_id=row.id
        )
