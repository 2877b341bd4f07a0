"""The example policies, regime by regime: none has a finding, each says in plain words why, and each has golden cases."""

from pathlib import Path

import pytest

from gateway.policy import Demand, Rule
from gateway.policy.telling.cases import VIEW, Case, Made, difference, make, read_case
from gateway.policy.telling.coverage import Fate, coverage
from gateway.schema import PrivacyClass
from gateway.settings import load_agreements, load_catalogue
from tests.unit.policy.rules import POLICIES, ROOT, example, reviewed
from tests.unit.schema.sets import DATA

CASES = sorted((ROOT / "config" / "cases").glob("*/*/case.yaml"))
REGIMES = {
    "gb-fr": ("customs-cooperation", "customs-cancellation", "customs-response"),
    "gb-nl": ("safety-and-security", "safety-cancellation", "safety-response"),
    "gb-no": ("trade-statistics",),
    "gb-ch": ("transit-country", "transit-cancellation", "transit-response"),
    "gb-us": ("no-personal-data", "no-personal-data-cancellation", "no-personal-data-response"),
}
"""Agreement → its policies: the declaration, its cancellation, the answer. Statistics need neither of the last two."""

each_policy = pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)


def ran(file: Path) -> tuple[Case, Made]:
    """Return a golden case and what came of it."""
    case = read_case(file.read_bytes(), file=str(file))
    how = example(Path(case.policy).stem)
    return case, make((file.parent / case.input).read_bytes(), how, reviewed(how.schema_set), case.at)


def test_every_policy_belongs_to_one_of_the_five_regimes() -> None:
    book = load_agreements([ROOT / "config" / "agreements"], load_catalogue(DATA))
    used = {
        one.id: tuple(dict.fromkeys(book.policies[flow.policy_sha256].id for flow in one.flows))
        for one in book.agreements
    }
    assert used == REGIMES
    assert {name for names in REGIMES.values() for name in names} == {one.stem for one in POLICIES}
    assert book.warnings == ()


@each_policy
def test_each_rule_says_why_and_under_what_law(file: Path) -> None:
    found = example(file.stem).policy
    entries: list[Rule | Demand] = [*found.rules, *found.require, *found.hold]
    assert [(one.file, one.line) for one in entries if not one.reason or not one.legal] == []


@pytest.mark.parametrize("file", CASES, ids=lambda file: f"{file.parent.parent.name}/{file.parent.name}")
def test_a_golden_case_comes_out_as_expected(file: Path) -> None:
    case, made = ran(file)
    assert Path(case.policy).stem == file.parent.parent.name
    expected = file.with_name("expected.xml")
    how = example(Path(case.policy).stem)
    kept = expected.read_bytes() if expected.exists() else None
    assert difference(case, kept, made, how, reviewed(how.schema_set)).problem == ""


def test_there_are_golden_cases_of_every_policy_action_and_outcome() -> None:
    names = [file.parent.parent.name for file in CASES]
    few = {one.stem: names.count(one.stem) for one in POLICIES}
    assert all(number >= (5 if example(name).schema_set == "dms-declaration" else 1) for name, number in few.items())
    cases = [read_case(file.read_bytes(), file=str(file)) for file in CASES]
    assert {one.expect for one in cases} == {VIEW, "policy.not_permitted"}
    assert any(one.held for one in cases)
    rules = [rule for one in POLICIES for rule in example(one.stem).policy.rules]
    assert {rule.action.value for rule in rules} == {
        "keep",
        "drop",
        "generalise",
        "pseudonymise",
        "truncate",
        "replace",
    }
    assert {"month", "country", "digits", "prefix", "bands"} <= {rule.change.kind for rule in rules if rule.change}


def test_a_golden_case_shows_an_item_that_goes_and_totals_that_are_true_again() -> None:
    (file,) = (one for one in CASES if one.parent.name == "items-go")
    raw, (_, made) = file.with_name("input.xml").read_bytes(), ran(file)
    for word, before, after in (
        (b"GoodsItemQuantity>", b"3", b"2"),
        (b"TotalPackageQuantity>", b"36", b"30"),
        (b'TotalGrossMassMeasure unitCode="KGM">', b"1260", b"1000"),
        (b'InvoiceAmount currencyID="EUR">', b"6400.00", b"5400.00"),
    ):
        assert word + before + b"<" in raw
        assert word + after + b"<" in made.view
    assert made.view.count(b"<dec:GovernmentAgencyGoodsItem>") == 2
    assert b"99050000" not in made.view


@pytest.mark.parametrize("name", REGIMES["gb-us"])
def test_where_no_personal_data_may_leave_no_place_of_that_class_does(name: str) -> None:
    counts = [node.counts() for node in coverage(example(name).policy, reviewed(example(name).schema_set).tree)]
    # The one text that a cancellation must have leaves as the same word for all.
    leaves = {Fate.WITHHELD, Fate.CHANGED} if name.endswith("cancellation") else {Fate.WITHHELD}
    assert [set(one[PrivacyClass.PERSONAL]) for one in counts] == [leaves]
    assert all(set(one.get(PrivacyClass.CREDENTIAL, ())) <= {Fate.WITHHELD} for one in counts)
