"""What a rule that changes a value makes of it, as a value: the words of a policy, read.

actions.py has the function behind each kind, pseudonyms.py the one that needs a key. Nothing here looks at a document.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

__all__ = ["Change", "ChangeKind", "told"]


class ChangeKind(StrEnum):
    """What is done to a value; the words of `to:` and the names of the other ways to say it."""

    YEAR = "year"
    MONTH = "month"
    COUNTRY = "country"
    DIGITS = "digits"
    PREFIX = "prefix"
    BANDS = "bands"
    PSEUDONYM = "pseudonym"
    TRUNCATE = "truncate"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change. `number`: how many digits or characters stay (`digits`, `prefix`, `truncate`); `bands`: the lower
    bounds, rising (`bands`); `text`: what stands there instead (`replace`). What a kind does not use is left out."""

    kind: ChangeKind
    number: int = 0
    bands: tuple[Decimal, ...] = ()
    text: str = ""


def told(change: Change) -> str:
    """Return what was done to a value, for a person: `generalised to the month`."""
    match change.kind:
        case ChangeKind.YEAR | ChangeKind.MONTH | ChangeKind.COUNTRY:
            return f"generalised to the {change.kind}"
        case ChangeKind.DIGITS:
            return f"generalised to {change.number} digits"
        case ChangeKind.PREFIX:
            return f"generalised to its first {_characters(change.number)}"
        case ChangeKind.BANDS:
            return "generalised to the lower bound of its band"
        case ChangeKind.PSEUDONYM:
            return "replaced by a pseudonym"
        case ChangeKind.TRUNCATE:
            return f"cut to {_characters(change.number)}"
        case ChangeKind.REPLACE:
            return "replaced by a fixed value"


def _characters(number: int) -> str:
    return "one character" if number == 1 else f"{number} characters"
