"""The patterns of XML Schema as automata, so that a question about *all* values of a type has an answer.

A regular expression library tells whether one text matches. Whether every pseudonym, or every month of every date that
a type allows, matches is a question about sets of texts: `run` follows one character through all states a pattern can
be in, and walks.py walks what a change can do beside it (the subset construction, on demand).

The notation is that of XML Schema 1.0 part 2, appendix F; what is not read here (blocks such as `\\p{IsGreek}`, very
large repetitions) raises PatternError, and nothing is then said to fit.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from gateway.policy.changing.characters import ANY, Characters, category, escaped, single

__all__ = ["Automaton", "PatternError", "States", "automaton"]

MAX_STATES: Final = 4000
_MAX_DEPTH: Final = 50
_NUMBERS: Final = re.compile(r"\{(\d{1,4})(,)?(\d{1,4})?\}")
_CATEGORY: Final = re.compile(r"\{([A-Z][a-z]?)\}")

States = frozenset[int]


class PatternError(ValueError):
    """A pattern that is not read here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repeated:
    piece: "_Piece"
    least: int
    most: int | None


_Piece = Characters | _Repeated | tuple[tuple["_Piece", ...], ...]
"""A character, something repeated, or a bracket: branches, each a sequence."""


@dataclass(slots=True)
class Automaton:
    """One pattern. State 0 is the start; `edges` lead on by a character, `free` without one; `end` accepts."""

    edges: list[list[tuple[Characters, int]]] = field(default_factory=lambda: [[]])
    free: list[list[int]] = field(default_factory=lambda: [[]])
    end: int = 0

    @property
    def start(self) -> States:
        """The states before the first character."""
        return self._spread([0])

    def run(self, states: States, character: str) -> States:
        """Return the states after one more character; none when no text begins like this."""
        return self._spread(
            target for state in states for accepted, target in self.edges[state] if accepted.has(character)
        )

    def matches(self, text: str) -> bool:
        """Tell whether the whole text matches."""
        states = self.start
        for character in text:
            states = self.run(states, character)
        return self.end in states

    def characters(self) -> Iterable[Characters]:
        """The sets of characters that the pattern tells apart."""
        return (accepted for edges in self.edges for accepted, _ in edges)

    def _spread(self, states: Iterable[int]) -> States:
        seen = set(states)
        todo = list(seen)
        while todo:
            new = [state for state in self.free[todo.pop()] if state not in seen]
            seen.update(new)
            todo += new
        return frozenset(seen)

    def add(self, piece: _Piece, start: int) -> int:
        """Add a piece after a state and return the state after it."""
        match piece:
            case Characters():
                end = self._state()
                self.edges[start].append((piece, end))
                return end
            case _Repeated(piece=inner, least=least, most=most):
                return self._repeat(inner, least, most, start)
            case branches:
                return self._branches(branches, start)

    def _branches(self, branches: tuple[tuple[_Piece, ...], ...], start: int) -> int:
        end = self._state()
        for branch in branches:
            state = self._after(start)
            for piece in branch:
                state = self.add(piece, state)
            self.free[state].append(end)
        return end

    def _repeat(self, piece: _Piece, least: int, most: int | None, state: int) -> int:
        for _ in range(least):
            state = self.add(piece, self._after(state))
        if most is None:
            loop = self._after(state)
            self.free[self.add(piece, self._after(loop))].append(loop)
            return loop
        end = self._after(state)
        for _ in range(most - least):
            state = self.add(piece, self._after(state))
            self.free[state].append(end)
        return end

    def _after(self, state: int) -> int:
        following = self._state()
        self.free[state].append(following)
        return following

    def _state(self) -> int:
        if len(self.edges) >= MAX_STATES:
            raise PatternError("is too large")
        self.edges.append([])
        self.free.append([])
        return len(self.edges) - 1


