"""Every finding of the check, golden: `bad/NAME.yaml` is a policy with one thing wrong, `bad/NAME.txt` what is said.

The texts are for people who write no code: each says where, what, and what to write instead. Read them when they change.
"""

from functools import cache
from pathlib import Path

import pytest

from gateway.bundled import code_list_folder
from gateway.errors import Finding
from gateway.policy import check_policy, unknown_set
from gateway.settings import draft_policy_file
from gateway.settings.code_lists import load_code_lists
from tests.unit.policy.rules import reviewed
from tests.unit.schema.sets import SET_IDS

CODE_LISTS = load_code_lists(code_list_folder())
BAD = Path(__file__).with_name("bad")
FILES = sorted(BAD.glob("*.yaml"))
WARNINGS = {
    "attribute-decided-by-itself",
    "class-dropped-at-times",
    "class-of-a-wco-id-taken-back",
    "code-that-has-ended",
    "code-that-no-list-has",
    "criterion-unknown-in-an-included-file",
    "items-may-go",
    "never-by-all-kinds",
    "never-by-conditions",
    "never-by-criterion",
    "never-by-criterion-in-an-included-file",
    "never-by-kind",
    "path-unknown-in-an-included-file",
    "personal-data-at-times",
    "personal-data-of-many",
    "personal-data-unnamed",
    "pointers-may-lead-nowhere",
    "privacy-class-of-nothing",
    "privacy-class-takes-back",
    "set-with-a-place-unknown",
    "shadowed",
    "shadowed-by-what-is-in-it",
    "totals-may-go",
    "value-alone-in-what-is-required",
    "value-that-can-not-be",
}


@cache
def findings(file: Path) -> tuple[Finding, ...]:
    """Return all that is said of a policy file, as `gateway policy check` does."""
    policy, noted = draft_policy_file(file, shown=file.name)
    if policy is None or not policy.schema_set:
        return noted
    if policy.schema_set not in SET_IDS:
        return (*noted, unknown_set(policy, SET_IDS))
    return noted + check_policy(policy, reviewed(policy.schema_set), whole=not noted, codes=CODE_LISTS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_bad_policy_is_told_in_these_words(file: Path) -> None:
    told = "".join(f"{one.level}: {one}\n" for one in findings(file))
    assert told == file.with_suffix(".txt").read_text(encoding="utf-8")


def test_each_bad_policy_has_one_kind_of_thing_wrong_and_these_are_warnings() -> None:
    for file in FILES:
        levels = {one.is_error for one in findings(file)}
        assert levels == {file.stem not in WARNINGS}, file.stem
        assert all(one.fix and one.file for one in findings(file))
