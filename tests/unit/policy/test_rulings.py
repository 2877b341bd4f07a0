"""Who decides where: the deepest anchor, then the more precise selector, then the one with more conditions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import Action, Anchor, Policy, Ruling, rulings
from gateway.policy.checking.worlds import Worlds
from gateway.policy.language.rules import Rule
from tests.unit.policy.rules import CODES, HEAD, policy, reviewed

D = "/MetaData/Declaration"
CONSIGNEE = f"{D}/GoodsShipment/Consignee"
SETS = HEAD.replace("rules:\n", "paths:\n  names: //Name\nrules:\n")
SET = reviewed("dms-declaration")


def ruling(found: Policy, path: str, attribute: str = "") -> Ruling:
    return rulings(found, SET.tree)[Anchor(path, attribute)]


def lines(rules: tuple[Rule, ...]) -> list[int]:
    return [rule.line for rule in rules]


def test_the_deepest_anchor_decides_whatever_it_is_written_like() -> None:
    found = policy(f"  - keep: {CONSIGNEE}\n  - drop: //Consignee/Address\n  - keep: privacy:personal\n")
    assert lines(ruling(found, CONSIGNEE).candidates) == [5]
    assert lines(ruling(found, f"{CONSIGNEE}/Address/CountryCode").candidates) == [6]
    assert lines(ruling(found, f"{CONSIGNEE}/Address/Line").candidates) == [7]
    assert ruling(found, D).candidates == ()


SELECTORS = (
    f"{CONSIGNEE}/Name",
    f"{D}/*/Consignee/Name",
    "//Consignee/Name",
    "wco:R038",
    "set:names",
    "privacy:personal",
)


@pytest.mark.parametrize("index", range(len(SELECTORS) - 1))
def test_on_one_anchor_the_more_precise_selector_decides(index: int) -> None:
    name = SET.tree.nodes[f"{CONSIGNEE}/Name"]
    more, less = (one.replace("wco:R038", f"wco:{name.wco_id}") for one in SELECTORS[index : index + 2])
    for order in ((more, less), (less, more)):
        found = policy("".join(f"  - keep: {one}\n" for one in order), SETS)
        (candidate,) = ruling(found, name.path).candidates
        assert candidate.path == more


def test_conditions_come_before_none_and_more_before_fewer() -> None:
    found = policy(
        f"  - keep: {CONSIGNEE}\n"
        "  - drop: //Consignee/Name\n    when: {kind: arrival}\n"
        "  - keep: //Consignee/Name\n    when: {kind: arrival, type-code: IMA}\n"
    )
    there = ruling(found, f"{CONSIGNEE}/Name")
    assert (lines(there.candidates), there.own) == ([8, 6, 5], 2)


def test_nothing_stands_behind_a_rule_without_conditions() -> None:
    found = policy(f"  - keep: {CONSIGNEE}\n    when: {{kind: arrival}}\n  - drop: //Consignee\n  - keep: {D}\n")
    there = ruling(found, CONSIGNEE)
    assert (lines(there.candidates), there.own) == ([5, 7], 2)


def test_an_attribute_goes_by_its_own_rules_and_then_by_the_attributes_of_its_elements() -> None:
    mass = f"{D}/TotalGrossMassMeasure"
    facts = SET.tree.nodes[mass].attributes["unitCode"]
    kept = policy(f"  - keep: {D}\n    attributes: [unitCode]\n")
    there = ruling(kept, mass, "unitCode")
    assert (there.own, there.attribute_action(0, facts)) == (0, Action.KEEP)
    own = policy(f"  - keep: {D}\n    attributes: [unitCode]\n  - drop: {mass}/@unitCode\n")
    there = ruling(own, mass, "unitCode")
    assert (there.own, there.attribute_action(0, facts)) == (1, Action.DROP)
    bare = policy(f"  - keep: {D}\n")
    assert ruling(bare, mass, "unitCode").attribute_action(0, facts) is Action.DROP


@given(st.permutations(range(6)))
def test_the_order_of_rules_means_nothing(order: list[int]) -> None:
    written = [f"keep: {D}", *(f"{'drop' if n % 2 else 'keep'}: {one}" for n, one in enumerate(SELECTORS) if n != 3)]
    found = policy("".join(f"  - {written[index]}\n" for index in order), SETS)
    usual = policy("".join(f"  - {one}\n" for one in written), SETS)
    assert {anchor: [rule.path for rule in one.candidates] for anchor, one in rulings(found, SET.tree).items()} == {
        anchor: [rule.path for rule in one.candidates] for anchor, one in rulings(usual, SET.tree).items()
    }


# ── worlds ───────────────────────────────────────────────────────────────────────────────────────────────────────


def worlds(rules: str) -> list[set[str]]:
    found = Worlds(policy(CODES + rules), SET)
    return [{atom.condition.text for atom in world.holding} for world in found.all()]


def test_without_conditions_there_is_one_world() -> None:
    assert worlds("") == [set()]


def test_each_condition_is_taken_both_ways_with_and_without_the_other() -> None:
    found = worlds("  - keep: //Importer\n    when: {type-code: IMA, commodity: 93*}\n")
    one, other = "when type-code is IMA", "when commodity is 93*"
    assert sorted(map(sorted, found)) == sorted(map(sorted, [set[str](), {one}, {other}, {one, other}]))


def test_worlds_that_no_document_can_bring_about_are_left_out() -> None:
    """A kind is one of the set's; a type code stands once; what begins with 9306 begins with 93."""
    kinds = worlds(
        "  - keep: //Importer\n    when: {kind: arrival}\n  - drop: //Importer/Name\n    when: {kind: [declaration, amendment]}\n"
    )
    assert sorted(map(len, kinds)) == [1, 1]
    types = worlds(
        "  - keep: //Importer\n    when: {type-code: IMA}\n  - drop: //Importer/Name\n    when: {type-code: EXA}\n"
    )
    assert sorted(map(len, types)) == [0, 1, 1]
    codes = worlds(
        "  - keep: //Importer\n    when: {commodity: 93*}\n  - drop: //Importer/Name\n    when: {commodity: '9306*'}\n"
    )
    assert {"when commodity is 9306*"} not in codes
    assert {"when commodity is 93*"} in codes
