"""Rules that meet on one place are compared with those that could speak at once, and told beside one of these."""

import pytest

from gateway.policy import check_policy
from gateway.policy.checking.meeting import Meeting
from gateway.policy.checking.worlds import Worlds
from gateway.policy.language.selectors import Anchor
from tests.unit.policy.rules import HEAD, policy, reviewed

NAME = "/MetaData/Declaration/GoodsShipment/Consignee/Name"
MANY = 400


def meeting(asked: list[str]) -> tuple[Meeting, list[int]]:
    """Return the rules that ask these on one place, and which of them are tied with one before."""
    rules = "".join(f"  - drop: //Consignee/Name\n    reason: r{at}\n    when: {one}\n" for at, one in enumerate(asked))
    found = policy(rules)
    made = Meeting(Worlds(found, reviewed(found.schema_set)), Anchor(NAME), found.rules)
    return made, [at for at in range(len(asked)) if made.tied(at) is not None]


def test_rules_that_one_question_sets_apart_are_hardly_compared() -> None:
    made, tied = meeting([f"{{type-code: [A{at:03}, B{at:03}*]}}" for at in range(MANY)])
    assert (tied, made.looks) == ([], 0)


def test_rules_that_are_all_alike_are_told_once_each() -> None:
    made, tied = meeting([f"{{procedure: P{at}}}" for at in range(MANY)])
    assert tied == list(range(1, MANY))
    assert made.looks < 10 * MANY


@pytest.mark.parametrize(
    ("asked", "tied"),
    [
        (["{type-code: IMA}", "{type-code: IM*}"], [1]),
        (["{type-code: IM*}", "{type-code: IMA}"], [1]),
        (["{type-code: I*}", "{type-code: IM*}", "{type-code: E*}"], [1]),
        (["{type-code: [IMA, EXA]}", "{type-code: [EXB, EXA]}"], [1]),
        (["{type-code: IMA}", "{kind: arrival}", "{type-code: IMB}"], [1, 2]),
        (["{type-code: IMA, kind: arrival}", "{type-code: IMA, kind: amendment}"], []),
        (["{type-code: IMA}", "{type-code: IM}", "{type-code: IMAA}"], []),
    ],
)
def test_rules_that_a_value_brings_together_are_tied(asked: list[str], tied: list[int]) -> None:
    assert meeting(asked)[1] == tied


ALIKE = ", ".join(f"V{at}" for at in range(30))
OFFICE = HEAD.replace("rules:", "criteria: {office: /MetaData/Declaration/ExitOffice/ID}\nrules:")


def comparing(rules: str, head: str) -> list[str]:
    """Return what is said of the comparing of rules."""
    found = policy(rules, head)
    checked = check_policy(found, reviewed(found.schema_set))
    return [f"{one.level}: {one}" for one in checked if "too many to compare" in one.problem]


def too_many() -> list[str]:
    """Return what is said of rules that are more than can be compared."""
    rules = (
        f"  - drop: //Consignee/Name\n    reason: r{at}\n    when: {{type-code: [{ALIKE}, A{at}], office: O{at}}}\n"
        for at in range(60)
    )
    return comparing("".join(rules), OFFICE)


def test_more_than_can_be_compared_is_an_error_that_says_so() -> None:
    assert too_many() == [
        (
            f"error: p.yaml:183 [drop]: is one of 60 rules that speak for {NAME} alike: too many to compare their conditions. "
            "Put rules that do the same into one, with a list of values"
        )
    ]
    as_one = f"  - drop: //Consignee/Name\n    reason: r\n    when: {{type-code: [{ALIKE}]}}\n"
    assert comparing(f"{as_one}  - keep: {NAME.rpartition('/Goods')[0]}/TypeCode\n", HEAD) == []
