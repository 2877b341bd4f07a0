"""The worker process: lay out the desk once, then answer one batch after the other over a pipe, until the pipe ends.

Frames (`wire`) are pickles of our own frozen values (`pack`) between our own two processes. The first frame brings the
job table, the set-up function and the snapshot; keys are not in it, each worker opens its own. Light to import, so that
signals are dealt with before anything heavy is loaded. A worker never outlives its node: it ends when the pipe does,
and a watching thread ends it in the middle of a batch when the parent process is gone.
"""

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from gateway.errors import GatewayError
from gateway.workers.batch import internal, run_batch
from gateway.workers.pack import pack, unpack
from gateway.workers.table import Job, JobTable, Result, Stage, verdict
from gateway.workers.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """The first frame to a worker."""

    table: JobTable[Any]
    setup: Callable[[Any], Any]
    snapshot: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A worker's answer to SetUp: it waits for batches, or `error` says why it can not."""

    error: GatewayError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Jobs of one stage. The answer is a list with one result per job."""

    stage: Stage
    jobs: tuple[Job, ...]


def worker_main(wire: Wire) -> None:
    """Serve until the pipe ends. The parent alone decides when: Ctrl-C and a group's SIGTERM go to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    try:
        _serve(wire)
    except (EOFError, ConnectionError):
        return  # the parent closed its end, or is gone


def _serve(wire: Wire) -> None:
    frame = wire.receive()
    try:
        told: SetUp = unpack(frame)
        desk = told.setup(told.snapshot)
    except GatewayError as error:
        wire.send(pack(Ready(error=error)))
        return
    except Exception as error:  # noqa: BLE001  # the outermost boundary of the set-up
        wire.send(pack(Ready(error=internal(error, "setting up a worker"))))
        return
    # What was laid out stays for the life of the process: keep the collector from walking it again and again.
    gc.collect()
    gc.freeze()
    wire.send(pack(Ready()))
    while True:
        batch: Batch = unpack(wire.receive())
        wire.send(_packed(batch, run_batch(batch.stage, batch.jobs, told.table, desk)))


def _packed(batch: Batch, results: list[Result]) -> bytes:
    try:
        return pack(results)
    except Exception:  # noqa: BLE001  # pickling runs foreign code; one result at fault must not cost the others
        pairs = zip(batch.jobs, results, strict=True)
        return pack([_packable(job, result) for job, result in pairs])


def _packable(job: Job, result: Result) -> Result:
    try:
        pack(result)
    except Exception as error:  # noqa: BLE001
        return verdict(job, internal(error, "packing a result"))
    return result


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)
