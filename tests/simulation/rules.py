"""What must hold once everything came to rest, whatever went wrong before. Pure but for reading the two databases.

The invariants of the fault tests (tests/faults), for a world in which anything may fail at any time: I1 acknowledged is
delivered, or a person said otherwise · I2 it reaches the back end, with one content, and not more often than it was
claimed · I3 nothing invented or altered · I4 what is refused is not handed over · I5 delivered means that the partner
has it and its receipt verifies · I6 nothing unfinished · I7 only legal steps, each with its record, and none by a
worker whose lease was lost · I8 no gap in the audit · I9 both gateways agree · I10 one key, one submission · I13 order
within every conversation, at the partner and at its back end. `defect`: what no node may say of itself.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Final

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import PartyId
from gateway.storage import verify_database
from tests.faults.books import Books, Breach, read_books
from tests.faults.proof import why_not
from tests.simulation.backend import Arrival
from tests.simulation.parts import MARK, Parts
from tests.simulation.people import Told
from tests.simulation.plan import Submission

_E: Final = AuditEvent

STEPS: Final[Mapping[tuple[str, AuditEvent], str]] = {
    ("", _E.TRANSFER_ACCEPTED): "QUEUED",
    ("QUEUED", _E.TRANSFER_CLAIMED): "IN_FLIGHT",
    ("QUEUED", _E.TRANSFER_HELD): "HELD",
    ("QUEUED", _E.TRANSFER_DEADLINE): "DEAD_LETTERED",
    ("QUEUED", _E.TRANSFER_CANCELLED): "CANCELLED",
    ("IN_FLIGHT", _E.TRANSFER_FAILED): "QUEUED",
    ("IN_FLIGHT", _E.TRANSFER_GIVEN_BACK): "QUEUED",
    ("IN_FLIGHT", _E.TRANSFER_LEASE_LOST): "QUEUED",
    ("IN_FLIGHT", _E.TRANSFER_TAKEN): "AWAITING_RECEIPT",
    ("IN_FLIGHT", _E.TRANSFER_REFUSED): "DEAD_LETTERED",
    ("IN_FLIGHT", _E.TRANSFER_EXHAUSTED): "DEAD_LETTERED",
    ("AWAITING_RECEIPT", _E.TRANSFER_REFUSED): "DEAD_LETTERED",
    ("AWAITING_RECEIPT", _E.TRANSFER_OVERDUE): "QUEUED",
    ("AWAITING_RECEIPT", _E.TRANSFER_TAKEN): "AWAITING_RECEIPT",
    ("AWAITING_RECEIPT", _E.TRANSFER_DEADLINE): "DEAD_LETTERED",
    ("HELD", _E.TRANSFER_RELEASED): "QUEUED",
    ("HELD", _E.TRANSFER_APPROVED): "HELD",
    ("HELD", _E.TRANSFER_PREPARED_AGAIN): "HELD",
    ("HELD", _E.TRANSFER_DEADLINE): "DEAD_LETTERED",
    ("HELD", _E.TRANSFER_CANCELLED): "CANCELLED",
    ("DEAD_LETTERED", _E.TRANSFER_REQUEUED): "QUEUED",
    ("DEAD_LETTERED", _E.TRANSFER_HELD): "HELD",
    ("DEAD_LETTERED", _E.TRANSFER_CANCELLED): "CANCELLED",
    ("DEAD_LETTERED", _E.TRANSFER_SUPERSEDED): "QUEUED",
    ("QUEUED", _E.TRANSFER_SUPERSEDED): "QUEUED",
    ("HELD", _E.TRANSFER_SUPERSEDED): "HELD",
    ("QUEUED", _E.TRANSFER_NOT_SEEN): "QUEUED",
    ("AWAITING_RECEIPT", _E.TRANSFER_NOT_SEEN): "QUEUED",
    ("HELD", _E.TRANSFER_NOT_SEEN): "HELD",
    ("DEAD_LETTERED", _E.TRANSFER_NOT_SEEN): "DEAD_LETTERED",
    ("HELD", _E.TRANSFER_SKIPPED): "DEAD_LETTERED",
    ("DEAD_LETTERED", _E.TRANSFER_SKIPPED): "DEAD_LETTERED",
    **{
        (state, _E.TRANSFER_DELIVERED): "DELIVERED"
        for state in ("QUEUED", "IN_FLIGHT", "AWAITING_RECEIPT", "HELD", "DEAD_LETTERED")
    },
}
"""What may happen to a transfer. Written down here once more, so that the product is not measured by itself."""

HAND_OVER_STEPS: Final[Mapping[tuple[str, AuditEvent], str]] = {
    ("", _E.MESSAGE_ACCEPTED): "PENDING",
    ("PENDING", _E.HAND_OVER_CLAIMED): "IN_FLIGHT",
    ("IN_FLIGHT", _E.HAND_OVER_ACKNOWLEDGED): "HANDED_OVER",
    ("IN_FLIGHT", _E.HAND_OVER_FAILED): "PENDING",
    ("IN_FLIGHT", _E.HAND_OVER_LEASE_LOST): "PENDING",
    ("IN_FLIGHT", _E.HAND_OVER_EXHAUSTED): "QUARANTINED",
    ("QUARANTINED", _E.HAND_OVER_RELEASED): "PENDING",
}

_OF_ONE_ATTEMPT: Final = frozenset(
    {_E.TRANSFER_FAILED, _E.TRANSFER_EXHAUSTED, _E.TRANSFER_GIVEN_BACK, _E.TRANSFER_TAKEN}
)
_OF_ONE_HAND_OVER: Final = frozenset({_E.HAND_OVER_ACKNOWLEDGED, _E.HAND_OVER_FAILED, _E.HAND_OVER_EXHAUSTED})
_AT_REST: Final = frozenset({"DELIVERED", "CANCELLED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A transfer as the sender's database has it at the end."""

    id: str
    message_id: str
    sender: PartyId
    recipient: PartyId
    state: str
    digest: str
    conversation: str
    sequence: int
    submission_id: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Everything that can be seen of a run."""

    parts: Parts
    files: Mapping[PartyId, Path]
    arrivals: Mapping[PartyId, Sequence[Arrival]]
    told: Sequence[Told]
    unanswered: Sequence[str]
    submissions: Sequence[Submission]
    defects: Sequence[str] = field(default_factory=tuple)

    @cached_property
    def books(self) -> dict[PartyId, Books]:
        """Return the books of both gateways."""
        return {party: read_books(file, party) for party, file in self.files.items()}

    @cached_property
    def rows(self) -> dict[str, Row]:
        """Return every transfer of both gateways, by its id."""
        found: dict[str, Row] = {}
        for file in self.files.values():
            for row in _ask(file, _TRANSFERS):
                found[row["id"]] = Row(**{name: row[name] for name in row.keys()})  # noqa: SIM118
        return found

    @cached_property
    def of_message(self) -> dict[str, Row]:
        """Return every transfer by the id of its newest message."""
        return {row.message_id: row for row in self.rows.values()}

    def entries(self, party: PartyId) -> Iterator[AuditEntry]:
        """Yield what one gateway's audit says, in order."""
        return (record.entry for record in self.books[party].records)


