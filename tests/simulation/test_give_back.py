"""What waits in memory behind a partner that stands still goes back to the store, and nothing waits for its lease.

Requests to the partner are one at a time here and hang for ten seconds, many come in one burst, and a transfer may wait
three seconds: so the fast path fills up behind a request that hangs.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from gateway.app import loops
from gateway.exchange import leased
from gateway.exchange.dispatch import DispatchLimits
from gateway.exchange.give_back import GiveBack
from gateway.settings import NodeSettings, Partner
from tests.simulation.parts import FR, GB, MARK, SAMPLES
from tests.simulation.plan import Faults, Plan, Submission
from tests.simulation.run import Outcome, simulate
from tests.simulation.seeds import told

SEEDS: Final = (3, 4, 6)
MESSAGES: Final = 24
CASES: Final = 9
HANGS: Final = Faults(lost_before=0.5)
"""Nothing dies, and every commit is made: no lease is lost but to the time that something waited."""
AND_MORE: Final = Faults(
    lost_before=0.5,
    lost_after=0.1,
    commit_lost=0.05,
    commit_happened=0.1,
    crashes=1,
    outages=2,
    suspensions=1,
    acts=8,
)


@pytest.fixture(autouse=True)
def one_request_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = loops._limits

    def limits(partner: Partner, settings: NodeSettings) -> DispatchLimits:
        return replace(usual(partner, settings), requests=1)

    monkeypatch.setattr(loops, "_limits", limits)
    monkeypatch.setattr(leased, "WAIT", timedelta(seconds=3))


def burst(seed: int, faults: Faults) -> Plan:
    """Return a run in which GB has MESSAGES for FR within a second, of CASES conversations."""
    return Plan(seed=seed, seconds=30.0, faults=faults, submissions=tuple(_burst()))


def _burst() -> Iterator[Submission]:
    for number in range(MESSAGES):
        yield Submission(
            marker=f"{MARK[:12]}{number:06d}",
            sample=tuple(SAMPLES)[number % len(SAMPLES)],
            sender=GB,
            recipient=FR,
            case=f"case-{number % CASES}",
            at=1.0 + number * 0.03,
            twice=False,
        )


def times(outcome: Outcome, event: str) -> int:
    """Return how often an event was committed."""
    return sum(line.count(f"{event}:") for line in outcome.trace.lines if " commits of=" in line)


def test_behind_a_partner_that_hangs_nothing_waits_for_its_lease() -> None:
    outcomes = [simulate(seed, planned=burst(seed, HANGS)) for seed in SEEDS]
    assert [told(one) for one in outcomes if one.breaches] == []
    assert sum(times(one, "transfer.given_back") for one in outcomes) > len(SEEDS)
    assert sum(times(one, "transfer.lease_lost") for one in outcomes) == 0


def test_after_commits_that_failed_and_happened_nothing_waits_for_its_lease() -> None:
    outcomes = [simulate(seed, planned=burst(seed, Faults(commit_happened=0.3))) for seed in (6, 7)]
    assert [told(one) for one in outcomes if one.breaches] == []
    assert all(times(one, "transfer.given_back") > 0 for one in outcomes), "also of what came with an acceptance"
    assert sum(times(one, "transfer.lease_lost") for one in outcomes) == 0


def test_the_promises_hold_while_commits_fail_and_nodes_die() -> None:
    outcomes = [simulate(seed, planned=burst(seed, AND_MORE)) for seed in SEEDS]
    assert [told(one) for one in outcomes if one.breaches] == []
    assert sum(times(one, "transfer.given_back") for one in outcomes) > len(SEEDS)


def test_what_is_given_back_leaves_the_same_trace_again() -> None:
    first, again = (simulate(SEEDS[0], planned=burst(SEEDS[0], HANGS)) for _ in range(2))
    assert times(first, "transfer.given_back") > 0
    assert first.trace.lines == again.trace.lines


def test_a_gateway_that_gives_nothing_back_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forgotten(self: GiveBack) -> None:
        self._fast_path.late()
        self._arrivals.late()

    monkeypatch.setattr(GiveBack, "once", forgotten)
    assert times(simulate(SEEDS[0], planned=burst(SEEDS[0], HANGS)), "transfer.lease_lost") > 0
