"""The floor in as many processes as there are cores, kept between rounds, each idle while something else is measured."""

import gc
import multiprocessing
import os
import time
from contextlib import ExitStack
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Final, Self

from tests.benchmarks.floor import BATCH, Floor, Form, declarations, run

_SPAWN: Final = multiprocessing.get_context("spawn")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


class FloorProcesses:
    """Runs the floor on `number` processes: `with FloorProcesses(2) as floor: floor.rate(Form.PLAIN, 1000)`."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._pipes: list[Connection[object, object]] = []
        self.pids: list[int] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for _ in range(self._number):
            ours, theirs = _SPAWN.Pipe()
            process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            self.pids.append(process.pid or 0)
            theirs.close()
            self._stack.callback(process.join, 10)
            self._stack.callback(ours.close)
            self._pipes.append(ours)
        for pipe in self._pipes:
            pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def rate(self, form: Form, messages: int) -> float:
        """Take about `messages` through, shared equally in whole batches, and return messages per second."""
        share = max(1, round(messages / self._number / BATCH)) * BATCH
        started = time.perf_counter()
        for pipe in self._pipes:
            pipe.send((form, share))
        for pipe in self._pipes:
            pipe.recv()
        return share * self._number / (time.perf_counter() - started)


def _serve(pipe: "Connection[object, tuple[Form, int]]") -> None:
    """Answer each order when it is done, until the pipe ends."""
    floor = Floor()
    raws = declarations("floor", BATCH)
    for form in Form:
        run(floor, form, raws)  # not measured: whatever the first message costs alone
    gc.collect()
    gc.freeze()
    pipe.send("ready")
    while True:
        try:
            form, messages = pipe.recv()
        except EOFError:
            return
        for _ in range(messages // BATCH):
            run(floor, form, raws)
        pipe.send("done")
