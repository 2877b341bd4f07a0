"""Own samples with one thing changed, and what must be said of each: explanations.toml, read by people before machines.

There is at least one case for each kind of mutation that the public collection of mutants knows, by the same name.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import Violation
from tests.unit.schema.sets import DATA

__all__ = ["CASES", "Case", "in_lines"]

GOLDEN: Final = Path(__file__).with_name("explanations.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One change. `told`: the violations as `in_lines` writes them; none where the changed sample is valid."""

    kind: str
    schema_set: str
    file: str
    replace: str
    by: str
    told: tuple[str, ...]

    @property
    def raw(self) -> bytes:
        """The changed sample. Only the first place where `replace` stands is changed; it must be there."""
        text = (DATA / "samples" / "valid" / self.file).read_text("utf-8")
        assert self.replace in text, f"{self.kind}: {self.file} does not have it"
        return text.replace(self.replace, self.by, 1).encode("utf-8")


def in_lines(found: Violation) -> str:
    """Return a violation as it stands in the golden file: everything but its code."""
    place = f"line {found.line} {found.path} ({found.wco_id} {found.wco_name})"
    return f"{found.rule}: {place}\n{found.message}\nexpected: {found.expected}\nfix: {found.fix}"


def _case(entry: dict[str, str | list[str]]) -> Case:
    texts = {name: str(entry[name]) for name in ("kind", "schema_set", "file", "replace", "by")}
    return Case(**texts, told=tuple(one.strip() for one in entry["told"]))


CASES: Final = tuple(_case(entry) for entry in tomllib.loads(GOLDEN.read_text("utf-8"))["case"])
