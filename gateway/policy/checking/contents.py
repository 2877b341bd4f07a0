"""What becomes of the content of one class when elements go from it: may what is left still stand there?

The content model of the class is read as an automaton over the names in it, bounds above two taken for two. Every
content that the schema allows is followed together with what is left of it; where the schema does not allow what is
left, the view would be refused.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

from gateway.schema import Model

__all__ = ["Broken", "Fate", "Fates", "TooMuchError", "content_fates"]

_MOST_POSITIONS: Final = 300
_MOST_STATES: Final = 1_500
_START: Final = -1


class Fate(StrEnum):
    """What becomes of an element: it stands in the view; it goes, and nothing in it was to be kept; it goes, though
    something in it was."""

    STANDS = "stands"
    EMPTY = "empty"
    LOST = "lost"


Fates = frozenset[Fate]


@dataclass(frozen=True, slots=True)
class Broken:
    """A content that the schema allows, and what is left of it, which it does not; both in qualified names."""

    whole: tuple[str, ...]
    left: tuple[str, ...]


class TooMuchError(Exception):
    """The model has more states than are looked at."""


def content_fates(
    model: Model, least: Mapping[str, int], fates: Mapping[str, Fates], *, may_be_empty: bool
) -> tuple[Fates, Broken | None]:
    """Return what may become of a class, and the first content that breaks when elements go.

    `least`: how many of each name the schema requires, where it does; `fates`: by name. Raises TooMuchError.
    """
    asked = (
        model,
        tuple(sorted(least.items())),
        tuple(sorted((name, tuple(sorted(one))) for name, one in fates.items())),
    )
    found = _found(*asked, may_be_empty)
    if found is None:
        raise TooMuchError
    return found


# Worlds mostly come to the same for a class.
@lru_cache(maxsize=256)
def _found(
    model: Model,
    least: tuple[tuple[str, int], ...],
    fates: tuple[tuple[str, tuple[Fate, ...]], ...],
    may_be_empty: bool,
) -> tuple[Fates, Broken | None] | None:
    by_name = {name: frozenset(one) for name, one in fates}
    if all(by_name[name] == {Fate.STANDS} for name in _names(model)):  # nothing goes, however large the model
        empty = {Fate.STANDS if may_be_empty else Fate.EMPTY} if _takes_nothing(model) else set()
        return frozenset({Fate.STANDS, *empty}), None
    try:
        return _Search(_Automaton(model), dict(least), by_name, may_be_empty=may_be_empty).found()
    except TooMuchError:
        return None


def _names(model: Model) -> Iterator[str]:
    yield from model.names
    for part in model.parts:
        yield from _names(part)


def _takes_nothing(model: Model) -> bool:
    """Tell whether a class may be empty."""
    if not model.least:
        return True
    return bool(model.parts) and (any if model.is_choice else all)(map(_takes_nothing, model.parts))


class _Automaton:
    """The positions of a model, and which may follow which."""

    def __init__(self, model: Model) -> None:
        self.names: list[tuple[str, ...]] = []
        self.follow: dict[int, set[int]] = {}
        self.is_empty, first, self.last = self.particle(model)
        self.follow[_START] = set(first)

    def particle(self, model: Model) -> tuple[bool, set[int], set[int]]:
        """Add a particle with its bounds; return whether it may be empty, where it may begin and where it may end."""
        low = min(model.least, 2)
        high = 1 if model.most is None else max(low, min(model.most, 2))
        found: tuple[bool, set[int], set[int]] = (True, set(), set())
        for number in range(max(low, high)):
            empty, first, last = self.once(model)
            if model.most is None and number == max(low, high) - 1:
                self.join(last, first)
            found = self.after(found, (empty or number >= low, first, last))
        return found

    def once(self, model: Model) -> tuple[bool, set[int], set[int]]:
        if not model.parts:
            if not model.names:
                return False, set(), set()
            at = len(self.names)
            if at >= _MOST_POSITIONS:
                raise TooMuchError
            self.names.append(model.names)
            self.follow[at] = set()
            return False, {at}, {at}
        parts = [self.particle(part) for part in model.parts]
        if model.is_choice:
            return (
                any(one[0] for one in parts),
                set().union(*(one[1] for one in parts)),
                set().union(*(one[2] for one in parts)),
            )
        found: tuple[bool, set[int], set[int]] = (True, set(), set())
        for part in parts:
            found = self.after(found, part)
        return found

    def after(
        self, one: tuple[bool, set[int], set[int]], other: tuple[bool, set[int], set[int]]
    ) -> tuple[bool, set[int], set[int]]:
        self.join(one[2], other[1])
        first = one[1] | other[1] if one[0] else one[1]
        last = one[2] | other[2] if other[0] else other[2]
        return one[0] and other[0], first, last

    def join(self, last: Iterable[int], first: Iterable[int]) -> None:
        for at in last:
            self.follow[at] |= set(first)

    def accepts(self, at: int) -> bool:
        """Tell whether a content may end at a position."""
        return self.is_empty if at == _START else at in self.last


@dataclass(frozen=True, slots=True)
class _State:
    at: int
    left: frozenset[int]
    counts: tuple[int, ...]
    has_content: bool
    has_lost: bool


@dataclass(slots=True)
class _Search:
    automaton: _Automaton
    least: Mapping[str, int]
    fates: Mapping[str, Fates]
    may_be_empty: bool = field(kw_only=True)
    found_fates: set[Fate] = field(default_factory=set)
    broken: Broken | None = None
    counted: tuple[str, ...] = ()
    came: dict[_State, tuple[_State, str, Fate]] = field(default_factory=dict)

    def found(self) -> tuple[Fates, Broken | None]:
        # What is required and surely stands need not be counted.
        self.counted = tuple(sorted(one for one in self.least if self.fates[one] != {Fate.STANDS}))
        start = _State(_START, frozenset({_START}), (0,) * len(self.counted), False, False)
        seen, todo = {start}, [start]
        for state in todo:
            if self.automaton.accepts(state.at):
                self.judge(state)
            for after, name, fate in self.steps(state):
                if after not in seen:
                    if len(seen) >= _MOST_STATES:
                        raise TooMuchError
                    seen.add(after)
                    self.came[after] = state, name, fate
                    todo.append(after)
        return frozenset(self.found_fates), self.broken

    def steps(self, state: _State) -> Iterable[tuple[_State, str, Fate]]:
        for at in sorted(self.automaton.follow[state.at]):
            for name in self.automaton.names[at]:
                for fate in sorted(self.fates[name]):
                    yield self.step(state, at, name, fate), name, fate

    def step(self, state: _State, at: int, name: str, fate: Fate) -> _State:
        if fate is not Fate.STANDS:
            return _State(at, state.left, state.counts, state.has_content, state.has_lost or fate is Fate.LOST)
        names, follow = self.automaton.names, self.automaton.follow
        left = frozenset(to for one in state.left for to in follow[one] if name in names[to])
        counts = state.counts
        if name in self.counted:
            which = self.counted.index(name)
            count = min(counts[which] + 1, self.least[name], 2)
            counts = (*counts[:which], count, *counts[which + 1 :])
        return _State(at, left, counts, True, state.has_lost)

    def judge(self, state: _State) -> None:
        """Note what becomes of a class with a whole content."""
        lacks = any(count < min(self.least[name], 2) for name, count in zip(self.counted, state.counts, strict=True))
        if state.at == _START:
            self.found_fates.add(Fate.STANDS if self.may_be_empty else Fate.EMPTY)
        elif lacks or not state.has_content:
            is_lost = state.has_lost or state.has_content
            self.found_fates.add(Fate.LOST if is_lost else Fate.EMPTY)
        elif any(map(self.automaton.accepts, state.left)):
            self.found_fates.add(Fate.STANDS)
        else:
            # It is written, and refused as a whole; above it everything stands.
            self.found_fates.add(Fate.STANDS)
            self.broken = self.broken or self.witness(state)

    def witness(self, state: _State) -> Broken:
        whole: list[str] = []
        left: list[str] = []
        while state in self.came:
            state, name, fate = self.came[state]
            whole.append(name)
            if fate is Fate.STANDS:
                left.append(name)
        return Broken(tuple(reversed(whole)), tuple(reversed(left)))
