"""Keys of a TOML file are found on their lines; where they are not, the nearest thing around them is."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.toml_lines import Location, key_lines, line_at

TEXT = """\
name = "x"
[a]
b = 1
c.d = 2
[[e]]
f = 1
[[e]]
f = [
  { g = 1 },
]
[e.h]
"i j" = 3
[[e.k]]
l = 1
[[e.k]]
l = 2
"""


def test_every_key_has_the_line_it_stands_on() -> None:
    lines = key_lines(TEXT)
    wanted: dict[Location, int] = {
        ("name",): 1,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "c", "d"): 4,
        ("e", 0, "f"): 6,
        ("e", 1): 7,
        ("e", 1, "f"): 8,
        ("e", 1, "h", "i j"): 12,
        ("e", 1, "k", 1, "l"): 16,
    }
    assert {key: lines.get(key) for key in wanted} == wanted


def test_what_stands_inside_a_value_gets_the_line_of_the_value() -> None:
    assert line_at(key_lines(TEXT), ("e", 1, "f", 0, "g")) == 8
    assert line_at(key_lines(TEXT), ("nothing", "here")) is None


@given(st.text(alphabet="[]a.b='\"\n {}1,#", max_size=60))
def test_any_text_is_read_without_an_exception_and_lines_exist(text: str) -> None:
    lines = key_lines(text)
    assert all(1 <= line <= len(text.splitlines()) for line in lines.values())


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9), min_size=1))
def test_the_keys_found_are_the_keys_read(table: dict[str, int]) -> None:
    text = "".join(f"{key} = {value}\n" for key, value in table.items())
    read: dict[str, Any] = tomllib.loads(text)
    assert {key[0] for key in key_lines(text)} == set(read)
