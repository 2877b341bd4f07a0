"""A long form leaves one row with its date, and replaces only its own."""

from datetime import UTC, datetime

import pytest

from tests.faults.noting import HEAD, PAGE, with_row

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def test_a_run_replaces_its_own_row_and_keeps_the_others() -> None:
    page = with_row(with_row(f"before\n{HEAD}after\n", "kills", "1 kill", AT), "cuts", "2 cuts", AT)
    again = with_row(page, "kills", "3 kills", AT)
    assert again == f"before\n{HEAD}| cuts | 2026-03-01 | 2 cuts |\n| kills | 2026-03-01 | 3 kills |\nafter\n"


def test_a_page_without_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no table"):
        with_row("nothing", "kills", "1 kill", AT)


def test_the_page_has_the_table() -> None:
    assert with_row(PAGE.read_text(encoding="utf-8"), "kills", "1 kill", AT)
