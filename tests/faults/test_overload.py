"""More than a gateway can do: it refuses with 429 or 503, loses nothing of what it took, and is back when it is over."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import pytest

from tests.faults.history import ARRIVES_WITHIN
from tests.faults.noting import note
from tests.faults.run import FaultRun, fault_run
from tests.faults.traffic import Clients, Document
from tests.world import GB

pytestmark = pytest.mark.faults

PROBE_SECONDS = 1.5
AT_ONCE = 16
MOST_SECONDS = 20
MEASURED_ANEW = 3
SOAK_SECONDS = 600
SOAK_PARTS = 20


def documents(run: FaultRun, number: int, name: str) -> list[Document]:
    """Return documents of one sender, each asked for once."""
    return [one for one in run.plan(number * 2, name) if one.sender == GB and not one.twice and one.case is None]


async def rate_of(run: FaultRun, name: str = "probe") -> float:
    """Return how many submissions a second the gateway acknowledges when asked as fast as it answers."""
    clock = asyncio.get_running_loop().time
    waiting, began, done = iter(documents(run, 2000, name)), clock(), 0

    async def ask() -> None:
        nonlocal done
        for document in waiting:
            if clock() - began > PROBE_SECONDS:
                return
            await run.clients.submit(document)
            done += 1

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    return done / (clock() - began)


@asynccontextmanager
async def many_clients(run: FaultRun) -> AsyncIterator[Iterator[Clients]]:
    """Yield clients in turn: one alone opens fewer connections than a gateway has places."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Clients(run.gateways.sides)) for _ in range(6)]
        for one in clients:
            one.answers = run.clients.answers
        yield cycle(clients)


async def ask_steadily(
    run: FaultRun, *, rate: float, seconds: float, most: float, name: str = "burst"
) -> list[Document]:
    """Submit at `rate` a second whatever comes back, for `seconds`; longer, up to `most`, while nothing was refused
    that should have been. Return what was refused."""
    clock = asyncio.get_running_loop().time
    began, refused = clock(), []

    async def ask(clients: Clients, document: Document) -> None:
        if (await clients.ask(document)).code != "ok":
            refused.append(document)

    async with many_clients(run) as clients, asyncio.TaskGroup() as group:
        for number, document in enumerate(documents(run, int(rate * most), name)):
            if clock() - began > most or (refused and clock() - began > seconds):
                break
            await asyncio.sleep(max(0.0, began + number / rate - clock()))
            group.create_task(ask(next(clients), document))
    return refused


def forget(run: FaultRun) -> None:
    """Let go what the back ends and clients of this process keep: it is the gateway's memory that is looked at."""
    run.clients.answers.clear()
    for side in run.gateways.sides.values():
        side.backend.messages.clear()


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds."""
    fields = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").split("VmRSS:")[1].split()
    return int(fields[0]) * 1024


def _shown(told: Counter[int | None]) -> str:
    return ", ".join(f"{number} × {status}" for status, number in sorted(told.items(), key=str))


@pytest.mark.parametrize("seconds", [pytest.param(4, id="short"), pytest.param(600, id="long", marks=pytest.mark.long)])
async def test_half_as_much_again_as_it_can_do_is_refused_in_time_and_nothing_is_lost(
    tmp_path: Path, count: Callable[..., None], seconds: float
) -> None:
    async with fault_run(tmp_path, workers=0, seed=1) as run:
        before, rate, refused = len(run.clients.answers), 0.0, list[Document]()
        for attempt in range(MEASURED_ANEW):  # a machine that stood still meanwhile can do more than was measured
            rate = await rate_of(run, f"probe-{attempt}")
            refused = await ask_steadily(
                run, rate=rate * 1.5, seconds=seconds, most=max(seconds, MOST_SECONDS), name=f"burst-{attempt}"
            )
            if refused:
                break
        told = Counter(answer.status for answer in run.clients.answers[before:] if answer.code != "ok")
        assert set(told) <= {429, 503}
        assert refused, "nothing was refused: that was no overload"
        pid = run.gateways.gb.process.pid
        assert pid is not None
        assert resident_bytes(pid) < 400 << 20
        # All of it is taken afterwards: at a third at least of what it can do, where ten minutes' refusals wait.
        async with asyncio.timeout(max(ARRIVES_WITHIN / timedelta(seconds=1), 3 * len(refused) / rate)):
            for start in range(0, len(refused), AT_ONCE):
                await asyncio.gather(*(run.clients.submit(one) for one in refused[start : start + AT_ONCE]))
        await run.finish()
        assert [str(breach) for breach in run.breaches] == []
        if seconds > MOST_SECONDS:
            note(
                f"{seconds / 60:.0f} minutes at 150 %",
                f"{rate:.0f} a second is what it can do; {sum(told.values())} refused ({_shown(told)}), "
                f"{run.clients.accepted} acknowledged, 0 breaches, all done {run.longest_wait_seconds:.1f} s after the last",
            )
    count("submissions refused with 429 or 503 at 150 %", sum(told.values()))


@pytest.mark.long
async def test_memory_stays_where_it_is_at_four_fifths_of_what_it_can_do(
    tmp_path: Path, count: Callable[..., None]
) -> None:
    async with fault_run(tmp_path, workers=0, seed=1) as run:
        rate = await rate_of(run) * 0.8
        pid = run.gateways.gb.process.pid
        assert pid is not None
        held, taken = [], 0
        for _ in range(SOAK_PARTS):
            await ask_steadily(run, rate=rate, seconds=SOAK_SECONDS / SOAK_PARTS, most=SOAK_SECONDS / SOAK_PARTS)
            held.append(resident_bytes(pid))
            taken += run.clients.accepted
            forget(run)
        # The first parts warm up: parsers, caches, pools. After that it must not grow.
        warm = held[SOAK_PARTS // 5 :]
        note(
            f"{SOAK_SECONDS // 60} minutes at 80 %",
            f"{rate:.0f} a second, {taken} acknowledged; once warm between {min(warm) >> 20} and "
            f"{max(warm) >> 20} MiB, at the end {held[-1] >> 20} MiB",
        )
        assert max(warm) < min(warm) * 1.15, [size >> 20 for size in held]
    count("MiB held at the end of ten minutes", held[-1] >> 20)
