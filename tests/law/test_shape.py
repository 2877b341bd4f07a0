"""What every module of the gateway looks like (CONVENTIONS in docs/architecture.md)."""

import ast
from collections.abc import Iterator

import pytest

from tests.law.source import Module, functions, lines, listed, modules, public

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 80
SMALL_METHOD_LINES = 6
TABLES = ("gateway.errors._entries", "gateway.storage.migrations.versions.")
"""Functions that are one literal table."""

SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "service", "services"}

every_module = pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)


@every_module
def test_a_module_opens_by_saying_what_lives_in_it(module: Module) -> None:
    assert ast.get_docstring(module.tree), f"{module.place} has no head"


@every_module
def test_what_is_public_says_what_it_does(module: Module) -> None:
    missing = [f"{module.place}:{node.lineno} {node.name}" for node in _undocumented(module)]
    assert not missing, listed(missing)


def _undocumented(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in public(module.tree):
        if not ast.get_docstring(node):
            yield node
        if isinstance(node, ast.ClassDef):
            yield from (
                method
                for method in functions(node)
                if not method.name.startswith("_")
                and lines(method) > SMALL_METHOD_LINES
                and not ast.get_docstring(method)
            )


@pytest.mark.parametrize("top", ["gateway", "tests", "wco_schemas", "docs"])
def test_no_file_is_longer_than_a_reader_can_hold(top: str) -> None:
    sizes = {module.place: module.text.count("\n") for module in modules(top)}
    assert {place: size for place, size in sizes.items() if size > MAX_FILE_LINES} == {}


@every_module
def test_no_function_is_longer_than_a_long_check(module: Module) -> None:
    sizes = {f"{module.name}.{node.name}": lines(node) for node in functions(module.tree)}
    long = [name for name, size in sizes.items() if size > MAX_FUNCTION_LINES and not name.startswith(TABLES)]
    assert not long, listed(long)


@pytest.mark.parametrize("top", ["gateway", "tests", "wco_schemas"])
def test_no_module_has_a_name_that_says_nothing(top: str) -> None:
    named = [module.place for module in modules(top) if set(module.name.split(".")) & SAY_NOTHING]
    assert not named, listed(named)


def test_every_folder_is_a_package() -> None:
    # Without an `__init__` the import contracts would not see what is in it.
    folders = {module.path.parent for module in modules()}
    assert sorted(str(folder) for folder in folders if not (folder / "__init__.py").exists()) == []


@every_module
def test_what_a_package_exports_is_sorted_and_exists(module: Module) -> None:
    names = _exported(module.tree)
    assert names == sorted(names, key=_as_ruff_sorts), f"{module.place}: __all__ is not sorted"
    bound = {name for node in ast.walk(module.tree) for name in _binds(node)}
    assert set(names) <= bound


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _exported(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return [str(value) for value in ast.literal_eval(node.value)]
    return []


def _binds(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.ImportFrom(names=names) | ast.Import(names=names):
            yield from ((one.asname or one.name) for one in names)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case _:
            pass
