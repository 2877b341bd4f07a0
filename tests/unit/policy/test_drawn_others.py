"""The laws over drawn policies and grown documents: responses, cancellations, and declarations with nil values."""

import pytest

from tests.unit.policy.grown import NILLABLE
from tests.unit.policy.lawful import assert_lawful


@pytest.mark.parametrize(
    ("set_id", "policies", "documents"),
    [(NILLABLE, 8, 75), ("dms-response", 8, 75), ("dms-cancellation", 26, 100)],
)
def test_every_law_holds(set_id: str, policies: int, documents: int) -> None:
    assert_lawful(set_id, range(policies), documents)
