"""Finds in an expression what could keep an engine busy without end, by its form, before anything of it is evaluated.

XPath 2.0 can count to a thousand million and run loops within loops; its regular expressions are run by an engine that
tries every way to match. No rule about a declaration needs that, so the language has bounds: a range ends at a small
number or at a count of what the document has, there are at most two loops and two ranges, and a pattern is a literal in
which nothing repeats that repeats itself.

Known limit: predicates within predicates that each begin anew, `//a[//b[//c]]`, cost the document's size to the power
of their depth, in both engines, and nothing here counts them.
"""

import re
from typing import Any, Final

__all__ = ["MOST_LOOPS", "MOST_OF_A_RANGE", "MOST_RANGES", "endless"]

MOST_OF_A_RANGE: Final = 1000
MOST_LOOPS: Final = 2
MOST_RANGES: Final = 2
_MOST_OPEN_REPEATS: Final = 2
_MOST_TIMES: Final = 1000
_COUNTS: Final = frozenset({"count", "last", "position", "string-length"})
_LOOPS: Final = frozenset({"for", "some", "every"})
# function → which argument is the pattern
_PATTERNS: Final = {"matches": 1, "replace": 1, "tokenize": 1}
_PIECE: Final = re.compile(
    r"\\.|\[(?:\\.|[^\]\\])*\]|\(|\)|\{(?P<least>\d*)(?P<comma>,?)(?P<most>\d*)\}|[*+?]|.", re.DOTALL
)


def endless(token: Any) -> str:
    """Return why the expression of a token tree of elementpath is refused, empty when it is within the bounds."""
    parts = list(token.iter())
    loops = sum(
        len(part) // 2 for part in parts if part.symbol in _LOOPS
    )  # a loop's parts: variable, what for, …, what then
    if loops > MOST_LOOPS:
        return f"has {loops} loops; at most {MOST_LOOPS} go into one expression"
    if sum(part.symbol == "to" and len(part) == 2 for part in parts) > MOST_RANGES:
        return f"has more than {MOST_RANGES} ranges"
    return next((why for part in parts if (why := _of(part))), "")


def _of(token: Any) -> str:
    if token.symbol == "to" and len(token) == 2:
        if not all(map(_is_small, token)):
            return f"has a range that ends neither at a number up to {MOST_OF_A_RANGE} nor at a count"
    elif token.symbol in _PATTERNS and token.label == "function" and len(token) > 1:
        pattern = token[_PATTERNS[token.symbol]]
        if pattern.symbol != "(string)":
            return f"has a pattern in {token.symbol}() that is not written there as a text"
        text = str(pattern.value)
        return _of_pattern(text) or _of_pattern("".join(text.split()))  # the flag x passes over blanks
    return ""


def _is_small(token: Any) -> bool:
    if token.symbol == "(integer)":
        return bool(token.value <= MOST_OF_A_RANGE)
    if token.symbol == "(" and len(token) == 1:
        return _is_small(token[0])
    return token.symbol in _COUNTS and token.label == "function"


def _of_pattern(pattern: str) -> str:
    """Return what in a regular expression could take more than the square of the text."""
    open_repeats, before = 0, ""
    for piece in _PIECE.finditer(pattern):
        text = piece[0]
        if re.fullmatch(r"\\\d", text):
            return "has a pattern that refers back to a group"
        if text[0] in "*+{":
            times = (
                int(piece["most"] or 0) or (0 if piece["comma"] else int(piece["least"] or 0)) if text[0] == "{" else 0
            )
            if before == ")":
                return "has a pattern that repeats a group"
            if times > _MOST_TIMES:
                return f"has a pattern that repeats more than {_MOST_TIMES} times"
            open_repeats += not times
        before = text
    if open_repeats > _MOST_OPEN_REPEATS:
        return f"has a pattern with more than {_MOST_OPEN_REPEATS} repeats without an end"
    return ""
