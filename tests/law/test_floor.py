"""The floor of the benchmark, and the least line, know nothing of the gateway, so that a ratio to it means something."""

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.law.source import ROOT, modules

FLOOR = "tests.benchmarks.floor"
LEAST_ENDS = "tests.benchmarks.least_ends"
LIBRARIES = {"cryptography", "lxml", "pybase64"}
OF_A_LINE = {"aiohttp", "orjson", "uvloop"}


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of every module that a syntax tree imports, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def foreign(tree: ast.AST, allowed: set[str]) -> list[str]:
    """Return what is imported and is neither of the standard library nor allowed."""
    return [name for name in imported(tree) if name.partition(".")[0] not in sys.stdlib_module_names | allowed]


@pytest.mark.parametrize(
    ("name", "ours"), [(FLOOR, []), (f"{FLOOR}_processes", [FLOOR]), ("tests.benchmarks.documents", [FLOOR])]
)
def test_the_floor_imports_libraries_and_the_standard_library_only(name: str, ours: list[str]) -> None:
    (module,) = [one for one in modules("tests") if one.name == name]
    assert foreign(module.tree, LIBRARIES) == ours


def test_the_least_line_has_the_floor_and_libraries_only() -> None:
    (module,) = [one for one in modules("tests") if one.name == LEAST_ENDS]
    assert foreign(module.tree, LIBRARIES | OF_A_LINE) == [FLOOR]


@pytest.mark.parametrize(
    "line", ["import gateway", "from gateway.document import read", "def f():\n    import gateway.envelope as e"]
)
def test_an_import_of_the_gateway_would_be_found(line: str) -> None:
    assert foreign(ast.parse(line), LIBRARIES)


def test_a_process_of_the_floor_has_no_module_of_the_gateway() -> None:
    told = subprocess.run(
        [sys.executable, "-c", f"import sys, {FLOOR}_processes; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    assert f"{FLOOR}_processes" in told
    assert [name for name in told if name.partition(".")[0] == "gateway"] == []
