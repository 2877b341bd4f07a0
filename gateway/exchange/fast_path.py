"""The fast path: what was accepted and claimed in one commit, on its way from `submit` to `dispatch`.

A transfer that nothing stands before, to a partner that is in reach, need not be written as queued, looked for and
claimed again: its acceptance and its claim share a commit (DESIGN §3), and its first envelope may come with it from
`prepare`. This is the one place where a message waits in memory, so it is bounded, in bytes for all and in number for
each partner. Beyond that a transfer simply stays QUEUED in the store, where every claim finds it.

`dispatch` opens the way to a partner for a moment, each time it knows two things: the partner answered just now, and
nothing that is due waits for it in the store, so nobody is overtaken. Whatever waits here is leased like everything
else under way: when the process dies, the lease ends and the next attempt starts from the stored JWS. What nobody takes
in time, because the partner stands still, goes back to the store (`give_back`). A drain closes the way, counts what
waits here as under way, and has it sent, or given back.
"""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from gateway.domain.ids import PartyId
from gateway.domain.jobs import PreparedTransfer, SealedEnvelope
from gateway.domain.limits import MAX_BATCH_BYTES
from gateway.domain.records import ClaimAtOnce, ClaimedTransfer
from gateway.exchange.doorbell import Doorbells
from gateway.ports import Agreements, Clock

MAX_WAITING_BYTES: Final = MAX_BATCH_BYTES
"""Bodies in memory for all partners together, with those that wait for their commit."""

MAX_WAITING: Final = 128
"""Transfers to one partner: two full batches. What more there is waits in the store as well as here."""

WAIT: Final = timedelta(seconds=10)
"""How long a transfer may wait to be taken before it goes back to the store. Its lease is so much longer than that of a
claim: what is taken has a whole one before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FastTransfer:
    """A leased transfer, with its first envelope if `prepare` made one."""

    claimed: ClaimedTransfer
    envelope: SealedEnvelope | None = field(repr=False)
    size_bytes: int
    since: float


class FastPath:
    """The queue between `submit` and `dispatch`. `lease`: of a claim, as `dispatch` makes it. `bells`: what waits here
    is counted there as work under way."""

    def __init__(
        self,
        *,
        agreements: Agreements,
        clock: Clock,
        bells: Doorbells,
        lease: timedelta,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self._agreements = agreements
        self._clock = clock
        self._bells = bells
        self._lease = lease + WAIT
        self._max_waiting_bytes = max_waiting_bytes
        self._open: dict[PartyId, float] = {}  # until when, in monotonic seconds
        self._waiting: defaultdict[PartyId, deque[FastTransfer]] = defaultdict(deque)
        self._late: list[FastTransfer] = []
        self._committing: defaultdict[PartyId, int] = defaultdict(int)
        self._bytes = 0

    # ── dispatch ──

    def open(self, partner: PartyId, *, lasting: timedelta) -> None:
        """Let transfers to `partner` take this way for so long: it is in reach, and nothing due waits in the store."""
        self._open[partner] = self._clock.monotonic() + lasting.total_seconds()

    def close(self, partner: PartyId) -> None:
        """Send everything by way of the store from now on. What waits here still waits to be taken."""
        self._open.pop(partner, None)

    def take(self, partner: PartyId, limit: int) -> list[FastTransfer]:
        """Return at most `limit` transfers, in the order of their commits, at most MAX_BATCH_BYTES but for a single
        one. They are leased: what is taken must be worked on. None has waited too long."""
        waiting = self._waiting_in_time(partner)
        taken: list[FastTransfer] = []
        size = 0
        while waiting and len(taken) < limit:
            if taken and size + waiting[0].size_bytes > MAX_BATCH_BYTES:
                break
            one = waiting.popleft()
            taken.append(one)
            size += one.size_bytes
        self._gone(taken)
        return taken

    def _waiting_in_time(self, partner: PartyId) -> deque[FastTransfer]:
        """Return what waits for `partner`; what waited too long is set aside."""
        waiting = self._waiting[partner]
        oldest = self._clock.monotonic() - WAIT.total_seconds()
        while waiting and waiting[0].since < oldest:
            self._late.append(waiting.popleft())
        return waiting

    def _gone(self, transfers: Sequence[FastTransfer]) -> None:
        for one in transfers:
            self._bells.ended()
            self._bytes -= one.size_bytes

    # ── give_back ──

    def late(self) -> list[FastTransfer]:
        """Return what waited too long for any partner, once. It is leased, and nobody else knows of it any more: what
        is not given back waits for the end of its lease."""
        for partner in self._waiting:
            self._waiting_in_time(partner)
        late, self._late = self._late, []
        self._gone(late)
        return late

    # ── submit ──

    def open_for(self, recipients: Iterable[PartyId]) -> frozenset[PartyId]:
        """Return those of `recipients` to whom the way is open now: none while the node begins nothing new."""
        if self._bells.hushed:
            return frozenset()
        now = self._clock.monotonic()
        return frozenset(
            recipient
            for recipient in recipients
            if self._open.get(recipient, now) > now
            and len(self._waiting[recipient]) + self._committing[recipient] < MAX_WAITING
        )

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
                self._bytes -= size_of(one)
                self._committing[one.recipient] -= 1

    def _keep_places(
        self, transfers: Sequence[PreparedTransfer], in_force: Collection[str], kept: list[PreparedTransfer]
    ) -> ClaimAtOnce | None:
        """Return what the commit may claim of one submission; its places are added to `kept`."""
        recipients = self.open_for(one.recipient for one in transfers if one.signed)
        fit = [one for one in transfers if one.recipient in recipients and one.header.agreement.sha256 in in_force]
        size = sum(size_of(one) for one in fit)
        if not fit or self._bytes + size > self._max_waiting_bytes:
            return None
        self._bytes += size
        for one in fit:
            self._committing[one.recipient] += 1
        kept += fit
        return ClaimAtOnce(recipients=frozenset(one.recipient for one in fit), lease=self._lease)

    def put(self, transfers: Sequence[PreparedTransfer], claimed: Sequence[ClaimedTransfer]) -> None:
        """Hand to `dispatch` what a commit claimed; its bell is the caller's to ring. `transfers`: the submission's."""
        prepared = {one.slot.transfer_id: one for one in transfers}
        for one in claimed:
            made = prepared[one.row.id]
            size = size_of(made)
            self._bytes += size
            fast = FastTransfer(claimed=one, envelope=made.envelope, size_bytes=size, since=self._clock.monotonic())
            self._waiting[one.row.recipient].append(fast)
            self._bells.begun()


def size_of(transfer: PreparedTransfer) -> int:
    """Return the bytes that a transfer holds in memory while it waits."""
    return len(transfer.sealed) + (0 if transfer.envelope is None else len(transfer.envelope.jwe))
