"""Transfers that wait under an agreement which is no longer in force: found by a reader, held by the writer.

A claim holds what it would have sent. This holds the rest, at once: what is not due yet, what is behind another one,
and what is for a partner that can not be reached, for which nothing is claimed.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial

from sqlalchemy import bindparam, select

from gateway.domain.ids import TransferId
from gateway.domain.lifecycle import TransferState
from gateway.domain.records import TransferRow
from gateway.storage import transfers
from gateway.storage.engine import Connection, Transaction
from gateway.storage.readers import Readers
from gateway.storage.tables import transfer
from gateway.storage.values import transfer_row
from gateway.storage.writer import Writer

# One that the partner swore not to have is made anew before it is sent, and that asks what is in force.
_WAITS = (transfer.c.state == TransferState.QUEUED.value, transfer.c.not_seen == 0)
_AGREEMENTS = select(transfer.c.agreement_sha256).where(*_WAITS).distinct()
_UNDER = (
    select(transfer.c.id).where(*_WAITS, transfer.c.agreement_sha256 == bindparam("under")).limit(bindparam("limit"))
)
_STILL = select(transfer).where(transfer.c.id == bindparam("of"), *_WAITS)


class SqlEndedStore:
    """See `gateway.ports.Store` for what each method promises."""

    _writer: Writer
    _readers: Readers

    async def hold_ended(
        self, in_force: Collection[str], *, limit: int, now: datetime, stopped: Mapping[str, str] | None = None
    ) -> list[TransferRow]:
        """Hold what waits under an agreement that is not in force, with the evidence, in one commit."""
        found = await self._readers.read(partial(_waiting, in_force=in_force, limit=limit))
        if not found:
            return []
        return await self._writer.write(partial(_hold, found=found, in_force=in_force, now=now, stopped=stopped))


def _waiting(connection: Connection, in_force: Collection[str], limit: int) -> list[TransferId]:
    """Return ids of transfers that wait under what is not in force."""
    ended = [row["agreement_sha256"] for row in connection.rows(_AGREEMENTS, {})]
    found: list[TransferId] = []
    for one in sorted(set(ended) - set(in_force)):
        rows = connection.rows(_UNDER, {"under": one, "limit": limit - len(found)})
        found += (TransferId(row["id"]) for row in rows)
        if len(found) >= limit:
            break
    return found


def _hold(
    transaction: Transaction,
    found: Collection[TransferId],
    in_force: Collection[str],
    now: datetime,
    stopped: Mapping[str, str] | None,
) -> list[TransferRow]:
    """Hold those that still wait, and return them as they stand then."""
    rows = [transaction.connection.one(_STILL, {"of": one}) for one in found]
    return [
        transfers.hold_ended(transaction, transfer_row(row), now, stopped)
        for row in rows
        if row is not None and row["agreement_sha256"] not in in_force
    ]
