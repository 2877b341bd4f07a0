"""Pseudonyms: equal for equal values under one key, and without the key no way back, not even by trying values.

A pseudonym is body ‖ check, both from HMAC-SHA-256 (RFC 2104): the body of the value, the check of the body. So what
we made is known by the check, with the key, and is left as it is: applying a policy twice changes nothing. The key is
32 bytes for one agreement and one period; whoever holds the document and the pseudonym, but not the key, can compute
nothing, and under another key the same value has another pseudonym.

Letters are those of base32 (RFC 4648) where the type takes them, 16 of them wherever there is room, so that a value
has the same pseudonym in all places of a document. Narrower types get fewer, or digits, or capitals; at least 60 bits,
check included, else the type is too narrow for a pseudonym, and the static check says so.
"""

import hmac
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NoReturn

from gateway.policy.changing.patterns import PatternError
from gateway.policy.changing.walks import holds, positions
from gateway.schema.facts.nodes import ValueFacts

__all__ = ["Pseudonyms", "Shape", "shape_of"]

KEY_BYTES: Final = 32
LEAST_BITS: Final = 60
_CHECK_BITS: Final = 18
_MOST_CHARACTERS: Final = 48  # of 32 letters 240 bits, within one HMAC
_BLANKS: Final = " \t\r\n"
_TEXTS: Final = frozenset({"string", "normalizedString", "token", "NMTOKEN"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How pseudonyms look in one type: `length` characters out of `letters`, the last `check` of them the check."""

    letters: str
    length: int
    check: int

    def fits(self, text: str) -> bool:
        """Tell whether a text looks like this."""
        return len(text) == self.length and all(one in self.letters for one in text)


# Letters, and how many are used where there is room: base32, digits, capitals, hexadecimal, base32 in small letters.
_LETTERS: Final = (
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16),
    ("0123456789", 24),
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 17),
    ("0123456789ABCDEF", 20),
    ("0123456789abcdef", 20),
    ("abcdefghijklmnopqrstuvwxyz234567", 16),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pseudonyms:
    """The pseudonyms of one agreement and period. `key`: 32 bytes; never shown, never pickled."""

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES:
            raise ValueError("a key for pseudonyms has 32 bytes")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is never pickled")

    def pseudonym(self, value: str, facts: ValueFacts) -> str | None:
        """Return the pseudonym of a value, or the value if it is one made with this key; None where none fits.

        Values are compared without the white space around them.
        """
        shape, plain = shape_of(facts), value.strip(_BLANKS)
        if shape is None or not plain:
            return None
        if self.made(plain, shape):
            return plain
        body = self._letters("body", plain, shape.letters, shape.length - shape.check)
        return body + self._letters("check", body, shape.letters, shape.check)

    def made(self, value: str, shape: Shape) -> bool:
        """Tell whether a value is a pseudonym made with this key."""
        if not shape.fits(value):
            return False
        body, check = value[: -shape.check], value[-shape.check :]
        return hmac.compare_digest(check, self._letters("check", body, shape.letters, shape.check))

    def _letters(self, purpose: str, value: str, letters: str, length: int) -> str:
        digest = hmac.digest(self.key, f"{purpose}\x00{value}".encode(), "sha256")
        number = int.from_bytes(digest)
        found = []
        for _ in range(length):
            number, rest = divmod(number, len(letters))
            found.append(letters[rest])
        return "".join(found)


@lru_cache(maxsize=1024)
def shape_of(facts: ValueFacts) -> Shape | None:
    """Return how pseudonyms look in a type, or None when it has no room for one or its patterns take none."""
    if facts.base not in _TEXTS or facts.item is not None or facts.either or facts.one_of:
        return None
    for letters, usual in _LETTERS:
        bits = math.log2(len(letters))
        check = math.ceil(_CHECK_BITS / bits)
        for length in _lengths(facts, usual, math.ceil(LEAST_BITS / bits)):
            if _all_match(letters, length, facts):
                return Shape(letters=letters, length=length, check=check)
    return None


def _lengths(facts: ValueFacts, usual: int, least: int) -> Iterator[int]:
    """The lengths to try: the usual one, then shorter, then longer ones."""
    low = max(least, facts.min_length or 0)
    high = min(_MOST_CHARACTERS, _MOST_CHARACTERS if facts.max_length is None else facts.max_length)
    tried = (usual, *range(usual - 1, low - 1, -1), *range(usual + 1, high + 1))
    return (length for length in tried if low <= length <= high)


def _all_match(letters: str, length: int, facts: ValueFacts) -> bool:
    try:
        return bool(holds(positions([(letters, None)] * length), facts.patterns, of_values=False))
    except PatternError:
        return False
