"""SIGKILL of either gateway at random moments under load: nothing is lost, doubled, invented or altered.

`FAULTS_SEED=NUMBER` plans the documents and kills of an earlier run again; each run prints its seed and every kill, and
writes them to `kills.jsonl` in its temporary folder.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.noting import note
from tests.faults.run import fault_run
from tests.faults.strikes import Killer, plan_strikes

pytestmark = pytest.mark.faults

TRANSFERS = 100
"""For each kill of a round."""


def seed() -> int:
    return int(os.environ.get("FAULTS_SEED", random.SystemRandom().randrange(2**32)))


@pytest.mark.parametrize(
    ("workers", "rounds", "kills"),
    [
        pytest.param(1, 5, 3, id="short"),
        pytest.param(0, 10, 8, id="long, one process", marks=pytest.mark.long),
        pytest.param(2, 10, 8, id="long, worker processes", marks=pytest.mark.long),
    ],
)
async def test_a_kill_at_any_moment_loses_and_doubles_nothing(
    tmp_path: Path, count: Callable[..., None], workers: int, rounds: int, kills: int
) -> None:
    number = seed()
    async with fault_run(tmp_path, workers=workers, seed=number) as run:
        killer = Killer(run)
        try:
            for nr in range(1, rounds + 1):
                documents = run.plan(TRANSFERS * kills, f"R{nr}")
                await killer.round(nr, documents, plan_strikes(run.draw, kills=kills, documents=len(documents)))
                assert [str(breach) for breach in run.breaches] == []
        finally:
            killer.write_log(tmp_path / "kills.jsonl")
            print(f"FAULTS_SEED={number}\n{killer.summary()}")
        assert killer.share_at_work >= 0.8
        assert [await side.process.stop() for side in run.gateways.sides.values()] == [0, 0]
        assert [await side.audit_is_whole() for side in run.gateways.sides.values()] == [True, True]
        if rounds > 5:
            note(f"SIGKILL of both sides at random, {workers} workers", killer.figures())
    count("kills of a gateway", len(killer.kills))
    count("kills with transfers unfinished", sum(kill.unfinished > 0 for kill in killer.kills))
    count("transfers that survived them", run.clients.accepted)
    count("messages handed over again after a kill", run.handed_over_again)
