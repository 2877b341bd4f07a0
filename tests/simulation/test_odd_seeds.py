"""The odd seeds of CI; a file is run on one core, so the other half stands in a file of its own."""

import pytest

from tests.simulation.seeds import OF_CI, failures

SEEDS = OF_CI[0::2]
AT_ONCE = 25


@pytest.mark.parametrize("first", range(0, len(SEEDS), AT_ONCE))
def test_every_seed_keeps_every_rule(first: int) -> None:
    assert failures(SEEDS[first : first + AT_ONCE]) == ""
