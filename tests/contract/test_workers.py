"""What every implementation of the Workers port does, and what worker processes do when jobs kill them."""

import asyncio
import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.jobs import RefusedSubmission, SealedEnvelope, Unopened
from gateway.domain.limits import STAGE_BATCH
from gateway.domain.statement import Notice, NotSeen, Problem
from gateway.errors import ConfigurationError, GatewayError
from gateway.ports import Workers
from gateway.workers import InlineWorkers, PoolLimits, QueueLimits, WorkerPool, open_workers
from tests.unit.workers.scripted_work import (
    CANARY,
    TABLE,
    Recorder,
    ScriptedDesk,
    Snapshot,
    admit_job,
    check_asked_job,
    check_job,
    check_notice_job,
    lay_out,
    pid_of,
    prepare_job,
    seal_job,
    told_by,
    traced,
)

ScriptedWorkers = WorkerPool | InlineWorkers[Snapshot, ScriptedDesk]


@asynccontextmanager
async def working(
    folder: Path, size: int, *, limits: PoolLimits | None = None, telemetry: Recorder | None = None
) -> AsyncIterator[ScriptedWorkers]:
    workers = open_workers(
        setup=lay_out,
        snapshot=Snapshot(folder),
        table=TABLE,
        size=size,
        telemetry=telemetry or Recorder(),
        limits=limits,
    )
    await workers.start()
    try:
        yield workers
    finally:
        await workers.close()


@pytest.fixture(params=[0, 1], ids=["inline", "processes"])
def size(request: pytest.FixtureRequest) -> int:
    return int(request.param)


class Gate:
    """Holds up a worker: the job `wait NAME` goes on when the gate is opened."""

    def __init__(self, folder: Path, name: str) -> None:
        self.told = f"wait {name}"
        self._here, self._pipe = folder / f"{name}.here", folder / name
        os.mkfifo(self._here)
        os.mkfifo(self._pipe)

    async def reached(self) -> None:
        """Return when the job stands before the gate."""
        await asyncio.to_thread(self._here.read_bytes)

    async def open(self) -> None:
        """Let the job through."""
        await asyncio.to_thread(self._pipe.read_bytes)


def code_of(result: object) -> str:
    assert isinstance(result, GatewayError)
    return result.code


# ── every implementation ─────────────────────────────────────────────────────────────────────────────────────────


async def test_each_of_the_four_jobs_gets_its_own_kind_of_result(size: int, tmp_path: Path) -> None:
    async with working(tmp_path, size) as workers:
        implements: Workers = workers
        sealed = await implements.seal(seal_job("a"))
        checked = await implements.check(check_job("b"))
        (noticed,) = await implements.check_notices([check_notice_job("e")])
        asked = await implements.check_asked(check_asked_job("f"))
        admitted = await implements.admit(admit_job("c"))
        prepared = await implements.prepare(prepare_job("d"))
    assert isinstance(sealed, SealedEnvelope)
    assert isinstance(checked, Problem)
    assert isinstance(noticed, Notice)
    assert noticed.digest.startswith("e")
    assert isinstance(asked, NotSeen)
    assert asked.statement_id.startswith("f")
    assert isinstance(admitted, Unopened)
    assert isinstance(prepared, RefusedSubmission)


async def test_every_caller_gets_the_result_of_its_own_job(size: int, tmp_path: Path) -> None:
    async with working(tmp_path, size) as workers:
        results = await asyncio.gather(*(workers.seal(seal_job(str(number))) for number in range(200)))
    assert [told_by(one) for one in results] == [str(number) for number in range(200)]


async def test_what_is_queued_goes_in_batches_of_at_most_32(size: int, tmp_path: Path) -> None:
    async with working(tmp_path, size) as workers:
        await asyncio.gather(*(workers.check(check_job("x")) for _ in range(STAGE_BATCH + 1)))
    batches = [int(line.split()[1]) for line in traced(tmp_path, "batches")]
    assert sum(batches) == STAGE_BATCH + 1
    assert max(batches) == STAGE_BATCH


async def test_a_bad_job_is_its_own_verdict_only(size: int, tmp_path: Path) -> None:
    async with working(tmp_path, size) as workers:
        told = ["a", "raise", "b", "refuse", "c"]
        results = await asyncio.gather(*(workers.seal(seal_job(one)) for one in told))
    assert [told_by(results[index]) for index in (0, 2, 4)] == ["a", "b", "c"]
    assert [code_of(results[index]) for index in (1, 3)] == ["internal", "envelope.malformed"]
    assert CANARY not in str(results[1])


