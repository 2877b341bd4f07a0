"""`make bench-quick`: measure in interleaved rounds, print the tables, write build/bench.json.

A round is: the floor, the batched floor, the line end to end, the parts. Nothing here judges a figure; the exit code
is 0 unless the measurement itself failed.
"""

import argparse
import asyncio
import json
import platform
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from gateway.demo.layout import copy_agreement, lay_out
from gateway.settings.kinds import default_workers
from tests.benchmarks.crowded import claim_rows, restart_row, short
from tests.benchmarks.floor import ROOT, Form, declarations
from tests.benchmarks.floor_processes import FloorProcesses, cores
from tests.benchmarks.line import BULK_LINES, HAND_OVER_BATCH, NAIVE, RECEIVER, SENDER, Line, open_line
from tests.benchmarks.report import Round, report, tables
from tests.benchmarks.rows import Parts, Row, time_row
from tests.benchmarks.steady import commits, p99
from tests.benchmarks.stored import store_rows

OUT: Final = ROOT / "build" / "bench.json"
LEAST_ROUNDS: Final = 4
_WARM_UP_MESSAGES: Final = 64
_SHARES: Final = {"ack_25": 0.25, "ack_60": 0.6}
_ACKNOWLEDGED: Final = {
    "ack_25": ("p99 of an acknowledgement at 25 % load / of a bare commit", 4.0),
    "ack_60": ("p99 of an acknowledgement at 60 % load / of a bare commit", 6.0),
}
_STEADY_SECONDS: Final = 3
_LEAST_STEADY: Final = 120
_SETTINGS: Final = ("messages", "floor_messages", "connections", "workers", "rounds", "waiting", "restart")


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(prog="make bench-quick", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS, help=f"at least {LEAST_ROUNDS}")
    parser.add_argument("--messages", type=int, default=1000, help="end to end, a round")
    parser.add_argument("--floor-messages", type=int, default=2048, help="of a floor, a round")
    parser.add_argument("--connections", type=int, default=32, help="of the client, each one request at a time")
    parser.add_argument("--workers", type=int, default=default_workers(), help="worker processes of each gateway")
    parser.add_argument(
        "--waiting", type=int, default=20_000, help="transfers that wait while a claim is timed; 0: none"
    )
    parser.add_argument("--restart", type=int, default=0, help="transfers that wait while a start is timed; 0: none")
    options = parser.parse_args()
    if options.rounds < LEAST_ROUNDS:
        parser.error(f"--rounds must be at least {LEAST_ROUNDS}: the median of fewer says little")
    asyncio.run(measure(options, Console()))


async def measure(options: argparse.Namespace, console: Console) -> None:
    """Measure, print and write."""
    with (
        tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder,
        FloorProcesses(cores()) as floor,
        claim_rows(Path(folder), options.waiting) as claims,
        store_rows(Path(folder)) as stored,
    ):
        starts = await _starts(Path(folder) / "restart", options)
        async with (
            open_line(Path(folder) / "line", workers=options.workers) as line,
            open_line(Path(folder) / "naive", workers=options.workers, hand_over_batch=1, extra=NAIVE) as naive,
        ):
            parts = Parts(line.world, SENDER, RECEIVER)
            rows = [*parts.rows(), *stored, *claims]
            await line.run(_WARM_UP_MESSAGES, connections=options.connections)
            await naive.run(_WARM_UP_MESSAGES, connections=options.connections, bulk=False)
            rounds: list[Round] = []
            for number in range(1, options.rounds + 1):
                rounds.append(await _round(options, floor, line, naive, rows, starts))
                console.print(_sentence(number, rounds[-1]), highlight=False, soft_wrap=True)
    found = report(
        rounds,
        titles={**{row.name: (row.title, row.target) for row in rows}, **_ACKNOWLEDGED, **_titles(starts)},
        machine={"cores": cores(), "python": platform.python_version()},
        settings={name: getattr(options, name) for name in _SETTINGS}
        | {"hand_over_batch": HAND_OVER_BATCH, "bulk_lines": BULK_LINES},
    )
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    facts = {**found["machine"], **found["settings"]}
    console.print(*tables(found), ", ".join(f"{name} {value}" for name, value in facts.items()), sep="\n")
    console.print(f"Written to {OUT.relative_to(ROOT)}")


async def _round(
    options: argparse.Namespace,
    floor: FloorProcesses,
    line: Line,
    naive: Line,
    rows: Sequence[Row],
    starts: Mapping[str, tuple[float, float]],
) -> Round:
    plain = floor.rate(Form.PLAIN, options.floor_messages)
    batched = floor.rate(Form.BATCHED, options.floor_messages)
    run = await line.run(options.messages, connections=options.connections)
    single = await line.run(options.messages // 4, connections=options.connections, bulk=False)
    by_itself = await naive.run(options.messages // 8, connections=options.connections, bulk=False)
    return Round(
        floor=plain,
        batched_floor=batched,
        acknowledged=run.acknowledged,
        end_to_end=run.receipted,
        handed_over=run.handed_over,
        single=single.receipted,
        naive=by_itself.receipted,
        cpu_ms=run.cpu_ms,
        rows={
            **{row.name: time_row(row) for row in rows},
            **await _acknowledged(options, line, single.receipted),
            **starts,
        },
    )


async def _acknowledged(options: argparse.Namespace, line: Line, most: float) -> dict[str, tuple[float, float]]:
    """Return p99 of an acknowledgement at shares of the rate just measured, and p99 of a bare commit right after."""
    found: dict[str, tuple[float, float]] = {}
    for name, share in _SHARES.items():
        messages = max(_LEAST_STEADY, round(most * share * _STEADY_SECONDS))
        took = await line.acknowledged_at(most * share, messages=messages, connections=options.connections)
        found[name] = p99(took), p99(await asyncio.to_thread(commits, line.sender.data))
    return found


async def _starts(folder: Path, options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Return how long a start takes, measured once and told in every round; nothing when it was not asked for."""
    if not options.restart:
        return {}
    world = lay_out(
        folder,
        [SENDER, RECEIVER],
        agreements=copy_agreement("gb-fr", folder / "config"),
        now=datetime.now(UTC),
        workers=options.workers,
    )
    (document,) = declarations("start", 1)
    pair = await restart_row(world.nodes[SENDER], RECEIVER, document, options.restart)
    return {f"restart_{short(options.restart)}": pair}


def _titles(starts: Mapping[str, tuple[float, float]]) -> dict[str, tuple[str, None]]:
    return {name: (f"start until ready, {name.removeprefix('restart_')} waiting / one", None) for name in starts}


def _sentence(number: int, one: Round) -> str:
    share = one.ratios["end_to_end_over_batched_floor"]
    return (
        f"round {number}: floor {one.floor:,.0f}, batched {one.batched_floor:,.0f}, "
        f"receipts {one.end_to_end:,.0f} a second = {share:.3f} of batched"
    )


if __name__ == "__main__":  # worker processes import this module by another name
    main()
