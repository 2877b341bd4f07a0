"""A free worker gets what matters most, no stage starves, and nothing waits without bounds."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.limits import MAX_BATCH_BYTES, STAGE_BATCH
from gateway.errors import GatewayError
from gateway.workers.queue import NOTICE_BATCH, NotDoneError, QueueLimits, StageQueue, Waiting
from gateway.workers.table import Job, Stage
from tests.unit.workers.scripted_work import admit_job, check_job, prepare_job, seal_job

JOBS: dict[Stage, Callable[[str], Job]] = {
    Stage.CHECK: check_job,
    Stage.SEAL: seal_job,
    Stage.ADMIT: admit_job,
    Stage.PREPARE: prepare_job,
    Stage.NOTICE: check_job,
}


def job(stage: Stage, told: str = "x") -> Job:
    return JOBS[stage](told)


def queue(jobs: int = 1024, size_bytes: int = 10**9) -> StageQueue:
    return StageQueue(QueueLimits(jobs=jobs, size_bytes=size_bytes))


async def taken(waiting: StageQueue) -> list[Waiting]:
    async with asyncio.timeout(5):
        batch = await waiting.take()
    assert batch is not None
    return batch


async def test_receipts_go_first_then_seal_and_admit_by_age_then_prepare() -> None:
    waiting = queue()
    for stage in (Stage.CHECK, Stage.PREPARE, Stage.ADMIT, Stage.SEAL):
        waiting.put(stage, job(stage))
    assert [(await taken(waiting))[0].stage for _ in range(3)] == [Stage.CHECK, Stage.ADMIT, Stage.SEAL]


async def test_a_submission_waits_for_a_few_notices_at_most() -> None:
    waiting = queue()
    for _ in range(3 * NOTICE_BATCH):
        waiting.put(Stage.NOTICE, job(Stage.NOTICE))
    waiting.put(Stage.PREPARE, job(Stage.PREPARE))
    batches = [await taken(waiting) for _ in range(3)]
    assert [(one[0].stage, len(one)) for one in batches] == [
        (Stage.PREPARE, 1),
        (Stage.NOTICE, NOTICE_BATCH),
        (Stage.NOTICE, NOTICE_BATCH),
    ]


async def test_where_submissions_go_in_groups_so_do_notices_until_one_comes_alone() -> None:
    waiting = queue()
    group = NOTICE_BATCH + 4
    for stage, many in ((Stage.PREPARE, group), (Stage.NOTICE, 2 * group)):
        for _ in range(many):
            waiting.put(stage, job(stage))
    sizes = [len(await taken(waiting)) for _ in range(2)]
    waiting.put(Stage.PREPARE, job(Stage.PREPARE))
    sizes += [len(await taken(waiting)) for _ in range(2)]
    assert sizes == [group, group, 1, NOTICE_BATCH]


async def test_a_flood_of_one_stage_starves_no_other() -> None:
    waiting = queue()
    mine = waiting.put(Stage.PREPARE, job(Stage.PREPARE))
    stages = []
    for _ in range(4):
        for _ in range(STAGE_BATCH):
            waiting.put(Stage.ADMIT, job(Stage.ADMIT))
        stages.append((await taken(waiting))[0].stage)
    assert stages == [Stage.ADMIT, Stage.ADMIT, Stage.ADMIT, Stage.PREPARE]
    assert not mine.asked.told.done()


@given(st.lists(st.sampled_from(list(Stage)), max_size=150))
def test_every_job_is_given_out_once_in_batches_of_one_stage_and_in_its_order(stages: list[Stage]) -> None:
    async def drain() -> list[list[Waiting]]:
        waiting = queue()
        for number, stage in enumerate(stages):
            waiting.put(stage, job(stage, str(number)))
        waiting.close()
        batches = []
        while (batch := await waiting.take()) is not None:
            batches.append(batch)
        return batches

    batches = asyncio.run(drain())
    assert all(1 <= len(batch) <= STAGE_BATCH and len({one.stage for one in batch}) == 1 for batch in batches)
    for stage in Stage:
        numbers = [one.number for batch in batches for one in batch if one.stage is stage]
        assert numbers == [number + 1 for number, other in enumerate(stages) if other is stage]


async def test_a_batch_is_bounded_in_bytes_but_never_empty() -> None:
    waiting = queue()
    for padding in (MAX_BATCH_BYTES + 1, MAX_BATCH_BYTES // 2, MAX_BATCH_BYTES // 3, MAX_BATCH_BYTES // 3):
        waiting.put(Stage.PREPARE, prepare_job("", padding))
    assert [len(await taken(waiting)) for _ in range(3)] == [1, 2, 1]


async def test_beyond_its_bounds_a_stage_turns_callers_away_and_the_others_go_on() -> None:
    waiting = queue(jobs=2)
    for _ in range(2):
        waiting.put(Stage.ADMIT, job(Stage.ADMIT))
    with pytest.raises(GatewayError) as refusal:
        waiting.put(Stage.ADMIT, job(Stage.ADMIT))
    assert refusal.value.code == "capacity.exhausted"
    waiting.put(Stage.PREPARE, job(Stage.PREPARE))
    await taken(waiting)
    waiting.put(Stage.ADMIT, job(Stage.ADMIT))


async def test_bytes_are_bounded_too_but_one_job_is_always_let_in() -> None:
    waiting = queue(size_bytes=100)
    waiting.put(Stage.PREPARE, prepare_job("", 1000))
    with pytest.raises(GatewayError):
        waiting.put(Stage.PREPARE, prepare_job("", 1))
    await taken(waiting)
    waiting.put(Stage.PREPARE, prepare_job("", 60))
    waiting.put(Stage.PREPARE, prepare_job("", 40))
    with pytest.raises(GatewayError):
        waiting.put(Stage.PREPARE, prepare_job("", 1))


async def test_what_is_put_back_comes_first_and_alone_where_it_must() -> None:
    waiting = queue()
    for number in range(4):
        waiting.put(Stage.SEAL, seal_job(str(number)))
    batch = (await taken(waiting))[:3]
    waiting.put(Stage.SEAL, seal_job("later"))
    for one in batch:
        one.alone = True
    waiting.put_back(batch)
    assert [[one.number for one in await taken(waiting)] for _ in range(4)] == [[1], [2], [3], [5]]


async def test_jobs_whose_callers_left_are_not_given_out() -> None:
    waiting = queue()
    results = [waiting.put(Stage.SEAL, seal_job(str(number))).asked.told for number in range(4)]
    results[0].cancel()
    results[2].cancel()
    assert [one.number for one in await taken(waiting)] == [2, 4]
    assert waiting.depth()[Stage.SEAL] == 0


async def test_a_worker_that_waits_gets_the_next_job_and_the_end() -> None:
    waiting = queue()
    first, second = asyncio.ensure_future(waiting.take()), asyncio.ensure_future(waiting.take())
    await asyncio.sleep(0)
    waiting.put(Stage.SEAL, seal_job("a"))
    waiting.close()
    batches = await asyncio.gather(first, second)
    assert sorted(len(batch or []) for batch in batches) == [0, 1]
    with pytest.raises(GatewayError):
        waiting.put(Stage.SEAL, seal_job("b"))


async def test_giving_up_tells_every_caller_to_come_back_later() -> None:
    waiting = queue()
    asked = [asyncio.ensure_future(waiting.ask(stage, [job(stage)])) for stage in Stage]
    await asyncio.sleep(0)
    waiting.give_up("no worker")
    for one in asked:
        (told,) = await one
        assert isinstance(told, NotDoneError)
        assert told.code == "capacity.exhausted"
    assert set(waiting.depth().values()) == {0}


async def test_a_worker_gets_no_more_together_than_was_set() -> None:
    waiting = StageQueue(QueueLimits(batch=2))
    for number in range(5):
        waiting.put(Stage.SEAL, seal_job(str(number)))
    assert [len(await waiting.take() or []) for _ in range(3)] == [2, 2, 1]


async def test_jobs_asked_together_are_told_together_and_one_that_finds_no_room_costs_the_others_nothing() -> None:
    waiting = queue(jobs=2)
    asked = asyncio.ensure_future(waiting.ask(Stage.SEAL, [seal_job(str(number)) for number in range(3)]))
    await asyncio.sleep(0)
    first, second = await taken(waiting)
    second.answer(GatewayError("envelope.malformed"))
    await asyncio.sleep(0)
    assert not asked.done()
    first.answer(GatewayError("envelope.expired"))
    assert [one.code for one in await asked] == ["envelope.expired", "envelope.malformed", "capacity.exhausted"]


async def test_jobs_whose_caller_left_while_some_were_done_are_not_given_out() -> None:
    waiting = queue()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(waiting.ask(Stage.PREPARE, [job(Stage.PREPARE) for _ in range(STAGE_BATCH + 1)]))
        await asyncio.sleep(0)
        done = await taken(waiting)
        asked.cancel()
    done[0].answer(GatewayError("internal"))
    waiting.close()
    assert await waiting.take() is None
