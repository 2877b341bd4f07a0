"""A policy file becomes a Policy, or every mistake in it at once with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigurationError, Finding
from gateway.policy import Action, Policy, draft_policy, read_policy
from tests.unit.policy.rules import CODES, HEAD, policy


def findings_of(text: str) -> tuple[Finding, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read_policy(text.encode(), file="p.yaml")
    assert caught.value.code == "policy.invalid"
    assert all(one.file == "p.yaml" and one.problem and one.fix for one in caught.value.findings)
    return caught.value.findings


def test_a_policy_says_what_its_file_says() -> None:
    found = policy(
        "  - keep: /MetaData/Declaration\n    attributes: [unitCode]\n    reason: why\n    legal: article 1\n"
        "  - drop: /MetaData/Declaration/ID\n"
    )
    assert (found.id, found.version, found.schema_set) == ("p", 1, "dms-declaration")
    keep, drop = found.rules
    assert (keep.action, keep.path, keep.attributes) == (Action.KEEP, "/MetaData/Declaration", ("unitCode",))
    assert (keep.reason, keep.legal, keep.line) == ("why", "article 1", 5)
    assert (drop.action, drop.attributes, drop.selector.steps) == (Action.DROP, (), ("MetaData", "Declaration", "ID"))
    assert found.place(keep) == "p.yaml:5"
    assert found.place(None) == "p.yaml"


@pytest.mark.parametrize(
    ("rules", "line", "key", "words"),
    [
        ("  - kep: /A\n", 5, "rules[1].kep", "Did you mean `keep`?"),
        ("  - keep: /A\n    drop: /A\n", 5, "rules[1]", "says more than one action: keep, drop"),
        ("  - reason: none\n", 5, "rules[1]", "does not say what to do"),
        ("  - /A\n", 5, "rules[1]", "is not a group of keys"),
        ("  - keep: A/B\n", 5, "rules[1].keep", "is not a path"),
        ("  - keep: /A/\n", 5, "rules[1].keep", "is not a path"),
        ("  - keep: ///A\n", 5, "rules[1].keep", "is not a path"),
        ("  - keep: /A[1]\n", 5, "rules[1].keep", "is not a path"),
        ("  - keep: 7\n", 5, "rules[1].keep", "is not a text"),
        ("  - keep: /A\n  - drop: /A\n", 6, "rules[2].drop", "same path as line 5"),
        ("  - drop: /A\n    attributes: [x]\n", 6, "rules[1].attributes", "stands at a rule that drops"),
        ("  - keep: /A\n    attributes: all\n", 6, "rules[1].attributes", "is not a list of names"),
        ("  - keep: /A\n    attributes: [a, a]\n", 6, "rules[1].attributes", "twice"),
        ("  - keep: /A\n    attributes: ['a b']\n", 6, "rules[1].attributes", "can not be an attribute's name"),
        ('  - keep: /A\n    reason: "bell \\a"\n', 6, "rules[1].reason", "control character"),
        (f"  - keep: /A\n    reason: {'x' * 2001}\n", 6, "rules[1].reason", "longer than"),
        ("  - generalise: /A\n    bands: [1e999999999]\n", 6, "rules[1].bands", "rising numbers"),
        ("  - generalise: /A\n    bands: [1_000]\n", 6, "rules[1].bands", "rising numbers"),
        ("  - generalise: /A\n    bands: [\u0663]\n", 6, "rules[1].bands", "rising numbers"),
        ("  []\n", 4, "rules", "is empty"),
        ("  no list\n", 4, "rules", "is not a list"),
    ],
)
def test_each_mistake_in_a_rule_is_found_on_its_line(rules: str, line: int, key: str, words: str) -> None:
    (finding,) = findings_of(HEAD + rules)
    assert (finding.line, finding.key) == (line, key)
    assert words in f"{finding.problem}. {finding.fix}"


def test_all_mistakes_are_found_at_once_in_the_order_of_the_file() -> None:
    text = "policy: P\nversion: 0\nrules:\n  - kep: /A\n  - keep: B\nextra: 1\n"
    assert [(one.line, one.key) for one in findings_of(text)] == [
        (1, "policy"),
        (1, "schema_set"),
        (2, "version"),
        (4, "rules[1].kep"),
        (5, "rules[2].keep"),
        (6, "extra"),
    ]


def test_what_is_not_yaml_is_one_finding() -> None:
    (finding,) = findings_of("policy: [\n")
    assert finding.problem == "is the end, and a list or a group goes on"


def test_too_many_rules_are_refused() -> None:
    rules = "".join(f"  - keep: /A{number}\n" for number in range(2001))
    assert "more than 2000 rules" in findings_of(HEAD + rules)[0].problem


def test_layout_comments_and_order_of_rules_do_not_change_the_hash() -> None:
    one = policy(CODES + "  - keep: /A\n    attributes: [b, a]\n    reason: r\n")
    other = policy("  # words\n  - {reason: r, keep: /A, attributes: [a, b]}\n\n" + CODES)
    assert one.sha256 == other.sha256


@pytest.mark.parametrize(
    "change",
    [
        ("keep: /A", "drop: /A"),
        ("keep: /A", "keep: /B"),
        ("reason: r", "reason: s"),
        ("legal: l", "legal: m"),
        ("version: 1", "version: 2"),
        ("policy: p", "policy: q"),
        ("dms-declaration", "dms-response"),
    ],
)
def test_any_change_of_meaning_or_text_changes_the_hash(change: tuple[str, str]) -> None:
    text = HEAD + "  - keep: /A\n    reason: r\n    legal: l\n"
    assert change[0] in text
    assert read(text).sha256 != read(text.replace(*change)).sha256


def test_required_attributes_are_not_a_list_that_names_required() -> None:
    word, names = (policy(f"  - keep: /A\n    attributes: {one}\n") for one in ("required", "[required]"))
    assert word.sha256 != names.sha256
    assert word.rules[0].attributes == "required"
    assert names.rules[0].attributes == ("required",)


def test_the_hash_of_a_policy_is_pinned() -> None:
    """Both sides of an agreement compute this; it must never change by accident."""
    assert policy(CODES).sha256 == "f094faede11dabc7dc3c0ecfc087d738e7450cb9cd4b348917b8401d7c5b6cd4"


def read(text: str) -> Policy:
    return read_policy(text.encode(), file="p.yaml")


@given(st.text(alphabet="keprulsdo: -/[]ABv1\n", max_size=120))
def test_any_text_is_a_policy_or_a_configuration_error(text: str) -> None:
    for raw in (text, HEAD + text):
        try:
            found: Policy | tuple[Finding, ...] = read(raw)
        except ConfigurationError as error:
            found = error.findings
        assert found


def test_what_can_be_read_of_a_wrong_policy_is_still_there_to_be_checked() -> None:
    raw = b"""policy: p
version: 1
schema_set: dms-declaration
rules:
  - keep: /MetaData/Declaration/FunctionCode
    motive: misspelt
  - drop: /MetaData/NoSuch
"""
    policy, findings = draft_policy(raw, file="p.yaml")
    assert [finding.line for finding in findings] == [6]
    assert policy is not None
    assert [rule.path for rule in policy.rules] == ["/MetaData/Declaration/FunctionCode", "/MetaData/NoSuch"]
