"""Values for grown documents: within the facets, at their ends, and often such as real declarations have.

Conditions and changes of a policy ask for countries, commodities, dates and references, so some values come from small
pools; elsewhere they are drawn from facets alone, with all that is awkward in XML.
"""

import random
from re import _constants as kinds  # type: ignore[attr-defined]  # what sre reads out of a pattern
from re import _parser as patterns  # type: ignore[attr-defined]
from typing import Any

from tests.oracle.xsd_values import COLLAPSED, Value

COUNTRIES = ("FR", "NL", "DE", "GB", "NO", "US", "CN")
DATES = ("20250131", "20240229", "20261231", "20250930104500Z", "20250101000000+01", "20269999", "20230431")
POOLS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Declaration/TypeCode", ("IMA", "IMD", "EXA", "EXD", "COA", "GPR")),
    ("/CountryCode", COUNTRIES),
    ("/RoutingCountryCode", COUNTRIES),
    ("ExportCountry/ID", COUNTRIES),
    ("/CurrentCode", ("40", "10", "42", "71")),
    ("Classification/ID", ("93011000", "87032319", "8703", "27101943", "010121", "9306", "0101 21")),
    ("/RoleCode", ("CS", "FW", "CZ", "AE")),
    ("/DateTimeString", DATES),
    ("/PostcodeID", ("75001", "SW1A 1AA", "1012JS", "0150")),
    ("/ID", ("FR12345678901", "GB987654321000", "NL1", "DE 55", "X")),
)
SIGNS = "abcXYZ019 -./&<>\"']]>;é€𝄞ß\u00a0 \t"


def drawn_value(chance: random.Random, value: Value, path: str) -> str:
    """Return a value that `value` allows. `path`: whose value, or the name of an attribute."""
    if value.one_of:
        return padded(chance, value, chance.choice(value.one_of))
    for end, pool in POOLS:
        if path.endswith(end) and chance.random() < 0.8:
            fitting = [one for one in pool if value.allows(one)]
            if fitting:
                return padded(chance, value, chance.choice(fitting))
    for _ in range(6):
        text = padded(chance, value, _any(chance, value))
        if value.allows(text):
            return text
    return _plain(chance, value)


def padded(chance: random.Random, value: Value, text: str) -> str:
    """Return a value with white space around it, now and then, where the type takes that away before it looks."""
    if value.base in COLLAPSED and chance.random() < 0.05:
        return f" {text}\n"
    return text


def _any(chance: random.Random, value: Value) -> str:
    if value.base in ("decimal", "integer"):
        return _number(chance, value)
    if value.base == "language":
        return chance.choice(("en", "fr-FR", "nl"))
    if value.base == "anyURI":
        return chance.choice(("urn:a:b", "http://example.test/a?b=c&d"))
    narrow = [one for one in value.patterns if not one.startswith(("(?:.*", "(?:.{"))]
    if narrow:
        return _of_pattern(chance, narrow[0], value)
    most = min(value.most_length or 40, 40)
    return _text(chance, chance.choice((1, most, chance.randint(1, most))), value)


def _text(chance: random.Random, length: int, value: Value) -> str:
    length = max(length, value.least_length)
    if chance.random() < 0.15:
        return "".join(chance.choice("ABC  ") for _ in range(length))
    if chance.random() < 0.6:
        return "".join(chance.choice("ABCDEFGH 0123456789abcdefgh") for _ in range(length))
    return "".join(chance.choice(SIGNS) for _ in range(length))


def _number(chance: random.Random, value: Value) -> str:
    fraction = 0 if value.base == "integer" else value.fraction_digits if value.fraction_digits is not None else 4
    whole = max((value.total_digits or 9) - fraction, 1)
    digits = chance.choice((1, 2, 4, whole))
    text = str(chance.randint(0, 10 ** min(digits, whole) - 1))
    if fraction and chance.random() < 0.4:
        text += f".{chance.randint(0, 10 ** min(fraction, 2) - 1)}"
    return chance.choice(("", "", "", "", "-", "+", "0")) + text


def _plain(chance: random.Random, value: Value) -> str:
    """Return a value without anything awkward, for types that let little pass."""
    length = max(value.least_length, min(value.most_length or 1, 8))
    for letters in ("A", "1"):
        text = "".join(letters for _ in range(length))
        if value.allows(text):
            return text
    return str(chance.randint(0, 9))


def _of_pattern(chance: random.Random, pattern: str, value: Value) -> str:
    most = value.most_length if value.most_length is not None else 12
    wanted = chance.randint(max(value.least_length, 1), max(most, 1))
    for _ in range(8):
        text = "".join(_parts(chance, patterns.parse(pattern), wanted))
        if value.allows(text):
            return text
    return ""


def _parts(chance: random.Random, parsed: Any, wanted: int) -> list[str]:
    found: list[str] = []
    for kind, said in parsed:
        if kind is kinds.LITERAL:
            found.append(chr(said))
        elif kind is kinds.IN:
            found.append(_one_of(chance, said))
        elif kind is kinds.ANY:
            found.append(chance.choice("aB3"))
        elif kind is kinds.SUBPATTERN:
            found += _parts(chance, said[-1], wanted)
        elif kind is kinds.BRANCH:
            found += _parts(chance, chance.choice(said[1]), wanted)
        elif kind is kinds.MAX_REPEAT:
            least, most, inside = said
            number = least if least == most else chance.randint(least, max(least, min(int(most), wanted)))
            number = max(number, min(wanted, int(most))) if most is kinds.MAXREPEAT else number
            for _ in range(number):
                found += _parts(chance, inside, wanted)
        else:
            msg = f"a pattern with {kind}"
            raise NotImplementedError(msg)
    return found


def _one_of(chance: random.Random, said: Any) -> str:
    kind, what = chance.choice(said)
    if kind is kinds.RANGE:
        return chr(chance.randint(*what))
    if kind is kinds.CATEGORY and what is kinds.CATEGORY_DIGIT:
        return chance.choice("0123456789")
    if kind is kinds.LITERAL:
        return chr(what)
    msg = f"a set of signs with {kind}"
    raise NotImplementedError(msg)
