"""Every check of the demo can fail, and does when just its own claim is not true."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.audit import AuditEntry
from gateway.demo.checks import judge
from gateway.demo.history import Books, History, OverShared, Played
from gateway.demo.stage import FR, GB
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.lifecycle import TransferState
from tests.unit.demo.played import (
    ACCEPTED,
    AMENDMENT,
    DECLARATION,
    KILLED,
    acknowledged,
    chain_of,
    entries_of,
    good_history,
    message_of,
    received,
)

GOOD = good_history()
assert GOOD.played.over_shared is not None
WHOLE: OverShared = GOOD.played.over_shared

Change = Callable[[History], History]


def failing(history: History) -> set[str]:
    return {check.name for check in judge(history) if not check.holds}


def played(**changes: Any) -> Change:
    return lambda history: replace(history, played=replace(history.played, **changes))


def books(party: PartyId, change: Callable[[Books], Mapping[str, Any]]) -> Change:
    def changed(history: History) -> History:
        found = history.books[party]
        return replace(history, books={**history.books, party: replace(found, **change(found))})

    return changed


def standing(name: str, **changes: Any) -> Change:
    def changed(history: History) -> History:
        one = history.of(name)
        assert one is not None
        found = history.standings[one.transfer]
        return replace(history, standings={**history.standings, one.transfer: replace(found, **changes)})

    return changed


def got(name: str, change: Callable[[bytes], bytes]) -> Change:
    """What the partner's back end holds of one document."""

    def changed(history: History) -> History:
        one = history.of(name)
        assert one is not None

        def rewrite(found: Books) -> Mapping[str, Any]:
            return {
                "received": tuple(
                    replace(message, document=change(message.document))
                    if message.webhook_id == one.message
                    else message
                    for message in found.received
                )
            }

        return books(one.document.recipient, rewrite)(history)

    return changed


def replaced(source: bytes, target: bytes) -> Callable[[bytes], bytes]:
    def change(document: bytes) -> bytes:
        assert document.count(source) == 1
        return document.replace(source, target)

    return change


def without(event: str, party: PartyId, *, number: int = 1) -> Change:
    """An audit trail in which one record was never made, and that holds together for all that."""
    entries = entries_of(party, GOOD.played.acknowledged)
    places = [place for place, entry in enumerate(entries) if entry.event == event]
    kept: list[AuditEntry] = [entry for place, entry in enumerate(entries) if place != places[number - 1]]
    return books(party, lambda _: {"chain": chain_of(party, kept)})


def first_refusal(**changes: Any) -> Change:
    first, *others = GOOD.played.refusals
    return played(refusals=(replace(first, **changes), *others))


def forgery(**changes: Any) -> Change:
    assert GOOD.played.forgery is not None
    return played(forgery=replace(GOOD.played.forgery, **changes))


def again(name: str, **changes: Any) -> Change:
    """The back end of the recipient gets a message a second time."""
    one = GOOD.of(name)
    assert one is not None
    repeated = replace(received(one, at=KILLED + timedelta(seconds=5)), **changes)
    return books(one.document.recipient, lambda found: {"received": (*found.received, repeated)})


STRANGER = replace(received(acknowledged(GOOD.programme.named(DECLARATION))), webhook_id=MessageId("nobody's"))

