"""Every test that docs/reliability.md names exists, and every row of its table of faults names one."""

import itertools
import re

from tests.law.source import ROOT, listed

PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[str]:
    _, _, after = PAGE.partition("| fault | what must happen | shown by |\n|---|---|---|\n")
    return list(itertools.takewhile(lambda line: line.startswith("|"), after.splitlines()))


def test_every_row_names_a_test() -> None:
    assert [row for row in rows() if not NAMED.search(row)] == []
    assert len(rows()) > 20


def test_every_named_test_exists() -> None:
    missing = [
        f"{file}::{name}"
        for file, name in NAMED.findall(PAGE)
        if not (ROOT / file).exists() or not re.search(rf"(?m)^(async )?def {name}\(", (ROOT / file).read_text("utf-8"))
    ]
    assert not missing, listed(missing)
