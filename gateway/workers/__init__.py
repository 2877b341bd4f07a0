"""Where CPU-heavy work runs: a pool of processes, or one thread. Implementations of `ports.Workers`."""

from collections.abc import Callable

from gateway.ports import Telemetry
from gateway.workers.generations import WorkerGenerations
from gateway.workers.inline import InlineWorkers
from gateway.workers.pool import PoolLimits, SnapshotT, WorkerPool
from gateway.workers.queue import QueueLimits
from gateway.workers.table import DeskT, JobTable, Stage

__all__ = [
    "InlineWorkers",
    "JobTable",
    "PoolLimits",
    "QueueLimits",
    "Stage",
    "WorkerGenerations",
    "WorkerPool",
    "open_workers",
]


def open_workers(
    *,
    setup: Callable[[SnapshotT], DeskT],
    snapshot: SnapshotT,
    table: JobTable[DeskT],
    size: int,
    telemetry: Telemetry,
    limits: PoolLimits | None = None,
) -> WorkerPool | InlineWorkers[SnapshotT, DeskT]:
    """Return `size` worker processes, or for 0 the same work on one thread of this process. Not started yet."""
    limits = limits or PoolLimits()
    if size == 0:
        return InlineWorkers(setup=setup, snapshot=snapshot, table=table, limits=limits.queue, grace=limits.grace)
    return WorkerPool(setup=setup, snapshot=snapshot, table=table, size=size, telemetry=telemetry, limits=limits)