_TRANSFERS: Final = (
    "SELECT id, message_id, sender, recipient, state, digest, conversation, sequence, submission_id FROM transfer"
)


def _ask(file: Path, question: str) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as opened:
        opened.row_factory = sqlite3.Row
        return opened.execute(question).fetchall()


_UNFINISHED: Final = """
SELECT 'transfer ' || substr(message_id, -6) || ' is ' || state || ' ' || last_code AS what
  FROM transfer WHERE state NOT IN ('DELIVERED', 'CANCELLED') AND NOT (state = 'DEAD_LETTERED' AND skipped)
UNION ALL SELECT 'hand-over ' || substr(message_id, -6) || ' is ' || state || ' ' || last_code
  FROM hand_over WHERE state <> 'HANDED_OVER'
UNION ALL SELECT 'notice ' || substr(message_id, -6) || ' is ' || state || ' ' || last_code
  FROM notice_owed WHERE state = 'OWED'
UNION ALL SELECT 'envelope ' || substr(message_id, -6) || ' waits to be judged' FROM taken
UNION ALL SELECT 'receipt ' || substr(message_id, -6) || ' is ' || state FROM receipt_owed WHERE state = 'OWED'
"""


def unfinished(file: Path) -> list[str]:
    """Return what a gateway has not brought to an end."""
    return [row["what"] for row in _ask(file, _UNFINISHED)]


def breaches_of(seen: Seen) -> list[str]:
    """Return every breach, the invariant first."""
    rules: tuple[Callable[[Seen], Iterator[Breach]], ...] = (
        _defects,
        _chains,
        _steps,
        _keys,
        _rest,
        _delivery,
        _contents,
        _repeats,
        _receipts,
        _agreement,
        _order,
    )
    return [str(breach) for rule in rules for breach in rule(seen)]


def _defects(seen: Seen) -> Iterator[Breach]:
    """No loop of a node ends, and nothing is ever answered with `internal`."""
    for what in seen.defects:
        yield Breach("defect", what)


