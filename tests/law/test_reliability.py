"""Every test that docs/reliability.md names exists, and every row of its tables of faults names one."""

import itertools
import re

from tests.law.source import ROOT, listed

PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def tables() -> list[list[str]]:
    """Return the rows of each table of faults."""
    _, *parts = PAGE.split("| what must happen | shown by |\n|---|---|---|\n")
    return [list(itertools.takewhile(lambda line: line.startswith("|"), part.splitlines())) for part in parts]


def test_every_row_names_a_test() -> None:
    assert [row for rows in tables() for row in rows if not NAMED.search(row)] == []
    assert [len(rows) > 10 for rows in tables()] == [True] * 3


def test_every_named_test_exists() -> None:
    missing = [
        f"{file}::{name}"
        for file, name in NAMED.findall(PAGE)
        if not (ROOT / file).exists() or not re.search(rf"(?m)^(async )?def {name}\(", (ROOT / file).read_text("utf-8"))
    ]
    assert not missing, listed(missing)
