"""The laws notice a policy room that is broken: each fault of faults.py is planted in its source, and drawn policies meet
grown documents there, the same that the laws are held over."""

import importlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product

import pytest

from gateway.errors import ConfigurationError
from tests.unit.policy.drawn_policies import Drawn, drawn_policy
from tests.unit.policy.faults import FAULTS, LET_THROUGH
from tests.unit.policy.grown import small
from tests.unit.policy.planted import Fault, planted

SETS = [small("dms-declaration", number) for number in (5, 6, 7, 4, 0)] + [small("dms-response", 3)]
SEEDS = range(30)
DOCUMENTS = 5
SELDOM = {
    "a name under a parent is not looked at",
    "a pointer keeps its old number",
    "a text that was cut ends in a blank",
}
"""Found after hundreds of cases."""


@cache
def jury() -> tuple[tuple[str, Drawn], ...]:
    """Return the policies that a fault meets, until one is found to go wrong."""
    return tuple((set_id, drawn_policy(seed, set_id)) for seed, set_id in product(SEEDS, SETS))


def found_wrong(policies: Iterator[tuple[str, Drawn]]) -> tuple[int, list[str]]:
    """Return the laws that are found broken first, and after how many cases."""
    lawful = importlib.import_module("tests.unit.policy.lawful")
    cases = 0
    for set_id, drawn in policies:
        try:
            court = lawful.Court(set_id, replace(drawn, compiled=None))
        except ConfigurationError:
            continue  # the check does its work still
        for number in range(DOCUMENTS):
            cases += 1
            found = list(court.broken(court.grown(number), lawful.Told()))
            if found:
                return cases, found
    return cases, []


def refused() -> Iterator[tuple[str, Drawn]]:
    """Yield what the check refused when the policies were drawn."""
    return ((set_id, one) for set_id, drawn in jury() for one in drawn.refused)


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.long) if one in SELDOM else one for one in FAULTS]
)
def test_a_planted_fault_is_caught(name: str) -> None:
    every = iter(jury())
    with planted(FAULTS[name]):
        cases, found = found_wrong(every)
    assert found, f"not one of {cases} cases"


@pytest.mark.parametrize("name", LET_THROUGH)
def test_a_fault_of_the_check_is_caught(name: str) -> None:
    every = refused()
    with planted(LET_THROUGH[name]):
        cases, found = found_wrong(every)
    assert found, f"not one of {cases} cases"


def test_without_a_fault_nothing_is_found_in_the_same_cases() -> None:
    real = importlib.import_module("gateway.policy")
    harmless = Fault(file="views/cut.py", source="return has_content and (", broken="return has_content and  (")
    every = iter(jury()[:40])
    with planted(harmless):
        assert importlib.import_module("gateway.policy") is not real
        assert found_wrong(every) == (200, [])
        assert found_wrong(refused()) == (0, [])
    assert importlib.import_module("gateway.policy") is real
