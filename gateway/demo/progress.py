"""What is seen while the demo runs: bars on a terminal, lines everywhere else, nothing at all for JSON."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from gateway.demo.watch import Counts

_LINE_EVERY: Final = timedelta(seconds=1)
_SHOWN: Final = {
    "taken": "taken",
    "delivered": "delivered",
    "arrived": "at the partner's back end",
    "known": "known to be there",
}


class Teller(Protocol):
    """Whoever tells how far the demo is."""

    def say(self, text: str) -> None:
        """Tell what happens now."""

    def see(self, counts: Counts) -> None:
        """Tell how far it is."""


@contextmanager
def telling(console: Console, *, total: int) -> Iterator[Teller]:
    """Yield what suits the console. `total`: how many documents there are to count."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield _Lines(console, total)
        return
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        yield _Bars(bars, total)


class Silent:
    """Tells nothing."""

    def say(self, text: str) -> None:
        """Tell nothing."""

    def see(self, counts: Counts) -> None:
        """Tell nothing."""


class _Bars:
    def __init__(self, bars: Progress, total: int) -> None:
        self._bars = bars
        self._tasks = {name: bars.add_task(title, total=total) for name, title in _SHOWN.items()}

    def say(self, text: str) -> None:
        self._bars.console.print(Text(text))

    def see(self, counts: Counts) -> None:
        for name, task in self._tasks.items():
            self._bars.update(task, completed=getattr(counts, name))


@dataclass(slots=True)
class _Lines:
    """One line an act, and at most one a second about the counts."""

    console: Console
    total: int
    last: float = field(default=0.0)

    def say(self, text: str) -> None:
        self.console.print(Text(text))

    def see(self, counts: Counts) -> None:
        now = monotonic()
        ended = min(counts.taken, counts.delivered, counts.arrived, counts.known) >= self.total
        if not ended and now - self.last < _LINE_EVERY.total_seconds():
            return
        self.last = now
        told = ", ".join(f"{getattr(counts, name)} {title}" for name, title in _SHOWN.items())
        self.console.print(Text(f"  of {self.total}: {told}"))
