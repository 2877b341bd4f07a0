"""Checks of the traffic: taken, refused, delivered, neither lost nor doubled, answered, in order."""

import hashlib
from collections.abc import Iterator

from gateway.demo.backend import ReceivedMessage
from gateway.demo.history import Acknowledged, Books, History
from gateway.demo.verdicts import Check, check_each, check_equal
from gateway.domain.ids import PartyId
from gateway.domain.lifecycle import TransferState

_SIGKILL = -9


def all_taken(history: History) -> Check:
    """Every document of the programme was acknowledged."""
    played, documents = history.played, history.programme.documents
    missing = {one.name for one in documents} - {one.document.name for one in played.acknowledged}
    why = {one.document.name: one.why for one in played.not_taken}
    return check_each(
        "taken",
        f"{len(played.acknowledged)} of {len(documents)} documents were taken",
        expected="each is acknowledged (202)",
        of=len(documents),
        wrong=(f"{name}: {why.get(name, 'never submitted')}" for name in sorted(missing)),
    )


def refusals(history: History) -> Iterator[Check]:
    """What must be refused was, each with its own code."""
    for one in history.played.refusals:
        asked = one.asked
        wanted = " naming ".join(filter(None, (asked.code, asked.violation)))
        named = asked.violation if asked.violation in one.violations else ", ".join(sorted(one.violations))
        yield check_equal(
            f"refused: {asked.why}",
            f"{asked.name} to {asked.recipient} is refused: {wanted}",
            expected=wanted,
            seen=" naming ".join(filter(None, (one.code or "it was taken", named if asked.violation else ""))),
        )


def nothing_kept_of_refused(history: History) -> Check:
    """Each gateway has the transfers that it acknowledged, and no more."""
    expected = {
        party: sum(one.document.sender == party for one in history.played.acknowledged) for party in history.books
    }
    return check_equal(
        "nothing stored",
        "of what was refused nothing is stored: there are as many transfers as acknowledged documents",
        expected=_told(expected),
        seen=_told({party: books.transfers for party, books in history.books.items()}),
    )


def killed(history: History) -> Check:
    """The kill was one, and in the middle."""
    kill = history.played.kill
    wrong = [
        *([] if kill.exit_code == _SIGKILL else [f"it ended with {kill.exit_code}"]),
        *([] if kill.arrived else ["nothing had arrived before"]),
        *([] if kill.during else ["nothing was submitted while it was down"]),
    ]
    return Check(
        name="killed",
        claim=f"{kill.party} was killed with {kill.before} taken and {kill.arrived} arrived; "
        f"{kill.during} were taken while it was down",
        expected="an end by SIGKILL, with documents arrived before and others taken meanwhile",
        wrong=tuple(wrong),
    )


def forgery(history: History) -> Check:
    """The forged receipt was turned away and changed nothing."""
    one = history.played.forgery
    expected = "4xx receipt.invalid, not DELIVERED, no receipt stored"
    claim = "a receipt forged by another key, posted with the partner's certificate, is refused and changes nothing"
    if one is None:
        return Check(name="forged receipt", claim=claim, expected=expected, wrong=("there was none to forge for",))
    believed = one.state is TransferState.DELIVERED or one.has_receipt
    refused = 400 <= one.status < 500 and one.code == "receipt.invalid"
    answered = f"{one.status} {one.code}".strip()
    seen = f"{answered}, {one.state.value}, {'a' if one.has_receipt else 'no'} receipt stored"
    holds = refused and not believed
    return Check(name="forged receipt", claim=claim, expected=expected, wrong=() if holds else (seen,))


def over_shared(history: History) -> Check:
    """A message with more than was agreed got a signed refusal, and its back end nothing."""
    one = history.played.over_shared
    if one is None:
        return check_each("over-shared", "a message with too much is refused", expected="one", of=0, wrong=())
    reached = any(got.webhook_id == one.message for got in history.books[one.document.recipient].received)
    wrong = [
        *([f"{one.status}: {one.refusal}"] if one.refusal else []),
        *(["it reached the back end"] if reached else []),
    ]
    return Check(
        name="over-shared",
        claim=f"a message with the whole of {one.document.name}, {one.document.withheld} values too many, "
        "is refused with a signature, and nothing of it is kept",
        expected="a refusal policy.over_shared, signed by the receiver, for the digest of that message",
        wrong=tuple(wrong),
    )


def delivered(history: History) -> Check:
    """Every acknowledged transfer came to DELIVERED."""
    states = [(one, history.standing(one)) for one in history.played.acknowledged]
    done = sum(standing is not None and standing.state is TransferState.DELIVERED for _, standing in states)
    return check_each(
        "delivered",
        f"{done} of {len(states)} transfers are DELIVERED",
        expected="DELIVERED, each",
        of=len(states),
        wrong=(
            f"{one.document.name}: {standing.state.value if standing else 'unknown to its gateway'}"
            for one, standing in states
            if standing is None or standing.state is not TransferState.DELIVERED
        ),
    )


