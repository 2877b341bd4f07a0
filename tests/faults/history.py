"""What a fault run looked like from outside, and the rules it must have kept. Pure: whoever ran it hands in what it saw.

Four witnesses are heard: the clients (what was acknowledged), the back ends (what arrived, byte for byte), the receipts,
and the books of both gateways (audit chain and rows). `check` holds them against each other and returns every breach,
named after the invariant it breaks:

I1 acknowledged is delivered · I2 it reaches the back end, never with two contents, and repeats only where an outage
explains them · I3 nothing invented or altered · I5 delivered means that the partner has it and its receipt verifies ·
I6 nothing unfinished once the time is over · I7 only legal steps, each with its record (`books.py`) · I8 no gap in the
audit (`books.py`) · I9 both gateways agree · I10 one key, one submission · I13 order within a conversation.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import PartyId
from tests.faults.books import Books, Breach, check_books

ARRIVES_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a client was told about one request. `code` is `ok`, or why the outcome is unknown to it.

    `marker` stands in the document and nowhere else. `status` is that of HTTP, None where no answer came. The ids are
    empty unless `code` is `ok`.
    """

    key: str
    marker: str
    sender: PartyId
    recipient: PartyId
    at: datetime
    code: str = "ok"
    status: int | None = None
    submission_id: str = ""
    message_id: str = ""
    digest: str = ""
    conversation: str = ""
    sequence: int = 0
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One webhook at a party's back end. `view` is the document's exact bytes, `body` the whole request."""

    party: PartyId
    message_id: str
    at: datetime
    view: bytes = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """From `at` until `over` a party's gateway may have forgotten what it did not commit.

    `only_worker`: it was one of its workers that ended; that may cost an attempt to send, but no hand-over.
    """

    party: PartyId
    at: datetime
    over: datetime
    only_worker: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One run. `expected`: the view that must arrive for each marker. `unproven`: message ids whose receipt could not
    be verified offline, and why."""

    answers: Sequence[Answer]
    arrivals: Sequence[Arrival]
    outages: Sequence[Outage]
    books: Mapping[PartyId, Books]
    expected: Mapping[str, bytes]
    unproven: Mapping[str, str] = field(default_factory=dict)

    def accepted(self) -> dict[str, Answer]:
        """Return the first acknowledgement of each message."""
        first: dict[str, Answer] = {}
        for answer in self.answers:
            if answer.code == "ok":
                first.setdefault(answer.message_id, answer)
        return first

    def handed_over(self) -> dict[tuple[PartyId, str], list[Arrival]]:
        """Return the arrivals of each message at each back end, earliest first."""
        found: defaultdict[tuple[PartyId, str], list[Arrival]] = defaultdict(list)
        for arrival in sorted(self.arrivals, key=lambda one: one.at):
            found[arrival.party, arrival.message_id].append(arrival)
        return dict(found)


def check(history: History) -> list[Breach]:
    """Return every breach of a run that has come to its end."""
    rules = (_keys, _delivery, _contents, _repeats, _resent, _receipts, _agreement, _order)
    breaches = [breach for rule in rules for breach in rule(history)]
    return breaches + [breach for books in history.books.values() for breach in check_books(books)]


def _keys(history: History) -> Iterator[Breach]:
    """I10: every key came to an end, and to one submission that the gateway knows too."""
    told: defaultdict[tuple[PartyId, str], set[str]] = defaultdict(set)
    for answer in history.answers:
        told[answer.sender, answer.key] |= {answer.submission_id} if answer.code == "ok" else set()
    for (party, key), submissions in told.items():
        if len(submissions) != 1:
            yield Breach("I10", f"key {key} of {party} stands for {len(submissions)} submissions")
    for party, books in history.books.items():
        known = {one for (sender, _), submissions in told.items() if sender == party for one in submissions}
        if invented := books.submissions - known:
            yield Breach("I10", f"{party} holds {len(invented)} submissions that no client was told of")
        if lost := known - books.submissions:
            yield Breach("I1", f"{party} forgot {len(lost)} submissions that it acknowledged")


def _delivery(history: History) -> Iterator[Breach]:
    """I1, I2, I6: what was acknowledged is delivered and handed over, and soon enough after the last outage."""
    last = max((outage.over for outage in history.outages), default=None)
    arrived = history.handed_over()
    for message_id, answer in history.accepted().items():
        state = history.books[answer.sender].transfers.get(message_id, "lost")
        if state != "DELIVERED":
            yield Breach("I1", f"{message_id} was acknowledged and is {state}")
        arrivals = arrived.get((answer.recipient, message_id), [])
        if not arrivals:
            yield Breach("I2", f"{message_id} never reached the back end")
            continue
        if history.books[answer.recipient].hand_overs.get(message_id) != "HANDED_OVER":
            yield Breach("I2", f"{message_id} reached the back end and is not recorded as handed over")
        if arrivals[0].at > max(answer.at, last or answer.at) + ARRIVES_WITHIN:
            yield Breach("I6", f"{message_id} arrived later than {ARRIVES_WITHIN.seconds} s after the last restart")


