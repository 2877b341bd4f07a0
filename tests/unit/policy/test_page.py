"""docs/policy.md says what the reader takes: its policies pass the check, its grammar and tables have every word."""

import re
from typing import Any

import pytest

from gateway.policy import Action, check_policy, policy_file_schema, read_policy
from gateway.policy.language.conditions import BUILT_IN
from tests.unit.policy.rules import EXAMPLES, ROOT, reviewed

PAGE = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?:(?:    [^\n]*)?\n)+", PAGE)
POLICIES = [text for text in (re.sub("(?m)^    ", "", block).strip("\n") for block in BLOCKS) if text[:8] == "policy: "]
GRAMMAR = PAGE.partition("## The grammar")[2].partition("\n## ")[0]


def test_there_is_a_whole_policy_on_the_page() -> None:
    assert POLICIES
    assert all(f"\n{key}:" in POLICIES[0] for key in ("include", "paths", "rules", "require", "hold", "consistency"))


@pytest.mark.parametrize("text", POLICIES, ids=lambda text: text.splitlines()[0])
def test_a_policy_on_the_page_passes_the_check_without_a_warning(text: str) -> None:
    found = read_policy(text.encode(), file="policy.md", include=lambda part: (EXAMPLES / part).read_bytes())
    assert [str(one) for one in check_policy(found, reviewed(found.schema_set))] == []


def keys_of(schema: Any) -> set[str]:
    """Return every key that a JSON Schema knows, at any depth."""
    if isinstance(schema, list):
        return {key for one in schema for key in keys_of(one)}
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", ())) | {key for one in schema.values() for key in keys_of(one)}


def test_the_grammar_has_the_keys_that_the_reader_takes_and_no_others() -> None:
    assert set(re.findall(r'"([a-z_]+):"', GRAMMAR)) == keys_of(policy_file_schema()) | {"set", "privacy", "wco"}


def test_every_action_and_criterion_is_in_the_tables() -> None:
    cells = set(re.findall(r"`([a-z-]+)`", "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))))
    assert {one.value for one in Action} <= cells
    assert set(BUILT_IN) <= cells
    for name, one in BUILT_IN.items():
        assert one.selector is None or f"| `{name}` | `{one.selector.text}` |" in PAGE
