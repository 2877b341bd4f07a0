"""Many seeds, and what is said of those that fail."""

from collections.abc import Iterable
from typing import Final

from tests.simulation.run import Outcome, simulate

OF_CI: Final = range(1, 501)
_LAST_LINES: Final = 120


def told(outcome: Outcome) -> str:
    """Return what came of one seed, in a few lines."""
    lines = [f"seed {outcome.seed}: {len(outcome.breaches)} breaches, trace {outcome.trace.sha256[:16]}"]
    return "\n  ".join([*lines, *outcome.breaches])


def failures(seeds: Iterable[int]) -> str:
    """Return an empty text if every seed keeps every rule, else what failed: of the first, the end of its trace too."""
    found = [outcome for outcome in map(simulate, seeds) if outcome.breaches]
    if not found:
        return ""
    first = found[0]
    trace = "\n".join(first.trace.lines[-_LAST_LINES:])
    replay = f"replay: python -m tests.simulation --seed {first.seed}"
    return "\n".join([*map(told, found), f"the end of the trace of seed {first.seed}:", trace, replay])
