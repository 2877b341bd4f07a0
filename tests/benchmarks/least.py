"""The least time that an acknowledgement can take here: a bare server that does only what must come before a 202.

It reads a submission (aiohttp, uvloop), has one worker process do the sender's half of the floor, commits a row to SQLite
with fsync, and answers. What follows an acknowledgement, at both gateways and their back ends, is stood in for by
processes that burn so much CPU for each message, since it shares the cores. Driven by the same open loop as the line.

    python -m tests.benchmarks.least --rate 80 --beside 0 4 8       milliseconds of CPU a message
    python -m tests.benchmarks.least --line --rounds 4              the least line instead (least_line.py)
"""

import argparse
import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, Final, TypeAlias

import uvloop
from aiohttp import web

from tests.benchmarks.floor import Floor, declarations
from tests.benchmarks.least_line import compare
from tests.benchmarks.load import submission
from tests.benchmarks.steady import acknowledgements, commits, opened_for_commits, p99, write_row

_SPAWN: Final = multiprocessing.get_context("spawn")
_BESIDE: Final = 3
"""Processes that burn: the sender's own further work, the partner's main process, its worker."""

Pipe: TypeAlias = "Connection[Any, Any]"


def main() -> None:
    """Read the options, measure, print a line for each share of CPU beside."""
    parser = argparse.ArgumentParser(prog="least", description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=80, help="submissions a second")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument(
        "--beside", type=float, nargs="+", default=[0.0, 4.0, 8.0], help="milliseconds of CPU a message"
    )
    parser.add_argument("--line", action="store_true", help="the least line beside ours and the batched floor")
    parser.add_argument("--rounds", type=int, default=4, help="of --line")
    parser.add_argument("--messages", type=int, default=1000, help="of --line, a round")
    options = parser.parse_args()
    if options.line:
        uvloop.run(compare(rounds=options.rounds, messages=options.messages))
        return
    for beside in options.beside:
        took, bare = measure(options.rate, seconds=options.seconds, beside_ms=beside)
        half, most, commit = median(took) * 1e6, p99(took), p99(bare)
        print(
            f"{options.rate:g}/s, {beside:g} ms beside: median {half:,.0f} µs, p99 {most:,.0f} µs; "
            f"bare commit p99 {commit:,.0f} µs; ratio {most / commit:.1f}"
        )


def measure(rate: float, *, seconds: float, beside_ms: float) -> tuple[list[float], list[float]]:
    """Return what acknowledgements took, and bare commits right after, in seconds."""
    with tempfile.TemporaryDirectory(prefix="least-") as folder, ExitStack() as stack:
        beside = [_start(stack, _burn, beside_ms / _BESIDE) for _ in range(_BESIDE)]
        worker = _start(stack, _work)
        worker.recv_bytes()  # it is ready
        server = _start(stack, _serve, folder, worker, beside)
        port: int = server.recv()
        documents = declarations("least", round(rate * seconds))
        requests = [
            submission(one, key=str(number), to="FR-DGDDI", token="-", port=port)
            for number, one in enumerate(documents)
        ]
        took = uvloop.run(acknowledgements(port, requests, rate=rate, connections=32))
        return took, commits(Path(folder))


def _start(stack: ExitStack, work: Any, *given: Any) -> Pipe:
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=work, args=(theirs, *given), daemon=True)
    process.start()
    stack.callback(process.join, 10)
    stack.callback(process.terminate)
    return ours


def _burn(asked: Pipe, milliseconds: float) -> None:
    """Use so much CPU for each message that is told of."""
    while True:
        asked.recv_bytes()
        until = time.process_time() + milliseconds / 1000
        while time.process_time() < until:
            pass


def _work(asked: Pipe) -> None:
    """Do the sender's half of the floor for each document, one at a time."""
    floor = Floor()
    asked.send_bytes(b"ready")
    while True:
        root = floor.parse(asked.recv_bytes())
        floor.validate(root)
        floor.cut(root)
        floor.validate(root)
        asked.send_bytes(floor.encrypt(floor.sign(floor.serialise(root))))


def _serve(told: Pipe, folder: str, worker: Pipe, beside: Sequence[Pipe]) -> None:
    uvloop.run(_listen(told, folder, worker, beside))


async def _listen(told: Pipe, folder: str, worker: Pipe, beside: Sequence[Pipe]) -> None:
    loop = asyncio.get_running_loop()
    database = opened_for_commits(Path(folder) / "least.db")

    def prepare(body: bytes) -> bytes:
        worker.send_bytes(body)
        return worker.recv_bytes()

    with ThreadPoolExecutor(1) as talks, ThreadPoolExecutor(1) as writes:

        async def submit(request: web.Request) -> web.Response:
            envelope = await loop.run_in_executor(talks, prepare, await request.read())
            await loop.run_in_executor(writes, write_row, database, envelope)
            for one in beside:
                one.send_bytes(b"x")
            return web.Response(status=202)

        app = web.Application()
        app.router.add_post("/v1/submissions", submit)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        told.send(runner.addresses[0][1])
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
