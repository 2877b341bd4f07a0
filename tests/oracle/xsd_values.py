"""What an XSD simple type says of its values, for the oracle only: facets, and whether a value keeps to them.

Facets of derivation steps come together (XSD 1.0 part 2, 4.3): the narrowest length counts, every step's patterns must
match, of one step any. Uses nothing of the gateway.
"""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace

XS = "{http://www.w3.org/2001/XMLSchema}"
COLLAPSED = frozenset({"token", "decimal", "integer", "anyURI", "language", "date", "dateTime", "boolean"})
_LANGUAGE = re.compile(r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


@dataclass(frozen=True)
class Value:
    """`base`: the built-in type. `patterns` must each match, as Python writes them."""

    base: str
    least_length: int = 0
    most_length: int | None = None
    patterns: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    total_digits: int | None = None
    fraction_digits: int | None = None

    def allows(self, text: str) -> bool:
        """Tell whether a value keeps to all of this. For the built-in types that the bundled sets use."""
        text = " ".join(text.split()) if self.base in COLLAPSED else text
        if self.base in ("decimal", "integer") and not self._is_number(text):
            return False
        if self.base == "language" and not _LANGUAGE.fullmatch(text):
            return False
        long_enough = self.least_length <= len(text) <= (len(text) if self.most_length is None else self.most_length)
        fitting = all(re.fullmatch(one, text) for one in self.patterns)
        return long_enough and fitting and (not self.one_of or text in self.one_of)

    def _is_number(self, text: str) -> bool:
        if not _DECIMAL.fullmatch(text):
            return False
        whole, _, fraction = text.lstrip("+-").partition(".")
        whole, fraction = whole.lstrip("0"), fraction.rstrip("0")
        within = self.total_digits is None or len(whole) + len(fraction) <= self.total_digits
        return within and (self.fraction_digits is None or len(fraction) <= self.fraction_digits)


def read_value(step: ET.Element, base: Value) -> Value:
    """Return what a restriction or an extension makes of `base`."""
    found = base
    patterns: list[str] = []
    enumerated: list[str] = []
    for facet in step:
        text = facet.get("value", "")
        match facet.tag.removeprefix(XS):
            case "length":
                found = replace(found, least_length=int(text), most_length=int(text))
            case "minLength":
                found = replace(found, least_length=int(text))
            case "maxLength":
                found = replace(found, most_length=int(text))
            case "totalDigits":
                found = replace(found, total_digits=int(text))
            case "fractionDigits":
                found = replace(found, fraction_digits=int(text))
            case "pattern":
                patterns.append(text)
            case "enumeration":
                enumerated.append(text)
            case _:
                pass
    if patterns:
        found = replace(found, patterns=(*found.patterns, "|".join(f"(?:{one})" for one in patterns)))
    return replace(found, one_of=tuple(enumerated)) if enumerated else found
