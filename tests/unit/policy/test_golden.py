"""Golden cases: `golden/SAMPLE.POLICY.xml` is what a partner is to get of a sample under an example policy.

Each was read against its policy line by line. For reading, a line break stands between the elements; a view has none.
"""

from pathlib import Path

import pytest

from gateway.policy import Policy, read_policy
from tests.unit.policy.rules import POLICIES, apply, example, sample

GOLDEN = sorted(Path(__file__).with_name("golden").glob("*.xml"))
OF_ANSWERS_AND_CANCELLATIONS = [one for one in POLICIES if one.stem.endswith(("-response", "-cancellation"))]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_view_is_as_expected_to_the_byte(path: Path) -> None:
    document, _, policy = path.stem.partition(".")
    expected = path.read_bytes().rstrip(b"\n").replace(b">\n<", b"><")
    assert apply(sample(document), example(policy)).xml == expected


def test_each_policy_but_the_statistics_has_a_golden_case() -> None:
    assert {path.stem.partition(".")[2] for path in GOLDEN} == {one.stem for one in POLICIES} - {"trade-statistics"}


@pytest.mark.parametrize("path", OF_ANSWERS_AND_CANCELLATIONS, ids=lambda path: path.stem)
def test_rules_about_answers_and_cancellations_say_why_and_the_policy_under_what_law(path: Path) -> None:
    policy: Policy = read_policy(path.read_bytes(), file=path.name)
    assert [rule.path for rule in policy.rules if not rule.reason] == []
    assert [rule.path for rule in policy.rules if rule.legal]
