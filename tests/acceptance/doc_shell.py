"""A shell that goes down a page as a reader would, in a folder that stands in for a fresh clone.

One shell for each page, so that variables and background jobs last. Any command that fails ends it. A command that
goes on until Ctrl-C (`GOES_ON`) runs beside the shell, as in a second terminal; pages that begin with the same one share it.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.acceptance.commands import ROOT
from tests.acceptance.doc_blocks import Block, Commands, File, PageError, Step, check_output
from tests.ports import kept

GOES_ON: Final = {'make demo ARGS="--keep --dir demo-data"': "Stop with Ctrl-C."}
"""Commands that a reader leaves running in a terminal of their own, and the last line they print before they wait."""

INTERRUPT: Final = "^C"
"""What a terminal shows when Ctrl-C is pressed."""


class Clone:
    """A folder with the files of the checkout and an installed environment, as `make setup` leaves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.terminals: dict[str, Terminal] = {}
        self._ports = ExitStack()
        folder.mkdir()
        for path in ROOT.iterdir():
            if not path.name.startswith(".") and path.name not in {"demo-data", "build"}:
                (folder / path.name).symlink_to(path)
        venv = folder / ".venv"
        venv.mkdir()
        (venv / "bin").symlink_to(Path(sys.executable).parent)
        (venv / ".set-up").touch()

    def environment(self) -> dict[str, str]:
        """Return the variables of a reader who has not yet activated anything."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "MAKE"))}
        ours = str(Path(sys.executable).parent)
        path = [one for one in inherited["PATH"].split(os.pathsep) if one != ours]
        return {**inherited, "PATH": os.pathsep.join(path), "PYTHONIOENCODING": "utf-8", "LC_ALL": "C.UTF-8"}

    def close(self) -> None:
        """End what still runs in a terminal."""
        for terminal in self.terminals.values():
            terminal.interrupt()
        self._ports.close()

    def keep_ports(self) -> None:
        """Keep the ports of gateways that were stopped, for a page starts them again while other tests look for ports."""
        for told in self.folder.glob("*/demo.env"):
            ports = sorted({int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", told.read_text(encoding="utf-8"))})
            self._ports.enter_context(kept(ports))

    def logs(self) -> str:
        """Return the last lines of what the commands of the page wrote into files."""
        found = [path for path in sorted(self.folder.glob("*/*.log")) if path.is_file()]
        return "\n".join(f"{path.name}: {path.read_text(encoding='utf-8', errors='replace')[-2000:]}" for path in found)


class Terminal:
    """One command that goes on until Ctrl-C."""

    def __init__(self, clone: Clone, command: str) -> None:
        self._log = clone.folder / f"terminal-{len(clone.terminals)}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=clone.folder,
                env=clone.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        last = GOES_ON[command]
        _wait(lambda: last in self.printed or self._process.poll() is not None, 150, lambda: self.printed)
        if last not in self.printed:
            raise PageError(f"{command} ended:\n{self.printed}")
        self.before_interrupt = self.printed

    @property
    def printed(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def interrupt(self) -> None:
        """Press Ctrl-C, which goes to every process of the terminal, and wait for the end."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait(30)


class Shell:
    """The shell of one page."""

    def __init__(self, clone: Clone) -> None:
        self._clone = clone
        self._scratch = clone.folder / ".page"
        self._scratch.mkdir(exist_ok=True)
        self._place = clone.folder
        self._bash = subprocess.Popen(
            ["bash", "-e", "-o", "pipefail"],
            cwd=clone.folder,
            env=clone.environment(),
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def take(self, step: Step) -> bool:
        """Do one step of a page, and tell whether its output was compared. Raises PageError when it fails or differs."""
        if isinstance(step, File):
            (self._place / step.name).write_text(step.block.text, encoding="utf-8")
            return False
        printed = self._beside(step) if step.block.lines[0] in GOES_ON else self._run(step.block)
        if step.shown is None:
            return False
        shown = step.shown
        check_output(replace(shown, lines=tuple(line for line in shown.lines if line != INTERRUPT)), printed)
        return True

    def _beside(self, step: Commands) -> str:
        (command,) = step.block.lines
        terminals = self._clone.terminals
        if command not in terminals:
            terminals[command] = Terminal(self._clone, command)
        if step.shown is not None and step.shown.lines[-1] == INTERRUPT:
            terminals[command].interrupt()
            self._clone.keep_ports()
        return terminals[command].before_interrupt

    def _run(self, block: Block) -> str:
        script, out, place, done = (self._scratch / name for name in ("script", "out", "place", "done"))
        script.write_text(block.text, encoding="utf-8")
        done.unlink(missing_ok=True)
        assert self._bash.stdin is not None
        source, into, here, end = (shlex.quote(str(path)) for path in (script, out, place, done))
        self._bash.stdin.write(f"source {source} > {into} 2>&1 < /dev/null; pwd > {here}; touch {end}\n")
        self._bash.stdin.flush()
        _wait(lambda: done.exists() or self._bash.poll() is not None, 120, lambda: out.read_text(encoding="utf-8"))
        printed = out.read_text(encoding="utf-8", errors="replace")
        if not done.exists():
            told = f"{block.where}: a command failed:\n\n{block.text}\nIt printed\n\n{printed}\n{self._clone.logs()}"
            raise PageError(told)
        self._place = Path(place.read_text(encoding="utf-8").strip())
        return printed

    def close(self) -> None:
        """End the shell and what it left in the background."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._bash.pid, number)
            except ProcessLookupError:
                break
            _wait(lambda: self._bash.poll() is not None, 10, lambda: "the shell does not end")
            time.sleep(0)  # let the group follow
        assert self._bash.stdin is not None
        self._bash.stdin.close()


def _wait(what: Callable[[], bool], seconds: float, told: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise PageError(f"not within {seconds} seconds:\n{told()}")
        time.sleep(0.02)
