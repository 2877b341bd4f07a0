"""One act on many transfers, found by query: one after the other, each with its own change and its own audit record.

Bounded: no more of them than were found, and none is begun after ten seconds, since whoever asked is waiting. One that
the act refuses stays where it is, and is named with why; the others go on.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gateway.domain.records import ActedOnMany, NotDone, TransferRow
from gateway.errors import GatewayError, StorageError
from gateway.ports import Clock

_ACT_SECONDS: Final = 10.0


async def act_on_many(
    found: Sequence[TransferRow], act: Callable[[TransferRow], Awaitable[TransferRow]], *, limit: int, clock: Clock
) -> ActedOnMany:
    """Return what came of `act` for each of `found`, at most `limit` as they were asked for, in their order.

    Raises StorageError when the store fails; what was done until then is done.
    """
    until = clock.monotonic() + _ACT_SECONDS
    rows: list[TransferRow] = []
    refused: list[NotDone] = []
    for row in found:
        if clock.monotonic() > until:
            break
        try:
            rows.append(await act(row))
        except GatewayError as error:
            if isinstance(error, StorageError) and error.code != "storage.corrupt":
                raise
            refused.append(NotDone(id=row.id, code=error.code, detail=error.detail or error.entry.title))
    done = len(rows) + len(refused)
    more = done < len(found) or len(found) == limit
    following = found[done - 1].id if more and done else None
    return ActedOnMany(rows=tuple(rows), refused=tuple(refused), following=following)
