"""The queue between admission and hand-over: for whom there is room, and what becomes of places that are not used."""

from datetime import timedelta

import pytest

from gateway.domain.jobs import Admitted
from gateway.domain.records import ClaimAtOnce
from gateway.exchange.arrivals import Arrivals
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.leased import WAIT
from tests.store_values import HOME, LEASE, OTHER, StoreValues
from tests.unit.exchange.moved_clock import Time
from tests.unit.exchange.rows import hand_over_of

SHORT = timedelta(milliseconds=100)
AT_ONCE = ClaimAtOnce(recipients=frozenset({HOME}), lease=LEASE + WAIT)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def bells() -> Doorbells:
    return Doorbells()


@pytest.fixture
def arrivals(time: Time, bells: Doorbells) -> Arrivals:
    return Arrivals(clock=time, bells=bells, lease=LEASE)


@pytest.fixture
def values() -> StoreValues:
    return StoreValues()


def claim_of(arrivals: Arrivals, *messages: Admitted) -> ClaimAtOnce | None:
    with arrivals.places_for(messages) as claim:
        return claim


def test_only_whom_the_way_is_open_to_is_leased_at_once(
    arrivals: Arrivals, bells: Doorbells, values: StoreValues, time: Time
) -> None:
    messages = values.admitted(), values.admitted(recipient=OTHER)
    assert claim_of(arrivals, *messages) is None
    arrivals.open(HOME, lasting=SHORT)
    assert claim_of(arrivals, *messages) == AT_ONCE
    time.seconds += SHORT.total_seconds()
    assert claim_of(arrivals, *messages) is None
    arrivals.open(HOME, lasting=SHORT)
    bells.hush()
    assert claim_of(arrivals, *messages) is None


def test_a_group_has_room_as_a_whole_or_not_at_all_and_leaves_what_it_does_not_use(
    arrivals: Arrivals, values: StoreValues
) -> None:
    arrivals.open(HOME, lasting=SHORT, room=3)
    messages = [values.admitted() for _ in range(2)]
    with arrivals.places_for(messages) as claim:
        assert claim == AT_ONCE
        assert claim_of(arrivals, *messages) is None, "the first two have their places"
        assert claim_of(arrivals, messages[0]) == AT_ONCE
        arrivals.put([hand_over_of(messages[0])])
    assert claim_of(arrivals, *messages) == AT_ONCE, "the one that was not leased gave its place back"
    assert claim_of(arrivals, *messages, messages[0]) is None


def test_what_waits_is_work_under_way_until_it_is_taken(
    arrivals: Arrivals, bells: Doorbells, values: StoreValues
) -> None:
    first, second = (hand_over_of(values.admitted()) for _ in range(2))
    arrivals.put([first, second])
    bells.hush()
    assert bells.under_way == 2
    assert arrivals.take(HOME, 1) == [first]
    assert arrivals.take(HOME, 9) == [second]
    assert (bells.under_way, arrivals.take(HOME, 9)) == (0, [])


def test_what_waited_too_long_is_late_and_not_taken(arrivals: Arrivals, values: StoreValues, time: Time) -> None:
    late = hand_over_of(values.admitted())
    arrivals.put([late])
    time.seconds += WAIT.total_seconds() + 1
    assert arrivals.take(HOME, 9) == []
    assert (arrivals.late(), arrivals.late()) == ([late], [])
