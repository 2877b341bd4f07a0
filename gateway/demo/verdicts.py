"""What a check comes to: a claim, what was expected, and everything that was seen to be otherwise."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One claim of the demo. `name`: to point at it. `wrong`: what was seen instead, a line each; it holds if none."""

    name: str
    claim: str
    expected: str
    wrong: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing was seen to be otherwise."""
        return not self.wrong

    @property
    def seen(self) -> str:
        """What was seen, in a line or a few."""
        if self.holds:
            return "as expected"
        more = len(self.wrong) - _SHOWN
        return "; ".join(self.wrong[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def check_each(name: str, claim: str, *, expected: str, of: int, wrong: Iterable[str]) -> Check:
    """Return a check over `of` things. A claim about nothing does not hold."""
    found = tuple(wrong) if of > 0 else ("there was nothing to look at",)
    return Check(name=name, claim=claim, expected=expected, wrong=found)


def check_equal(name: str, claim: str, *, expected: object, seen: object) -> Check:
    """Return a check of one thing against another."""
    return Check(name=name, claim=claim, expected=str(expected), wrong=() if seen == expected else (str(seen),))
