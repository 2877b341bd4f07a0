"""Fixtures of the integration tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.desk_pair import Pair, desk_pair


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Two sides, joined without HTTP."""
    async with desk_pair(tmp_path) as opened:
        yield opened
