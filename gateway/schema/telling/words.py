"""Says in words what a value must be. The words come from the texts, all else from the set."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.schema.facts.nodes import ValueFacts
from gateway.schema.telling.texts import ENGLISH, Texts

__all__ = ["MAX_VIOLATIONS", "expectation"]

MAX_VIOLATIONS: Final = 50
"""How many things wrong with one document are told at once."""

_KNOWN_PATTERNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        r".*[^\s].*": "not_blank",
        "([a-zA-Z])*": "letters_only",
        "([0-9])*": "digits_only",
        r"(20\d{6})(\d{6}(Z|[-+]\d\d))?": "compact_date",
    }
)
"""Patterns of WCO schemas → what they mean. Others are shown as they are."""

_BASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("decimal", "integer", "int", "long", "short", "byte", "float", "double"), "number"),
        **dict.fromkeys(("nonNegativeInteger", "positiveInteger", "unsignedInt", "unsignedLong"), "number"),
        "anyURI": "uri",
        "ID": "id",
        "language": "language",
        "boolean": "boolean",
        "date": "date",
        "dateTime": "date_time",
    }
)


def expectation(value: ValueFacts, texts: Texts = ENGLISH) -> str:
    """Return in words what a value must be, such as `text of at most 35 characters, not blank`."""
    if value.one_of:
        return texts.listed(value.one_of)
    if value.either:
        kinds = f", {texts('word.or')} ".join(expectation(one, texts) for one in value.either)
        return texts("value.either", kinds=kinds)
    if value.item is not None:
        size = _size(value, texts, "values_")
        return texts("value.list", size=f" {size}" if size else "", item=expectation(value.item, texts))
    size = _size(value, texts)
    words = [texts(f"value.{_BASES.get(value.base, 'text')}") + (f" {size}" if size else "")]
    words += [_form(pattern, texts) for pattern in value.patterns]
    bounds = {"least": value.least, "above": value.above, "most": value.most, "below": value.below}
    words += [texts(f"value.{name}", bound=bound) for name, bound in bounds.items() if bound is not None]
    return ", ".join(words)


def _form(pattern: str, texts: Texts) -> str:
    known = _KNOWN_PATTERNS.get(pattern)
    return texts(f"value.{known}") if known is not None else texts("value.form", pattern=pattern)


def _size(value: ValueFacts, texts: Texts, unit: str = "") -> str:
    """Return how long a value may be. `unit`: `values_` where the length counts the items of a list."""
    if value.total_digits is not None:
        places = value.fraction_digits
        decimals = texts("value.decimals", most=places) if places else texts("value.no_decimals")
        return f"{texts('value.digits', most=value.total_digits)}, {decimals}"
    if value.min_length is not None and value.min_length == value.max_length:
        return texts(f"value.{unit}exactly", count=value.max_length)
    if value.max_length is not None and value.min_length:
        return texts(f"value.{unit}between", least=value.min_length, most=value.max_length)
    if value.max_length is not None:
        return texts(f"value.{unit}at_most", count=value.max_length)
    return texts(f"value.{unit}at_least", count=value.min_length) if value.min_length else ""
