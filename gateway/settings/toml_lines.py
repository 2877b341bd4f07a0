"""Says on which line of a TOML file a key stands; the standard parser does not tell.

Best effort for error messages only: tables, arrays of tables and plain or dotted keys are found; what stands inside
an inline table or a multi-line array is reported at the line where that value begins.
"""

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["Location", "key_lines", "line_at"]

Location = tuple[str | int, ...]
_BARE: Final = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED: Final = rf"{_BARE}(?:\s*\.\s*{_BARE})*"
_ARRAY: Final = re.compile(rf"\s*\[\[\s*({_DOTTED})\s*\]\]")
_TABLE: Final = re.compile(rf"\s*\[\s*({_DOTTED})\s*\]")
_KEY: Final = re.compile(rf"\s*({_DOTTED})\s*=")


def key_lines(text: str) -> Mapping[Location, int]:
    """Return the line (from 1) of every key and table; entries of an array of tables are counted from 0."""
    lines: dict[Location, int] = {}
    counts: dict[Location, int] = {}
    table: Location = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _ARRAY.match(line):
            array = _under(_names(match[1]), counts)
            counts[array] = counts.get(array, -1) + 1
            table = (*array, counts[array])
            lines.setdefault(array, number)
            lines[table] = number
        elif match := _TABLE.match(line):
            table = _under(_names(match[1]), counts)
            lines.setdefault(table, number)
        elif match := _KEY.match(line):
            lines.setdefault((*table, *_names(match[1])), number)
    return lines


def line_at(lines: Mapping[Location, int], location: Location) -> int | None:
    """Return the line of `location`, or of the nearest thing around it that has one."""
    for length in range(len(location), 0, -1):
        if location[:length] in lines:
            return lines[location[:length]]
    return None


def _names(dotted: str) -> Location:
    return tuple(name.strip("\"'") for name in re.findall(_BARE, dotted))


def _under(names: Location, counts: Mapping[Location, int]) -> Location:
    """A table below an array of tables belongs to its latest entry."""
    place: Location = ()
    for name in names[:-1]:
        place = (*place, name)
        if place in counts:
            place = (*place, counts[place])
    return (*place, *names[-1:])
