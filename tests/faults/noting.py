"""Writes what a long form saw into docs/reliability.md: one row a form, with its date. Numbers only, no machine's name."""

import re
from datetime import UTC, datetime
from typing import Final

from tests.law.source import ROOT

PAGE: Final = ROOT / "docs" / "reliability.md"
HEAD: Final = "| long form | last run | what was seen |\n|---|---|---|\n"


def note(form: str, seen: str) -> None:
    """Write the row of `form` anew, or add it. `seen`: figures, in one line."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_row(text, form, seen, datetime.now(UTC)), encoding="utf-8")


def with_row(page: str, form: str, seen: str, at: datetime) -> str:
    """Return the page with this row. Raises ValueError for a page without the table."""
    row = f"| {form} | {at:%Y-%m-%d} | {seen} |\n"
    if page.count(HEAD) != 1:
        raise ValueError("docs/reliability.md has no table of long forms")
    before, _, after = page.partition(HEAD)
    rows = re.match(r"(?:\|.*\n)*", after)
    assert rows is not None
    kept = [one for one in rows[0].splitlines(keepends=True) if not one.startswith(f"| {form} |")]
    return before + HEAD + "".join(sorted([*kept, row])) + after[rows.end() :]
