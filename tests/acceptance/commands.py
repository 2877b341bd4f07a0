"""Running commands as a person or a script does: a process of its own (tests/forked.py), its output, its exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.forked import ForkedProcess

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "wco_schemas" / "samples"
VALID = SAMPLES / "valid" / "import-two-items.xml"
INVALID = SAMPLES / "invalid" / "schema-unknown-element.xml"
POLICY = ROOT / "config" / "policies" / "customs-cooperation.yaml"
NO_OWN_SETS = {"GATEWAY_CATALOGUE": str(ROOT / "build" / "no-catalogue")}
"""So that sets which a developer has added do not show."""
AGREEMENT = ROOT / "config" / "agreements" / "gb-fr.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> list[Any]:
        """The objects it printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def problem(self) -> Any:
        """The one object it printed on stderr."""
        return json.loads(self.err)


def gateway(
    *arguments: object, env: Mapping[str, str] | None = None, timeout: float = 60, cwd: Path | None = None
) -> Ran:
    """Run `gateway ARGUMENTS`, without colour and away from any terminal, for at most `timeout` seconds.

    `cwd`: where to run it, in an interpreter of its own: a `gateway` package there is the one that runs.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environment = {**inherited, **NO_OWN_SETS, "PYTHONIOENCODING": "utf-8", **(env or {})}
    written = [str(one) for one in arguments]
    return _forked(written, environment, timeout) if cwd is None else _started(written, environment, timeout, cwd)


def _forked(arguments: list[str], environment: Mapping[str, str], timeout: float) -> Ran:
    with TemporaryDirectory(prefix="gateway-ran-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = ForkedProcess(arguments, out=out, err=err, environment=environment)
        code = process.join(timeout)
        if code is None:
            process.kill()
            raise TimeoutError(f"gateway {' '.join(arguments)} has not ended within {timeout} s")
        return Ran(code=code, out=out.read_text(encoding="utf-8"), err=err.read_text(encoding="utf-8"))


def _started(arguments: list[str], environment: Mapping[str, str], timeout: float, folder: Path) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=folder,
        check=False,
        env=environment,
    )
    return Ran(code=done.returncode, out=done.stdout, err=done.stderr)
