"""The pace after an outage: a steady rate until all that waited is gone, and no longer."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.ids import PartyId
from gateway.domain.records import TransferRow
from gateway.exchange.catch_up import USUAL_RATE, CatchUp
from tests.store_values import StoreValues
from tests.unit.exchange.rows import row_of

FR, NL = PartyId("FR-DGDDI"), PartyId("NL-DOUANE")
NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


ROW = row_of(StoreValues().submission().prepared.transfers[0])


class Hands:
    """A clock that stands still until somebody waits."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed


@pytest.fixture
def hands() -> Hands:
    return Hands()


def waited(number: int) -> list[TransferRow]:
    """Transfers that were handed in during the outage."""
    return [replace(ROW, created=NOW - timedelta(hours=1))] * number


def fresh(number: int) -> list[TransferRow]:
    """Transfers that were handed in after the partner had come back."""
    return [replace(ROW, created=NOW + timedelta(seconds=1))] * number


def shares(catch_up: CatchUp, hands: Hands, number: int) -> Iterator[tuple[float, int]]:
    """Take shares as the loop does, one after the other, and yield when each went and how much it was."""
    for _ in range(number):
        share, wait = catch_up.turn(FR, 64)
        hands.passed += wait
        catch_up.claimed(FR, waited(share), asked=share)
        yield hands.passed, share


def test_nothing_is_slowed_down_where_there_was_no_outage(hands: Hands) -> None:
    assert [CatchUp(clock=hands).turn(FR, 64) for _ in range(3)] == [(64, 0.0)] * 3


def test_what_waited_goes_at_the_usual_rate(hands: Hands) -> None:
    catch_up = CatchUp(clock=hands)
    catch_up.begin(FR)
    gone = list(shares(catch_up, hands, 41))
    assert gone[0] == (0.0, 25)
    assert gone[-1][0] == pytest.approx(10.0)
    assert sum(share for _, share in gone[:-1]) == pytest.approx(10 * USUAL_RATE)


@pytest.mark.parametrize(("rate", "share"), [(1, 1), (3, 1), (20, 5), (1000, 64)])
def test_a_partner_may_have_a_rate_of_its_own(hands: Hands, rate: int, share: int) -> None:
    catch_up = CatchUp(clock=hands, rates={FR: rate})
    catch_up.begin(FR)
    gone = list(shares(catch_up, hands, 11))
    assert {one for _, one in gone} == {share}
    assert 10 * share / gone[-1][0] == pytest.approx(rate)


def test_a_loop_that_was_slow_makes_nothing_good_in_one_go(hands: Hands) -> None:
    catch_up = CatchUp(clock=hands)
    catch_up.begin(FR)
    catch_up.turn(FR, 64)
    hands.passed += 60
    assert catch_up.turn(FR, 64) == (25, 0.0)
    share, wait = catch_up.turn(FR, 64)
    assert (share, round(wait, 6)) == (25, 0.25)


def test_another_partner_is_not_slowed_down_by_it(hands: Hands) -> None:
    catch_up = CatchUp(clock=hands)
    catch_up.begin(FR)
    catch_up.turn(FR, 64)
    assert [catch_up.turn(NL, 64) for _ in range(3)] == [(64, 0.0)] * 3


def test_it_ends_when_less_is_due_than_may_go(hands: Hands) -> None:
    catch_up = CatchUp(clock=hands)
    catch_up.begin(FR)
    assert catch_up.claimed(FR, waited(24), asked=25)
    assert catch_up.turn(FR, 64) == (64, 0.0)


def test_it_ends_when_all_that_waited_is_gone_though_more_comes_in_than_its_rate(hands: Hands) -> None:
    catch_up = CatchUp(clock=hands)
    catch_up.begin(FR)
    assert not catch_up.claimed(FR, [*waited(1), *fresh(24)], asked=25)
    assert catch_up.claimed(FR, fresh(25), asked=25)
    assert catch_up.turn(FR, 64) == (64, 0.0)
