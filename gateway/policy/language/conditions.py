"""Conditions: when a rule, a `require` or a `hold` speaks.

A criterion is a question to a document: what kind of message is it, which countries, which commodity. Its answers are
the texts at its places. A condition holds when one of its values is among them (`unless`: when none is).

*Scope.* A criterion is looked up in the nearest class that holds both what the rule stands on and a place of the
criterion; a class holds itself. Of several places those count that share that class. So inside an item the item's own
commodity counts, and on the header any item's. `require` and `hold` look in the whole message.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from gateway.policy.language.selectors import Selector, parse_selector

__all__ = ["BUILT_IN", "KIND", "Condition", "Criterion", "Scope", "meet", "scope_of"]

KIND: Final = "kind"
"""The criterion that is answered by the message kind, not by a place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """A question to a document. `selector` None: the message kind."""

    name: str
    selector: Selector | None = None


_PLACES: Final = {
    "type-code": "/MetaData/*/TypeCode",
    "procedure": "//GovernmentProcedure/CurrentCode",
    "country-of-destination": "//Destination/CountryCode",
    "country-of-export": "//ExportCountry/ID",
    "country-of-origin": "//Origin/CountryCode",
    "commodity": "//Commodity/Classification/ID",
    "party-role": "//RoleCode",
}
BUILT_IN: Final = {
    KIND: Criterion(name=KIND),
    **{name: Criterion(name=name, selector=parse_selector(text)) for name, text in _PLACES.items()},
}
"""What can be asked without being named under `criteria`."""


_BLANKS: Final = " \t\r\n"  # white space of XML 1.0; any other character is a part of the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One question with the answers it wants. `values` with a trailing `*` are prefixes; `negated`: from `unless`."""

    criterion: Criterion
    values: tuple[str, ...]
    negated: bool = False

    def holds(self, answers: Iterable[str]) -> bool:
        """Tell whether it holds, given what a document has at the criterion's places (white space around is none)."""
        return any(self.takes(answer.strip(_BLANKS)) for answer in answers) is not self.negated

    def takes(self, answer: str) -> bool:
        """Tell whether one answer is among its values, `unless` or not."""
        return any(_is(answer, value) for value in self.values)

    def excludes(self, other: "Condition", *, single: bool) -> bool:
        """Tell whether this and `other` can never both hold. `single`: the criterion has one answer at most."""
        if self.criterion != other.criterion or (self.negated and other.negated):
            return False
        if self.negated is not other.negated:
            wanted, refused = (other, self) if self.negated else (self, other)
            return wanted.implies(refused)
        return single and not any(_within(a, b) or _within(b, a) for a in self.values for b in other.values)

    def implies(self, other: "Condition") -> bool:
        """Tell whether `other` is met wherever this is, by the values alone, `unless` or not."""
        if self.criterion != other.criterion:
            return False
        return all(any(_within(value, wider) for wider in other.values) for value in self.values)

    @property
    def text(self) -> str:
        """How people read it, such as `unless commodity is 93*`."""
        return f"{'unless' if self.negated else 'when'} {self.criterion.name} is {' or '.join(self.values)}"


def _is(answer: str, value: str) -> bool:
    return answer.startswith(value[:-1]) if value.endswith("*") else answer == value


def _within(value: str, other: str) -> bool:
    """Whether every answer that `value` takes is one that `other` takes."""
    if value.endswith("*"):
        return other.endswith("*") and value[:-1].startswith(other[:-1])
    return _is(value, other)


def meet(value: str, other: str) -> tuple[str, ...]:
    """Return the value that stands for the answers that two values both take; nothing when there is none."""
    if _within(value, other):
        return (value,)
    return (other,) if _within(other, value) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a condition looks: in the element at `path`, at `places` (paths from the root, all below `path`)."""

    path: str
    places: tuple[str, ...]


def scope_of(path: str, *, is_leaf: bool, places: Collection[str]) -> Scope:
    """Return where a criterion with these places is looked up for a rule that speaks for the place at `path`.

    Without a place the scope is the root's, and nothing is ever found.
    """
    speaker = path.split("/")[1:]
    if is_leaf:
        speaker.pop()
    shared = {place: _shared(speaker, place.split("/")[1:-1]) for place in places}
    deepest = max(shared.values(), default=0)
    nearest = tuple(place for place in places if shared[place] == deepest)
    return Scope(path="".join(f"/{step}" for step in speaker[:deepest]), places=nearest)


def _shared(one: list[str], other: list[str]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