def _chains(seen: Seen) -> Iterator[Breach]:
    """I8: the audit verifies, as `gateway audit verify` does it, and as the fault tests read it."""
    for party, file in seen.files.items():
        for verdict in verify_database(file):
            if not verdict.intact:
                yield Breach("I8", f"the audit of {party} does not verify: {verdict.reason}")
        seq = [record.seq for record in seen.books[party].records]
        if seq != list(range(1, len(seq) + 1)):
            yield Breach("I8", f"the audit of {party} has gaps")


def _steps(seen: Seen) -> Iterator[Breach]:
    """I7: every step is legal and made by who held the lease, and the steps lead to the rows."""
    for party, books in seen.books.items():
        transfers = _Played(party, STEPS, _E.TRANSFER_CLAIMED, _OF_ONE_ATTEMPT)
        hand_overs = _Played(party, HAND_OVER_STEPS, _E.HAND_OVER_CLAIMED, _OF_ONE_HAND_OVER)
        states = {row.id: row.state for row in seen.rows.values() if row.sender == party}
        for entry in seen.entries(party):
            for played in (transfers, hand_overs):
                yield from played.play(entry)
        for played, rows in ((transfers, states), (hand_overs, books.hand_overs)):
            if played.states != rows:
                differing = {name for name, _ in played.states.items() ^ rows.items()}
                yield Breach("I7", f"the audit of {party} does not lead to the rows of {sorted(differing)}")


class _Played:
    """The states that an audit leads to, step by step."""

    def __init__(
        self,
        party: PartyId,
        steps: Mapping[tuple[str, AuditEvent], str],
        claimed: AuditEvent,
        under_lease: frozenset[AuditEvent],
    ) -> None:
        self.states: dict[str, str] = {}
        self._party = party
        self._steps = steps
        self._events = frozenset(event for _, event in steps)
        self._claimed = claimed
        self._under_lease = under_lease
        self._attempts: dict[str, object] = {}

    def play(self, entry: AuditEntry) -> Iterator[Breach]:
        if entry.event not in self._events:
            return
        name = str(entry.transfer_id or entry.message_id)
        was = self.states.get(name, "")
        becomes = self._steps.get((was, entry.event))
        if becomes is None:
            yield Breach("I7", f"{entry.event} of {name} at {self._party}, which was {was or 'nothing'}")
            return
        if entry.event is _E.TRANSFER_SUPERSEDED and "digest" not in entry.facts:
            becomes = "HELD"  # the new message is not signed: a person has to look at it first
        self.states[name] = becomes
        if entry.event is self._claimed:
            self._attempts[name] = entry.facts.get("attempt")
        # What a partner says when it is asked after an overdue receipt is of no attempt.
        elif was != "IN_FLIGHT" or entry.event not in self._under_lease:
            return
        elif entry.facts.get("attempt") != self._attempts.get(name):
            yield Breach("I7", f"{entry.event} of {name} at {self._party} comes from a lease that was lost")


def _keys(seen: Seen) -> Iterator[Breach]:
    """I10, I1: every key came to one submission, which its gateway has; and no other is there."""
    for key in seen.unanswered:
        yield Breach("I10", f"{key} never came to an outcome")
    of_key: defaultdict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for one in seen.told:
        of_key[one.submission.key].add((one.submission_id, one.message_id, one.digest))
    for key, told in of_key.items():
        if len(told) > 1:
            yield Breach("I10", f"{key} stands for {len(told)} submissions")
    for party, books in seen.books.items():
        known = {one.submission_id for one in seen.told if one.submission.sender == party}
        if lost := known - books.submissions:
            yield Breach("I1", f"{party} forgot {len(lost)} submissions that it acknowledged")
        if invented := books.submissions - known:
            yield Breach("I3", f"{party} holds {len(invented)} submissions that no client was told of")


def _rest(seen: Seen) -> Iterator[Breach]:
    """I6: nothing is left to do."""
    for party, file in seen.files.items():
        for what in unfinished(file):
            yield Breach("I6", f"at {party} the {what} long after the last fault")


def _delivery(seen: Seen) -> Iterator[Breach]:
    """I1, I2: what was acknowledged is delivered and handed over, unless a person cancelled it before it was sent."""
    taken = {(party, one.message_id) for party, arrivals in seen.arrivals.items() for one in arrivals}
    for one in seen.told:
        row = seen.rows.get(one.transfer_id)
        if row is None:
            yield Breach("I1", f"{one.message_id} was acknowledged and is lost")
            continue
        arrived = {
            message_id for message_id in (one.message_id, row.message_id) if (row.recipient, message_id) in taken
        }
        if row.state == "DELIVERED" and arrived != {row.message_id}:
            yield Breach(
                "I2", f"{row.message_id} is delivered, and {len(arrived)} of its messages reached the back end"
            )
        if row.state != "DELIVERED" and arrived:
            yield Breach("I2", f"{row.message_id} is {row.state} and reached the back end")


