"""What commands print, word for word: transcripts beside the tests, against one node whose time stands still.

Ids, the node's port and the ids of answers differ from run to run, so each is written as its number of appearance, of
the same length, so that tables stay as they are. A transcript that differs is written to build/transcripts: read it,
and if it is what a person should see, it takes the old one's place.
"""

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from typer.testing import CliRunner

from gateway.cli.root import app
from tests.acceptance.commands import ROOT

KEPT: Final = Path(__file__).parent / "transcripts"
FRESH: Final = ROOT / "build" / "transcripts"
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

_RUNNER: Final = CliRunner()
"""Runs a command within this process: there are too many here for a process each, which others have (commands.py)."""


@dataclass(slots=True, kw_only=True)
class Transcript:
    """One session at a terminal. `token`: who sits there."""

    name: str
    url: str
    token: str
    lines: list[str] = field(default_factory=list)
    _numbers: dict[str, str] = field(default_factory=dict)

    async def run(self, *arguments: object, token: str = "") -> None:
        """Run a command and write down what it said and how it ended."""
        environment = {"GATEWAY_URL": self.url, "GATEWAY_TOKEN": token or self.token, "COLUMNS": "100"}
        ran = await asyncio.to_thread(_RUNNER.invoke, app, [str(one) for one in arguments], env=environment)
        asked = " ".join(_word(str(one)) for one in arguments)
        who = f"{token or self.token}$" if token else "$"
        said = [*ran.stdout.splitlines(), *(f"! {line}" for line in ran.stderr.splitlines())]
        self.lines += [f"{who} gateway {asked}", *(line.rstrip() for line in said), f"[{ran.exit_code}]", ""]

    def check(self) -> None:
        """Hold the session against the one that is kept."""
        text = _UUID.sub(self._number, "\n".join(self.lines)).replace(self.url, "URL")
        kept = KEPT / f"{self.name}.txt"
        if not kept.exists() or text != kept.read_text(encoding="utf-8"):
            FRESH.mkdir(parents=True, exist_ok=True)
            (FRESH / kept.name).write_text(text, encoding="utf-8")
        assert text == kept.read_text(encoding="utf-8")

    def _number(self, found: re.Match[str]) -> str:
        return self._numbers.setdefault(found[0], f"id-{len(self._numbers) + 1:033d}")


def _word(text: str) -> str:
    return f'"{text}"' if " " in text or not text else text
