"""Two columns fit a terminal of any width, and nothing of a value is lost in the folding."""

import pytest
from rich.cells import cell_len

from gateway.cli.side_by_side import Row, columns

ROWS = [
    Row(path="/MetaData/Declaration/Goods[1]/Name", cells=(("", "green coffee"), ("=", "green coffee"))),
    Row(path="/MetaData/Declaration/Goods[2]/Name", cells=(("", "緑のコーヒー豆" * 4), ("-", "(no rule keeps it)"))),
    Row(path="/MetaData/Declaration/Goods[2]/Name/@languageID", cells=(("", "x" * 90), ("~", "ja"))),
]


@pytest.mark.parametrize("width", [20, 21, 45, 59, 60, 61, 80, 100, 133, 250])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = list(columns(["Document", "View"], ROWS, width))
    assert max(cell_len(line) for line in lines) <= width
    text = "".join(lines).replace(" ", "").replace("│", "")
    assert text.count("x") == 90
    assert text.count("緑") == 4


def test_a_class_opens_once_and_again_for_its_next_element() -> None:
    lines = [line.strip() for line in columns(["Document", "View"], ROWS, 120)]
    assert [line for line in lines if line in {"MetaData", "Declaration", "Goods[1]", "Goods[2]"}] == [
        "MetaData",
        "Declaration",
        "Goods[1]",
        "Goods[2]",
    ]
    assert any(line.startswith("Name green coffee") and "│" in line and "= Name green coffee" in line for line in lines)


def test_what_a_terminal_would_obey_is_taken_out() -> None:
    row = Row(path="/A/B", cells=(("", "\x1b[2J"), ("=", "\x1b[2J")))
    assert "\x1b" not in "".join(columns(["a", "b"], [row], 80))
