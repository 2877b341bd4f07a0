"""What a class may hold beyond how often each element may stand in it: models of content, and what must tell apart.

Most classes are a sequence in which each name stands in one place; then the bounds of their children say all. Where a
schema says more (a choice, a group that may be missing or come again, a name in several places, a wildcard), the place
has a `Model`, spelled out: substitution groups and wildcards are choices of names.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["UNLISTED", "Identity", "Model", "Way"]

UNLISTED: Final = ""
"""Stands for any element that a wildcard takes and the set does not list."""


@dataclass(frozen=True, slots=True)
class Model:
    """One particle: any of `names` (qualified), or `parts` in sequence, or one of them (`is_choice`).

    It stands between `least` and `most` times; `most` None: any number. xs:all is a sequence here: which of its
    elements are there matters, and not their order.
    """

    least: int
    most: int | None
    names: tuple[str, ...] = ()
    parts: tuple["Model", ...] = ()
    is_choice: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """One path of a constraint: qualified names, `*` or `{namespace}*`, from anywhere below or from the element itself,
    and last an attribute or nothing."""

    steps: tuple[str, ...]
    is_anywhere: bool = False
    attribute: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """One xs:unique, xs:key or xs:keyref (`kind`) of an element. `refers`: the key that a keyref is about, by name."""

    kind: str
    name: str
    selected: tuple[Way, ...]
    fields: tuple[tuple[Way, ...], ...]
    refers: str = ""
