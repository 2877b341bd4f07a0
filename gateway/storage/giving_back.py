"""Giving back leases that a failed commit may have made: nobody holds them, and nobody shall wait for their end."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

from gateway.domain.records import ClaimedHandOver, ClaimedTransfer
from gateway.errors import StorageError, TransferError
from gateway.storage.writer import Writer


async def give_back_all(
    writer: Writer, give_back: Callable[..., None], made: Sequence[ClaimedTransfer | ClaimedHandOver], now: datetime
) -> None:
    """Give back each of `made`. A commit that did not happen left nothing to; while the store fails, their end has to
    do."""
    for one in made:
        with suppress(TransferError, StorageError):
            detail = "The commit of its lease failed"
            await writer.write(partial(give_back, row=one.row, fence=one.fence, now=now, detail=detail))
