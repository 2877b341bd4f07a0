"""The laws over drawn policies and grown documents: responses, cancellations, and all bundled sets as they are."""

from collections.abc import Callable

import pytest

from tests.unit.policy.grown import NILLABLE, small
from tests.unit.policy.lawful import assert_lawful
from tests.unit.policy.reach import BUNDLED, EVERYWHERE

RESPONSES = [small("dms-response", number) for number in range(4)]
WHOLE = ["dms-declaration", NILLABLE, "dms-response"]


def test_every_law_holds_for_responses(count: Callable[..., None]) -> None:
    told = assert_lawful(RESPONSES, range(50), least=EVERYWHERE, fewest_policies=165)
    told.report(count)


def test_every_law_holds_for_cancellations(count: Callable[..., None]) -> None:
    told = assert_lawful(["dms-cancellation"], range(100), least=BUNDLED, fewest_policies=80, documents=16)
    told.report(count)


def test_every_law_holds_under_the_bundled_sets_as_they_are(count: Callable[..., None]) -> None:
    told = assert_lawful(WHOLE, range(6), least={"views": 600}, fewest_policies=15, documents=24)
    told.report(count)


@pytest.mark.long
@pytest.mark.parametrize("block", range(1, 20))
@pytest.mark.parametrize("set_id", [*WHOLE, "dms-cancellation", *RESPONSES])
def test_every_law_holds_for_many_more(set_id: str, block: int, count: Callable[..., None]) -> None:
    told = assert_lawful([set_id], range(block * 1000, block * 1000 + 50), least={}, fewest_policies=30)
    told.report(count)
