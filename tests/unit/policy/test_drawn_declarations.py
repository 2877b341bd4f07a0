"""The laws over drawn policies and grown declarations, under small sets drawn from the bundled one (shrunk.py).

Other sets stand in test_drawn_others.py, to run beside; with them it is five thousand cases under seven hundred policies.
"""

from collections.abc import Callable

import pytest

from tests.unit.policy.grown import small
from tests.unit.policy.lawful import assert_lawful
from tests.unit.policy.reach import DECLARED, EVERYWHERE

SETS = [small("dms-declaration", number) for number in range(8)]


def test_every_law_holds_for_declarations(count: Callable[..., None]) -> None:
    told = assert_lawful(SETS, range(50), least={**EVERYWHERE, **DECLARED}, fewest_policies=380)
    told.report(count)


@pytest.mark.long
@pytest.mark.parametrize("number", range(40))
def test_every_law_holds_for_many_more(number: int, count: Callable[..., None]) -> None:
    """Forty other sets: eight thousand policies, forty thousand cases."""
    told = assert_lawful([small("dms-declaration", 100 + number)], range(1000, 1200), least={}, fewest_policies=180)
    told.report(count)
