"""What the actions of a policy make of a value: one line of the registry and one pure function for each kind of change.

Three promises hold for every kind, and the tests hold them against the schema sets: the result says no more than was
asked for; a result changed once more is itself, so applying a policy twice changes nothing; and where `fits` has
nothing to say, the result is valid wherever the value was. What can not be changed as asked is withheld (None), never
passed on as it was.

White space around a value is no part of it. An empty value stays empty: there is nothing in it to hide.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from gateway.policy.changing.dates import coarse_date
from gateway.policy.changing.pseudonyms import Pseudonyms, shape_of
from gateway.policy.language.changes import Change, ChangeKind
from gateway.schema.facts.nodes import ValueFacts

__all__ = ["band_text", "changed", "is_changed", "plain"]

BLANKS: Final = " \t\r\n"
# What XML Schema does not collapse before it looks at a value (1.0 part 2, 4.3.6).
_PRESERVED: Final = frozenset({"string", "normalizedString", "anySimpleType"})
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,60}(?:\.[0-9]{0,60})?|\.[0-9]{1,60})(?:[eE][+-]?[0-9]{1,2})?")
_RUN_OF_BLANKS: Final = re.compile(r"[ \t\r\n]+")
# Two letters; a UN/LOCODE; a subdivision after ISO 3166-2; or an id that begins with its country and holds a digit.
_OF_A_COUNTRY: Final = re.compile(
    r"(?P<alone>[A-Za-z]{2})|(?P<country>[A-Z]{2})(?:[A-Z2-9]{3}|-[A-Z0-9]{1,3}|[A-Z0-9]*[0-9][A-Z0-9]*)"
)
_SEPARATORS: Final = str.maketrans("", "", ". ")

_Function = Callable[[Change, str, ValueFacts, Pseudonyms | None], str | None]


def plain(value: str, facts: ValueFacts) -> str:
    """Return a value as XML Schema looks at it, without white space around it."""
    if facts.base in _PRESERVED:
        return value.strip(BLANKS)
    return (
        " ".join(value.split()) if value.isascii() else " ".join(one for one in re.split(r"[ \t\r\n]+", value) if one)
    )


def changed(change: Change, value: str, facts: ValueFacts, pseudonyms: Pseudonyms | None) -> str | None:
    """Return what stands in the view in place of `value`; None when it can not be changed as asked.

    `facts`: of the place. `pseudonyms` may be None where no key is at hand; then nothing is pseudonymised.
    """
    text = plain(value, facts)
    if change.kind is ChangeKind.REPLACE:
        return change.text
    if not text:
        return None if value and facts.base in _PRESERVED else ""
    return _FUNCTIONS[change.kind](change, text, facts, pseudonyms)


def is_changed(change: Change, value: str, facts: ValueFacts) -> bool:
    """Tell, without a key, whether a value could be a result of the change. Used where messages arrive."""
    if change.kind is ChangeKind.PSEUDONYM:
        shape = shape_of(facts)
        return not value or (shape is not None and shape.fits(value))
    return changed(change, value, facts, None) == value


def _date(change: Change, text: str, _facts: ValueFacts, _pseudonyms: Pseudonyms | None) -> str | None:
    return coarse_date(text, change.kind)


def _country(_change: Change, text: str, _facts: ValueFacts, _pseudonyms: Pseudonyms | None) -> str | None:
    found = _OF_A_COUNTRY.fullmatch(text)
    return None if found is None else (found["alone"] or found["country"]).upper()


def _digits(change: Change, text: str, _facts: ValueFacts, _pseudonyms: Pseudonyms | None) -> str | None:
    """The first digits of a code of digits; dots and blanks between them are layout (8703.23 is 870323)."""
    first = text.translate(_SEPARATORS)[: change.number]
    return first if len(first) == change.number and first.isascii() and first.isdigit() else None


def _prefix(change: Change, text: str, _facts: ValueFacts, _pseudonyms: Pseudonyms | None) -> str | None:
    """As many characters as asked, not counting white space; of a value that has fewer, nothing."""
    seen = 0
    for at, character in enumerate(text, 1):
        seen += character not in BLANKS
        if seen == change.number:
            return text[:at]
    return None


def _bands(change: Change, text: str, _facts: ValueFacts, _pseudonyms: Pseudonyms | None) -> str | None:
    if not _NUMBER.fullmatch(text):
        return None
    amount = Decimal(text)
    below = [bound for bound in change.bands if bound <= amount]
    return band_text(max(below)) if below else None


def band_text(bound: Decimal) -> str:
    """Return a lower bound as it is written into a view: no exponent, no zeros behind the point."""
    text = f"{bound:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _pseudonym(_change: Change, text: str, facts: ValueFacts, pseudonyms: Pseudonyms | None) -> str | None:
    return None if pseudonyms is None else pseudonyms.pseudonym(text, facts)


def _truncate(change: Change, text: str, facts: ValueFacts, _pseudonyms: Pseudonyms | None) -> str | None:
    cut = text[: change.number].rstrip(BLANKS)
    return cut if len(cut) >= (facts.min_length or 0) else None


def _replace(change: Change, _text: str, _facts: ValueFacts, _pseudonyms: Pseudonyms | None) -> str | None:
    return change.text


_FUNCTIONS: Final[Mapping[ChangeKind, _Function]] = MappingProxyType(
    {
        ChangeKind.YEAR: _date,
        ChangeKind.MONTH: _date,
        ChangeKind.COUNTRY: _country,
        ChangeKind.DIGITS: _digits,
        ChangeKind.PREFIX: _prefix,
        ChangeKind.BANDS: _bands,
        ChangeKind.PSEUDONYM: _pseudonym,
        ChangeKind.TRUNCATE: _truncate,
        ChangeKind.REPLACE: _replace,
    }
)
