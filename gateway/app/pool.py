"""Where a node's CPU-heavy work runs: its workers, with the four jobs and its own desk."""

from gateway.app.desk import Snapshot, lay_desk
from gateway.exchange.batches import run_admit, run_check, run_prepare, run_seal
from gateway.exchange.desk import Desk
from gateway.ports import Telemetry
from gateway.workers import InlineWorkers, JobTable, PoolLimits, QueueLimits, WorkerPool, open_workers

Pool = WorkerPool | InlineWorkers[Snapshot, Desk]


def open_pool(snapshot: Snapshot, telemetry: Telemetry) -> Pool:
    """Return the workers that a node's settings ask for. Not started yet."""
    settings = snapshot.settings
    return open_workers(
        setup=lay_desk,
        snapshot=snapshot,
        table=JobTable(prepare=run_prepare, seal=run_seal, admit=run_admit, check=run_check),
        size=settings.workers,
        telemetry=telemetry,
        limits=PoolLimits(queue=QueueLimits(batch=settings.batches.jobs)),
    )
