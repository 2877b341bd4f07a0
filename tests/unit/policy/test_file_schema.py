"""The JSON Schema for editors takes what the reader takes, and refuses what the reader refuses by form."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.policy import draft_policy, policy_file_schema
from tests.unit.policy.drawn_files import Drawing
from tests.unit.policy.json_schema import holds
from tests.unit.policy.rules import EXAMPLES as EXAMPLE_FOLDER

EXAMPLES = sorted(EXAMPLE_FOLDER.rglob("*.yaml"))
BAD = sorted(Path(__file__).with_name("bad").glob("*.yaml"))
# What only the check can tell: names, places, files, and what rules come to together. The rest is wrong by form.
BY_FORM = {
    "change-with-a-key-of-another",
    "change-without-a-way",
    "consistency-unknown",
    "criterion-built-in",
    "require-without-a-question",
}
HEAD = "policy: p\nversion: 1\nschema_set: dms-declaration\n"


def is_valid(text: str) -> bool:
    value: Any = YAML(typ="safe", pure=True).load(text)
    schema = policy_file_schema()
    return holds(value, schema, schema)


def test_there_are_examples_of_both_kinds() -> None:
    assert len(EXAMPLES) >= 12
    assert len(BAD) >= 40


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_every_example_is_valid(file: Path) -> None:
    assert is_valid(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_of_bad_policies_it_refuses_those_that_are_wrong_by_form(file: Path) -> None:
    assert is_valid(file.read_text(encoding="utf-8")) == (file.stem not in BY_FORM)


RULES = [
    ("keep: /A/B", True),
    ("keep: [/A/B, //C, wco:R037, 'privacy:personal', 'set:one']", True),
    ("keep: //A/@b", True),
    ("keep: //@b", True),
    ("keep: /A/*/p:C", True),
    ("keep: A/B", False),
    ("keep: /A/", False),
    ("keep: ///A", False),
    ("keep: /A[1]", False),
    ("keep: 'privacy:secret'", False),
    ("keep: []", False),
    ("kep: /A", False),
    ("{keep: /A, drop: /B}", False),
    ("{keep: /A, attributes: required}", True),
    ("{keep: /A, attributes: [a, a]}", False),
    ("{drop: /A, attributes: required}", False),
    ("{generalise: /A, to: month}", True),
    ("{generalise: /A, digits: 4}", True),
    ("{generalise: /A, digits: 3}", False),
    ("{generalise: /A, bands: [0, 1000]}", True),
    ("{generalise: /A, to: month, digits: 4}", False),
    ("{generalise: /A}", False),
    ("{generalise: /A, to: week}", False),
    ("{pseudonymise: /A}", True),
    ("{pseudonymise: /A, length: 3}", False),
    ("{truncate: /A, length: 3}", True),
    ("{truncate: /A, length: 0}", False),
    ("{replace: /A, with: '0'}", True),
    ("{replace: /A}", False),
    ("{keep: /A, when: {commodity: [93*, 94]}}", True),
    ("{keep: /A, when: {commodity: 9*3}}", False),
    ("{keep: /A, when: {}}", False),
    ("{keep: /A, unless: {kind: arrival}}", True),
]


@pytest.mark.parametrize(("rule", "is_good"), RULES)
def test_it_agrees_with_the_reader_about_every_form_of_rule(rule: str, is_good: bool) -> None:
    text = f"{HEAD}paths:\n  one: /A\nrules:\n  - {rule}\n"
    assert is_valid(text) is is_good
    assert (draft_policy(text.encode(), file="p.yaml")[1] == ()) is is_good


# What a JSON Schema does not tell: names that are known or not, numbers that rise, whether a file is only included.
BEYOND_FORM = ("unknown", "is not a criterion", "is missing", "same path", "rising numbers", "is empty")


def test_it_agrees_with_the_reader_about_files_that_are_drawn() -> None:
    drawing, told = Drawing(7), Counter[bool]()
    for number in range(600):
        text = json.dumps(drawing.file())
        _, noted = draft_policy(text.encode(), file="p.yaml")
        is_good = is_valid(text)
        if any(word in one.problem for one in noted for word in BEYOND_FORM):
            assert noted
            continue
        told[is_good] += 1
        assert is_good is (noted == ()), f"file {number}: {text} {[str(one) for one in noted]}"
    assert min(told.values()) > 100
