"""Kills by SIGKILL at moments a seeded random chose: after so many acknowledgements, and so much later.

Nobody looks at the gateways before a kill. Right after it the database files are read, and tell how much was unfinished
at that moment. The same seed plans the same documents and kills; how far the work has come by then, the machine decides.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from gateway.domain.ids import PartyId
from tests.faults.books import check_books, unfinished
from tests.faults.history import ARRIVES_WITHIN, Outage
from tests.faults.run import FaultRun, Gate
from tests.faults.traffic import Document
from tests.faults.until import until
from tests.world import FR, GB

START_SECONDS = 120
"""How long a start may take: how quickly a node starts is measured elsewhere, on a machine with nothing else to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A planned kill. `after`: acknowledgements in the round; `delay`: seconds later. `once_more`: seconds into the
    start that follows, when the process is killed again."""

    after: int
    delay: float
    party: PartyId
    once_more: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A kill as it happened. `over`: when its successor was started. `states`, `unfinished`: found right after it."""

    in_round: int
    party: PartyId
    at: datetime
    over: datetime
    while_starting: bool
    accepted: int
    unfinished: int
    states: Mapping[PartyId, Mapping[str, int]]

    def as_json(self) -> dict[str, Any]:
        """Return the kill as it stands in the log."""
        return {
            "round": self.in_round,
            "party": self.party,
            "at": self.at.isoformat(),
            "over": self.over.isoformat(),
            "while_starting": self.while_starting,
            "accepted": self.accepted,
            "unfinished": self.unfinished,
            "states": {party: dict(counts) for party, counts in self.states.items()},
        }


def plan_strikes(draw: Random, *, kills: int, documents: int) -> list[Strike]:
    """Return the kills of a round in their order, of one party and the other in turn.

    One in six is followed by another while the process starts.
    """
    turns = draw.sample((GB, FR), 2)
    moments = sorted(draw.randrange(1, documents * 9 // 10) for _ in range(kills))
    return [
        Strike(
            after=after,
            delay=draw.uniform(0.0, 0.15),
            party=turns[number % 2],
            once_more=draw.uniform(0.3, 2.0) if draw.random() < 1 / 6 else None,
        )
        for number, after in enumerate(moments)
    ]


class Killer:
    """Carries out what was planned. `kills` is the log."""

    def __init__(self, run: FaultRun) -> None:
        self._run = run
        self.kills: list[Kill] = []

    async def round(self, number: int, documents: Sequence[Document], strikes: Sequence[Strike]) -> None:
        """Submit documents while striking, and wait until all is done."""
        run, before = self._run, self._run.clients.accepted
        gate = Gate(0)
        async with asyncio.TaskGroup() as group:
            group.create_task(run.submit_all(documents, gate))
            for strike in strikes:
                # What is let in until the kill: enough to be at work when it comes, not all at once.
                after = min(max(strike.after, run.clients.accepted - before + 1), len(documents))
                gate.open_to(after + run.draw.randrange(60, 100))
                assert await until(
                    lambda: run.clients.accepted - before >= after,  # noqa: B023  # awaited within its turn
                    within=ARRIVES_WITHIN,
                )
                await asyncio.sleep(strike.delay)
                await self._strike(number, strike)
            gate.open_to(len(documents))
        await run.finish()

    async def _strike(self, number: int, strike: Strike) -> None:
        process = self._run.gateways.sides[strike.party].process
        await self.kill(strike.party, in_round=number)
        if strike.once_more is not None:
            starting = asyncio.create_task(process.start(timeout=START_SECONDS))
            await asyncio.sleep(strike.once_more)
            await self.kill(strike.party, in_round=number, while_starting=True)
            with suppress(RuntimeError):  # it ended before it was ready, as was wanted
                await starting
        await process.start(timeout=START_SECONDS)

    async def kill(self, party: PartyId, *, in_round: int = 0, while_starting: bool = False) -> None:
        """Kill a party's gateway now and log how things stand. It is for the caller to start it again."""
        run = self._run
        accepted, at = run.clients.accepted, datetime.now(UTC)
        await run.gateways.sides[party].process.kill()
        books = await asyncio.to_thread(run.books)
        # What a killed process leaves behind must hold together at every moment.
        run.breaches += check_books(books[party])
        kill = Kill(
            in_round=in_round,
            party=party,
            at=at,
            over=datetime.now(UTC),
            while_starting=while_starting,
            accepted=accepted,
            unfinished=unfinished(books),
            states={each: one.counts() for each, one in books.items()},
        )
        self.kills.append(kill)
        run.outages.append(Outage(party=party, at=kill.at, over=kill.over))

    @property
    def share_at_work(self) -> float:
        """The share of kills that landed with transfers unfinished."""
        return sum(kill.unfinished > 0 for kill in self.kills) / max(len(self.kills), 1)

    def write_log(self, file: Path) -> None:
        """Write one line of JSON for each kill."""
        file.write_text("".join(json.dumps(kill.as_json()) + "\n" for kill in self.kills), encoding="utf-8")

    def figures(self) -> str:
        """Return what happened in one line."""
        run = self._run
        return (
            f"{len(self.kills)} kills, {self.share_at_work:.0%} with transfers unfinished, {run.clients.accepted} documents "
            f"acknowledged, {len(run.breaches)} breaches, {run.handed_over_again} webhooks again, "
            f"all done {run.longest_wait_seconds:.1f} s after the last restart"
        )

    def summary(self) -> str:
        """Return what happened, for people."""
        run, lines = self._run, []
        for number, kill in enumerate(self.kills, start=1):
            states = "; ".join(
                f"{party} " + (", ".join(f"{state} {count}" for state, count in sorted(counts.items())) or "nothing")
                for party, counts in kill.states.items()
            )
            when = "while it started" if kill.while_starting else "at work"
            lines.append(
                f"kill {number:>2} · round {kill.in_round} · {kill.at:%H:%M:%S.%f} · {kill.party} {when} · "
                f"accepted {kill.accepted}, unfinished {kill.unfinished} · {states}"
            )
        answers = run.clients.answers
        unknown = Counter(answer.code for answer in answers if answer.code != "ok")
        lines += [
            f"{len(self.kills)} kills, {self.share_at_work:.0%} with transfers unfinished",
            f"{run.clients.accepted} documents acknowledged, {sum(answer.replayed for answer in answers)} by a replay",
            f"answers without an outcome: {dict(unknown)}",
            f"{run.handed_over_again} webhooks repeated an earlier one",
            f"longest wait until all was done: {run.longest_wait_seconds:.1f} s",
        ]
        return "\n".join(lines)
