"""The policy room with a fault in it: its source, one piece of it replaced, imported in the place of the real one.

Nothing in the product can be told to do wrong, and no file is changed: while the fault is planted, the modules of
gateway/policy and those tests that import them are other modules, made from the changed text.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import gateway

ROOM = "gateway.policy"
TESTS = "tests.unit.policy.lawful"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A piece of source and what stands in its place. `file`: within gateway/policy."""

    file: str
    source: str
    broken: str


class _Planting(MetaPathFinder, Loader):
    """Finds the one module that is to be broken, and makes it from its changed text."""

    def __init__(self, fault: Fault) -> None:
        self.path = Path(gateway.__path__[0]) / "policy" / fault.file
        self.name = ".".join((ROOM, *Path(fault.file).with_suffix("").parts))
        text = self.path.read_text(encoding="utf-8")
        assert text.count(fault.source) == 1, f"{fault.file} has changed: plant the fault anew"
        self.text = text.replace(fault.source, fault.broken)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - as the import system calls it
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        return spec_from_loader(fullname, self, origin=str(self.path)) if fullname == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.text, str(self.path), "exec"), module.__dict__)


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """Have the room imported anew with a fault in it, and put everything back after."""
    finder = _Planting(fault)
    before = {name: module for name, module in sys.modules.items() if _is_concerned(name)}
    room: Any = sys.modules.get(ROOM)
    for name in before:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if _is_concerned(name)]:
            del sys.modules[name]
        sys.modules.update(before)
        if room is not None:
            gateway.policy = room  # type: ignore[attr-defined]  # the import system binds it there, too


def _is_concerned(name: str) -> bool:
    return name in (ROOM, TESTS) or name.startswith(f"{ROOM}.")
