"""The profile of a flow becomes part of the agreement and of its hash, or every problem is told with its place."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.bundled import config_folder, schema_folder
from gateway.domain.agreement import Agreement
from gateway.domain.profile import NO_PROFILE, Severity
from gateway.errors import ConfigurationError, Finding
from gateway.settings import load_agreements, load_catalogue

CATALOGUE = load_catalogue(schema_folder())
TEXT = (config_folder() / "agreements" / "gb-fr.yaml").read_text(encoding="utf-8")
RULES = TEXT[TEXT.index("    profile:\n") : TEXT.index("  - from:", TEXT.index("    profile:\n"))]
"""The profile of the first flow, as the example has it."""

Write = Callable[[str], Agreement]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return the example agreement with another profile in its first flow."""
    shutil.copytree(config_folder() / "policies", tmp_path / "policies")
    (tmp_path / "agreements").mkdir()

    def written(profile: str) -> Agreement:
        file = tmp_path / "agreements" / "gb-fr.yaml"
        file.write_text(TEXT.replace(RULES, profile, 1), encoding="utf-8")
        return load_agreements([file.parent], CATALOGUE).agreements[0]

    return written


def findings(write: Write, profile: str) -> tuple[Finding, ...]:
    with pytest.raises(ConfigurationError) as caught:
        write(profile)
    assert all(one.file.endswith("gb-fr.yaml") and one.line and one.fix for one in caught.value.findings)
    return caught.value.findings


def profile(*lines: str) -> str:
    return "\n".join(["    profile:", *(f"      {line}" for line in lines), ""])


def test_a_flow_names_its_rules_and_what_follows_from_them(write: Write) -> None:
    terms = (
        write(
            profile(
                "rules: dms-declaration",
                "severities: {packages-counted: hold, items-counted: warn}",
                "without: [dates-near]",
                "code_lists: {iso-4217: reject}",
            )
        )
        .flows[0]
        .profile
    )
    assert terms.rules == "dms-declaration"
    assert terms.severities == {"packages-counted": Severity.HOLD, "items-counted": Severity.WARN}
    assert terms.without == {"dates-near"}
    assert dict(terms.code_lists) == {"iso-4217": Severity.REJECT}
    assert len(terms.rules_sha256) == len(terms.code_lists_sha256["iso-4217"]) == 64  # type: ignore[index]  # ids are texts


def test_a_flow_may_ask_nothing_beyond_its_schema_set(write: Write) -> None:
    assert write("").flows[0].profile == NO_PROFILE


@pytest.mark.parametrize(
    "other",
    [
        "",
        profile("rules: dms-declaration"),
        profile("rules: dms-declaration", "without: [dates-near]"),
        profile("rules: dms-declaration", "severities: {packages-counted: hold}"),
        profile("rules: dms-declaration", "code_lists: {iso-4217: warn}"),
    ],
)
def test_any_change_of_the_profile_changes_the_hash_of_the_agreement(write: Write, other: str) -> None:
    assert write(RULES).sha256 != write(other).sha256


MISTAKES = {
    "profile.rules": ("rules: dms-declarations", "names the unknown rule set"),
    "flow under another set": ("rules: dms-response", "names rules for dms-response"),
    "another hash": ("rules: dms-declaration\n      rules_sha256: " + "a" * 64, "is not the hash of dms-declaration"),
    "unknown rule": (
        "rules: dms-declaration\n      severities: {items-count: warn}",
        "names items-count, which is no rule",
    ),
    "unknown rule left out": ("rules: dms-declaration\n      without: [dates]", "names dates, which is no rule"),
    "no severity": ("rules: dms-declaration\n      severities: {items-counted: error}", "is not a severity"),
    "both": (
        "rules: dms-declaration\n      without: [dates-near]\n      severities: {dates-near: warn}",
        "leaves out dates-near and gives it a severity",
    ),
    "severities without rules": ("severities: {items-counted: warn}", "names no rule set"),
    "no group": ("rules: dms-declaration\n      severities: warn", "is not a group of keys"),
    "unknown list": ("code_lists: {iso-9999: warn}", "is no code list"),
    "unknown key": ("rule: dms-declaration", "is not a key that can stand here"),
}


@pytest.mark.parametrize(("text", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_in_a_profile_is_found_with_its_place(write: Write, text: str, problem: str) -> None:
    found = findings(write, profile(text))
    assert [
        one for one in found if (problem in one.problem and ".profile" in one.key) or one.key.startswith("code_lists")
    ]


def test_the_hash_of_the_rules_that_are_there_is_no_mismatch(write: Write) -> None:
    sha256 = write(RULES).flows[0].profile.rules_sha256
    assert write(profile("rules: dms-declaration", f"rules_sha256: {sha256}")).flows[0].profile.rules_sha256 == sha256
