"""The life of a transfer and of a hand-over: exactly these steps, and no others."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.lifecycle import (
    FINAL,
    HAND_OVER_TRANSITIONS,
    TRANSITIONS,
    UNFINISHED,
    HandOverEvent,
    HandOverState,
    SubmissionStatus,
    TransferEvent,
    TransferState,
    advance,
    advance_hand_over,
    mermaid,
    submission_status,
)
from gateway.errors import TransferError

# Written out a second time on purpose: a change of the table is a change of what was promised to partners and
# operators, and needs a migration and a page in the docs.
TRANSFER_STEPS = [
    ("QUEUED", "claimed", "IN_FLIGHT"),
    ("QUEUED", "held", "HELD"),
    ("QUEUED", "deadline", "DEAD_LETTERED"),
    ("QUEUED", "accepted", "DELIVERED"),
    ("QUEUED", "cancelled", "CANCELLED"),
    ("QUEUED", "not_seen", "QUEUED"),
    ("QUEUED", "superseded", "QUEUED"),
    ("IN_FLIGHT", "accepted", "DELIVERED"),
    ("IN_FLIGHT", "taken", "AWAITING_RECEIPT"),
    ("IN_FLIGHT", "failed", "QUEUED"),
    ("IN_FLIGHT", "given_back", "QUEUED"),
    ("IN_FLIGHT", "lease_lost", "QUEUED"),
    ("IN_FLIGHT", "refused", "DEAD_LETTERED"),
    ("IN_FLIGHT", "exhausted", "DEAD_LETTERED"),
    ("AWAITING_RECEIPT", "accepted", "DELIVERED"),
    ("AWAITING_RECEIPT", "refused", "DEAD_LETTERED"),
    ("AWAITING_RECEIPT", "taken", "AWAITING_RECEIPT"),
    ("AWAITING_RECEIPT", "not_seen", "QUEUED"),
    ("AWAITING_RECEIPT", "overdue", "QUEUED"),
    ("AWAITING_RECEIPT", "deadline", "DEAD_LETTERED"),
    ("HELD", "released", "QUEUED"),
    ("HELD", "accepted", "DELIVERED"),
    ("HELD", "deadline", "DEAD_LETTERED"),
    ("HELD", "cancelled", "CANCELLED"),
    ("HELD", "not_seen", "HELD"),
    ("HELD", "superseded", "HELD"),
    ("HELD", "skipped", "DEAD_LETTERED"),
    ("DEAD_LETTERED", "accepted", "DELIVERED"),
    ("DEAD_LETTERED", "requeued", "QUEUED"),
    ("DEAD_LETTERED", "held", "HELD"),
    ("DEAD_LETTERED", "cancelled", "CANCELLED"),
    ("DEAD_LETTERED", "not_seen", "DEAD_LETTERED"),
    ("DEAD_LETTERED", "superseded", "QUEUED"),
    ("DEAD_LETTERED", "skipped", "DEAD_LETTERED"),
]

HAND_OVER_STEPS = [
    ("PENDING", "claimed", "IN_FLIGHT"),
    ("IN_FLIGHT", "acknowledged", "HANDED_OVER"),
    ("IN_FLIGHT", "failed", "PENDING"),
    ("IN_FLIGHT", "lease_lost", "PENDING"),
    ("IN_FLIGHT", "exhausted", "QUARANTINED"),
    ("QUARANTINED", "released", "PENDING"),
]

events = st.lists(st.sampled_from(TransferEvent), max_size=12)


@pytest.mark.parametrize(("before", "event", "after"), TRANSFER_STEPS)
def test_a_transfer_moves_by_the_table(before: str, event: str, after: str) -> None:
    assert advance(TransferState(before), TransferEvent(event)) is TransferState(after)


def test_the_transfer_table_holds_no_other_step() -> None:
    assert [(str(a), str(b), str(c)) for (a, b), c in TRANSITIONS.items()] == TRANSFER_STEPS


@pytest.mark.parametrize(
    ("state", "event"), [pair for pair in product(TransferState, TransferEvent) if pair not in TRANSITIONS]
)
def test_any_other_step_of_a_transfer_is_refused(state: TransferState, event: TransferEvent) -> None:
    with pytest.raises(TransferError) as caught:
        advance(state, event)
    assert caught.value.code == "transfer.illegal_transition"
    assert dict(caught.value.facts) == {"state": str(state), "event": str(event)}


@pytest.mark.parametrize(("before", "event", "after"), HAND_OVER_STEPS)
def test_a_hand_over_moves_by_the_table(before: str, event: str, after: str) -> None:
    assert advance_hand_over(HandOverState(before), HandOverEvent(event)) is HandOverState(after)


def test_the_hand_over_table_holds_no_other_step() -> None:
    assert [(str(a), str(b), str(c)) for (a, b), c in HAND_OVER_TRANSITIONS.items()] == HAND_OVER_STEPS


@pytest.mark.parametrize(
    ("state", "event"), [pair for pair in product(HandOverState, HandOverEvent) if pair not in HAND_OVER_TRANSITIONS]
)
def test_any_other_step_of_a_hand_over_is_refused(state: HandOverState, event: HandOverEvent) -> None:
    with pytest.raises(TransferError) as caught:
        advance_hand_over(state, event)
    assert caught.value.code == "transfer.illegal_transition"


@pytest.mark.parametrize("state", sorted(FINAL))
def test_nothing_leaves_a_final_state(state: TransferState) -> None:
    assert [pair for pair in TRANSITIONS if pair[0] is state] == []


def test_only_delivered_and_cancelled_are_final() -> None:
    assert {state for state in TransferState if not any(one is state for one, _ in TRANSITIONS)} == FINAL
    assert {TransferState.DELIVERED, TransferState.CANCELLED} == FINAL


def test_a_dead_letter_is_neither_final_nor_unfinished() -> None:
    assert set(TransferState) - FINAL - UNFINISHED == {TransferState.DEAD_LETTERED}


def test_a_late_receipt_wins_from_every_state_but_the_final_ones() -> None:
    for state in set(TransferState) - FINAL:
        assert advance(state, TransferEvent.ACCEPTED) is TransferState.DELIVERED


def test_delivered_is_reached_by_a_receipt_only() -> None:
    assert {event for (_, event), after in TRANSITIONS.items() if after is TransferState.DELIVERED} == {"accepted"}


def test_a_transfer_that_may_be_on_its_way_can_not_be_cancelled() -> None:
    for state in (TransferState.IN_FLIGHT, TransferState.AWAITING_RECEIPT):
        with pytest.raises(TransferError, match="can not be cancelled"):
            advance(state, TransferEvent.CANCELLED)


def test_every_state_can_be_reached_and_every_event_happens() -> None:
    assert {*TRANSITIONS.values()} == set(TransferState)
    assert {event for _, event in TRANSITIONS} == set(TransferEvent)
    assert {*HAND_OVER_TRANSITIONS.values()} == set(HandOverState)
    assert {event for _, event in HAND_OVER_TRANSITIONS} == set(HandOverEvent)


@given(events)
def test_no_history_leaves_a_final_state_or_moves_without_a_pair(history: list[TransferEvent]) -> None:
    state = TransferState.QUEUED
    for event in history:
        try:
            after = advance(state, event)
        except TransferError:
            assert (state, event) not in TRANSITIONS
            continue
        assert state not in FINAL
        state = after


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (["QUEUED"], "in_progress"),
        (["IN_FLIGHT", "DELIVERED"], "in_progress"),
        (["AWAITING_RECEIPT", "CANCELLED"], "in_progress"),
        (["DELIVERED", "DELIVERED"], "delivered"),
        (["DELIVERED", "CANCELLED"], "delivered"),
        (["CANCELLED"], "cancelled"),
        (["HELD", "DELIVERED"], "attention"),
        (["DEAD_LETTERED", "QUEUED"], "attention"),
        (["DEAD_LETTERED", "DELIVERED", "CANCELLED"], "attention"),
    ],
)
def test_the_status_of_a_submission_follows_from_its_transfers(states: list[str], status: str) -> None:
    assert submission_status(TransferState(state) for state in states) is SubmissionStatus(status)


@given(st.lists(st.sampled_from(TransferState), min_size=1))
def test_the_status_does_not_depend_on_order_and_delivered_means_all(states: list[TransferState]) -> None:
    status = submission_status(states)
    assert status is submission_status(reversed(states))
    arrived = set(states) <= FINAL and TransferState.DELIVERED in states
    assert (status is SubmissionStatus.DELIVERED) == arrived


def test_the_diagram_shows_every_step_once() -> None:
    lines = mermaid().splitlines()
    assert lines[0] == "stateDiagram-v2"
    for before, event, after in TRANSFER_STEPS:
        assert lines.count(f"    {before} --> {after}: {event}") == 1
    assert len(lines) == 1 + 2 + len(TRANSFER_STEPS) + len(FINAL)
