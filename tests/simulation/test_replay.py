"""A seed decides everything: it gives the same trace again, in this process and in any other."""

import os
import re
import subprocess
import sys

from tests.simulation.run import simulate

SEED = 4


def test_a_seed_gives_the_same_trace_twice() -> None:
    first, again = simulate(SEED), simulate(SEED)
    assert first.crashes > 0
    assert len(first.trace.lines) > 100
    assert first.trace.lines == again.trace.lines


def test_a_seed_gives_the_same_trace_in_another_process() -> None:
    """Other keys, other nonces of signatures, another order of sets: none of it may show."""
    asked = (sys.executable, "-m", "tests.simulation", "--seed", str(SEED))
    found = subprocess.run(asked, env={**os.environ, "PYTHONHASHSEED": "1"}, capture_output=True, check=True, text=True)
    told = re.search(r"trace ([0-9a-f]{16})", found.stdout)
    assert told is not None
    assert told[1] == simulate(SEED).trace.sha256[:16]


def test_another_seed_gives_another_trace() -> None:
    assert simulate(SEED).trace.sha256 != simulate(SEED + 1).trace.sha256