def _contents(seen: Seen) -> Iterator[Breach]:
    """I2, I3, I4: what arrived was accepted, is what was submitted, and the same each time."""
    of_transfer = {one.transfer_id: one for one in seen.told}
    told = {message: of_transfer.get(row.id) for message, row in seen.of_message.items()}
    for party, arrivals in seen.arrivals.items():
        accepted = {str(entry.message_id) for entry in seen.entries(party) if entry.event is _E.MESSAGE_ACCEPTED}
        for arrival in arrivals:
            known = told.get(arrival.message_id)
            if known is None or known.submission.recipient != party:
                yield Breach("I3", f"{arrival.message_id} arrived at {party}, and nobody was told that it would")
                continue
            if arrival.message_id not in accepted:
                yield Breach("I4", f"{arrival.message_id} was handed over by {party}, which never accepted it")
            view = seen.parts.views[known.submission.sample]
            if arrival.view != view.replace(MARK.encode(), known.submission.marker.encode()):
                yield Breach("I3", f"{arrival.message_id} arrived at {party} as something else")


def _repeats(seen: Seen) -> Iterator[Breach]:
    """I2: a message arrives at most as often as its hand-over was claimed, and is accepted once."""
    for party, arrivals in seen.arrivals.items():
        claims = Counter(str(one.message_id) for one in seen.entries(party) if one.event is _E.HAND_OVER_CLAIMED)
        for message_id, times in Counter(one.message_id for one in arrivals).items():
            if times > claims[message_id]:
                yield Breach("I2", f"{message_id} arrived {times} times at {party}, claimed {claims[message_id]} times")


def _receipts(seen: Seen) -> Iterator[Breach]:
    """I5: delivered means one receipt, the very one the partner stored, and it verifies without either gateway."""
    for row in seen.rows.values():
        if row.state != "DELIVERED":
            continue
        held = seen.books[row.sender].receipts_held.get(row.message_id, ())
        given = seen.books[row.recipient].receipts_given.get(row.message_id)
        if len(held) != 1 or held[0] != given:
            yield Breach("I5", f"{row.message_id} is delivered with {len(held)} receipts, not the one that was given")
            continue
        why = why_not(
            held[0],
            seen.parts.parties[row.recipient].public_key,
            issuer=row.recipient,
            audience=row.sender,
            message_id=row.message_id,
            digest=row.digest,
        )
        if why:
            yield Breach("I5", f"the receipt of {row.message_id} does not verify offline: {why}")


def _agreement(seen: Seen) -> Iterator[Breach]:
    """I9: delivered here, accepted there, with one digest."""
    accepted: dict[str, object] = {}
    given_up: set[str] = set()
    for party in seen.files:
        for entry in seen.entries(party):
            name = str(entry.message_id)
            if entry.event is _E.MESSAGE_ACCEPTED:
                if name in accepted:
                    yield Breach("I2", f"{name} was accepted twice by {party}")
                accepted[name] = entry.facts["digest"]
                if name in given_up:
                    yield Breach("I9", f"{name} was accepted by {party}, which had sworn that it never would")
            elif entry.event is _E.MESSAGE_NOT_SEEN:
                given_up.add(name)
            elif entry.event is _E.MESSAGE_REFUSED and accepted.get(name) == entry.facts["digest"]:
                yield Breach("I9", f"{name} was refused by {party}, which had accepted it")
    for row in seen.rows.values():
        theirs = accepted.pop(row.message_id, None)
        if row.state == "DELIVERED" and theirs != row.digest:
            yield Breach("I9", f"{row.message_id} is delivered for its sender, and its recipient has no such message")
        if row.state != "DELIVERED" and theirs is not None:
            yield Breach("I9", f"{row.message_id} is accepted by its recipient, and {row.state} for its sender")
    for message_id in accepted:
        yield Breach("I3", f"{message_id} was accepted, and nobody sent it")


def _order(seen: Seen) -> Iterator[Breach]:
    """I13: within a conversation the partner accepts, and its back end first gets, by sequence."""
    for party in seen.files:
        accepted = [str(one.message_id) for one in seen.entries(party) if one.event is _E.MESSAGE_ACCEPTED]
        arrived = list(dict.fromkeys(one.message_id for one in seen.arrivals[party]))
        for what, order in (("accepted", accepted), ("handed over", arrived)):
            of: defaultdict[tuple[PartyId, str], list[int]] = defaultdict(list)
            for row in (seen.of_message[one] for one in order if one in seen.of_message):
                of[row.sender, row.conversation].append(row.sequence)
            for (_, conversation), sequences in of.items():
                if any(later < earlier for earlier, later in pairwise(sequences)):
                    yield Breach("I13", f"conversation {conversation} was {what} by {party} as {sequences}")