async def test_the_event_loop_goes_on_while_a_job_computes(size: int, tmp_path: Path) -> None:
    gate = Gate(tmp_path, "gate")
    async with working(tmp_path, size) as workers:
        job = asyncio.ensure_future(workers.seal(seal_job(gate.told)))
        await gate.reached()  # would never return if the job held the loop
        await gate.open()
        assert told_by(await job) == gate.told


async def test_a_free_worker_turns_to_receipts_before_submissions(size: int, tmp_path: Path) -> None:
    gate = Gate(tmp_path, "gate")
    async with working(tmp_path, size) as workers:
        held = asyncio.ensure_future(workers.seal(seal_job(gate.told)))
        await gate.reached()
        others: list[Awaitable[object]] = [
            asyncio.ensure_future(workers.prepare(prepare_job("p"))),
            asyncio.ensure_future(workers.admit(admit_job("a"))),
            asyncio.ensure_future(workers.check(check_job("c"))),
        ]
        await asyncio.sleep(0)
        await gate.open()
        await asyncio.gather(held, *others)
    assert [line.split()[0] for line in traced(tmp_path, "batches")][:3] == ["seal", "check", "admit"]


async def test_beyond_the_bound_callers_are_told_to_come_back_later(size: int, tmp_path: Path) -> None:
    gate = Gate(tmp_path, "gate")
    limits = PoolLimits(queue=QueueLimits(jobs=2))
    async with working(tmp_path, size, limits=limits) as workers:
        held = asyncio.ensure_future(workers.seal(seal_job(gate.told)))
        await gate.reached()
        waiting = [asyncio.ensure_future(workers.seal(seal_job(str(number)))) for number in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(GatewayError) as refusal:
            await workers.seal(seal_job("too many"))
        assert refusal.value.code == "capacity.exhausted"
        await gate.open()
        assert [told_by(one) for one in await asyncio.gather(held, *waiting)] == [gate.told, "0", "1"]
        assert told_by(await workers.seal(seal_job("later"))) == "later"


async def test_a_caller_that_leaves_costs_the_others_nothing(size: int, tmp_path: Path) -> None:
    gate = Gate(tmp_path, "gate")
    async with working(tmp_path, size) as workers:
        held = asyncio.ensure_future(workers.seal(seal_job(gate.told)))
        await gate.reached()
        leaving, staying = (asyncio.ensure_future(workers.seal(seal_job(one))) for one in ("leaving", "staying"))
        await asyncio.sleep(0)
        held.cancel()
        leaving.cancel()
        await gate.open()
        assert told_by(await staying) == "staying"
    assert traced(tmp_path, "batches") == ["seal 1", "seal 1"]


async def test_closing_finishes_what_is_queued_and_takes_no_more(size: int, tmp_path: Path) -> None:
    gate = Gate(tmp_path, "gate")
    async with working(tmp_path, size) as workers:
        jobs = [asyncio.ensure_future(workers.seal(seal_job(gate.told)))]
        await gate.reached()
        jobs += [asyncio.ensure_future(workers.seal(seal_job(str(number)))) for number in range(40)]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(workers.close())
        await asyncio.sleep(0)
        with pytest.raises(GatewayError) as refusal:
            await workers.seal(seal_job("late"))
        assert refusal.value.code == "capacity.exhausted"
        await gate.open()
        await closing
        assert len([told_by(one) for one in await asyncio.gather(*jobs)]) == 41
        assert workers.alive == 0


async def test_a_desk_is_laid_out_once_and_where_it_is_used(size: int, tmp_path: Path) -> None:
    async with working(tmp_path, size) as workers:  # scripted_work asserts process and thread of the desk
        pids = {pid_of(await workers.seal(seal_job("a"))) for _ in range(3)}
    assert traced(tmp_path, "desk") == [str(pid) for pid in pids]
    assert (pids == {os.getpid()}) is (size == 0)


@pytest.mark.parametrize(("how", "code"), [("refuse", "config.not_found"), ("break", "internal")])
async def test_a_set_up_that_fails_stops_the_start_and_says_why(size: int, tmp_path: Path, how: str, code: str) -> None:
    (tmp_path / how).touch()
    workers = open_workers(setup=lay_out, snapshot=Snapshot(tmp_path), table=TABLE, size=size, telemetry=Recorder())
    with pytest.raises(GatewayError) as failure:
        await workers.start()
    assert failure.value.code == code
    assert isinstance(failure.value, ConfigurationError) is (how == "refuse")
    assert CANARY not in str(failure.value)
    assert workers.alive == 0
    await workers.close()


# ── worker processes ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["kill", "exit"])
async def test_a_job_that_ends_its_worker_twice_is_poisoned_and_the_others_get_their_results(
    tmp_path: Path, how: str
) -> None:
    telemetry = Recorder()
    async with working(tmp_path, 1, telemetry=telemetry) as workers:
        told = ["a", "b", how, "c", "d"]
        results = await asyncio.gather(*(workers.seal(seal_job(one)) for one in told))
        assert workers.alive == 1
    assert code_of(results[2]) == "transfer.poisoned"
    assert [told_by(results[index]) for index in (0, 1, 3, 4)] == ["a", "b", "c", "d"]
    ended = [(code, labels["jobs"]) for action, code, labels in telemetry.lines if action == "worker.ended"]
    assert ended == [("internal", 5), ("transfer.poisoned", 1)]
    assert len(traced(tmp_path, "desk")) == 3
    # The batch, then a and b one by one, the killer, and after it the rest one by one.
    assert traced(tmp_path, "batches") == ["seal 5", "seal 1", "seal 1", "seal 1", "seal 1", "seal 1"]


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ("seal", lambda result: result.code),
        ("check", lambda result: result.code),
        ("check_notices", lambda result: result[0].code),
        ("check_asked", lambda result: result.code),
        ("admit", lambda result: result.error.code),
        ("prepare", lambda result: result.problems[None].code),
    ],
)
async def test_poison_is_told_in_the_result_of_its_kind(
    tmp_path: Path, job: str, said: Callable[[object], str]
) -> None:
    make = {
        "seal": seal_job,
        "check": check_job,
        "check_notices": lambda told: [check_notice_job(told)],
        "check_asked": check_asked_job,
        "admit": admit_job,
        "prepare": prepare_job,
    }[job]
    async with working(tmp_path, 1) as workers:
        assert said(await getattr(workers, job)(make("kill"))) == "transfer.poisoned"


