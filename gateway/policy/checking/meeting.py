"""Rules of one rank that meet on one place: which of them could speak at once and say different things.

A policy may have one rule for each commodity, so most pairs exclude each other by one criterion that all of them ask.
Rules are looked up by their values of that one, and only those that a value brings together are compared.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.policy.checking.worlds import Worlds
from gateway.policy.language.conditions import Condition, Criterion
from gateway.policy.language.rules import Rule
from gateway.policy.language.selectors import Anchor

__all__ = ["Meeting"]

# Values compared with values at one place, before somebody has to write the rules in another way. About a second.
_MOST_LOOKS: Final = 1_000_000
_LAST: Final = "\U0010ffff"


class Meeting:
    """The rules of one rank on one anchor. `is_too_much`: not all that meet could be compared."""

    def __init__(self, worlds: Worlds, anchor: Anchor, alike: Sequence[Rule]) -> None:
        self.worlds: Final = worlds
        self.anchor: Final = anchor
        self.alike: Final = alike
        self.is_too_much = False
        self.meanings: Final = [_meaning(rule) for rule in alike] if len(alike) > 1 else []
        self.looks = 0
        self.single: Final = [self.singles(rule) for rule in alike] if len(alike) > 1 else []
        self.by: Final = self.telling()
        # Of the rules before the one that is looked at.
        self.exact: Final[dict[str, list[int]]] = {}
        self.prefixes: Final[dict[str, list[int]]] = {}
        self.lengths: Final[set[int]] = set()
        self.sorted: Final[list[tuple[str, int]]] = []
        self.others: Final[list[int]] = []

    def singles(self, rule: Rule) -> dict[Criterion, Condition]:
        """The conditions that take one answer at most, so that two with other values exclude each other."""
        positive = (one for one in rule.conditions if not one.negated)
        return {one.criterion: one for one in positive if self.worlds.is_single(self.worlds.atom(one, self.anchor))}

    def telling(self) -> Criterion | None:
        """The question that most of the rules ask, of several the one with the most values."""
        asked = Counter(criterion for one in self.single for criterion in one)
        values = {
            name: len({value for one in self.single if name in one for value in one[name].values}) for name in asked
        }
        return max(asked, key=lambda name: (asked[name], values[name]), default=None)

    def tied(self, at: int) -> Rule | None:
        """Return a rule before the one at an index that may speak at once with it and says something else.

        To be asked once for each index, in order.
        """
        if len(self.alike) < 2 or self.is_too_much:
            return None
        found = next((other for other in self.met(at) if self.is_tie(at, other)), None)
        self.enter(at)
        return None if found is None or self.is_too_much else self.alike[found]

    def is_tie(self, at: int, other: int) -> bool:
        """Tell whether two rules may speak at once and say different things."""
        one, beside = self.alike[at], self.alike[other]
        self.looks += 1 + sum(len(a.values) for a in one.conditions) * sum(len(b.values) for b in beside.conditions)
        self.is_too_much = self.looks > _MOST_LOOKS
        if self.is_too_much:
            return True
        return self.meanings[at] != self.meanings[other] and not self.worlds.never_both(one, beside, self.anchor)

    def met(self, at: int) -> Iterator[int]:
        """Yield the rules before that a value brings together with one, or that take any value."""
        asked = self.single[at].get(self.by) if self.by is not None else None
        if asked is None:
            yield from range(at)
            return
        yield from self.others
        for value in asked.values:
            text = value.removesuffix("*")
            for length in self.lengths:
                if length <= len(text):
                    yield from self.prefixes.get(text[:length], ())
            if text == value:
                yield from self.exact.get(value, ())
            else:
                start = bisect_left(self.sorted, (text, -1))
                stop = bisect_left(self.sorted, (f"{text}{_LAST}", -1))
                yield from (other for _, other in self.sorted[start:stop])

    def enter(self, at: int) -> None:
        """Have a rule found by its values from here on."""
        asked = self.single[at].get(self.by) if self.by is not None else None
        if asked is None:
            self.others.append(at)
            return
        for value in asked.values:
            text = value.removesuffix("*")
            insort(self.sorted, (text, at))
            if text == value:
                self.exact.setdefault(value, []).append(at)
            else:
                self.prefixes.setdefault(text, []).append(at)
                self.lengths.add(len(text))


def _meaning(rule: Rule) -> object:
    """What becomes of a place by a rule, and why: of two that agree in this, either may decide."""
    attributes = rule.attributes if rule.attributes == "required" else frozenset(rule.attributes)
    asked = frozenset((one.criterion, frozenset(one.values), one.negated) for one in rule.conditions)
    return rule.action, rule.change, attributes, asked, rule.reason, rule.legal
