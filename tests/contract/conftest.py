"""Fixtures of the store's contract suite: every test that asks for one runs over every implementation."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.ports import Store
from tests.contract.store_cases import CASES, StoreCase
from tests.store_values import StoreValues


@pytest.fixture(params=CASES)
def case_name(request: pytest.FixtureRequest) -> str:
    """Which implementation."""
    return str(request.param)


@pytest.fixture
def case(case_name: str, tmp_path: Path) -> StoreCase:
    """An implementation with an empty database of its own."""
    made: StoreCase = CASES[case_name](tmp_path)
    return made


@pytest.fixture
async def store(case: StoreCase) -> AsyncIterator[Store]:
    """An open store. Whatever a test did to it, its audit chain must verify afterwards."""
    async with case.opened() as opened:
        yield opened
    assert [verdict.reason for verdict in case.verdicts() if not verdict.intact] == []


@pytest.fixture
def values() -> StoreValues:
    """Plausible values with rising ids."""
    return StoreValues()
