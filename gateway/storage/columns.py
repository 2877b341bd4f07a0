"""What tables are made of: kinds of columns, checks and indexes, the same on every engine.

Kept apart from `tables.py` so that a table there reads as a list of what a row holds.
"""

from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy import text as words

metadata: Final = MetaData(
    naming_convention={
        "ck": "%(table_name)s_%(constraint_name)s",
        "fk": "%(table_name)s_%(column_0_name)s_known",
        "pk": "%(table_name)s_primary",
        "uq": "%(table_name)s_%(column_0_N_name)s_once",
    }
)

# SQLite's STRICT tables know INTEGER (64 bits) but not BIGINT.
Number: Final = BigInteger().with_variant(Integer, "sqlite")


def number(name: str, *, null: bool = False) -> Column[int]:
    """Return a column for a count or a version: 64 bits."""
    return Column(name, Number, nullable=null)


def time(name: str, *, null: bool = False) -> Column[int]:
    """Return a column for a time: microseconds since 1970 in UTC."""
    return Column(name, Number, nullable=null)


def text(name: str, *, null: bool = False) -> Column[str]:
    """Return a column for an id, a code, a name."""
    return Column(name, Text, nullable=null)


def sealed(name: str) -> Column[bytes]:
    """Return a column for bytes that only the at-rest key opens."""
    return Column(name, LargeBinary, nullable=False)


def flag(name: str) -> tuple[Column[int], CheckConstraint]:
    """Return a column that holds 0 or 1 and nothing else."""
    return Column(name, Number, nullable=False), CheckConstraint(f"{name} IN (0, 1)", name=f"{name}_is_flag")


def one_of(column: str, values: type[StrEnum] | tuple[str, ...]) -> CheckConstraint:
    """Return a check by which the database refuses a word that the program does not know."""
    listed = ", ".join(f"'{value}'" for value in sorted(str(value) for value in values))
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_is_known")


def table(name: str, *parts: Any, clustered: bool = False) -> Table:
    """Return a table. `clustered`: rows lie in the order of the primary key, with no second b-tree."""
    return Table(name, metadata, *parts, sqlite_strict=True, sqlite_with_rowid=not clustered)


def partial(name: str, *columns: Any, where: str, unique: bool = False) -> Index:
    """Return an index of the rows that `where` lets through."""
    return Index(name, *columns, unique=unique, sqlite_where=words(where), postgresql_where=words(where))
