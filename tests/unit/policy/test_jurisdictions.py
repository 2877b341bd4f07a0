"""The five example jurisdictions: each holds without a finding, and says in plain words why."""

from functools import cache
from pathlib import Path

import pytest

from gateway.document import read
from gateway.domain.ids import SchemaSetId
from gateway.policy import Demand, Policy, Rule, check_policy, compile_policy, read_policy
from gateway.policy.telling.cases import difference, make, read_case
from gateway.policy.telling.coverage import Fate, coverage
from gateway.policy.telling.diff import Mark, diff
from gateway.schema import CompiledSet, PrivacyClass, compile_set, validate
from gateway.settings import load_agreements, load_catalogue
from tests.unit.policy.rules import ROOT, SAMPLES
from tests.unit.schema.sets import DATA, LIMITS

FOLDER = ROOT / "config" / "jurisdictions"
POLICIES = sorted((FOLDER / "policies").glob("*.yaml"))


@cache
def classified() -> CompiledSet:
    """The set as a node has it, with its privacy file."""
    return compile_set(load_catalogue(DATA)[SchemaSetId("dms-declaration")])


def policy(file: Path) -> Policy:
    return read_policy(file.read_bytes(), file=file.name, include=lambda name: (file.parent / name).read_bytes())


def test_there_are_five() -> None:
    assert [one.stem for one in POLICIES] == [
        "full-cooperation",
        "no-personal-data",
        "safety-only",
        "statistics-with-pseudonyms",
        "transit-country",
    ]


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_each_passes_the_check_without_a_finding(file: Path) -> None:
    found = policy(file)
    assert check_policy(found, classified()) == ()


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_each_rule_says_why_and_under_what_law(file: Path) -> None:
    found = policy(file)
    entries: list[Rule | Demand] = [*found.rules, *found.require, *found.hold]
    assert [one.line for one in entries if not one.reason or not one.legal] == []
    assert len(found.files) >= 3, "shares nothing with the others"


def test_each_has_an_agreement_that_can_be_in_force() -> None:
    book = load_agreements([FOLDER / "agreements"], load_catalogue(DATA))
    assert {policy.id for policy in book.policies.values()} == {one.stem for one in POLICIES}


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_each_has_five_golden_cases_and_they_pass(file: Path) -> None:
    found = policy(file)
    how = compile_policy(found, classified())
    cases = sorted((FOLDER / "cases" / file.stem).glob("*/case.yaml"))
    assert len(cases) >= 5
    for one in cases:
        case = read_case(one.read_bytes(), file=str(one))
        assert (one.parent / case.policy).resolve() == file.resolve()
        made = make((one.parent / case.input).read_bytes(), how, classified(), case.at)
        expected = one.with_name("expected.xml")
        kept = expected.read_bytes() if expected.exists() else None
        assert difference(case, kept, made, how, classified()).problem == "", one.parent.name


def test_where_no_personal_data_may_leave_no_place_of_that_class_does() -> None:
    (file,) = (one for one in POLICIES if one.stem == "no-personal-data")
    counts = [node.counts() for node in coverage(policy(file), classified().tree)]
    assert [set(one[PrivacyClass.PERSONAL]) for one in counts] == [{Fate.WITHHELD}]
    assert [set(one[PrivacyClass.CREDENTIAL]) for one in counts] == [{Fate.WITHHELD}]


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_on_every_sample_the_diff_counts_what_the_view_counts(file: Path) -> None:
    how, sent = compile_policy(policy(file), classified()), 0
    for one in SAMPLES:
        parsed = read(one.read_bytes(), LIMITS)
        if parsed.kind not in classified().schema_set.kinds:
            continue
        found = diff(validate(parsed, classified()), [how], classified())
        view = found.outcomes[0].view
        if view is None:
            assert found.outcomes[0].code == "policy.not_permitted"
            continue
        sent += 1
        assert found.count(Mark.KEPT) + found.count(Mark.CHANGED) == view.kept
        assert (found.count(Mark.CHANGED), found.count(Mark.WITHHELD)) == (view.changed, view.withheld)
    assert sent > 20
