"""Rule files become rule sets with a hash, or every problem is told with its line."""

from pathlib import Path

import pytest

from gateway.bundled import schema_folder
from gateway.domain.profile import Severity
from gateway.schema import RuleSet, RuleTarget, check_rules, compile_set
from gateway.settings import load_catalogue
from gateway.settings.rule_file import draft_rule_set, read_rule_sets

FILE = """\
rule_set: own-rules
version: 1
title: Rules of our own
schema_set: dms-declaration

rules:
  - id: has-a-type
    title: The declaration has no type
    expected: A type
    fix: Write one
    source: Ours
    severity: hold
    kinds: [declaration]
    selects: self::dec:Declaration[not(dec:TypeCode)]
"""
DECLARATIONS = compile_set(next(one for one in load_catalogue(schema_folder()).values() if one.id == "dms-declaration"))


def drafted(text: str) -> RuleSet:
    rule_set, findings = draft_rule_set(text.encode(), file="own.yaml")
    assert findings == ()
    assert rule_set is not None
    return rule_set


def problems(text: str) -> list[tuple[int | None, str, str]]:
    rule_set, findings = draft_rule_set(text.encode(), file="own.yaml")
    if not findings and rule_set is not None:
        findings = check_rules(rule_set, DECLARATIONS)
    assert all(one.fix and one.file == "own.yaml" for one in findings)
    return [(one.line, one.key, one.problem) for one in findings]


def test_a_rule_says_what_its_file_says() -> None:
    (rule,) = drafted(FILE).rules
    assert (rule.id, rule.severity, rule.target) == ("has-a-type", Severity.HOLD, RuleTarget.DOCUMENT)
    assert rule.line("selects") == 14
    assert problems(FILE) == []


def test_words_for_people_and_layout_do_not_change_the_hash_and_anything_else_does() -> None:
    same = FILE.replace("has no type", "lacks its type").replace("\n    selects: ", "\n    selects: |\n      ")
    assert drafted(same).sha256 == drafted(FILE).sha256
    for old, new in (
        ("hold", "warn"),
        ("version: 1", "version: 2"),
        ("TypeCode", "FunctionCode"),
        ("[declaration]", "[arrival]"),
    ):
        assert drafted(FILE.replace(old, new)).sha256 != drafted(FILE).sha256


def test_a_list_of_expressions_is_their_union() -> None:
    listed = FILE.replace(
        "selects: self::dec:Declaration[not(dec:TypeCode)]", "selects:\n      - dec:ID\n      - dec:TypeCode"
    )
    assert "".join(drafted(listed).rules[0].selects.split()) == "dec:ID|dec:TypeCode"


MISTAKES = {
    "not XPath": ("[not(dec:TypeCode)]", "[not(dec:TypeCode", 14, "is not XPath 2.0"),
    "an unknown prefix": ("dec:TypeCode)", "xyz:TypeCode)", 14, "is not XPath 2.0"),
    "an unknown function": ("not(", "is-not(", 14, "is not XPath 2.0"),
    "a name the set does not have": ("dec:TypeCode)", "dec:TypeKode)", 14, "looks for dec:TypeKode below"),
    "a place the set does not have": (
        "self::dec:Declaration[not(dec:TypeCode)]",
        "dec:GoodsShipment/dec:InvoiceAmount",
        14,
        "looks for",
    ),
    "an attribute the set does not have": ("not(dec:TypeCode)", "dec:TypeCode/@currency", 14, "looks for currency"),
    "a number": ("self::dec:Declaration[not(dec:TypeCode)]", "count(dec:ID)", 14, "selects no elements"),
    "a kind of another set": ("[declaration]", "[declaration, response]", 13, "is for response"),
    "no kind": ("[declaration]", "[statement]", 13, "holds what is not a message kind"),
    "no severity": ("severity: hold", "severity: hard", 12, "is not known"),
    "no id": ("id: has-a-type", "id: Has A Type", 7, "can not be an id"),
    "a key that is missing": ("    fix: Write one\n", "", 7, "is missing"),
    "a key of no meaning": (
        "    fix: Write one\n",
        "    fix: Write one\n    note: no\n",
        11,
        "is not a key that can stand here",
    ),
}


@pytest.mark.parametrize(("old", "new", "line", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_is_found_with_its_line(old: str, new: str, line: int, problem: str) -> None:
    assert old in FILE
    found = problems(FILE.replace(old, new, 1))
    assert [one for one in found if one[0] == line and problem in one[2]], found


def test_two_rules_of_one_id_are_found() -> None:
    again = FILE + FILE[FILE.index("  - id:") :]
    assert [problem for _, _, problem in problems(again)] == ["has the id of line 7"]


def test_rules_of_a_catalogue_stand_beside_the_bundled_ones(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "own.yaml").write_text(FILE, encoding="utf-8")
    sets, findings = read_rule_sets(tmp_path)
    assert findings == ()
    assert {"own-rules", "dms-declaration", "dms-response", "dms-cancellation"} == set(sets)


def test_other_rules_under_a_bundled_id_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "own.yaml").write_text(FILE.replace("own-rules", "dms-declaration"), encoding="utf-8")
    _, findings = read_rule_sets(tmp_path)
    assert [one.key for one in findings] == ["rule_set"]
