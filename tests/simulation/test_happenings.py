"""What a simulation is to try does happen in some of the seeds of CI: else its rules would hold for want of trouble."""

from collections import Counter
from dataclasses import replace

from tests.simulation.happenings import IN_AUDIT, IN_TRACE, LATE
from tests.simulation.parts import FR, GB
from tests.simulation.plan import Faults, plan
from tests.simulation.run import simulate
from tests.simulation.seeds import OF_CI, told


def test_everything_that_is_meant_to_happen_does() -> None:
    missing, seen = {*IN_AUDIT, *IN_TRACE} - {LATE}, Counter[str]()
    for seed in reversed(OF_CI[:62]):  # the later ones soon have it all
        seen += simulate(seed).happened
        missing -= set(seen)
        if not missing:
            break
    assert missing == set()


def test_a_receipt_may_come_while_its_message_is_being_given_up() -> None:
    """It is rare among all that may happen, so here is a mixture that brings it about."""
    faults = Faults(races=1.0, lost_before=0.5, crashes=2, partitions=2)
    times = 0
    for seed in OF_CI[:10]:
        mixed = replace(plan(seed), later=frozenset({GB, FR}), lifetime=12, faults=faults, seconds=45.0)
        outcome = simulate(seed, planned=mixed)
        assert not outcome.breaches, told(outcome)
        times += outcome.happened[LATE]
    assert times > 0
