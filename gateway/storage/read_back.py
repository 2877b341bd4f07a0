"""Changes that nobody else will make again: what came of an attempt, committed under a lease.

They can tell whether they happened before. So when their commit is unknown, each is run once more with `again`, on the
connection that the writer opens anew: it finds its own work there, or does it now. And while the store can not write at
all (a full disk, a lock), they are tried for a while: given up, what was sent would wait for the end of its lease, and
be sent again then, long after the store is well.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from gateway.errors import GatewayError, StorageError
from gateway.storage.together import Kind, Together
from gateway.storage.writer import Writer

G = TypeVar("G")
T = TypeVar("T")

_WAITS: Final = (0.0, 0.1, 0.2, 0.5, 1.0, *(2.0,) * 30)
"""Seconds before each further try. About as long as a lease lasts: after that the row is another's."""
_TRIED_AGAIN: Final = frozenset({"storage.commit_unknown", "storage.unavailable"})


class ReadBack(NamedTuple, Generic[G, T]):
    """A kind of change, and the same for one that may have happened already."""

    first: Kind[G, T]
    again: Kind[G, T]


async def write(writer: Writer, kind: ReadBack[G, T], given: G) -> T:
    """Do what `writer.write` does. Raises `storage.commit_unknown` and `storage.unavailable` only when the store is
    closed or has failed for a minute."""
    (outcome,) = await write_all(writer, kind, [given])
    if isinstance(outcome, GatewayError):
        raise outcome
    return outcome


async def write_all(writer: Writer, kind: ReadBack[G, T], given: Sequence[G]) -> list[T | GatewayError]:
    """Do what `writer.write_all` does, with the patience of `write`."""
    outcomes: list[T | GatewayError] = await _try(writer, [Together(kind.first, one) for one in given])
    for wait in _WAITS:
        failed = [number for number, outcome in enumerate(outcomes) if _may_be_tried_again(outcome)]
        if not failed or writer.closing:
            break
        await asyncio.sleep(wait)
        found = await _try(writer, [Together(kind.again, given[number]) for number in failed])
        for number, outcome in zip(failed, found, strict=True):
            outcomes[number] = outcome
    return outcomes


async def _try(writer: Writer, changes: Sequence[Together[G, T]]) -> list[T | GatewayError]:
    try:
        return await writer.write_all(changes)
    except StorageError as error:
        return [StorageError(error.code, error.detail) for _ in changes]


def _may_be_tried_again(outcome: object) -> bool:
    return isinstance(outcome, StorageError) and outcome.code in _TRIED_AGAIN