async def test_a_job_whose_worker_ended_once_gets_its_result(tmp_path: Path) -> None:
    async with working(tmp_path, 1) as workers:
        assert told_by(await workers.seal(seal_job("kill-once marker"))) == "kill-once marker"


async def test_two_poisonous_jobs_in_one_batch_are_both_found(tmp_path: Path) -> None:
    async with working(tmp_path, 2) as workers:
        results = await asyncio.gather(*(workers.seal(seal_job(one)) for one in ("kill", "a", "kill", "b")))
    assert [code_of(results[index]) for index in (0, 2)] == ["transfer.poisoned"] * 2
    assert [told_by(results[index]) for index in (1, 3)] == ["a", "b"]


@pytest.mark.parametrize("how", ["hang", "stop"])
async def test_a_job_that_never_ends_is_ended(tmp_path: Path, how: str) -> None:
    limits = PoolLimits(batch=timedelta(milliseconds=600))
    async with working(tmp_path, 1, limits=limits) as workers:
        assert code_of(await workers.seal(seal_job(how))) == "transfer.poisoned"
        assert told_by(await workers.seal(seal_job("a"))) == "a"


async def test_workers_work_side_by_side(tmp_path: Path) -> None:
    gate = Gate(tmp_path, "gate")
    async with working(tmp_path, 2) as workers:
        held = asyncio.ensure_future(workers.seal(seal_job(gate.told)))
        await gate.reached()
        free = pid_of(await workers.seal(seal_job("a")))
        await gate.open()
        assert pid_of(await held) != free


