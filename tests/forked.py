"""`gateway ARGUMENTS` in a process of its own, forked from one that has imported everything once.

Importing the gateway and its libraries takes longer than most commands and than what a node does at its start, and the
suite starts hundreds of processes. A forked one runs the same `main` with its own arguments, environment, folder, output
and exit code, is killed and waited for like any other, and remembers nothing of the one before. What imports cost, and
that `python -m gateway` and the installed script start the same `main`, is claimed where real ones run: the demo, the
documents for newcomers, test_cli_tree.py.
"""

import asyncio
import importlib
import multiprocessing
import os
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TextIO

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([f"{__name__}_from"])


def import_everything() -> None:
    """Import every module of the gateway and load the examples once; in the process that others are forked from."""
    import gateway
    from gateway.bundled import config_folder, schema_folder
    from gateway.schema import read_tree
    from gateway.settings import load_agreements, load_catalogue

    for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if not module.name.endswith(".__main__") and ".migrations." not in module.name:  # these run when imported
            importlib.import_module(module.name)
    catalogue = load_catalogue(schema_folder())
    for schema_set in catalogue.values():
        read_tree(schema_set)
    load_agreements([config_folder() / "agreements"], catalogue)  # what was read of a text is known by that text


class ForkedProcess:
    """One running command: what asyncio.subprocess.Process offers, as far as tests need it."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        out: Path,
        err: Path | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Start it. `out`, `err`: files that its output is appended to; without `err` both go to one."""
        self._process: ForkServerProcess = _FORKS.Process(
            target=_run,
            args=(list(arguments), dict(environment or os.environ), folder or Path.cwd(), out, err or out),
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code; -N when signal N ended it, None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def join(self, seconds: float) -> int | None:
        """Wait for the end, at most so long, and return the exit code; None if it still runs."""
        self._process.join(seconds)
        return self.returncode

    async def wait(self) -> int:
        """Return the exit code as soon as it has ended."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        assert self.returncode is not None
        return self.returncode


def _run(arguments: list[str], environment: dict[str, str], folder: Path, out: Path, err: Path) -> None:
    """Be `gateway ARGUMENTS`: what an interpreter does before it comes to `main`."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.stdout, sys.stderr = _opened(out, 1), _opened(err, 2)
    sys.argv = ["gateway", *arguments]
    from gateway.cli import main

    main()


def _opened(path: Path, number: int) -> TextIO:
    with path.open("ab") as file:
        os.dup2(file.fileno(), number)
    return os.fdopen(number, "w", encoding="utf-8", errors="strict" if number == 1 else "backslashreplace", buffering=1)
