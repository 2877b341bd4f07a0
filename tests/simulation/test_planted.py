"""A bug that breaks a promise is found within the seeds of CI."""

from collections.abc import Callable

import pytest

from tests.simulation.planted import BUGS
from tests.simulation.run import simulate

SEEDS = range(1, 501)


@pytest.mark.parametrize("plant", BUGS.values(), ids=BUGS.keys())
def test_a_planted_bug_is_found(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    found = next((outcome for outcome in map(simulate, SEEDS) if outcome.breaches), None)
    assert found is not None
    print(f"seed {found.seed}: {found.breaches[0]}")
