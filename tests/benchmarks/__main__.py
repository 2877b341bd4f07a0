"""`make bench-quick`: measure in interleaved rounds, print the tables, write build/bench.json.

A round is: the floor, the batched floor, the line end to end, the parts. Nothing here judges a figure; the exit code
is 0 unless the measurement itself failed.
"""

import argparse
import asyncio
import json
import platform
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from gateway.settings.kinds import default_workers
from tests.benchmarks.floor import ROOT, Form
from tests.benchmarks.floor_processes import FloorProcesses, cores
from tests.benchmarks.line import RECEIVER, SENDER, Line, open_line
from tests.benchmarks.report import Round, report, tables
from tests.benchmarks.rows import Parts, time_row

OUT: Final = ROOT / "build" / "bench.json"
LEAST_ROUNDS: Final = 4
_WARM_UP_MESSAGES: Final = 64
_SETTINGS: Final = ("messages", "floor_messages", "connections", "workers", "rounds")


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(prog="make bench-quick", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS, help=f"at least {LEAST_ROUNDS}")
    parser.add_argument("--messages", type=int, default=500, help="end to end, a round")
    parser.add_argument("--floor-messages", type=int, default=2048, help="of a floor, a round")
    parser.add_argument("--connections", type=int, default=32, help="of the client, each one request at a time")
    parser.add_argument("--workers", type=int, default=default_workers(), help="worker processes of each gateway")
    options = parser.parse_args()
    if options.rounds < LEAST_ROUNDS:
        parser.error(f"--rounds must be at least {LEAST_ROUNDS}: the median of fewer says little")
    asyncio.run(measure(options, Console()))


async def measure(options: argparse.Namespace, console: Console) -> None:
    """Measure, print and write."""
    with (
        tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder,
        FloorProcesses(cores()) as floor,
    ):
        async with open_line(Path(folder), workers=options.workers) as line:
            parts = Parts(line.world, SENDER, RECEIVER)
            rows = parts.rows()
            await line.run(_WARM_UP_MESSAGES, connections=options.connections)
            rounds: list[Round] = []
            for number in range(1, options.rounds + 1):
                rounds.append(await _round(options, floor, line, parts))
                console.print(_sentence(number, rounds[-1]), highlight=False, soft_wrap=True)
    found = report(
        rounds,
        titles={row.name: (row.title, row.target) for row in rows},
        machine={"cores": cores(), "python": platform.python_version()},
        settings={name: getattr(options, name) for name in _SETTINGS},
    )
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    facts = {**found["machine"], **found["settings"]}
    console.print(*tables(found), ", ".join(f"{name} {value}" for name, value in facts.items()), sep="\n")
    console.print(f"Written to {OUT.relative_to(ROOT)}")


async def _round(options: argparse.Namespace, floor: FloorProcesses, line: Line, parts: Parts) -> Round:
    plain = floor.rate(Form.PLAIN, options.floor_messages)
    batched = floor.rate(Form.BATCHED, options.floor_messages)
    run = await line.run(options.messages, connections=options.connections)
    return Round(
        floor=plain,
        batched_floor=batched,
        acknowledged=run.acknowledged,
        end_to_end=run.receipted,
        handed_over=run.handed_over,
        cpu_ms=run.cpu_ms,
        rows={row.name: time_row(row) for row in parts.rows()},
    )


def _sentence(number: int, one: Round) -> str:
    share = one.ratios["end_to_end_over_batched_floor"]
    return (
        f"round {number}: floor {one.floor:,.0f}, batched {one.batched_floor:,.0f}, "
        f"receipts {one.end_to_end:,.0f} a second = {share:.3f} of batched"
    )


if __name__ == "__main__":  # worker processes import this module by another name
    main()
