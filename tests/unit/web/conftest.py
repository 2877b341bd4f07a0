"""One node for each test, and its two listeners that take tokens."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.web.listening import Node, open_node, open_operations, open_submission


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with open_node(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
async def submission(node: Node) -> AsyncIterator[str]:
    async with open_submission(node.submission()) as url:
        yield url


@pytest.fixture
async def operations(node: Node) -> AsyncIterator[str]:
    async with open_operations(node.operations()) as url:
        yield url
