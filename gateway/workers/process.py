"""One worker process as its parent sees it. Every method blocks: a pool calls them on the worker's own thread."""

import contextlib
import multiprocessing
from datetime import timedelta

from gateway.errors import GatewayError
from gateway.workers.pack import pack, unpack
from gateway.workers.serve import Batch, Ready, worker_main
from gateway.workers.table import Result
from gateway.workers.wire import Wire

_SPAWN = multiprocessing.get_context("spawn")


class WorkerEndedError(Exception):
    """The process ended before it answered. `exit_code` is negative for a signal, None if it is not known."""

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class WorkerProcess:
    """A process that serves batches, from `start` to `stop`."""

    def __init__(self, set_up: bytes, *, name: str) -> None:
        self._wire, self._far_end = Wire.pair(_SPAWN)
        self._set_up = set_up
        # A daemon: an interpreter that exits without `stop` does not wait for it.
        self._process = _SPAWN.Process(target=worker_main, args=(self._far_end,), name=name, daemon=True)

    @property
    def pid(self) -> int | None:
        """The process id, once started."""
        return self._process.pid

    def start(self) -> None:
        """Start the process and wait until its desk is laid out.

        Raises the GatewayError with which the set-up failed, or WorkerEndedError.
        """
        self._process.start()
        # Ours is now the only other end: when the process ends, reading here ends too.
        self._far_end.close()
        answer = self._ask(self._set_up)
        if not isinstance(answer, Ready):
            raise WorkerEndedError(None)
        if answer.error is not None:
            raise answer.error

    def run(self, batch: Batch) -> list[Result]:
        """Have a batch done and return its results. Raises WorkerEndedError."""
        answer = self._ask(pack(batch))
        if not isinstance(answer, list) or len(answer) != len(batch.jobs):
            raise GatewayError("internal", "A worker gave an answer of another shape")
        return answer

    def is_alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process.is_alive()

    def kill(self) -> None:
        """End the process at once. May be called from any thread, and more than once."""
        with contextlib.suppress(ValueError, AttributeError):
            self._process.kill()

    def stop(self, within: timedelta) -> None:
        """Let the process end by itself, and end it if it does not."""
        self._wire.close()
        self._far_end.close()
        if self._process.pid is not None:
            self._process.join(within.total_seconds())
            self.kill()
            self._process.join()

    def _ask(self, frame: bytes) -> object:
        try:
            self._wire.send(frame)
            return unpack(self._wire.receive())
        except (EOFError, OSError) as error:
            self.kill()
            self._process.join()
            raise WorkerEndedError(self._process.exitcode) from error
