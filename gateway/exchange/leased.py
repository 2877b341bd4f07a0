"""What was leased in the commit that wrote it, on its way in memory to the loop that works it off.

This is the one place where work waits in memory, so it is bounded, in bytes for all and in number for each party.
Beyond that it simply stays in the store, where every claim finds it.

The loop that serves a party opens the way to it for a moment, each time it knows that nothing due waits in the store,
so nobody is overtaken. That moment is longer than groups at full load are apart: else the way would be closed just when
it saves most. Whatever waits here is leased like everything else under way: when the process dies, the lease ends. What
nobody takes in time goes back to the store. A drain closes the way, counts what waits here as under way, and has it
worked off, or given back.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Generic, TypeVar

from gateway.domain.ids import PartyId
from gateway.domain.limits import MAX_BATCH_BYTES
from gateway.exchange.doorbell import Doorbells
from gateway.ports import Clock

Work = TypeVar("Work")

MAX_WAITING_BYTES: Final = MAX_BATCH_BYTES
"""Bodies in memory for all parties together, with those that wait for their commit."""

MAX_WAITING: Final = 512
"""Pieces for one party. What more there is waits in the store as well as here."""

WAIT: Final = timedelta(seconds=10)
"""How long a piece may wait to be taken before it goes back to the store. Its lease is so much longer than that of a
claim: what is taken has a whole one before it."""


@dataclass(frozen=True, slots=True)
class _Opening:
    """Until when the way is open, in monotonic seconds, and for how many pieces at a time."""

    until: float
    room: int


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Work]):
    work: Work
    size_bytes: int
    since: float


class Leased(Generic[Work]):
    """The queues of all parties. `lease`: of a claim, as the loop makes it. `bells`: what waits here is counted there
    as work under way."""

    def __init__(
        self, *, clock: Clock, bells: Doorbells, lease: timedelta, max_waiting_bytes: int = MAX_WAITING_BYTES
    ) -> None:
        self._clock = clock
        self._bells = bells
        self._lease = lease + WAIT
        self._max_waiting_bytes = max_waiting_bytes
        self._open: dict[PartyId, _Opening] = {}
        self._waiting: defaultdict[PartyId, deque[_Waiting[Work]]] = defaultdict(deque)
        self._late: list[_Waiting[Work]] = []
        self._committing: defaultdict[PartyId, int] = defaultdict(int)
        self._bytes = 0

    # ── the loop that works it off ──

    def open(self, party: PartyId, *, lasting: timedelta, room: int = MAX_WAITING) -> None:
        """Let work for `party` take this way for so long, at most `room` pieces at a time: it is in reach, and nothing
        due waits in the store."""
        self._open[party] = _Opening(until=self._clock.monotonic() + lasting.total_seconds(), room=room)

    def close(self, party: PartyId) -> None:
        """Leave everything to the store from now on. What waits here still waits to be taken."""
        self._open.pop(party, None)

    def take(self, party: PartyId, limit: int) -> list[Work]:
        """Return at most `limit` pieces, in the order of their commits, at most MAX_BATCH_BYTES but for a single one.

        They are leased: what is taken must be worked on. None has waited too long."""
        return self._take(party, limit, lambda _: True)

    def _take(self, party: PartyId, limit: int, may_go: Callable[[Work], bool]) -> list[Work]:
        """As `take`; what may not go any more is set aside with what waited too long."""
        waiting = self._waiting_in_time(party)
        taken: list[_Waiting[Work]] = []
        size = 0
        while waiting and len(taken) < limit:
            if taken and size + waiting[0].size_bytes > MAX_BATCH_BYTES:
                break
            one = waiting.popleft()
            if not may_go(one.work):
                self._late.append(one)
                continue
            taken.append(one)
            size += one.size_bytes
        return self._gone(taken)

    def _waiting_in_time(self, party: PartyId) -> deque[_Waiting[Work]]:
        """Return what waits for `party`; what waited too long is set aside."""
        waiting = self._waiting[party]
        oldest = self._clock.monotonic() - WAIT.total_seconds()
        while waiting and waiting[0].since < oldest:
            self._late.append(waiting.popleft())
        return waiting

    def _gone(self, pieces: Sequence[_Waiting[Work]]) -> list[Work]:
        for one in pieces:
            self._bells.ended()
            self._bytes -= one.size_bytes
        return [one.work for one in pieces]

    def late(self) -> list[Work]:
        """Return what waited too long for any party, or was set aside, once. It is leased, and nobody else knows of it
        any more: what is not given back waits for the end of its lease."""
        for party in self._waiting:
            self._waiting_in_time(party)
        late, self._late = self._late, []
        return self._gone(late)

    def set_aside(self) -> None:
        """Count all that waits as late: nobody takes it any more."""
        for waiting in self._waiting.values():
            self._late += waiting
            waiting.clear()

    # ── whoever commits ──

    def open_for(self, parties: Iterable[PartyId]) -> frozenset[PartyId]:
        """Return those of `parties` to whom the way is open now: none while the node begins nothing new."""
        return frozenset(party for party in parties if self._room(party) > 0)

    def _room(self, party: PartyId) -> int:
        """Return how many more pieces for a party may take this way now."""
        opening = self._open.get(party)
        if opening is None or self._bells.hushed or opening.until <= self._clock.monotonic():
            return 0
        return opening.room - len(self._waiting[party]) - self._committing[party]

    def _keep_place(self, party: PartyId, size_bytes: int) -> None:
        """Keep a place for a piece that is about to be committed. What is kept must be given back, put or not."""
        self._bytes += size_bytes
        self._committing[party] += 1

    def _give_back_place(self, party: PartyId, size_bytes: int) -> None:
        self._bytes -= size_bytes
        self._committing[party] -= 1

    def _put(self, party: PartyId, work: Work, size_bytes: int) -> None:
        """Hand over what a commit leased; the bell of the loop is the caller's to ring."""
        self._bytes += size_bytes
        self._waiting[party].append(_Waiting(work, size_bytes, self._clock.monotonic()))
        self._bells.begun()
