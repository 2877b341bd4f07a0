"""Changes of one kind, made together: each statement once for all of them instead of once for each.

A kind of change is one function over several that are given; a single one is a group of one, so nothing is written
twice. The writer puts changes of one kind that follow each other into one call. Such a call is all or nothing: when one
of them can not be made it raises, the writer takes everything back, and makes each by itself (`writer.py`), where the
one that fails fails alone. So a kind may raise for many whatever it finds wrong first, and must tell for one exactly
what is.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, bindparam

from gateway.storage.engine import Connection, Row, Transaction, Values

G = TypeVar("G")
T = TypeVar("T")

Kind = Callable[[Transaction, Sequence[G]], Sequence[T]]
"""Makes changes of one kind, and returns what came of each, in their order."""


@dataclass(slots=True, eq=False)
class Together(Generic[G, T]):
    """A change that may be made with others of its kind. As any change it can be called, then it is made by itself.

    `came`: what came of it when it was last made, be that committed or not; None where it could not be made."""

    kind: Kind[G, T]
    given: G
    came: T | None = None

    def __call__(self, transaction: Transaction) -> T:
        self.came = None
        (outcome,) = self.kind(transaction, (self.given,))
        self.came = outcome
        return outcome


def make_all(transaction: Transaction, changes: Iterable[Callable[[Transaction], Any]]) -> list[Any]:
    """Make `changes` in their order, those of one kind that follow each other as one; return what came of each."""
    outcomes: list[Any] = []
    for kind, some in groupby(changes, key=_kind):
        if kind is None:
            outcomes += [change(transaction) for change in some]
        else:
            together = [one for one in some if isinstance(one, Together)]
            outcomes += _made(transaction, kind, together)
    return outcomes


def _made(transaction: Transaction, kind: Kind[G, T], changes: Sequence[Together[G, T]]) -> Sequence[T]:
    outcomes = kind(transaction, [one.given for one in changes])
    for one, outcome in zip(changes, outcomes, strict=True):
        one.came = outcome
    return outcomes


def _kind(change: Callable[[Transaction], Any]) -> Kind[Any, Any] | None:
    return change.kind if isinstance(change, Together) else None


_SIZES: Final = (1, 4, 32)


class Among:
    """A question about the rows in which a column has any of some values, asked for as many as possible at once.

    There is a statement for each size, since what a statement holds is fixed when it is compiled; what is over in one
    is filled with a value that is asked for already.
    """

    def __init__(self, question: Select[Any], column: ColumnElement[str]) -> None:
        self.statements: Final = {
            size: question.where(column.in_([bindparam(name) for name in names])) for size, names in _NAMES.items()
        }

    def rows(self, connection: Connection, values: Values, among: Sequence[str]) -> list[Row]:
        """Return the rows of all of `among`, in no order."""
        found: list[Row] = []
        for start in range(0, len(among), _SIZES[-1]):
            some = among[start : start + _SIZES[-1]]
            size = next(size for size in _SIZES if size >= len(some))
            filled = [*some, *[some[0]] * (size - len(some))]
            asked = {**values, **dict(zip(_NAMES[size], filled, strict=True))}
            found += connection.rows(self.statements[size], asked)
        return found


_NAMES: Final = {size: [f"any_{number}" for number in range(size)] for size in _SIZES}