WRONG: dict[str, tuple[Change, set[str]]] = {
    "a document that must be refused was taken": (first_refusal(code=""), {"refused: schema", "audit of GB-HMRC"}),
    "a document was refused for another reason": (first_refusal(code="schema.unknown_set"), {"refused: schema"}),
    "a refusal names another violation": (first_refusal(violations=frozenset({"schema.other"})), {"refused: schema"}),
    "something was stored of a refused document": (
        books(GB, lambda found: {"transfers": found.transfers + 1}),
        {"nothing stored"},
    ),
    "the gateway was not killed": (played(kill=replace(GOOD.played.kill, exit_code=0)), {"killed"}),
    "nothing was submitted while it was down": (played(kill=replace(GOOD.played.kill, during=0)), {"killed"}),
    "nothing had arrived before the kill": (played(kill=replace(GOOD.played.kill, arrived=0)), {"killed"}),
    "a forged receipt was taken": (forgery(status=204, code=""), {"forged receipt", "audit of GB-HMRC"}),
    "a forged receipt was refused, and believed": (forgery(state=TransferState.DELIVERED), {"forged receipt"}),
    "a forged receipt was refused, and stored": (forgery(has_receipt=True), {"forged receipt"}),
    "a forged receipt was refused for something else": (forgery(code="request.malformed"), {"forged receipt"}),
    "no receipt was forged": (played(forgery=None), {"forged receipt", "audit of GB-HMRC"}),
    "a transfer was not delivered": (standing(AMENDMENT, state=TransferState.QUEUED), {"delivered"}),
    "a gateway does not know a transfer": (
        lambda history: replace(history, standings={}),
        {"delivered", "counted", "answers", "receipts", "handed over"},
    ),
    "a message is not at the back end": (
        books(FR, lambda found: {"received": found.received[:1]}),
        {"nothing lost", "order at FR-DGDDI"},
    ),
    "a message is there with another digest": (
        books(FR, lambda found: {"received": (_redigested(found), *found.received[1:])}),
        {"nothing lost"},
    ),
    "a back end has what nobody submitted": (
        books(FR, lambda found: {"received": (*found.received, STRANGER)}),
        {"nothing invented"},
    ),
    "a webhook was not signed": (books(GB, lambda _: {"bad_signatures": 1}), {"nothing invented"}),
    "a repetition has other bytes": (again(DECLARATION, body=b"other"), {"nothing doubled"}),
    "a repetition has no kill to explain it": (again(ACCEPTED), {"nothing doubled"}),
    "two documents are one message": (
        lambda history: replace(
            history,
            played=replace(history.played, acknowledged=(*history.played.acknowledged, history.played.acknowledged[0])),
        ),
        {"nothing doubled", "nothing stored", "audit of GB-HMRC"},
    ),
    "a marked word left": (
        got(DECLARATION, replaced(b"Alleged Lanterns Manufactory", b"Lantern shipping desk")),
        {"withheld", "unaltered"},
    ),
    "a comment left": (got(DECLARATION, lambda view: view + b"<!-- see ticket -->"), {"withheld"}),
    "a marked value did not arrive": (
        got(DECLARATION, replaced(b"SAMPLE-CASE-0001", b"SAMPLE-CASE-0009")),
        {"arrived", "unaltered"},
    ),
    "a value was altered": (got(DECLARATION, replaced(b"Paper lanterns, folding", b"Paper")), {"unaltered"}),
    "a value too many left": (standing(DECLARATION, withheld=2), {"counted"}),
    "an answer does not show on its transfer": (standing(DECLARATION, answers=()), {"answers"}),
    "an answer did not come back": (
        books(GB, lambda _: {"received": ()}),
        {"nothing lost", "answers", "order at GB-HMRC"},
    ),
    "an answer came back without what it answers": (
        books(GB, lambda found: {"received": tuple(_unrelated(one) for one in found.received)}),
        {"answers"},
    ),
    "a conversation came out of order": (
        books(FR, lambda found: {"received": found.received[::-1]}),
        {"order at FR-DGDDI"},
    ),
    "a receipt does not verify": (standing(AMENDMENT, receipt="it does not verify"), {"receipts"}),
    "a notice does not verify": (standing(ACCEPTED, notice="there is none"), {"handed over"}),
    "the gateway finds its chain broken": (
        books(FR, lambda _: {"verdict": "broken at 3"}),
        {"audit chain of FR-DGDDI"},
    ),
    "the second reading finds it broken": (
        books(GB, lambda found: {"chain": replace(found.chain, broken="record 3 does not hold")}),
        {"audit chain of GB-HMRC"},
    ),
    "there is no audit": (
        books(GB, lambda found: {"chain": replace(found.chain, records=())}),
        {"audit chain of GB-HMRC", "audit of GB-HMRC"},
    ),
    "an attempt is not told of": (standing(AMENDMENT, attempts=2), {"audit of GB-HMRC"}),
    "what held too much was not refused": (
        played(over_shared=replace(WHOLE, refusal="there is none")),
        {"over-shared", "audit of FR-DGDDI"},
    ),
    "what held too much reached the back end": (
        books(FR, lambda found: {"received": (*found.received, replace(found.received[0], webhook_id=WHOLE.message))}),
        {"over-shared", "nothing invented"},
    ),
    "a gateway did not stop in good order": (books(GB, lambda _: {"stopped": 1}), {"end of GB-HMRC"}),
}

