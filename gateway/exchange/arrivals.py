"""The fast path of what comes in: admitted and leased for hand-over in one commit, from `receive` to `hand_over`.

A message that nothing waits beside in its conversation, for a back end whose loop has found nothing due in the store,
need not be written as pending, looked for, claimed and read again (`leased.py`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.domain.ids import PartyId
from gateway.domain.jobs import Admitted
from gateway.domain.records import ClaimAtOnce, ClaimedHandOver
from gateway.exchange.leased import Leased


class Arrivals(Leased[ClaimedHandOver]):
    """The queue between `receive` and `hand_over`, by the party of ours that a message is for."""

    @contextmanager
    def places_for(self, admitted: Sequence[Admitted]) -> Iterator[ClaimAtOnce | None]:
        """Keep places for messages that are about to be committed together, and yield whose the commit may lease.

        Within, `put` what it leased. For each party there is room for all of its messages or for none."""
        of: dict[PartyId, list[int]] = {}
        for one in admitted:
            of.setdefault(one.header.recipient, []).append(one.size_bytes)
        kept = {party: sizes for party, sizes in of.items() if self._keep(party, sizes)}
        try:
            # The commit may lease before anybody else knows of it.
            with self._bells.at_work():
                yield ClaimAtOnce(recipients=frozenset(kept), lease=self._lease) if kept else None
        finally:
            for party, sizes in kept.items():
                for size in sizes:
                    self._give_back_place(party, size)

    def _keep(self, party: PartyId, sizes: Sequence[int]) -> bool:
        """Keep places for all of a party's messages, if there is room for them."""
        if len(sizes) > self._room(party) or self._bytes + sum(sizes) > self._max_waiting_bytes:
            return False
        for size in sizes:
            self._keep_place(party, size)
        return True

    def put(self, claimed: Sequence[ClaimedHandOver]) -> None:
        """Hand to the hand-over what a commit leased; its bell is the caller's to ring."""
        for one in claimed:
            self._put(one.row.recipient, one, one.row.size_bytes)
