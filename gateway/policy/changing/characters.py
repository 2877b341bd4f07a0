"""Sets of characters, as the patterns of XML Schema write them (1.0 part 2, appendix F), for patterns.py."""

import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

__all__ = ["ANY", "Characters", "category", "escaped", "representatives", "single"]

# Where sets of characters that XML 1.0 allows begin or end (2.2), so that each representative can stand in a document.
_XML_EDGES: Final = (0x9, 0xB, 0xD, 0xE, 0x20, 0xD800, 0xE000, 0xFFFE, 0x10000)
_NAME_START: Final = ((":", ":"), ("_", "_"), ("A", "Z"), ("a", "z"))
_SINGLE: Final = {"n": "\n", "r": "\r", "t": "\t"}
_PUNCTUATION: Final = frozenset("\\|.-^?*+{}()[]$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Characters:
    """A set: what stands in `ranges`, in the Unicode `categories` or in one of `parts`; or, `negated`, what does not.
    Never what is in `without`."""

    ranges: tuple[tuple[str, str], ...] = ()
    categories: tuple[str, ...] = ()
    parts: tuple["Characters", ...] = ()
    negated: bool = False
    without: "Characters | None" = None

    def has(self, character: str) -> bool:
        """Tell whether the character is in the set."""
        found = any(low <= character <= high for low, high in self.ranges)
        found = found or (bool(self.categories) and unicodedata.category(character).startswith(self.categories))
        found = found or any(part.has(character) for part in self.parts)
        return found != self.negated and not (self.without is not None and self.without.has(character))

    def edges(self) -> Iterator[int]:
        """Yield code points between which, one to the next, all characters are alike."""
        for low, high in self.ranges:
            yield from (ord(low), ord(high) + 1)
        for one in self.categories:
            yield from _edges_of(one)
        for part in (*self.parts, *(() if self.without is None else (self.without,))):
            yield from part.edges()


ANY: Final = Characters(ranges=(("\n", "\n"), ("\r", "\r")), negated=True)
"""What `.` stands for."""


def single(character: str) -> Characters:
    """Return the set of one character."""
    return Characters(ranges=((character, character),))


def category(name: str, *, negated: bool) -> Characters:
    """Return a category of Unicode such as `L` or `Nd`."""
    return Characters(categories=(name,), negated=negated)


def escaped(letter: str) -> Characters | None:
    """Return what a backslash and this letter stand for; None when it is nothing of one letter."""
    if letter in _SINGLE or letter in _PUNCTUATION:
        return single(_SINGLE.get(letter, letter))
    sets = {
        "s": Characters(ranges=((" ", " "), ("\t", "\n"), ("\r", "\r"))),
        "d": Characters(categories=("Nd",)),
        "w": Characters(categories=("P", "Z", "C"), negated=True),
        # Names of XML in the letters of the WCO model; beyond ASCII, letters and digits of Unicode.
        "i": Characters(ranges=_NAME_START, categories=("L", "Nl")),
        "c": Characters(ranges=(*_NAME_START, ("-", "."), ("0", "9")), categories=("L", "N", "M")),
    }
    found = sets.get(letter.lower())
    return Characters(parts=(found,), negated=True) if found is not None and letter.isupper() else found


def representatives(sets: Iterator[Characters]) -> tuple[str, ...]:
    """Return characters of XML, one of each kind that the sets tell apart; white space is always among them."""
    told_apart = tuple(dict.fromkeys((*sets, escaped("s") or ANY)))
    edges = {edge for one in told_apart for edge in one.edges()} | set(_XML_EDGES)
    found: dict[tuple[bool, ...], str] = {}
    for edge in sorted(edges):
        if edge <= sys.maxunicode and _is_xml(edge):
            found.setdefault(tuple(one.has(chr(edge)) for one in told_apart), chr(edge))
    return tuple(found.values())


def _is_xml(point: int) -> bool:
    return point in (0x9, 0xA, 0xD) or 0x20 <= point <= 0xD7FF or 0xE000 <= point <= 0xFFFD or point >= 0x10000


@cache
def _edges_of(name: str) -> tuple[int, ...]:
    found, inside = [], False
    for point in range(sys.maxunicode + 1):
        if unicodedata.category(chr(point)).startswith(name) != inside:
            found.append(point)
            inside = not inside
    return tuple(found)
