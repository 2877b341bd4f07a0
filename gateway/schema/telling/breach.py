"""The rules that a document can break, as words that never change their meaning, and the code each is told under.

A code says what kind of check refused; it stands in docs, alarms and programs, so there are few. A breach says which
rule it was: it picks the texts (texts/*.toml) and tells a person what to mend. FILLS names, for every breach, the words
that its texts may leave open; tests/law hold texts and table together.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

__all__ = ["CODES", "FILLS", "Breach"]


class Breach(StrEnum):
    """Which rule of a schema set, or of the XML door, is broken."""

    # what stands where
    MISSING = "missing"
    UNEXPECTED = "unexpected"
    MISSPELT = "misspelt"
    WRONG_NAMESPACE = "wrong_namespace"
    OUT_OF_ORDER = "out_of_order"
    TOO_MANY = "too_many"
    TWO_BODIES = "two_bodies"
    ELEMENTS_IN_VALUE = "elements_in_value"
    TEXT_NOT_ALLOWED = "text_not_allowed"
    ROOT = "root"
    # values
    BLANK = "blank"
    TOO_LONG = "too_long"
    TOO_SHORT = "too_short"
    TOO_MANY_DIGITS = "too_many_digits"
    TOO_MANY_DECIMALS = "too_many_decimals"
    NOT_A_NUMBER = "not_a_number"
    OUT_OF_RANGE = "out_of_range"
    BAD_DATE = "bad_date"
    BAD_FORMAT_CODE = "bad_format_code"
    BAD_CHARACTERS = "bad_characters"
    LINE_BREAK = "line_break"
    PATTERN = "pattern"
    NOT_IN_CODE_LIST = "not_in_code_list"
    BAD_VALUE = "bad_value"
    # attributes
    ATTRIBUTE_MISSING = "attribute_missing"
    ATTRIBUTE_NOT_ALLOWED = "attribute_not_allowed"
    # what a document may not decide
    NIL = "nil"
    TYPE_OVERRIDE = "type_override"
    OTHER = "other"
    # the XML door
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    ENCODING = "encoding"
    DOCTYPE = "doctype"
    NOT_WELL_FORMED = "not_well_formed"
    TOO_DEEP = "too_deep"
    TOO_MANY_ELEMENTS = "too_many_elements"
    TOO_MANY_ATTRIBUTES = "too_many_attributes"


_EXPECTED: Final = "schema.element_not_expected"
_VALUE: Final = "schema.value_not_allowed"
_OVERRIDE: Final = "schema.type_override_refused"

CODES: Final[Mapping[Breach, str]] = MappingProxyType(
    {
        Breach.MISSING: "schema.element_missing",
        Breach.UNEXPECTED: _EXPECTED,
        Breach.MISSPELT: _EXPECTED,
        Breach.WRONG_NAMESPACE: _EXPECTED,
        Breach.OUT_OF_ORDER: _EXPECTED,
        Breach.TOO_MANY: _EXPECTED,
        Breach.TWO_BODIES: _EXPECTED,
        Breach.ELEMENTS_IN_VALUE: _EXPECTED,
        Breach.TEXT_NOT_ALLOWED: "schema.text_not_allowed",
        Breach.ROOT: "schema.root_not_in_set",
        Breach.BLANK: _VALUE,
        Breach.TOO_LONG: _VALUE,
        Breach.TOO_SHORT: _VALUE,
        Breach.TOO_MANY_DIGITS: _VALUE,
        Breach.TOO_MANY_DECIMALS: _VALUE,
        Breach.NOT_A_NUMBER: _VALUE,
        Breach.OUT_OF_RANGE: _VALUE,
        Breach.BAD_DATE: _VALUE,
        Breach.BAD_FORMAT_CODE: _VALUE,
        Breach.BAD_CHARACTERS: _VALUE,
        Breach.LINE_BREAK: _VALUE,
        Breach.PATTERN: _VALUE,
        Breach.NOT_IN_CODE_LIST: _VALUE,
        Breach.BAD_VALUE: _VALUE,
        Breach.ATTRIBUTE_MISSING: "schema.attribute_missing",
        Breach.ATTRIBUTE_NOT_ALLOWED: "schema.attribute_not_allowed",
        Breach.NIL: _OVERRIDE,
        Breach.TYPE_OVERRIDE: _OVERRIDE,
        Breach.OTHER: "schema.invalid",
        Breach.TOO_LARGE: "document.too_large",
        Breach.EMPTY: "document.empty",
        Breach.ENCODING: "document.encoding_refused",
        Breach.DOCTYPE: "document.doctype_refused",
        Breach.NOT_WELL_FORMED: "document.not_well_formed",
        Breach.TOO_DEEP: "document.too_deep",
        Breach.TOO_MANY_ELEMENTS: "document.too_many_elements",
        Breach.TOO_MANY_ATTRIBUTES: "document.too_many_attributes",
    }
)
"""Breach → the code of its violation. A root or a body that the door misses keeps the door's own code."""

_PLACED: Final = frozenset({"name", "parent"})
_COUNTED: Final = frozenset({"name", "count"})

FILLS: Final[Mapping[Breach, frozenset[str]]] = MappingProxyType(
    {
        **dict.fromkeys(Breach, frozenset({"name"})),
        **dict.fromkeys((Breach.UNEXPECTED, Breach.MISSPELT), _PLACED),
        Breach.MISSING: _PLACED | {"names"},
        **dict.fromkeys(
            (Breach.TOO_LONG, Breach.TOO_SHORT, Breach.TOO_MANY_DIGITS, Breach.TOO_MANY_DECIMALS), _COUNTED
        ),
        Breach.WRONG_NAMESPACE: frozenset({"name", "namespace"}),
        Breach.OUT_OF_ORDER: frozenset({"name", "other"}),
        Breach.TOO_MANY: frozenset({"name", "count", "parent"}),
        Breach.ROOT: frozenset({"names"}),
        Breach.NOT_WELL_FORMED: frozenset({"line", "column"}),
        Breach.TOO_LARGE: frozenset(),
        Breach.EMPTY: frozenset(),
        Breach.ENCODING: frozenset(),
        Breach.DOCTYPE: frozenset(),
        Breach.TOO_DEEP: frozenset(),
        Breach.TOO_MANY_ELEMENTS: frozenset(),
        Breach.TOO_MANY_ATTRIBUTES: frozenset(),
    }
)
"""Breach → the words its message and its fix may leave open. All come from the set or are numbers."""
