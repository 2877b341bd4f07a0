"""Order in many conversations of ten messages, with failures, dead letters, skips and requeues all the while.

The rules of every simulation hold here too; I13 is the one that is meant: each conversation reaches the partner, and its
back end, by sequence, whatever was skipped or sent again.
"""

from random import Random

import pytest

from tests.simulation.chance import stream
from tests.simulation.parts import FR, GB, MARK, SAMPLES
from tests.simulation.plan import Faults, Plan, Submission
from tests.simulation.run import simulate
from tests.simulation.seeds import told

MESSAGES = 10
AT_ONCE = 25
SECONDS = 60.0

FAULTS = Faults(
    unreachable=0.03,
    lost_before=0.02,
    lost_after=0.05,
    reset=0.05,
    busy=0.1,
    twice=0.1,
    garbled=0.02,
    forged=0.05,
    commit_lost=0.005,
    commit_happened=0.005,
    backend_fails=0.1,
    backend_forgets=0.03,
    crashes=1,
    crashes_at_commit=1,
    partitions=1,
    jumps=1,
    stalls=1,
    suspensions=4,
    acts=AT_ONCE * 4,
)


def conversations(seed: int) -> Plan:
    """Return a run of AT_ONCE conversations of MESSAGES each, all at the same time."""
    chance = stream(seed, "conversations")
    cases = [(f"case-{number}", *chance.choice(((GB, FR), (FR, GB)))) for number in range(AT_ONCE)]
    return Plan(
        seed=seed,
        seconds=SECONDS,
        faults=FAULTS,
        submissions=tuple(
            Submission(
                marker=f"{MARK[:11]}{number:03d}{place:04d}",
                sample=chance.choice(tuple(SAMPLES)),
                sender=sender,
                recipient=recipient,
                case=case,
                at=_soon(chance),
                twice=False,
            )
            for number, (case, sender, recipient) in enumerate(cases)
            for place in range(MESSAGES)
        ),
    )


def _soon(chance: Random) -> float:
    return chance.uniform(0.0, SECONDS * 0.7)


def _keeps_order(seed: int) -> dict[str, int]:
    """Run one plan; return how often what was meant to happen did."""
    outcome = simulate(seed, planned=conversations(seed))
    assert not outcome.breaches, told(outcome)
    commits = [line for line in outcome.trace.lines if " commits of=" in line]
    return {
        event: sum(line.count(f" {event}:") + line.count(f"={event}:") for line in commits)
        for event in ("transfer.delivered", "transfer.refused", "transfer.skipped", "transfer.requeued")
    }


def test_fifty_conversations_keep_their_order() -> None:
    seen = [_keeps_order(seed) for seed in (3, 4)]
    for event in seen[0]:
        assert sum(one[event] for one in seen) > 0, event


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 21))
def test_five_hundred_conversations_keep_their_order(seed: int) -> None:
    _keeps_order(seed)
