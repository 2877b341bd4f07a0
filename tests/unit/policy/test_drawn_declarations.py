"""The laws over drawn policies and grown declarations; the other sets stand in test_drawn_others.py, to run beside."""

import pytest

from tests.unit.policy.grown import NILLABLE
from tests.unit.policy.lawful import assert_lawful


@pytest.mark.parametrize("block", range(2))
def test_every_law_holds_for_declarations(block: int) -> None:
    assert_lawful("dms-declaration", range(block * 8, (block + 1) * 8), documents=75)


@pytest.mark.long
@pytest.mark.parametrize("block", range(1, 40))
@pytest.mark.parametrize("set_id", ["dms-declaration", NILLABLE, "dms-response", "dms-cancellation"])
def test_every_law_holds_for_many_more(set_id: str, block: int) -> None:
    assert_lawful(set_id, range(block * 1000, block * 1000 + 50), documents=25)
