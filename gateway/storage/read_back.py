"""Changes that can tell whether they happened before: when their commit is unknown, the database is asked.

Each is run once more with `again`, on the connection that the writer opens anew: it finds its own work there, or does
it now. Only when that commit is unknown too is whoever waits told so.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from gateway.errors import GatewayError, StorageError
from gateway.storage.writer import Writer

T = TypeVar("T")


async def write(writer: Writer, change: Callable[..., T]) -> T:
    """Do what `writer.write` does."""
    try:
        return await writer.write(change)
    except StorageError as error:
        if not _is_unknown(error):
            raise
    return await writer.write(partial(change, again=True))


async def write_all(writer: Writer, changes: Sequence[Callable[..., T]]) -> list[T | GatewayError]:
    """Do what `writer.write_all` does."""
    outcomes = await writer.write_all(changes)
    unknown = [number for number, outcome in enumerate(outcomes) if _is_unknown(outcome)]
    found = await writer.write_all([partial(changes[number], again=True) for number in unknown])
    for number, outcome in zip(unknown, found, strict=True):
        outcomes[number] = outcome
    return outcomes


def _is_unknown(outcome: object) -> bool:
    return isinstance(outcome, StorageError) and outcome.code == "storage.commit_unknown"
