"""A stand-in for a node, run as its own process: starts a pool, prints its workers' pids, then waits or leaves.

Arguments: a folder for traces; `wait`, `busy` or `leave`.
"""

import asyncio
import contextlib
import sys
from pathlib import Path

import uvloop

from gateway.workers import WorkerPool
from tests.unit.workers.scripted_work import TABLE, Recorder, Snapshot, lay_out, pid_of, seal_job


async def main(folder: Path, then: str) -> None:
    pool = WorkerPool(setup=lay_out, snapshot=Snapshot(folder), table=TABLE, size=1, telemetry=Recorder())
    await pool.start()
    print(pid_of(await pool.seal(seal_job("hello"))), flush=True)
    if then == "busy":
        await pool.seal(seal_job("hang"))
    if then == "wait":
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main(Path(sys.argv[1]), sys.argv[2]))
