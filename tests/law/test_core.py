"""The core decides and never does: times, ids, nonces and bytes come in as values."""

import ast
from collections.abc import Iterator

import pytest

from tests.law.source import CORE, Module, core, modules

BANNED_IMPORTS = {
    "asyncio": "no event loop",
    "concurrent": "no threads",
    "fcntl": "no files",
    "glob": "no files",
    "http": "no network",
    "io": "no files",
    "multiprocessing": "no processes",
    "os": "no environment, no files",
    "pathlib": "no files",
    "random": "no chance",
    "secrets": "no chance",
    "select": "no network",
    "shutil": "no files",
    "signal": "no processes",
    "socket": "no network",
    "sqlite3": "no database",
    "ssl": "no network",
    "subprocess": "no processes",
    "tempfile": "no files",
    "threading": "no threads",
    "time": "no clock",
    "urllib.request": "no network",
    "uuid": "no chance",
    "uuid_utils": "no chance",
}
ALLOWED_FROM = {"io": {"BytesIO", "StringIO"}, "pathlib": {"PurePosixPath"}}
"""Parts of banned modules that touch nothing outside the process."""

ALLOWED_USES = {
    "gateway.document": {"threading.local"},  # one parser per thread: lxml's error texts cross threads otherwise
    "gateway.envelope": {"os.urandom"},  # the IV of a JWE must be fresh, and may not be chosen by a caller
}
"""What one room may take from a module that is banned elsewhere: this name, written out with its module."""

BANNED_CALLS = {"open", "input", "print", "exec", "eval", "compile", "breakpoint", "__import__"}
CLOCK_METHODS = {"now", "utcnow", "today"}


def offences(tree: ast.AST, allowed_uses: frozenset[str] = frozenset()) -> Iterator[tuple[int, str]]:
    """Yield line and word for all that the core may not do."""
    half_allowed = {use.partition(".")[0] for use in allowed_uses}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=[ast.alias(name=name, asname=None)]) if name in half_allowed:
                pass
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in half_allowed:
                if f"{name}.{attribute}" not in allowed_uses:
                    yield node.lineno, f"{name}.{attribute}"
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield node.lineno, "async"
            case ast.Import(names=names):
                yield from ((node.lineno, f"import {one.name}") for one in names if _banned(one.name))
            case ast.ImportFrom(module=str(module), names=names) if _banned(module):
                allowed = ALLOWED_FROM.get(module, set())
                yield from ((node.lineno, f"{module}.{one.name}") for one in names if one.name not in allowed)
            case ast.Call(func=ast.Name(id=name)) if name in BANNED_CALLS:
                yield node.lineno, f"{name}()"
            case ast.Attribute(value=ast.Name(id="datetime" | "date"), attr=name) if name in CLOCK_METHODS:
                yield node.lineno, f"datetime.{name}"
            case _:
                pass


def _banned(module: str) -> bool:
    parts = module.split(".")
    return any(".".join(parts[: end + 1]) in BANNED_IMPORTS for end in range(len(parts)))


def test_every_room_of_the_core_is_there() -> None:
    assert {room for room in CORE if not any(module.within(room) for module in modules())} == set()


@pytest.mark.parametrize("module", core(), ids=lambda module: module.name)
def test_the_core_touches_nothing_outside(module: Module) -> None:
    allowed = frozenset(use for room, uses in ALLOWED_USES.items() if module.within(room) for use in uses)
    assert [f"{module.place}:{line} {what}" for line, what in offences(module.tree, allowed)] == []


@pytest.mark.parametrize(
    "line",
    [
        "async def f(): pass",
        "import asyncio",
        "import os.path",
        "import urllib.request",
        "from os import environ",
        "from time import monotonic",
        "from pathlib import Path",
        "from datetime import datetime; datetime.now()",
        "import datetime; datetime.datetime.now; from datetime import date; date.today()",
        "clock = datetime.utcnow",
        "open('x')",
        "print('x')",
        "def f():\n    import uuid",
        "def f():\n    from random import random",
    ],
)
def test_each_kind_of_offence_is_found(line: str) -> None:
    assert list(offences(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        "from io import BytesIO",
        "from pathlib import PurePosixPath",
        "from urllib.parse import quote",
        "from datetime import datetime, timedelta; datetime.fromisoformat('2026-01-01')",
        "def open_envelope(): pass\nopen_envelope()",
        "row.now",
    ],
)
def test_what_is_pure_is_no_offence(line: str) -> None:
    assert list(offences(ast.parse(line))) == []


@pytest.mark.parametrize("line", ["import os; os.environ", "import os as o", "from os import environ", "import random"])
def test_a_room_that_may_use_one_name_may_not_use_the_rest(line: str) -> None:
    assert list(offences(ast.parse(line), frozenset({"os.urandom"})))
    assert list(offences(ast.parse("import os; os.urandom(12)"), frozenset({"os.urandom"}))) == []
