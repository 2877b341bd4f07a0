"""Whether what a change makes of values is of their type again: asked by the static check, before any document is seen.

`fits` answers for *all* valid values at once. Where that can not be told (a pattern that is not read, a type of several
kinds) it says so, and the policy does not pass: the promise is that a policy without findings makes no invalid view.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Final

from gateway.policy.changing.actions import band_text, changed, plain
from gateway.policy.changing.dates import date_walks, is_date
from gateway.policy.changing.patterns import PatternError, automaton
from gateway.policy.changing.pseudonyms import shape_of
from gateway.policy.changing.walks import Node, Step, Walk, holds, positions
from gateway.policy.language.changes import Change, ChangeKind
from gateway.schema.facts.nodes import ValueFacts

__all__ = ["fits", "may_be"]

_TEXTS: Final = frozenset({"string", "normalizedString", "token", "NMTOKEN", "anySimpleType"})
_DATES: Final = frozenset({"date", "dateTime", "gYearMonth", "dateTimeStamp"})
_WHOLE: Final[Mapping[str, tuple[int | None, int | None]]] = MappingProxyType(
    {
        "integer": (None, None),
        "nonNegativeInteger": (0, None),
        "positiveInteger": (1, None),
        "nonPositiveInteger": (None, 0),
        "negativeInteger": (None, -1),
        "long": (-(2**63), 2**63 - 1),
        "int": (-(2**31), 2**31 - 1),
        "short": (-(2**15), 2**15 - 1),
        "byte": (-128, 127),
        "unsignedLong": (0, 2**64 - 1),
        "unsignedInt": (0, 2**32 - 1),
        "unsignedShort": (0, 2**16 - 1),
        "unsignedByte": (0, 255),
    }
)
_NUMBERS: Final = frozenset({"decimal", "float", "double", *_WHOLE})
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS: Final = "0123456789"
_BLANKS: Final = " \t\r\n"


@lru_cache(maxsize=4096)
def fits(change: Change, facts: ValueFacts) -> str | None:
    """Return why results of the change may not be valid where a value with these facts stands; None when all are.

    The answer goes on from "the change does not fit:", in words of the schema and not of any document.
    """
    if facts.item is not None:
        return "the type is a list of values"
    if facts.either:
        return "the type takes values of several kinds"
    try:
        return _reason(change, facts)
    except PatternError as error:
        return f"the pattern of the type {error}, so it can not be told"


def _reason(change: Change, facts: ValueFacts) -> str | None:
    if change.kind is ChangeKind.REPLACE:
        return _wrong(change.text, facts)
    if change.kind is ChangeKind.PSEUDONYM:
        return _no_pseudonym(facts)
    if facts.one_of:
        return _leaves_the_list(change, facts)
    match change.kind:
        case ChangeKind.YEAR | ChangeKind.MONTH:
            return _wrong_date(change, facts)
        case ChangeKind.BANDS:
            return _wrong_band(change, facts)
        case ChangeKind.COUNTRY:
            return _not_text(facts) or _wrong_shape(_LETTERS, 2, "two capitals", facts)
        case ChangeKind.DIGITS:
            return _not_text(facts) or _wrong_shape(_DIGITS, change.number, f"{change.number} digits", facts)
        case ChangeKind.PREFIX:
            return _not_text(facts) or _wrong_part(partial(_prefix_walk, change.number), change, facts)
        case ChangeKind.TRUNCATE:
            most = change.number if facts.max_length is None else min(change.number, facts.max_length)
            return _not_text(facts) or _wrong_part(partial(_truncate_walk, most), change, facts)


def may_be(value: str, facts: ValueFacts) -> bool:
    """Tell whether a value with these facts can be what a condition asks for: a text, or before a `*` how it begins.

    In doubt it can.
    """
    text, is_whole = value.removesuffix("*"), not value.endswith("*")
    if facts.item is not None or facts.either:
        return True
    if facts.one_of:
        found = (one.strip(_BLANKS) for one in facts.one_of)
        return any(one == text if is_whole else one.startswith(text) for one in found)
    if facts.base not in _TEXTS:
        return True
    if facts.max_length is not None and len(text) > facts.max_length:
        return False
    if is_whole and facts.min_length is not None and len(text) < facts.min_length:
        return False
    return all(_may_match(text, pattern, is_whole=is_whole) for pattern in facts.patterns)


def _may_match(text: str, pattern: str, *, is_whole: bool) -> bool:
    try:
        found = automaton(pattern)
        states = found.start
        for character in text:
            states = found.run(states, character)
    except PatternError:
        return True
    return found.end in states if is_whole else bool(states)


# ── fixed texts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _wrong(text: str, facts: ValueFacts) -> str | None:
    """Why one text is no value of the type."""
    if plain(text, facts) != text:
        return "the text has white space that the type does not keep"
    if facts.one_of and text not in facts.one_of:
        return f"the type takes only {_listed(facts.one_of)}"
    if facts.base in _NUMBERS:
        return _wrong_number(text, facts) or _wrong_pattern(text, facts)
    if facts.base in _TEXTS:
        return _wrong_length(len(text), facts) or _wrong_pattern(text, facts)
    if facts.base == "boolean":
        return None if text in ("true", "false", "0", "1") else "the type takes only true and false"
    if facts.base in _DATES:
        return _bounded(facts) or (None if is_date(text, facts.base) else "the text is not a date of the type")
    return None if facts.one_of else f"whether a text is of the type {facts.base} is not looked into"


def _wrong_length(length: int, facts: ValueFacts) -> str | None:
    if facts.max_length is not None and length > facts.max_length:
        return f"the type takes at most {facts.max_length} characters"
    if facts.min_length is not None and length < facts.min_length:
        return f"the type takes no fewer than {facts.min_length} characters"
    return None


def _wrong_pattern(text: str, facts: ValueFacts) -> str | None:
    matches = all(automaton(pattern).matches(text) for pattern in facts.patterns)
    return None if matches else "it does not match the pattern of the type"


def _wrong_number(text: str, facts: ValueFacts) -> str | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return "the type is a number"
    if not number.is_finite() or "_" in text or not text.isascii():
        return "the type is a number"
    if facts.base in _WHOLE and ("." in text or "E" in text.upper() or not _is_between(number, *_WHOLE[facts.base])):
        return f"{text} is no whole number, or beyond the bounds of the type"
    if facts.base == "decimal" and "E" in text.upper():
        return "the type takes no exponent"
    _, digits, exponent = number.normalize().as_tuple()
    behind = max(0, -int(exponent))
    whole = max(0, len(digits) + int(exponent)) if number else 0
    if facts.fraction_digits is not None and behind > facts.fraction_digits:
        return f"the type takes at most {facts.fraction_digits} digits behind the point"
    if facts.total_digits is not None and max(1, whole + behind) > facts.total_digits:
        return f"the type takes at most {facts.total_digits} digits"
    return None if _is_in_bounds(number, facts) else "it is beyond the bounds of the type"


def _is_between(number: Decimal, least: int | None, most: int | None) -> bool:
    return (least is None or number >= least) and (most is None or number <= most)


def _is_in_bounds(number: Decimal, facts: ValueFacts) -> bool:
    return (
        (facts.least is None or number >= Decimal(facts.least))
        and (facts.most is None or number <= Decimal(facts.most))
        and (facts.above is None or number > Decimal(facts.above))
        and (facts.below is None or number < Decimal(facts.below))
    )


def _wrong_band(change: Change, facts: ValueFacts) -> str | None:
    if facts.base not in _NUMBERS | _TEXTS:
        return "the type is no number"
    for text in map(band_text, change.bands):
        reason = _wrong(text, facts)
        if reason is not None:
            return f"for the bound {text}, {reason}"
    return None


def _leaves_the_list(change: Change, facts: ValueFacts) -> str | None:
    """Of a type that lists its values, each one is tried."""
    results = [changed(change, value, facts, None) for value in facts.one_of]
    if all(result is None for result in results):
        return f"the type takes only {_listed(facts.one_of)}, and none of them can be changed like this"
    if all(result is None or result in facts.one_of for result in results):
        return None
    return f"the type takes only {_listed(facts.one_of)}"


def _listed(values: Iterable[str]) -> str:
    shown = list(values)
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    return ", ".join(shown[:5]) + more


# ── texts of one shape ───────────────────────────────────────────────────────────────────────────────────────────────


def _not_text(facts: ValueFacts) -> str | None:
    if facts.base in _TEXTS:
        return None
    if facts.base in _NUMBERS:
        return "the type is a number"
    return f"the type is {facts.base}, not text"


def _wrong_shape(letters: str, length: int, shown: str, facts: ValueFacts) -> str | None:
    reason = _wrong_length(length, facts)
    if reason is not None:
        return reason
    found = holds(positions([(letters, None)] * length), facts.patterns, of_values=False)
    return None if found else f"not every text of {shown} matches the pattern of the type"


def _no_pseudonym(facts: ValueFacts) -> str | None:
    if facts.one_of:
        return f"the type takes only {_listed(facts.one_of)}"
    reason = _not_text(facts)
    if reason is not None or shape_of(facts) is not None:
        return reason
    if facts.max_length is not None and facts.max_length < 12:
        return f"the type takes at most {facts.max_length} characters, and a pseudonym has at least 12"
    return "no pseudonym of 60 bits has room in the type or matches its pattern"


# ── parts of values ──────────────────────────────────────────────────────────────────────────────────────────────────


def _wrong_date(change: Change, facts: ValueFacts) -> str | None:
    if facts.base not in _TEXTS | _DATES:
        return f"the type is {'a number' if facts.base in _NUMBERS else facts.base}, not a date"
    reason = _bounded(facts)
    if reason is not None:
        return reason
    trimmed = facts.base in ("string", "normalizedString")
    found = [holds(walk, facts.patterns, trimmed=trimmed) for walk in date_walks(change.kind)]
    if False in found:
        return "the first day does not match the pattern of the type"
    return None if True in found else "no date matches the pattern of the type"


def _bounded(facts: ValueFacts) -> str | None:
    is_bounded = any(one is not None for one in (facts.least, facts.most, facts.above, facts.below))
    return "the type bounds its dates, and a coarser one may be outside" if is_bounded else None


def _wrong_part(walk: Callable[[], Walk], change: Change, facts: ValueFacts) -> str | None:
    if change.kind is ChangeKind.PREFIX and facts.max_length is not None and change.number > facts.max_length:
        return f"the type takes at most {facts.max_length} characters, so no value has that many"
    if facts.min_length is not None and change.number < facts.min_length:
        return f"the type takes no fewer than {facts.min_length} characters"
    if not facts.patterns:
        return None
    trimmed = facts.base in ("string", "normalizedString")
    if holds(walk(), facts.patterns, trimmed=trimmed) is False:
        return "the first characters of a value do not always match the pattern of the type"
    return None


def _prefix_walk(number: int) -> Walk:
    """`number` characters are copied, and the white space among them; what follows is left out."""
    steps: dict[Node, tuple[Step, ...]] = {}
    for at in range(number):
        onward = (Step(to=("", at + 1), blanks=False), Step(to=("", at), blanks=True))
        steps["", at] = onward if at else onward[:1]
    end = ("", number)
    steps[end] = (Step(written="", to=end),)
    return Walk(steps=steps, ends=frozenset({end}))


def _truncate_walk(number: int) -> Walk:
    """Up to `number` characters are copied, the last of them no white space; what follows is left out."""
    steps: dict[Node, tuple[Step, ...]] = {}
    ends = set()
    for at in range(number):
        ahead: list[Step] = [Step(to=("", at + 1), blanks=False)]
        if at:
            ahead += [Step(to=("gap", at + 1), blanks=True)]
            steps["gap", at] = tuple(ahead)
            ahead += [Step(written="", to=("blank", at + 1), blanks=True)]
            steps["blank", at] = (Step(written="", to=("blank", at + 1), blanks=True),)
            ends |= {("", at), ("blank", at)}
        steps["", at] = tuple(ahead)
    rest = Step(written="", to=("rest", 0))
    for node in (("", number), ("blank", number), ("rest", 0)):
        steps[node] = (rest,)
        ends.add(node)
    return Walk(steps=steps, ends=frozenset(ends))
