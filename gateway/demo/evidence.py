"""Checks of the evidence: receipts, notices, and an audit trail in which nothing is missing."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.demo.history import Acknowledged, History, Standing
from gateway.demo.verdicts import Check, check_each, check_equal
from gateway.domain.ids import PartyId

_ONCE: Final = ("transfer.accepted", "transfer.delivered", "transfer.handed_over")
_RECEIVED_ONCE: Final = ("message.accepted", "hand_over.acknowledged", "notice.given")


def receipts(history: History) -> Check:
    """Every receipt verifies offline, with the partner's public key, for the digest that was acknowledged."""
    return _statements(
        history,
        "receipts",
        "receipts verify offline with the partner's public key",
        expected="accepted, signed by the partner, for the digest of the acknowledgement",
        wrong=lambda standing: standing.receipt,
    )


def notices(history: History) -> Check:
    """Every sender knows, signed, when the partner's back end took the message."""
    return _statements(
        history,
        "handed over",
        'notices "handed over" verify offline, too',
        expected="signed by the partner, for the digest of the acknowledgement, with the time that is shown",
        wrong=lambda standing: standing.notice,
    )


def _statements(history: History, name: str, claim: str, *, expected: str, wrong: Callable[[Standing], str]) -> Check:
    found = [
        f"{one.document.name}: {what}"
        for one in history.played.acknowledged
        if (what := "its gateway does not know it" if (at := history.standing(one)) is None else wrong(at))
    ]
    number = len(history.played.acknowledged)
    claimed = f"{number - len(found)} of {number} {claim}"
    return check_each(name, claimed, expected=expected, of=number, wrong=found)


def audit(history: History, party: PartyId) -> Iterator[Check]:
    """The chain of one side holds, read by two programs; and it tells of everything that happened."""
    books = history.books[party]
    records = books.chain.records
    yield check_equal(
        f"audit chain of {party}",
        f"the {len(records)} audit records of {party} form an unbroken chain, as two programs read it",
        expected="intact; unbroken; more than none",
        seen=f"{books.verdict}; {books.chain.broken or 'unbroken'}; {'more than none' if records else 'none'}",
    )
    yield check_each(
        f"audit of {party}",
        f"the audit trail of {party} tells of every step of every message, every refusal and every start",
        expected="each attempt with its end, each receipt, hand-over and notice once",
        of=len(records),
        wrong=[*_sent(history, party), *_received(history, party), *_others(history, party)],
    )
    if books.stopped is not None:
        yield check_equal(f"end of {party}", f"{party} stopped in good order", expected=0, seen=books.stopped)


def _sent(history: History, party: PartyId) -> Iterator[str]:
    events = _by(history.books[party].chain.records, "transfer_id")
    for one in history.played.acknowledged:
        if one.document.sender != party:
            continue
        told = events.get(one.transfer, Counter())
        yield from _not_once(one, told, _ONCE)
        # What was given back before anything of it was sent is no attempt.
        claims, ends = told["transfer.claimed"] - told["transfer.given_back"], _ends(told)
        standing = history.standing(one)
        if claims == 0 or claims != ends or (standing is not None and claims != standing.attempts):
            yield f"{one.document.name}: {claims} attempts, {ends} ends of attempts"


def _ends(told: Counter[str]) -> int:
    return told["transfer.delivered"] + told["transfer.failed"] + told["transfer.lease_lost"]


def _received(history: History, party: PartyId) -> Iterator[str]:
    events = _by(history.books[party].chain.records, "message_id")
    for one in history.played.acknowledged:
        if one.document.recipient != party:
            continue
        told = events.get(one.message, Counter())
        yield from _not_once(one, told, _RECEIVED_ONCE)
        ends = told["hand_over.acknowledged"] + told["hand_over.failed"] + told["hand_over.lease_lost"]
        if told["hand_over.claimed"] == 0 or told["hand_over.claimed"] != ends:
            yield f"{one.document.name}: hand_over.claimed {told['hand_over.claimed']} times, {ends} ends of them"


def _not_once(one: Acknowledged, told: Counter[str], events: Iterable[str]) -> Iterator[str]:
    for event in events:
        if told[event] != 1:
            yield f"{one.document.name}: {event} {told[event]} times"


def _others(history: History, party: PartyId) -> Iterator[str]:
    """What is no step of a message: submissions, refusals, the forged receipt, starts."""
    played = history.played
    told = Counter(record["event"] for record in history.books[party].chain.records)
    forged = int(played.forgery is not None and played.forgery.code != "")
    whole = played.over_shared
    expected = {
        "submission.accepted": sum(one.document.sender == party for one in played.acknowledged),
        "submission.refused": sum(one.asked.sender == party and one.code != "" for one in played.refusals),
        "message.refused": int(whole is not None and whole.document.recipient == party and not whole.refusal),
        "receipt.rejected": forged if party != played.kill.party else 0,
        "node.started": 2 if party == played.kill.party else 1,
        "node.stopped": 0 if history.books[party].stopped is None else 1,
    }
    for event, number in expected.items():
        if told[event] != number:
            yield f"{event} {told[event]} times for {number}"


def _by(records: Iterable[Mapping[str, Any]], member: str) -> dict[str, Counter[str]]:
    events: dict[str, Counter[str]] = {}
    for record in records:
        if record[member] is not None:
            events.setdefault(record[member], Counter())[record["event"]] += 1
    return events
