"""The history checker can fail: every fault planted into a good history is found, under the rule that it breaks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.audit import AuditEntry, AuditEvent, AuditRecord, ChainHead, genesis, link
from gateway.domain.ids import PartyId
from tests.faults.books import Books, check_books, unfinished
from tests.faults.history import Answer, Arrival, History, Outage, check

GB, FR = PartyId("GB-HMRC"), PartyId("FR-DGDDI")
E = AuditEvent
IDS = ("m-1", "m-2", "m-3")


def moment(seconds: float) -> datetime:
    return datetime(2026, 3, 1, 9, 30, tzinfo=UTC) + timedelta(seconds=seconds)


Step = tuple[float, AuditEvent, str]
"""When, what, and which message; an empty id for what concerns none."""

SENDER_STEPS: tuple[Step, ...] = (
    (0, E.NODE_STARTED, ""),
    *((1, event, name) for name in IDS for event in (E.SUBMISSION_ACCEPTED, E.TRANSFER_ACCEPTED)),
    (2, E.TRANSFER_CLAIMED, "m-1"),
    (4, E.TRANSFER_DELIVERED, "m-1"),
    (5, E.TRANSFER_CLAIMED, "m-2"),
    (10, E.TRANSFER_LEASE_LOST, "m-2"),
    (11, E.TRANSFER_CLAIMED, "m-2"),
    (12, E.TRANSFER_DELIVERED, "m-2"),
    (12, E.TRANSFER_CLAIMED, "m-3"),
    (13, E.TRANSFER_FAILED, "m-3"),
    (14, E.TRANSFER_CLAIMED, "m-3"),
    (15, E.TRANSFER_DELIVERED, "m-3"),
)
RECEIVER_STEPS: tuple[Step, ...] = (
    (0, E.NODE_STARTED, ""),
    (3, E.MESSAGE_ACCEPTED, "m-1"),
    (3, E.HAND_OVER_CLAIMED, "m-1"),
    (4, E.HAND_OVER_ACKNOWLEDGED, "m-1"),
    (6, E.MESSAGE_ACCEPTED, "m-2"),
    (6, E.HAND_OVER_CLAIMED, "m-2"),
    (10, E.HAND_OVER_LEASE_LOST, "m-2"),
    (11.5, E.MESSAGE_DUPLICATE, "m-2"),
    (12, E.HAND_OVER_CLAIMED, "m-2"),
    (13, E.HAND_OVER_ACKNOWLEDGED, "m-2"),
    (15, E.MESSAGE_ACCEPTED, "m-3"),
    (15, E.HAND_OVER_CLAIMED, "m-3"),
    (16, E.HAND_OVER_ACKNOWLEDGED, "m-3"),
)


def chained(party: PartyId, steps: Sequence[Step], *, digests: str = "digest of ") -> list[AuditRecord]:
    """Return a sound chain that says these things."""
    head, records = genesis(party.lower()), []
    for at, event, name in steps:
        entry = AuditEntry(
            event=event,
            at=moment(at),
            actor="system",
            transfer_id=name if event.startswith("transfer.") else None,
            message_id=name if name and event is not E.SUBMISSION_ACCEPTED else None,
            facts={"digest": f"{digests}{name}"},
        )
        record, head = link(head, entry)
        records.append(record)
    return records


def with_records(books: Books, records: Sequence[AuditRecord]) -> Books:
    newest = records[-1]
    return replace(books, records=records, head=(newest.seq, newest.hash))


def sender() -> Books:
    books = Books(
        party=GB,
        records=[],
        transfers=dict.fromkeys(IDS, "DELIVERED"),
        hand_overs={},
        submissions=frozenset(f"s-{name}" for name in IDS),
        receipts_held={name: (f"receipt of {name}",) for name in IDS},
    )
    return with_records(books, chained(GB, SENDER_STEPS))


def receiver() -> Books:
    books = Books(
        party=FR,
        records=[],
        transfers={},
        hand_overs=dict.fromkeys(IDS, "HANDED_OVER"),
        receipts_given={name: f"receipt of {name}" for name in IDS},
    )
    return with_records(books, chained(FR, RECEIVER_STEPS))


def answer(name: str, at: float = 1, **other: object) -> Answer:
    known: dict[str, object] = {
        "key": f"k-{name}",
        "marker": f"D-{name}",
        "sender": GB,
        "recipient": FR,
        "at": moment(at),
        "submission_id": f"s-{name}",
        "message_id": name,
        "digest": f"digest of {name}",
        "conversation": "case" if name != "m-3" else "other case",
        "sequence": IDS.index(name) + 1 if name in IDS else 1,
    }
    return Answer(**{**known, **other})  # type: ignore[arg-type]  # values of the right kinds by their names


def arrival(name: str, at: float, view: str = "", body: str = "", party: PartyId = FR) -> Arrival:
    text = view or f"view of D-{name}"
    return Arrival(party=party, message_id=name, at=moment(at), view=text.encode(), body=(body or text).encode())


def unanswered(name: str) -> Answer:
    return answer(
        name, 0.5, code="client.unreachable", submission_id="", message_id="", digest="", conversation="", sequence=0
    )


def good() -> History:
    """Three messages; the receiver was killed while it handed over the second, and everything ended well."""
    return History(
        answers=[unanswered("m-1"), *(answer(name) for name in IDS), answer("m-2", 2, replayed=True)],
        arrivals=[arrival("m-1", 3.5), arrival("m-2", 6.5), arrival("m-2", 12.5), arrival("m-3", 15.5)],
        outages=[Outage(party=FR, at=moment(7), over=moment(8)), Outage(party=GB, at=moment(9), over=moment(10))],
        books={GB: sender(), FR: receiver()},
        expected={f"D-{name}": f"view of D-{name}".encode() for name in IDS},
    )


def sending(books: Books) -> History:
    return replace(good(), books={GB: books, FR: receiver()})


def receiving(books: Books) -> History:
    return replace(good(), books={GB: sender(), FR: books})


def arrivals(*others: Arrival, without: str = "") -> History:
    kept = [one for one in good().arrivals if one.message_id != without]
    return replace(good(), arrivals=[*kept, *others])


def answers(*others: Answer, without: str = "") -> History:
    kept = [one for one in good().answers if one.marker != f"D-{without}"]
    return replace(good(), answers=[*kept, *others])


def without_step(steps: Sequence[Step], event: AuditEvent, name: str) -> list[Step]:
    return [step for step in steps if step[1:] != (event, name)]


def swapped(records: list[AuditRecord], first: int, second: int) -> list[AuditRecord]:
    records[first], records[second] = records[second], records[first]
    return records


def cut(records: list[AuditRecord]) -> list[AuditRecord]:
    return records[:-1]


PLANTED: dict[str, tuple[str, Callable[[], History]]] = {
    "a message that never reached the back end": ("I2", lambda: arrivals(without="m-3")),
    "a message that the gateway forgot": ("I1", lambda: sending(replace(sender(), transfers={}))),
    "a message that is still waiting": (
        "I1",
        lambda: sending(replace(sender(), transfers={**sender().transfers, "m-1": "QUEUED"})),
    ),
    "a submission that the gateway forgot": (
        "I1",
        lambda: sending(replace(sender(), submissions=frozenset({"s-m-1", "s-m-2"}))),
    ),
    "one id with two contents": ("I2", lambda: arrivals(arrival("m-2", 13, body="another"))),
    "a repeat that no outage explains": ("I2", lambda: arrivals(arrival("m-3", 17))),
    "a repeat that only the other party's outage explains": (
        "I2",
        lambda: replace(good(), outages=[Outage(party=GB, at=moment(9), over=moment(10))]),
    ),
    "a repeated hand-over that only the end of a worker explains": (
        "I2",
        lambda: replace(good(), outages=[replace(outage, only_worker=True) for outage in good().outages]),
    ),
    "two repeats for one outage": ("I2", lambda: arrivals(arrival("m-2", 13))),
    "one document under two ids": (
        "I2",
        lambda: replace(good(), answers=[*good().answers, answer("m-3", marker="D-m-1")]),
    ),
    "an arrival that nobody was told of": ("I3", lambda: arrivals(arrival("m-9", 16))),
    "an arrival at the wrong back end": (
        "I3",
        lambda: arrivals(arrival("m-3", 15.5, party=GB), without="m-3"),
    ),
    "an altered document": ("I3", lambda: arrivals(arrival("m-3", 15.5, view="something else"), without="m-3")),
    "an arrival after more than a minute": ("I6", lambda: arrivals(arrival("m-3", 71), without="m-3")),
    "a delivery without a receipt": ("I5", lambda: sending(replace(sender(), receipts_held={}))),
    "a receipt that the partner never stored": (
        "I5",
        lambda: receiving(replace(receiver(), receipts_given={**receiver().receipts_given, "m-1": "another"})),
    ),
    "a receipt that does not verify": ("I5", lambda: replace(good(), unproven={"m-1": "the signature"})),
    "a delivery that was never claimed": (
        "I7",
        lambda: sending(with_records(sender(), chained(GB, without_step(SENDER_STEPS, E.TRANSFER_FAILED, "m-3")))),
    ),
    "a delivered message that was sent again": (
        "I7",
        lambda: sending(with_records(sender(), chained(GB, [*SENDER_STEPS, (20, E.TRANSFER_CLAIMED, "m-1")]))),
    ),
    "a change of state without a record": (
        "I7",
        lambda: receiving(
            with_records(receiver(), chained(FR, without_step(RECEIVER_STEPS, E.HAND_OVER_ACKNOWLEDGED, "m-3")))
        ),
    ),
    "evidence of something that should not happen": (
        "I7",
        lambda: receiving(with_records(receiver(), chained(FR, [*RECEIVER_STEPS, (20, E.MESSAGE_UNOPENED, "")]))),
    ),
    "audit records that changed places": (
        "I8",
        lambda: sending(replace(sender(), records=swapped(list(sender().records), 3, 4))),
    ),
    "an audit record that is missing": (
        "I8",
        lambda: sending(replace(sender(), records=[*sender().records[:2], *sender().records[3:]])),
    ),
    "an audit chain that was cut": ("I8", lambda: sending(replace(sender(), records=cut(list(sender().records))))),
    "another digest at the other end": (
        "I9",
        lambda: receiving(with_records(receiver(), chained(FR, RECEIVER_STEPS, digests="other digest of "))),
    ),
    "a message accepted there and not delivered here": (
        "I9",
        lambda: sending(with_records(sender(), chained(GB, without_step(SENDER_STEPS, E.TRANSFER_DELIVERED, "m-3")))),
    ),
    "a delivery here that nobody accepted there": (
        "I9",
        lambda: receiving(
            with_records(receiver(), chained(FR, without_step(RECEIVER_STEPS, E.MESSAGE_ACCEPTED, "m-3")))
        ),
    ),
    "a client that was told another digest": ("I9", lambda: answers(answer("m-3", digest="other"), without="m-3")),
    "one key with two submissions": ("I10", lambda: answers(answer("m-3", key="k-m-1"), without="m-3")),
    "a key whose outcome stayed unknown": ("I10", lambda: answers(unanswered("m-3"), without="m-3")),
    "a submission that no client knows": ("I10", lambda: answers(without="m-3")),
    "a message that came again without being sent again": (
        "I2",
        lambda: receiving(with_records(receiver(), chained(FR, [*RECEIVER_STEPS, (20, E.MESSAGE_DUPLICATE, "m-1")]))),
    ),
    "a message that was sent again, and no outage explains it": (
        "I2",
        lambda: receiving(with_records(receiver(), chained(FR, [*RECEIVER_STEPS, (20, E.MESSAGE_DUPLICATE, "m-3")]))),
    ),
    "a conversation out of order": (
        "I13",
        lambda: replace(good(), answers=[answer("m-1", sequence=2), answer("m-2", sequence=1), answer("m-3")]),
    ),
}


def test_a_good_history_breaks_no_rule() -> None:
    assert check(good()) == []


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_fault_is_found(planted: str) -> None:
    rule, history = PLANTED[planted]
    assert rule in {breach.rule for breach in check(history())}


def test_a_second_delivery_with_another_digest_is_found() -> None:
    records = chained(FR, RECEIVER_STEPS)
    (number,) = (number for number, record in enumerate(records) if record.entry.event is E.MESSAGE_DUPLICATE)
    other = replace(records[number].entry, facts={"digest": "another"})
    records[number] = replace(records[number], entry=other)
    assert [breach.rule for breach in check_books(replace(receiver(), records=records))] == ["I2"]


def test_a_transfer_counts_as_finished_only_when_both_sides_are_done() -> None:
    assert unfinished({GB: sender(), FR: receiver()}) == 0
    assert unfinished({GB: replace(sender(), transfers={**sender().transfers, "m-1": "QUEUED"}), FR: receiver()}) == 1
    assert unfinished({GB: sender(), FR: replace(receiver(), hand_overs={"m-1": "HANDED_OVER"})}) == 2


HELD_STEPS: tuple[Step, ...] = (
    (1, E.TRANSFER_ACCEPTED, "m-1"),
    (1, E.TRANSFER_HELD, "m-1"),
    (2, E.TRANSFER_PREPARED_AGAIN, "m-1"),
    (3, E.TRANSFER_APPROVED, "m-1"),
    (4, E.TRANSFER_RELEASED, "m-1"),
    (5, E.TRANSFER_CLAIMED, "m-1"),
    (6, E.TRANSFER_DELIVERED, "m-1"),
)


def test_a_transfer_that_waited_for_a_person_is_played_like_any_other() -> None:
    books = Books(party=GB, records=[], transfers={"m-1": "DELIVERED"}, hand_overs={})
    assert check_books(with_records(books, chained(GB, HELD_STEPS))) == []
    waiting = replace(books, transfers={"m-1": "HELD"})
    assert check_books(with_records(waiting, chained(GB, HELD_STEPS[:4]))) == []
    assert (unfinished({GB: waiting}), unfinished({GB: books})) == (0, 1)


def test_a_transfer_that_was_sent_before_its_release_is_found() -> None:
    books = Books(party=GB, records=[], transfers={"m-1": "DELIVERED"}, hand_overs={})
    steps = tuple(step for step in HELD_STEPS if step[1] is not E.TRANSFER_RELEASED)
    assert {breach.rule for breach in check_books(with_records(books, chained(GB, steps)))} == {"I7"}


@pytest.mark.parametrize(("code", "rules"), [("request.malformed", []), ("envelope.rejected", ["I7"])])
def test_what_could_not_be_opened_is_found_unless_its_sender_died_while_it_sent(code: str, rules: list[str]) -> None:
    books = receiver()
    head = ChainHead(chain=FR.lower(), seq=books.head[0], hash=books.head[1])
    entry = AuditEntry(event=E.MESSAGE_UNOPENED, at=moment(20), actor="party:GB-HMRC", facts={"code": code})
    record, _ = link(head, entry)
    assert [breach.rule for breach in check_books(with_records(books, [*books.records, record]))] == rules
