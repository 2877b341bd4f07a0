"""Transfers as people are told of them: one that waits for a partner who can not be reached says so."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain.records import SubmissionRow, TransferRow
from gateway.domain.waiting import as_it_waits
from gateway.ports import Store

__all__ = ["submissions_as_they_wait", "transfers_as_they_wait"]


async def transfers_as_they_wait(store: Store, rows: Sequence[TransferRow]) -> list[TransferRow]:
    """Return `rows`, each with what it waits for."""
    partners = {health.partner: health for health in await store.partners()}
    return [as_it_waits(row, partners) for row in rows]


async def submissions_as_they_wait(store: Store, rows: Sequence[SubmissionRow]) -> list[SubmissionRow]:
    """Return `rows`, each of their transfers with what it waits for."""
    partners = {health.partner: health for health in await store.partners()}
    return [replace(row, transfers=tuple(as_it_waits(one, partners) for one in row.transfers)) for row in rows]