STEPS = (
    *("transfer.accepted", "transfer.claimed", "transfer.delivered", "transfer.handed_over", "submission.accepted"),
    *(
        "message.accepted",
        "hand_over.claimed",
        "hand_over.acknowledged",
        "notice.given",
        "node.started",
        "node.stopped",
    ),
)


def _redigested(found: Books) -> Any:
    first = found.received[0]
    return replace(first, metadata={**first.metadata, "digest": "another"})


def _unrelated(message: Any) -> Any:
    return replace(message, metadata={**message.metadata, "in_reply_to": None})


def test_every_check_of_a_good_history_holds() -> None:
    checks = judge(GOOD)
    assert [check.name for check in checks if not check.holds] == []
    names = [check.name for check in checks]
    assert len(names) == len(set(names)) == 28
    assert {check.seen for check in checks} == {"as expected"}


@pytest.mark.parametrize("name", WRONG)
def test_a_history_that_went_wrong_fails_just_its_checks(name: str) -> None:
    change, checks = WRONG[name]
    wrong = change(GOOD)
    assert failing(wrong) == checks
    for check in judge(wrong):
        assert check.holds or (check.expected and check.seen not in {"", "as expected", check.expected})


@pytest.mark.parametrize("party", [GB, FR])
@pytest.mark.parametrize("event", STEPS)
def test_an_audit_record_that_was_never_made_is_missed(party: PartyId, event: str) -> None:
    assert failing(without(event, party)(GOOD)) == {f"audit of {party}"}


@pytest.mark.parametrize("event", ["submission.refused", "receipt.rejected"])
def test_a_refusal_that_was_not_recorded_is_missed(event: str) -> None:
    assert failing(without(event, GB)(GOOD)) == {"audit of GB-HMRC"}


def test_a_document_that_was_not_taken_is_told_with_its_reason() -> None:
    taken = GOOD.played.acknowledged[:2]
    checks = {check.name: check for check in judge(played(acknowledged=taken)(GOOD))}
    assert checks["taken"].seen == "conversation-3-amendment: never submitted"


def test_a_demo_in_which_nothing_happened_holds_nothing() -> None:
    nothing = Played(
        acknowledged=(),
        not_taken=(),
        refusals=(),
        kill=replace(GOOD.played.kill, before=0, during=0, arrived=0),
        forgery=None,
        over_shared=None,
    )
    empty = {
        party: replace(found, received=(), transfers=0, chain=replace(found.chain, records=()))
        for party, found in GOOD.books.items()
    }
    checks = judge(replace(GOOD, played=nothing, standings={}, books=empty))
    assert {check.name for check in checks if check.holds} == {"nothing stored", "end of GB-HMRC", "end of FR-DGDDI"}


def test_a_repetition_after_the_kill_is_allowed() -> None:
    assert failing(again(DECLARATION)(GOOD)) == set()
    assert message_of(DECLARATION) in {one.webhook_id for one in GOOD.books[FR].received}
