"""The source tree as the law tests see it: files, modules, syntax trees."""

import ast
import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = ROOT / "gateway"

CORE = (
    "gateway.errors",
    "gateway.domain",
    "gateway.audit",
    "gateway.document",
    "gateway.schema",
    "gateway.policy",
    "gateway.envelope",
    "gateway.exchange.prepare",
    "gateway.exchange.admit",
)
"""The rooms that decide and never do: no I/O, no clock, no chance, no event loop."""

_MADE = {".git", ".venv", "build", "dist", "demo-data", "node_modules"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One Python file. `name` is dotted, packages without `__init__`."""

    name: str
    path: Path
    text: str

    @property
    def tree(self) -> ast.Module:
        """Its syntax tree, parsed when it is first asked for: every test process collects, and few of them ask."""
        return _parsed(self.text)

    @property
    def place(self) -> str:
        """The path as it stands in messages."""
        return self.path.relative_to(ROOT).as_posix()

    def within(self, *rooms: str) -> bool:
        """Tell whether this module is one of `rooms` or inside one."""
        return any(self.name == room or self.name.startswith(f"{room}.") for room in rooms)


@cache
def modules(top: str = "gateway") -> tuple[Module, ...]:
    """Return every Python file under `top`."""
    return tuple(_module(path) for path in sorted((ROOT / top).rglob("*.py")))


def core() -> list[Module]:
    """Return the modules of the core."""
    return [module for module in modules() if module.within(*CORE)]


def _module(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    text = path.read_text(encoding="utf-8")
    return Module(name=name, path=path, text=text)


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def tree_files() -> Iterator[Path]:
    """Yield the files that belong to the project: what git tracks or would add; without git, all that was not made."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        )
        yield from (ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())
        return
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name for name in folders if name not in _MADE and not name.startswith(("__pycache__", ".m", ".r"))
        ]
        yield from (Path(folder) / name for name in names)


def public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Yield the public functions and classes that stand at the top of a module."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function takes."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def listed(offenders: Iterable[object]) -> str:
    """Return offenders one a line, for the message of a test that fails."""
    return "\n" + "\n".join(map(str, offenders))
