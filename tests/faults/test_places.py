"""The check of orders sees what it is there for."""

import pytest

from tests.faults.places import Place, out_of_order

A = "conversation-a"


def place(sequence: int, state: str = "DELIVERED", *, skipped: bool = False) -> Place:
    return Place(conversation=A, sequence=sequence, state=state, skipped=skipped)


def got(*sequences: int) -> list[tuple[str, tuple[str, int]]]:
    return [(f"message-{sequence}", (A, sequence)) for sequence in sequences]


def taken(*sequences: int) -> list[str]:
    return [f"message-{sequence}" for sequence in sequences]


SENT = [place(1), place(2, "DEAD_LETTERED", skipped=True), place(3)]


@pytest.mark.parametrize("arrivals", [got(1, 3), got(1, 3, 1), got(1, 1, 3)])
def test_what_was_skipped_leaves_a_gap_and_a_repeat_is_no_disorder(arrivals: list[tuple[str, tuple[str, int]]]) -> None:
    assert list(out_of_order(SENT, taken(1, 3), arrivals)) == []


@pytest.mark.parametrize(
    ("sent", "accepted", "arrivals"),
    [
        (SENT, taken(3, 1), got(1, 3)),
        (SENT, taken(1, 3), got(3, 1)),
        (SENT, taken(1, 3), got(1)),
        (SENT, taken(1), got(1)),
        (SENT, taken(1, 2, 3), got(1, 2, 3)),
        (SENT, taken(1, 3, 4), got(1, 3)),
        (SENT, taken(1, 3), [*got(1, 3), ("another message", (A, 3))]),
        ([*SENT, place(4, "QUEUED")], taken(1, 3), got(1, 3)),
        ([*SENT, place(4, "DEAD_LETTERED")], taken(1, 3), got(1, 3)),
    ],
    ids=[
        "out of order at the partner",
        "out of order at the back end",
        "not handed over",
        "delivered, not accepted",
        "skipped and delivered all the same",
        "accepted, not handed over",
        "one place twice",
        "not at its end",
        "a dead letter that nobody looked at",
    ],
)
def test_what_is_not_in_order_is_told(
    sent: list[Place], accepted: list[str], arrivals: list[tuple[str, tuple[str, int]]]
) -> None:
    assert list(out_of_order(sent, accepted, arrivals)) != []
