"""Whether all that a change makes of a type's values is of that type again: the walk beside two automata.

A `Walk` says how a change goes through a value: at each step which characters may come and what it writes for each
(the same, another one, nothing). `holds` goes through all of it at once, keeping what the type's patterns say of the
value so far and of the result so far; a result that may end where the patterns do not is found, and so is every other.
It errs on one side only: values that no document can hold (a 31st of February) may be thought of too.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from gateway.policy.changing.characters import representatives
from gateway.policy.changing.patterns import Automaton, PatternError, States, automaton

__all__ = ["ANY_SIGN", "COPY", "Step", "Walk", "holds", "positions"]

COPY: Final = None
ANY_SIGN: Final = ""
_BLANKS: Final = " \t\r\n"
_MOST_LOOKS: Final = 300_000

Node = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: the characters of the value that take it (`ANY_SIGN`: each one), what is written for them (`COPY`, or
    a text of at most one character), and where it leads. `blanks`: False, not by white space; True, by nothing else."""

    characters: str = ANY_SIGN
    written: str | None = COPY
    to: Node
    blanks: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A change. `ends`: where a value may end and its result is whole. Starts at ("", 0)."""

    steps: Mapping[Node, tuple[Step, ...]]
    ends: frozenset[Node]


def positions(signs: Iterable[tuple[str, str | None]], *, many: frozenset[int] = frozenset()) -> Walk:
    """Return the walk of a form: at each position the characters that may stand there, and what is written.

    `many`: positions that may be repeated.
    """
    steps: dict[Node, tuple[Step, ...]] = {}
    at = 0
    for at, (characters, written) in enumerate(signs, 1):
        step = Step(characters=characters, written=written, to=("", at))
        steps["", at - 1] = (*steps.get(("", at - 1), ()), step)
        if at - 1 in many:
            steps["", at] = (Step(characters=characters, written=written, to=("", at)),)
    return Walk(steps=steps, ends=frozenset({("", at)}))


def holds(walk: Walk, patterns: tuple[str, ...], *, of_values: bool = True, trimmed: bool = False) -> bool | None:
    """Tell whether every result matches the patterns; None when no value of the type can go this way.

    `of_values`: only values that match them are walked; else every one. `trimmed`: white space around a value that the
    type keeps was taken off before. Raises PatternError when a pattern is not read, or has too many states.
    """
    automata = tuple(automaton(pattern) for pattern in patterns)
    return _Holding(walk, automata, of_values=of_values, trimmed=trimmed).answer()


_Sides = tuple[States, ...]


class _Holding:
    def __init__(self, walk: Walk, automata: tuple[Automaton, ...], *, of_values: bool, trimmed: bool) -> None:
        self.walk = walk
        self.automata = automata
        self.of_values = of_values
        self.trimmed = trimmed
        self.kinds = representatives(chain.from_iterable(one.characters() for one in automata))
        self.known: dict[tuple[int, States, str], States] = {}

    def answer(self) -> bool | None:
        start = tuple(one.start for one in self.automata)
        values = tuple(self.beyond_blanks(index, states) for index, states in enumerate(start))
        first = (("", 0), values, start)
        seen = {first}
        todo = [first]
        any_value = False
        while todo:
            node, value, result = todo.pop()
            if node in self.walk.ends and self.is_value(value):
                any_value = True
                if not all(one.end in states for one, states in zip(self.automata, result, strict=True)):
                    return False
            for found in self.onward(node, value, result):
                if found not in seen:
                    seen.add(found)
                    todo.append(found)
        return True if any_value else None

    def onward(self, node: Node, value: _Sides, result: _Sides) -> Iterator[tuple[Node, _Sides, _Sides]]:
        for step in self.walk.steps.get(node, ()):
            for character in step.characters or self.kinds:
                if step.blanks is not None and step.blanks != (character in _BLANKS):
                    continue
                value_on = self.run(value, character) if self.of_values else value
                if self.of_values and not all(value_on):
                    continue
                written = character if step.written is COPY else step.written
                yield step.to, value_on, self.run(result, written) if written else result

    def run(self, sides: _Sides, character: str) -> _Sides:
        return tuple(self.look(index, states, character) for index, states in enumerate(sides))

    def look(self, index: int, states: States, character: str) -> States:
        key = (index, states, character)
        if key not in self.known:
            if len(self.known) >= _MOST_LOOKS:
                raise PatternError("has too many states to follow")
            self.known[key] = self.automata[index].run(states, character)
        return self.known[key]

    def beyond_blanks(self, index: int, states: States) -> States:
        """The states that leading white space may lead to, where it was taken off."""
        found = states
        while self.trimmed:
            wider = found.union(*(self.look(index, found, blank) for blank in _BLANKS))
            if wider == found:
                break
            found = wider
        return found

    def is_value(self, value: _Sides) -> bool:
        if not self.of_values:
            return True
        return all(
            one.end in self.beyond_blanks(index, states)
            for index, (one, states) in enumerate(zip(self.automata, value, strict=True))
        )
