"""Every bundled rule against its own two samples: the good one breaks nothing, the bad one breaks that rule alone."""

from datetime import date
from pathlib import Path

import pytest

from gateway.bundled import schema_folder
from gateway.document import read
from gateway.domain.ids import RuleSetId
from gateway.domain.profile import Severity
from gateway.schema import (
    BrokenRule,
    CompiledRules,
    CompiledSet,
    Rule,
    RuleTarget,
    check_rules,
    compile_rules,
    compile_set,
)
from gateway.settings import load_catalogue
from gateway.settings.rule_file import read_rule_sets
from tests.unit.schema.sets import LIMITS

TODAY = date(2026, 11, 22)
FOLDER = schema_folder() / "rules"
RULE_SETS, FINDINGS = read_rule_sets(None)
CATALOGUE = load_catalogue(schema_folder())
COMPILED: dict[RuleSetId, tuple[CompiledSet, CompiledRules]] = {}
EVERY = [(rule_set.id, rule) for rule_set in RULE_SETS.values() for rule in rule_set.rules]
NAMES = [f"{rule_set}/{rule.id}" for rule_set, rule in EVERY]


def compiled(rule_set: RuleSetId) -> tuple[CompiledSet, CompiledRules]:
    if rule_set not in COMPILED:
        found = RULE_SETS[rule_set]
        schema_set = compile_set(CATALOGUE[found.schema_set])
        COMPILED[rule_set] = schema_set, compile_rules(found.rules, schema_set)
    return COMPILED[rule_set]


def breaches(rule_set: RuleSetId, file: Path) -> tuple[BrokenRule, ...]:
    schema_set, rules = compiled(rule_set)
    document = read(file.read_bytes(), LIMITS)
    assert schema_set.accepts(document.root), f"{file.name} is not valid under {schema_set.id}"
    return tuple(
        breach for target in RuleTarget for breach in rules.breaches(document.root, document.kind, target, TODAY)
    )


def test_there_is_a_rule_set_for_each_schema_set_and_nothing_is_wrong_with_them() -> None:
    assert FINDINGS == ()
    assert {one.schema_set for one in RULE_SETS.values()} == set(CATALOGUE)
    for rule_set in RULE_SETS.values():
        assert check_rules(rule_set, compiled(rule_set.id)[0]) == ()


@pytest.mark.parametrize(("rule_set", "rule"), EVERY, ids=NAMES)
def test_the_good_sample_breaks_no_rule(rule_set: RuleSetId, rule: Rule) -> None:
    assert breaches(rule_set, FOLDER / rule_set / f"{rule.id}.good.xml") == ()


@pytest.mark.parametrize(("rule_set", "rule"), EVERY, ids=NAMES)
def test_the_bad_sample_breaks_that_rule_and_no_other(rule_set: RuleSetId, rule: Rule) -> None:
    found = breaches(rule_set, FOLDER / rule_set / f"{rule.id}.bad.xml")
    assert {one.violation.rule for one in found} == {rule.id}
    for one in found:
        violation = one.violation
        assert one.severity is rule.severity
        assert (violation.code, violation.message) == ("schema.profile_broken", rule.title)
        assert (violation.expected, violation.fix) == (rule.expected, rule.fix)
        assert violation.path.startswith("/MetaData/")
        assert violation.line
        assert violation.wco_name
        assert violation.wco_name.rpartition("/")[2] in violation.path


def test_every_sample_belongs_to_a_rule() -> None:
    files = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*.xml")}
    assert files == {f"{name}.{which}.xml" for name in NAMES for which in ("good", "bad")}


def test_no_bundled_rule_needs_the_slow_engine() -> None:
    for rule_set in RULE_SETS:
        assert compiled(rule_set)[1].slow == ()


def test_what_can_not_be_right_is_refused_and_what_may_be_is_only_told() -> None:
    severities = {rule.severity for _, rule in EVERY}
    assert severities == {Severity.REJECT, Severity.WARN}
