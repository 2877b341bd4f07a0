"""The independent judge of tests/oracle shares no code with what it judges, or its word would be worth nothing."""

import ast
import sys
from collections.abc import Iterator

import pytest

from tests.law.source import Module, modules

OUTSIDE = {"ruamel"}
"""What it may use beside the standard library: a reader of YAML."""

NO_JUDGE = {"tests.oracle.writing"}
"""Writes views anew from the gateway's own places: it is held against the judge's verdicts, and gives none."""

JUDGES = [one for one in modules("tests/oracle") if one.name not in NO_JUDGE]


def _imported(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def _may_import(name: str) -> bool:
    top = name.partition(".")[0]
    return (
        top in sys.stdlib_module_names or top in OUTSIDE or (name.startswith("tests.oracle.") and name not in NO_JUDGE)
    )


@pytest.mark.parametrize("module", JUDGES, ids=lambda module: module.name)
def test_the_judge_imports_nothing_of_what_it_judges(module: Module) -> None:
    assert [name for name in _imported(module) if not _may_import(name)] == []


def test_a_judge_that_did_would_be_seen() -> None:
    assert len(JUDGES) > 5
    assert not _may_import("gateway.policy")
    assert not _may_import("lxml")
    assert not _may_import("tests.oracle.writing")