def _contents(history: History) -> Iterator[Breach]:
    """I2, I3: what arrived is what was accepted, once for each document, and the same bytes each time."""
    accepted = history.accepted()
    ids_of: defaultdict[str, set[str]] = defaultdict(set)
    for answer in history.answers:
        if answer.code == "ok":
            ids_of[answer.marker].add(answer.message_id)
    for marker, ids in ids_of.items():
        if len(ids) > 1:
            yield Breach("I2", f"document {marker} was accepted under {len(ids)} ids")
    for (party, message_id), arrivals in history.handed_over().items():
        known = accepted.get(message_id)
        if known is None or known.recipient != party:
            yield Breach("I3", f"{message_id} arrived at {party}, and nobody was told that it would")
            continue
        if len({arrival.body for arrival in arrivals}) > 1:
            yield Breach("I2", f"{message_id} was handed over with two contents")
        if arrivals[0].view != history.expected[known.marker]:
            yield Breach("I3", f"{message_id} arrived as another document than {known.marker}")


def _repeats(history: History) -> Iterator[Breach]:
    """I2: between two hand-overs of one message its gateway was out, another time for each repeat."""
    for (party, message_id), arrivals in history.handed_over().items():
        whole = (one for one in history.outages if one.party == party and not one.only_worker)
        unused = sorted(whole, key=lambda one: one.at)
        for first, second in pairwise(arrivals):
            # A request may still reach the back end from the socket of a process that is gone: `over`, not `at`.
            reason = next((one for one in unused if first.at <= one.over and one.at <= second.at), None)
            if reason is None:
                yield Breach("I2", f"{message_id} was handed over again by {party}, and no outage explains it")
            else:
                unused.remove(reason)


def _resent(history: History) -> Iterator[Breach]:
    """I2: a message that came to a gateway again had been sent again, because one of the two had been out."""
    sent: defaultdict[str | None, list[datetime]] = defaultdict(list)
    for claimed in _entries(history, AuditEvent.TRANSFER_CLAIMED):
        sent[claimed.message_id].append(claimed.at)
    again: Counter[str | None] = Counter()
    for entry in _entries(history, AuditEvent.MESSAGE_DUPLICATE):
        again[entry.message_id] += 1
        times = sent[entry.message_id]
        if len(times) <= again[entry.message_id]:
            yield Breach("I2", f"{entry.message_id} came more often than it was sent")
            continue
        # What a dead process left in a socket may be read late, so the time counts from when it was sent.
        since = times[again[entry.message_id] - 1]
        if not any(since <= one.over and one.at <= entry.at for one in history.outages):
            yield Breach("I2", f"{entry.message_id} came again, and no outage explains it")


def _receipts(history: History) -> Iterator[Breach]:
    """I5: delivered means one receipt, the very one the partner stored, and it verifies without either gateway."""
    for books in history.books.values():
        for message_id, state in books.transfers.items():
            if state != "DELIVERED":
                continue
            held = books.receipts_held.get(message_id, ())
            if len(held) != 1:
                yield Breach("I5", f"{message_id} is delivered with {len(held)} receipts")
            elif held[0] != _receipt_given(history, message_id):
                yield Breach("I5", f"{message_id} is delivered with another receipt than its partner stored")
    for message_id, why in history.unproven.items():
        yield Breach("I5", f"the receipt of {message_id} does not verify offline: {why}")


def _receipt_given(history: History, message_id: str) -> str | None:
    given = (books.receipts_given.get(message_id) for books in history.books.values())
    return next((token for token in given if token is not None), None)


def _agreement(history: History) -> Iterator[Breach]:
    """I9: delivered here, accepted there, with one digest; and the client was told the same one."""
    delivered = {
        (entry.message_id, str(entry.facts["digest"]))
        for entry in _entries(history, AuditEvent.TRANSFER_DELIVERED)
        if entry.message_id is not None
    }
    taken = {
        (entry.message_id, str(entry.facts["digest"]))
        for entry in _entries(history, AuditEvent.MESSAGE_ACCEPTED)
        if entry.message_id is not None
    }
    # What was held when it was acknowledged had no message yet, and so no digest that could be told.
    told = {(message_id, answer.digest) for message_id, answer in history.accepted().items() if answer.digest}
    for message_id, _ in sorted(delivered - taken):
        yield Breach("I9", f"{message_id} is delivered for its sender, and its recipient accepted no such digest")
    for message_id, _ in sorted(taken - delivered):
        yield Breach("I9", f"{message_id} is accepted by its recipient, and its sender does not have it as delivered")
    for message_id, _ in sorted(told - delivered):
        yield Breach("I9", f"{message_id} was acknowledged with a digest that was never delivered")


def _entries(history: History, event: AuditEvent) -> Iterator[AuditEntry]:
    for books in history.books.values():
        yield from (record.entry for record in books.records if record.entry.event is event)


def _order(history: History) -> Iterator[Breach]:
    """I13: within a conversation first hand-overs follow the sequence."""
    places: defaultdict[tuple[PartyId, str], list[tuple[datetime, int]]] = defaultdict(list)
    arrived = history.handed_over()
    for message_id, answer in history.accepted().items():
        arrivals = arrived.get((answer.recipient, message_id))
        if arrivals:
            places[answer.recipient, answer.conversation].append((arrivals[0].at, answer.sequence))
    for (party, conversation), found in places.items():
        in_time = [sequence for _, sequence in sorted(found)]
        if in_time != sorted(in_time):
            yield Breach("I13", f"conversation {conversation} reached the back end of {party} as {in_time}")
