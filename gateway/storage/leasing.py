"""Claiming in two steps: leases in a commit, then what is sealed of the leased rows, by connections that only read.

A lease whose commit failed is given back. Within that transaction a page that can not be read would spoil it, and with
it everything claimed together. Read apart it costs the one row whose content it held: that one is given out without
content and with a code that says why, so that whoever claimed it can say what becomes of it. A connection that met such
a page is closed, since it may go on remembering what one bad read left; so a page counts as damaged only when two
connections found it so.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from sqlalchemy import bindparam, select

from gateway.domain.records import InboxRow, TransferRow
from gateway.errors import CATALOGUE, GatewayError, StorageError
from gateway.storage.engine import Connection, Transaction
from gateway.storage.inbox_tables import inbox_payload
from gateway.storage.readers import Readers
from gateway.storage.tables import payload
from gateway.storage.together import Together
from gateway.storage.writer import Change, Writer

G = TypeVar("G")
R = TypeVar("R")
T = TypeVar("T")

_OF_TRANSFER = select(payload.c.sealed).where(payload.c.transfer_id == bindparam("transfer_id"))
_OF_MESSAGE = select(inbox_payload.c.sealed).where(
    inbox_payload.c.sender == bindparam("sender"), inbox_payload.c.message_id == bindparam("message_id")
)

_UNKNOWN: Final = CATALOGUE["storage.commit_unknown"].code

Content = tuple[bytes, str]
"""What is sealed, or nothing and the code that says why it could not be read."""


async def lease(
    writer: Writer, claim: Callable[[Transaction], list[tuple[R, int]]], give_back: Callable[[R, int], Change[object]]
) -> list[tuple[R, int]]:
    """Return what `claim` leased, each row with its fence. What a failed commit may have leased is given back: nobody
    holds it, and nobody shall wait for the end of the lease. `give_back`: the change that does so for a row.

    A commit that did not happen left nothing to give back. While the store fails, the end of the lease has to do.
    """
    made: list[tuple[R, int]] = []

    def change(transaction: Transaction) -> list[tuple[R, int]]:
        made[:] = claim(transaction)
        return list(made)

    try:
        return await writer.write(change)
    except StorageError as error:
        if error.code == _UNKNOWN:
            await _give_back(writer, [give_back(row, fence) for row, fence in made])
        raise


async def write_all(
    writer: Writer, changes: Sequence[Together[G, T]], give_back: Callable[[T], Sequence[Change[object]]]
) -> list[T | GatewayError]:
    """Do what `writer.write_all` does with changes that may lease. As at `lease`, what a failed commit may have leased
    is given back. `give_back`: the changes that do so, by what came of one whose commit failed."""
    outcomes = await writer.write_all(changes)
    unheld = [
        back
        for change, outcome in zip(changes, outcomes, strict=True)
        if isinstance(outcome, StorageError) and outcome.code == _UNKNOWN and change.came is not None
        for back in give_back(change.came)
    ]
    await _give_back(writer, unheld)
    return outcomes


async def _give_back(writer: Writer, changes: Sequence[Change[object]]) -> None:
    with suppress(StorageError):
        await writer.write_all(changes)


async def read_all(readers: Readers, read: Callable[[Connection, R], bytes], rows: Sequence[R]) -> list[Content]:
    """Return the content of each row, in order. `read` raises StorageError for what can not be read."""
    if not rows:
        return []
    try:
        return await readers.read(lambda ask: [(read(ask, row), "") for row in rows])
    except StorageError:
        return [await _read_alone(readers, read, row) for row in rows]


async def _read_alone(readers: Readers, read: Callable[[Connection, R], bytes], row: R) -> Content:
    code = "storage.corrupt"
    for _ in range(2):
        try:
            return await readers.read(lambda ask: read(ask, row)), ""
        except StorageError as error:
            code = error.code
        if code != "storage.corrupt":
            break
    return b"", code


def of_transfer(connection: Connection, row: TransferRow) -> bytes:
    """Return the sealed JWS of a transfer. Raises StorageError `storage.corrupt` when there is none."""
    found = connection.one(_OF_TRANSFER, {"transfer_id": row.id})
    if found is None:
        raise StorageError("storage.corrupt", "A transfer has no message")
    return bytes(found["sealed"])


def of_message(connection: Connection, row: InboxRow) -> bytes:
    """Return the sealed JWS of an inbox message. Raises StorageError `storage.corrupt` when there is none."""
    found = connection.one(_OF_MESSAGE, {"sender": row.sender, "message_id": row.message_id})
    if found is None:
        raise StorageError("storage.corrupt", "An inbox message has no content")
    return bytes(found["sealed"])
