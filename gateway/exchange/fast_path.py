"""The fast path: what was accepted and claimed in one commit, on its way from `submit` to `dispatch`.

A transfer that nothing stands before, to a partner that is in reach, need not be written as queued, looked for and
claimed again: its acceptance and its claim share a commit, and its first envelope may come with it from
`prepare`. Where it waits in memory, and for how long, is said in `leased.py`. What nobody takes in time, because the
partner stands still, goes back to the store (`give_back`), and the next attempt starts from the stored JWS.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from gateway.domain.ids import PartyId
from gateway.domain.jobs import PreparedTransfer, SealedEnvelope
from gateway.domain.records import ClaimAtOnce, ClaimedTransfer
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.leased import MAX_WAITING, MAX_WAITING_BYTES, Leased
from gateway.ports import Agreements, Clock

HOPED_FOR: Final = timedelta(minutes=1)
"""How long after it was opened the way to a partner may be expected to be opened again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FastTransfer:
    """A leased transfer, with its first envelope if `prepare` made one."""

    claimed: ClaimedTransfer
    envelope: SealedEnvelope | None = field(repr=False)


class FastPath(Leased[FastTransfer]):
    """The queue between `submit` and `dispatch`, by partner."""

    def __init__(
        self,
        *,
        agreements: Agreements,
        clock: Clock,
        bells: Doorbells,
        lease: timedelta,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        super().__init__(clock=clock, bells=bells, lease=lease, max_waiting_bytes=max_waiting_bytes)
        self._agreements = agreements
        self._opened: dict[PartyId, float] = {}  # when last, in monotonic seconds

    def open(self, party: PartyId, *, lasting: timedelta, room: int = MAX_WAITING) -> None:
        """As `Leased.open`; and for a while it is hoped that the way will be open again."""
        super().open(party, lasting=lasting, room=room)
        self._opened[party] = self._clock.monotonic()

    def take(self, party: PartyId, limit: int) -> list[FastTransfer]:
        """As `Leased.take`, without what waits under an agreement that ended: given back, it is held by the claim."""
        if not self._waiting[party]:
            return []
        in_force = self._agreements.in_force(self._clock.now())
        return self._take(party, limit, lambda one: one.claimed.row.agreement.sha256 in in_force)

    def hoped_for(self, recipients: Iterable[PartyId]) -> frozenset[PartyId]:
        """Return those of `recipients` to whom the way may be open when what is prepared now is committed: it was not
        long ago. A first envelope made in vain costs less than one that has to be made by itself, with its unsealing.
        """
        if self._bells.hushed:
            return frozenset()
        since = self._clock.monotonic() - HOPED_FOR.total_seconds()
        return frozenset(one for one in recipients if self._opened.get(one, since) > since)

    @contextmanager
    def places_for(self, submissions: Sequence[Sequence[PreparedTransfer]]) -> Iterator[list[ClaimAtOnce | None]]:
        """Keep places for the transfers of submissions that are about to be committed together, and yield what the
        commit may claim of each, if anything.

        Within, give `put` what it claimed; whatever is not put gives its place back.
        """
        in_force = self._agreements.in_force(self._clock.now()) if self._open else frozenset()
        kept: list[PreparedTransfer] = []
        try:
            # The commit may lease before anybody else knows of it.
            with self._bells.at_work():
                yield [self._keep_places(transfers, in_force, kept) for transfers in submissions]
        finally:
            for one in kept:
                self._give_back_place(one.recipient, size_of(one))

    def _keep_places(
        self, transfers: Sequence[PreparedTransfer], in_force: Collection[str], kept: list[PreparedTransfer]
    ) -> ClaimAtOnce | None:
        """Return what the commit may claim of one submission; its places are added to `kept`."""
        recipients = self.open_for(one.recipient for one in transfers if one.signed)
        fit = [one for one in transfers if one.recipient in recipients and one.header.agreement.sha256 in in_force]
        size = sum(size_of(one) for one in fit)
        if not fit or self._bytes + size > self._max_waiting_bytes:
            return None
        for one in fit:
            self._keep_place(one.recipient, size_of(one))
        kept += fit
        return ClaimAtOnce(recipients=frozenset(one.recipient for one in fit), lease=self._lease)

    def put(self, transfers: Sequence[PreparedTransfer], claimed: Sequence[ClaimedTransfer]) -> None:
        """Hand to `dispatch` what a commit claimed; its bell is the caller's to ring. `transfers`: the submission's."""
        prepared = {one.slot.transfer_id: one for one in transfers}
        for one in claimed:
            made = prepared[one.row.id]
            self._put(one.row.recipient, FastTransfer(claimed=one, envelope=made.envelope), size_of(made))


def size_of(transfer: PreparedTransfer) -> int:
    """Return the bytes that a transfer holds in memory while it waits."""
    return len(transfer.sealed) + (0 if transfer.envelope is None else len(transfer.envelope.jwe))
