"""Power cuts under load: nothing acknowledged is lost, nothing receipted, and what is left holds together.

Each cut is a copy of what the gateway's disk held at that moment (`loop_disk.py`). Most are looked at beside the run;
some are for good: the gateway goes on from what its disk held. `FAULTS_SEED=NUMBER` plans the same documents again.
"""

import asyncio
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.app.node import DATABASE
from gateway.demo.processes import GatewayProcess
from tests.faults.books import read_books
from tests.faults.loop_disk import LoopDisk
from tests.faults.noting import note
from tests.faults.power import Cut, PowerRun, power_run
from tests.faults.run import Gate
from tests.faults.strikes import START_SECONDS
from tests.faults.traffic import Clients, Document
from tests.world import FR, GB, two_gateways

pytestmark = [pytest.mark.faults, pytest.mark.disks]

CARELESS = """\
import gateway.storage.sqlite.connection as connection

checked = connection._assert


def careless(raw, pragma, value, expected):
    checked(raw, pragma, *(("NORMAL", 1) if pragma == "synchronous" else (value, expected)))


connection._assert = careless
"""
"""What Python runs before anything else in the control: a gateway that does not sync its commits."""


async def cut_while_at_work(power: PowerRun, *, documents: int, cuts: int, for_good: int) -> list[Cut]:
    """Submit documents; cut at moments in between, for good at the last of them, each party in turn."""
    run, made = power.run, []
    before, planned = run.clients.accepted, run.plan(documents, "P")
    moments = sorted(run.draw.randrange(5, documents * 9 // 10) for _ in range(cuts + for_good))
    gate = Gate(moments[0] + 8)
    async with asyncio.TaskGroup() as group:
        group.create_task(run.submit_all(planned, gate))
        for number, moment in enumerate(moments):
            gate.open_to(moment + 8)
            while run.clients.accepted - before < moment:  # noqa: ASYNC110 - clients ring no bell
                await asyncio.sleep(0.005)
            party = (GB, FR)[number % 2]
            if number < cuts:
                await asyncio.sleep(run.draw.uniform(0.0, 0.05))
                made.append(await power.cut(party))
            else:
                await power.go_dark(party)
        gate.open_to(documents)
    return made


@pytest.mark.parametrize(
    ("documents", "cuts", "for_good"),
    [
        pytest.param(120, 8, 2, id="short"),
        pytest.param(1200, 90, 10, id="long", marks=pytest.mark.long),
    ],
)
async def test_a_power_cut_at_any_moment_loses_nothing_that_was_promised(
    tmp_path: Path, count: Callable[..., None], documents: int, cuts: int, for_good: int
) -> None:
    seed = int(os.environ.get("FAULTS_SEED", random.SystemRandom().randrange(2**32)))
    print(f"FAULTS_SEED={seed}")
    async with power_run(tmp_path, seed=seed) as power:
        made = await cut_while_at_work(power, documents=documents, cuts=cuts, for_good=for_good)
        await power.run.finish()
        found = [await power.look(cut) for cut in made]
        assert [one for one in found if one.lost or one.wrong] == []
        assert [str(breach) for breach in power.run.breaches] == []
        sides = power.run.gateways.sides.values()
        assert [await side.process.stop() for side in sides] == [0, 0]
        assert [await side.audit_is_whole() for side in sides] == [True, True]
    assert sum(len(cut.acknowledged) for cut in made) > 0
    assert sum(len(cut.receipts) for cut in made) > 0
    promised = sum(len(cut.acknowledged) + len(cut.receipts) for cut in made)
    torn = sum(one.torn > 0 for one in found)
    if cuts > 8:
        note(
            f"{cuts + for_good} power cuts",
            f"{promised} promises held against them, none broken; {torn} cuts tore the end of the log; {for_good} for good",
        )
    count("power cuts", cuts + for_good)
    count("power cuts that tore the end of the log", torn)
    count("promises held against a cut", promised)


async def test_the_harness_sees_a_gateway_that_does_not_sync_its_commits(
    tmp_path: Path, count: Callable[..., None], pytestconfig: pytest.Config
) -> None:
    (tmp_path / "careless").mkdir()
    (tmp_path / "careless" / "sitecustomize.py").write_text(CARELESS, encoding="utf-8")
    async with two_gateways(tmp_path, start=False) as gateways, Clients(gateways.sides) as clients:
        layout = gateways.gb.layout
        disk = LoopDisk(layout.data)
        process = GatewayProcess(
            layout.config, operations_url=layout.operations_url, operator_token=layout.operator_token
        )
        try:
            await process.start(timeout=START_SECONDS, environment={"PYTHONPATH": str(tmp_path / "careless")})
            answers = [
                await clients.submit(
                    Document(marker=f"careless-{number}", sample="export-one-item.xml", sender=GB, recipient=FR)
                )
                for number in range(12)
            ]
            with disk.looked_at(disk.cut()) as at:
                kept = read_books(at / DATABASE, GB).transfers
        finally:
            await process.kill()
            disk.close()
    lost = [one for one in answers if one.message_id not in kept]
    assert lost, "a gateway that syncs no commit lost nothing: the cuts of this harness prove nothing"
    if pytestconfig.getoption("--long"):
        note("control: synchronous=NORMAL", f"a power cut lost {len(lost)} of {len(answers)} acknowledged documents")
    count("acknowledged and lost in the control run without syncing", len(lost))
