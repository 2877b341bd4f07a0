"""A bug that breaks a promise is found within the seeds of CI."""

import pytest

from tests.simulation.plan import plan
from tests.simulation.planted import BUGS, Bug
from tests.simulation.run import simulate
from tests.simulation.seeds import OF_CI


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
def test_a_planted_bug_is_found(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    bug.plant(monkeypatch)
    turned = sorted(OF_CI, key=lambda seed: (seed < bug.from_seed, seed))
    seeds = (seed for seed in turned if bug.shows(plan(seed)))
    found = next((outcome for outcome in map(simulate, seeds) if outcome.breaches), None)
    assert found is not None
    print(f"seed {found.seed}: {found.breaches[0]}")