async def test_a_worker_that_ended_while_idle_is_replaced_at_the_next_job(tmp_path: Path) -> None:
    async with working(tmp_path, 1) as workers:
        first = pid_of(await workers.seal(seal_job("a")))
        os.kill(first, signal.SIGKILL)
        await _ended(first)
        assert pid_of(await workers.seal(seal_job("b"))) != first
    assert traced(tmp_path, "batches") == ["seal 1", "seal 1"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_to_the_whole_group_does_not_end_a_worker(tmp_path: Path, number: signal.Signals) -> None:
    async with working(tmp_path, 1) as workers:
        first = pid_of(await workers.seal(seal_job("a")))
        os.kill(first, number)
        assert pid_of(await workers.seal(seal_job("b"))) == first


async def test_a_result_that_can_not_cross_the_pipe_is_an_error_of_its_job_only(tmp_path: Path) -> None:
    async with working(tmp_path, 1) as workers:
        results = await asyncio.gather(*(workers.seal(seal_job(one)) for one in ("a", "lambda", "b")))
    assert code_of(results[1]) == "internal"
    assert [told_by(results[index]) for index in (0, 2)] == ["a", "b"]


async def test_a_job_that_can_not_cross_the_pipe_is_an_error_of_its_own_only(tmp_path: Path) -> None:
    stuck = prepare_job("x")
    object.__setattr__(stuck, "slots", {"NL-DUANE": lambda: CANARY})
    async with working(tmp_path, 1) as workers:
        results = await asyncio.gather(*(workers.prepare(one) for one in (prepare_job("a"), stuck, prepare_job("b"))))
    details = [one.problems[None] for one in results if isinstance(one, RefusedSubmission)]
    assert [one.code for one in details] == ["document.empty", "internal", "document.empty"]


async def test_while_no_worker_can_be_started_callers_are_told_and_later_all_is_well(tmp_path: Path) -> None:
    telemetry = Recorder()
    async with working(tmp_path, 1, telemetry=telemetry) as workers:
        first = pid_of(await workers.seal(seal_job("a")))
        (tmp_path / "refuse").touch()
        os.kill(first, signal.SIGKILL)
        await _ended(first)
        with pytest.raises(GatewayError) as refusal:
            await workers.seal(seal_job("b"))
        assert refusal.value.code == "capacity.exhausted"
        (tmp_path / "refuse").unlink()
        assert told_by(await workers.seal(seal_job("c"))) == "c"
    assert ("worker.start", "config.not_found", {}) in telemetry.lines


async def test_one_start_that_fails_turns_nobody_away(tmp_path: Path) -> None:
    telemetry = Recorder()
    async with working(tmp_path, 1, telemetry=telemetry) as workers:
        first = pid_of(await workers.seal(seal_job("a")))
        (tmp_path / "refuse-once").touch()
        os.kill(first, signal.SIGKILL)
        await _ended(first)
        results = await asyncio.gather(*(workers.seal(seal_job(name)) for name in "bcd"))
        assert [told_by(result) for result in results] == ["b", "c", "d"]
    assert telemetry.lines.count(("worker.start", "config.not_found", {})) == 1


async def test_a_worker_that_ends_in_its_set_up_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "die").touch()
    pool = WorkerPool(setup=lay_out, snapshot=Snapshot(tmp_path), table=TABLE, size=2, telemetry=Recorder())
    with pytest.raises(GatewayError) as failure:
        await pool.start()
    assert failure.value.code == "internal"
    assert "3" in failure.value.detail
    assert pool.alive == 0
    await pool.close()


async def test_closing_does_not_wait_for_a_hung_worker_beyond_the_grace(tmp_path: Path) -> None:
    limits = PoolLimits(grace=timedelta(milliseconds=100))
    os.mkfifo(tmp_path / "hangs")
    async with working(tmp_path, 1, limits=limits) as workers:
        hung = asyncio.ensure_future(workers.seal(seal_job("hang")))
        await asyncio.to_thread((tmp_path / "hangs").read_bytes)
        await workers.close()
        with pytest.raises(GatewayError) as told:
            await hung
        assert told.value.code == "capacity.exhausted"
        assert workers.alive == 0


async def test_large_jobs_and_many_of_them_cross_the_pipe(tmp_path: Path) -> None:
    async with working(tmp_path, 2) as workers:
        results = await asyncio.gather(*(workers.prepare(prepare_job(str(n), 3_000_000)) for n in range(30)))
    assert len(results) == 30


def test_a_snapshot_that_can_not_be_pickled_is_found_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises((pickle.PicklingError, AttributeError)):
        WorkerPool(
            setup=lambda _: lay_out(Snapshot(tmp_path)),
            snapshot=Snapshot(tmp_path),
            table=TABLE,
            size=1,
            telemetry=Recorder(),
        )


@pytest.mark.parametrize("then", ["wait", "busy"])
async def test_workers_end_when_their_node_is_killed(tmp_path: Path, then: str) -> None:
    os.mkfifo(tmp_path / "hangs")
    node = _node(tmp_path, then)
    assert node.stdout is not None
    worker = int(await asyncio.to_thread(node.stdout.readline))
    if then == "busy":
        await asyncio.to_thread((tmp_path / "hangs").read_bytes)
    watched = os.pidfd_open(worker)
    node.kill()
    node.wait()
    node.stdout.close()
    assert await _readable(watched), "the worker outlived its node"


async def test_a_node_that_leaves_without_closing_its_pool_leaves_no_worker_and_does_not_hang(tmp_path: Path) -> None:
    node = _node(tmp_path, "leave")
    out, _ = await asyncio.to_thread(node.communicate, None, 30)
    assert node.returncode == 0
    await _ended(int(out))


def _node(folder: Path, then: str) -> "subprocess.Popen[str]":
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.unit.workers.orphaned_node", str(folder), then]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)


async def _ended(pid: int) -> None:
    """Return when a process has ended."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert await _readable(watched), f"process {pid} goes on"


async def _readable(watched: int) -> bool:
    try:
        ready, _, _ = await asyncio.to_thread(select.select, [watched], [], [], 20)
    finally:
        os.close(watched)
    return bool(ready)