def nothing_lost(history: History) -> Check:
    """What was acknowledged is at the partner's back end, under the same id and the same message digest."""
    acknowledged = history.played.acknowledged
    return check_each(
        "nothing lost",
        f"all {len(acknowledged)} acknowledged messages are at the partner's back end, by id and digest",
        expected="each id is there, with the digest of the acknowledgement",
        of=len(acknowledged),
        wrong=(f"{one.document.name}: {found}" for one in acknowledged if (found := _lost(history, one))),
    )


def _lost(history: History, one: Acknowledged) -> str:
    message = history.arrived(one)
    if message is None:
        return f"not at the back end of {one.document.recipient}"
    same = (message.metadata["message_id"], message.metadata["digest"]) == (one.message, one.digest)
    return "" if same else "there with another digest"


def nothing_invented(history: History) -> Check:
    """No back end holds what was not acknowledged, and every webhook was signed."""
    wrong = []
    for party, books in history.books.items():
        known = {one.message for one in history.played.acknowledged if one.document.recipient == party}
        strange = {message.webhook_id for message in books.received} - known
        wrong += [f"{party} has {one}, which nobody submitted" for one in sorted(strange)]
        wrong += [f"{party} got {books.bad_signatures} webhooks with a wrong signature"] if books.bad_signatures else []
    received = sum(len(books.received) for books in history.books.values())
    return check_each(
        "nothing invented",
        "the back ends hold nothing else, and every webhook to them was signed",
        expected="ids that were acknowledged, signatures that hold",
        of=received,
        wrong=wrong,
    )


def nothing_doubled(history: History) -> Check:
    """A document is one message, and a message that came twice came byte for byte the same, because of the kill."""
    wrong = [line for party, books in history.books.items() for line in _repeats(history, party, books)]
    ids = {one.message for one in history.played.acknowledged}
    if len(ids) != len(history.played.acknowledged):
        wrong.append("two documents have one message id")
    extra = sum(len(one.received) - len({got.webhook_id for got in one.received}) for one in history.books.values())
    return check_each(
        "nothing doubled",
        f"one message for each document; {extra or 'none'} came to a back end again",
        expected="repeats only of what came before the kill ended, with the same SHA-256",
        of=len(ids),
        wrong=wrong,
    )


def _repeats(history: History, party: PartyId, books: Books) -> Iterator[str]:
    """Yield what is wrong about messages that came again to the back end of `party`."""
    first: dict[str, ReceivedMessage] = {}
    for message in books.received:
        before = first.setdefault(message.webhook_id, message)
        if before is message:
            continue
        if hashlib.sha256(before.body).digest() != hashlib.sha256(message.body).digest():
            yield f"{party} got two contents under {message.webhook_id}"
        if party != history.played.kill.party or before.arrived > history.played.kill.at:
            yield f"{party} got {message.webhook_id} again, and no kill explains it"


def answers(history: History) -> Check:
    """Every answer came back to the one who asked, by what it answers, in order, and shows on its transfer."""
    given: dict[str, list[Acknowledged]] = {}
    for one in history.played.acknowledged:
        if one.document.answers is not None:
            given.setdefault(one.document.answers, []).append(one)
    wrong = [f"{name}: {found}" for name, ones in given.items() if (found := _unanswered(history, name, ones))]
    return check_each(
        "answers",
        f"{sum(map(len, given.values()))} answers to {len(given)} documents came back, in order, to what they answer",
        expected="each at the back end of who asked, with in_reply_to, and on the transfer, in the order given",
        of=len(given),
        wrong=wrong,
    )


def _unanswered(history: History, name: str, given: list[Acknowledged]) -> str:
    asked = history.of(name)
    standing = history.standing(asked) if asked else None
    if asked is None or standing is None:
        return "is not known any more"
    wanted = [one.message for one in given]
    if list(standing.answers) != wanted:
        return f"the transfer shows {len(standing.answers)} answers, or in another order"
    received = history.books[asked.document.sender].received
    # Each id once, at its first arrival: whether a repetition is right is judged elsewhere.
    arrived = list(dict.fromkeys(one.webhook_id for one in received if one.metadata["in_reply_to"] == asked.message))
    return "" if arrived == wanted else f"{len(arrived)} came to the back end, or in another order"


def conversation(history: History) -> Iterator[Check]:
    """The messages of the conversation arrived in order, at both back ends."""
    named = [history.of(name) for name in history.programme.conversation]
    for party, books in history.books.items():
        wanted = [one.message for one in named if one is not None and one.document.recipient == party]
        titles = [one.document.kind.value for one in named if one is not None and one.document.recipient == party]
        arrived = list(dict.fromkeys(one.webhook_id for one in books.received if one.webhook_id in wanted))
        complete = all(one is not None for one in named)
        yield check_each(
            f"order at {party}",
            f"the conversation arrived in order: {', '.join(titles)}",
            expected="all of it, in the order of sending",
            of=len(wanted),
            wrong=() if complete and arrived == wanted else (f"{len(arrived)} arrived, or in another order",),
        )


def _told(numbers: dict[PartyId, int]) -> str:
    return ", ".join(f"{party} {number}" for party, number in numbers.items())
