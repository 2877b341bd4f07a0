"""Run simulations by hand: `python -m tests.simulation --seed 7` shows one, `--seeds 10000 --start 500` runs many."""

import argparse
import sys
import time
from collections import Counter

from tests.faults.noting import note
from tests.simulation.run import simulate
from tests.simulation.seeds import OF_CI, told

WORTH_NOTING = 1000
"""So many seeds are a long form, whose row is written into docs/reliability.md."""


def main() -> int:
    """Return 0 if every seed kept every rule, else 1."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seed", type=int, help="run this one and print what happened")
    asked.add_argument("--seeds", type=int, default=len(OF_CI), help="how many to run")
    asked.add_argument("--start", type=int, default=OF_CI.start, help="the first of them")
    given = asked.parse_args()
    if given.seed is not None:
        outcome = simulate(given.seed)
        print("\n".join(outcome.trace.lines))
        print(told(outcome))
        return int(bool(outcome.breaches))
    return many(range(given.start, given.start + given.seeds))


def many(seeds: range) -> int:
    """Run seeds one after the other; print each that fails, and a summary."""
    failed, messages, crashes, began = 0, 0, 0, time.process_time()
    happened: Counter[str] = Counter()
    for seed in seeds:
        outcome = simulate(seed)
        messages, crashes = messages + outcome.messages, crashes + outcome.crashes
        happened += outcome.happened
        if outcome.breaches:
            failed += 1
            print(told(outcome), flush=True)
    seconds = time.process_time() - began
    seen = f"{len(seeds)} seeds, {failed} failed; {messages} messages, {crashes} crashes; {seconds:.0f} s of CPU"
    print(seen)
    print("\n".join(f"{times:>8}  {what}" for what, times in happened.most_common()))
    if len(seeds) >= WORTH_NOTING:
        note("simulation", seen)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
