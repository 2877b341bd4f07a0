"""What is wrong with a text that is not YAML, for people who do not know YAML.

The parser says what it expected next. Here stands what was most likely meant, and what to write; for some slips
also the line on which it began: the parser notices only far below that nothing ends a list, or a text in quotes.
"""

from typing import Final, NamedTuple

from ruamel.yaml.error import MarkedYAMLError

__all__ = ["slip"]


class _Slip(NamedTuple):
    """`at_start`: the line is where the thing begins that went wrong."""

    problem: str
    fix: str
    at_start: bool = False


_KEPT_SIGN: Final = _Slip(
    "starts a value with a sign that YAML keeps for itself, such as *, &, @ or %", "Put quotes around the value"
)
# By a part of what the parser says; the first that fits counts.
_SLIPS: Final = {
    r"character '\t'": _Slip("holds a tab where blanks are to stand", "Write blanks instead of the tab"),
    "that cannot start any token": _KEPT_SIGN,
    "while scanning an alias": _KEPT_SIGN,
    "while scanning an anchor": _KEPT_SIGN,
    "mapping values are not allowed": _Slip(
        "has a colon where none can stand",
        "Put quotes around a text that holds a colon and a blank. A key has a blank after its colon, on the line above "
        "too, and begins in the same column as the other keys of its group",
    ),
    "sequence entries are not allowed": _Slip(
        "starts a list beside its key", "Write each entry on a line of its own below the key"
    ),
    "could not find expected ':'": _Slip(
        "has a key without a colon", "Write a colon and a value after the key", at_start=True
    ),
    "while scanning a quoted scalar": _Slip(
        "starts a text in quotes that does not end", "Write the same kind of quote at its end", at_start=True
    ),
    "while scanning a double-quoted scalar": _Slip(
        "has a backslash in a text in double quotes", "Write the backslash twice, or put the text in single quotes"
    ),
    "while scanning a block scalar": _Slip(
        "goes on after `|` or `>` on the same line", "Write the text on the lines below, indented, or in quotes"
    ),
    "while parsing a flow sequence": _Slip(
        "starts a list with `[` that does not end, or in which a comma is missing",
        "Write `]` at its end, and a comma between two entries",
        at_start=True,
    ),
    "while parsing a flow mapping": _Slip(
        "starts a group with `{` that does not end, or in which a comma is missing",
        "Write `}` at its end, and a comma between two keys",
        at_start=True,
    ),
    "but found '<stream end>'": _Slip("is the end, and a list or a group goes on", "Write `]` or `}` where it ends"),
    "but found '<scalar>'": _Slip(
        "goes on after a text in quotes has ended", "Put quotes of the other kind around the whole value"
    ),
    "expected <block end>": _Slip(
        "does not begin in the same column as what it belongs to",
        "Begin all keys of a group, and all entries of a list, in the same column",
    ),
}
_OTHER: Final = _Slip(
    "has a sign where YAML takes none", "Remove it, or put quotes around a text that holds signs such as [ ] { } or ,"
)


def slip(error: MarkedYAMLError) -> tuple[int, str, str]:
    """Return the line, counted from 1, what is wrong there, and the mend."""
    said = f"{error.context}: {error.problem}"
    found = next((one for part, one in _SLIPS.items() if part in said), _OTHER)
    mark = error.context_mark if found.at_start else error.problem_mark
    return mark.line + 1, found.problem, found.fix