@cache
def automaton(pattern: str) -> Automaton:
    """Return the automaton of a pattern, made once. Raises PatternError."""
    reader = _Reader(pattern)
    branches = reader.branches(0)
    if reader.at < len(pattern):
        raise PatternError("has a bracket too many")
    found = Automaton()
    found.end = found.add(branches, 0)
    return found


class _Reader:
    """Reads one pattern into pieces."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        if self.at >= len(self.pattern):
            raise PatternError("ends too early")
        self.at += 1
        return self.pattern[self.at - 1]

    def skip(self, text: str) -> bool:
        found = self.pattern.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def branches(self, depth: int) -> tuple[tuple[_Piece, ...], ...]:
        if depth > _MAX_DEPTH:
            raise PatternError("is nested too deep")
        found = [self.branch(depth)]
        while self.skip("|"):
            found.append(self.branch(depth))
        return tuple(found)

    def branch(self, depth: int) -> tuple[_Piece, ...]:
        found: list[_Piece] = []
        while self.peek() not in ("", "|", ")"):
            found.append(self.quantified(self.atom(depth)))
        return tuple(found)

    def quantified(self, piece: _Piece) -> _Piece:
        for sign, (least, most) in {"?": (0, 1), "*": (0, None), "+": (1, None)}.items():
            if self.skip(sign):
                return _Repeated(piece=piece, least=least, most=most)
        if self.peek() != "{":
            return piece
        found = _NUMBERS.match(self.pattern, self.at)
        if found is None:
            raise PatternError("has a quantity that is not read")
        self.at = found.end()
        least = int(found[1])
        most = (None if found[3] is None else int(found[3])) if found[2] else least
        if most is not None and most < least:
            raise PatternError("has a quantity of less than nothing")
        return _Repeated(piece=piece, least=least, most=most)

    def atom(self, depth: int) -> _Piece:
        character = self.take()
        match character:
            case "(":
                self.skip("?:")  # so the alternatives of one step are joined (schema/introspection/value_types.py)
                found = self.branches(depth + 1)
                if not self.skip(")"):
                    raise PatternError("lacks a closing bracket")
                return found
            case "[":
                return self.group(depth)
            case ".":
                return ANY
            case "\\":
                return self.escape()
            case "?" | "*" | "+" | "{" | "}" | "]":
                raise PatternError("has a sign where a character should be")
            case _:
                return single(character)

    def escape(self) -> Characters:
        letter = self.take()
        if letter in "pP":
            found = _CATEGORY.match(self.pattern, self.at)
            if found is None:
                raise PatternError("names a block of characters")
            self.at = found.end()
            return category(found[1], negated=letter == "P")
        known = escaped(letter)
        if known is None:
            raise PatternError("has an escape that is not read")
        return known

    def group(self, depth: int) -> Characters:
        """What stands between square brackets; the opening one is taken."""
        if depth > _MAX_DEPTH:
            raise PatternError("is nested too deep")
        negated = self.skip("^")
        ranges: list[tuple[str, str]] = []
        parts: list[Characters] = []
        without: Characters | None = None
        while not self.skip("]"):
            if (ranges or parts) and self.skip("-["):
                without = self.group(depth + 1)
                continue
            member = self.member()
            start = end = _alone(member)
            if not start:
                parts.append(member)
                continue
            if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("[", "]", ""):
                self.take()
                end = _alone(self.member())
            if end < start:
                raise PatternError("has a range that does not rise")
            ranges.append((start, end))
        return Characters(ranges=tuple(ranges), parts=tuple(parts), negated=negated, without=without)

    def member(self) -> Characters:
        character = self.take()
        return self.escape() if character == "\\" else single(character)


def _alone(found: Characters) -> str:
    """Return the one character of a set of one; nothing for any other set."""
    if len(found.ranges) == 1 and not (found.negated or found.categories or found.parts):
        low, high = found.ranges[0]
        return low if low == high else ""
    return ""
