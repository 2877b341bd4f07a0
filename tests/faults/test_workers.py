"""Workers that end, or can not be had: their gateways go on, and nothing is lost, doubled or left lying."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.app.node import DATABASE
from gateway.audit import AuditEvent
from gateway.client import ClientError
from gateway.domain.failpoint import Failpoint
from gateway.errors import GatewayError
from gateway.exchange.fast_path import FastPath
from gateway.failpoints import VARIABLE
from gateway.workers import WorkerGenerations
from tests.faults.books import OF_NOTICES, read_books
from tests.faults.commits import two_nodes
from tests.faults.history import Outage
from tests.faults.run import FaultRun, Gate, fault_run
from tests.faults.test_kill import seed
from tests.faults.traffic import Clients, Document
from tests.faults.until import until
from tests.world import FR, GB, Side, two_gateways

pytestmark = pytest.mark.faults

NEW_WORKER = timedelta(seconds=30)
DOCUMENTS = 120
KILLS = 6
STANDS_STILL_SECONDS = 14
"""Less than a batch may take, after which a worker counts as hung."""


def workers_of(side: Side) -> set[int]:
    """Return the process ids of a gateway's workers."""
    listing = subprocess.run(("ps", "-A", "-ww", "-o", "pid=,ppid=,args="), capture_output=True, check=True, text=True)
    rows = (line.split(maxsplit=2) for line in listing.stdout.splitlines())
    return {int(pid) for pid, parent, args in rows if int(parent) == side.process.pid and "spawn_main" in args}


async def kill_workers(run: FaultRun, gate: Gate, kills: int) -> int:
    """Kill one worker after the other while documents are let through; return how many were killed."""
    killed = 0
    for number in range(kills):
        before = run.clients.accepted
        gate.open_to(DOCUMENTS * (number + 1) // kills)
        # Far enough that what the last worker had in its hands is done: a job that ends two workers is quarantined.
        wanted = before + run.draw.randrange(5, DOCUMENTS // kills - 5)
        assert await until(lambda: run.clients.accepted >= wanted, within=timedelta(seconds=60))  # noqa: B023
        side = run.draw.choice(list(run.gateways.sides.values()))
        assert await until(lambda: bool(workers_of(side)), within=NEW_WORKER)  # noqa: B023
        for pid in workers_of(side):
            os.kill(pid, signal.SIGKILL)
            killed += 1
        # Until a new one works, statements that come in can not be looked at.
        now = datetime.now(UTC)
        run.outages.append(Outage(party=side.layout.party, at=now, over=now + NEW_WORKER, only_worker=True))
    return killed


@pytest.mark.parametrize("work", ["seal_all", "check_all"])
async def test_an_attempt_without_a_worker_is_made_again_before_its_lease_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    """Nothing of the message is in anybody's hands then, so there is nothing to wait for."""
    whole = getattr(WorkerGenerations, work)
    refused: list[Any] = []

    async def none_to_be_had(workers: WorkerGenerations[Any, Any], jobs: Sequence[Any]) -> Any:
        if jobs and not refused:
            refused.append(jobs)
            return [GatewayError("capacity.exhausted", "No worker process can be started") for _ in jobs]
        return await whole(workers, jobs)

    async with two_nodes(tmp_path) as nodes:
        run = nodes.run
        monkeypatch.setattr(WorkerGenerations, work, none_to_be_had)
        # What goes the fast path has its first envelope from `prepare` and asks nobody to seal.
        monkeypatch.setattr(FastPath, "open_for", lambda _path, _recipients: frozenset())
        document = Document(marker="once", sample="export-one-item.xml", sender=GB, recipient=FR)
        answer = await run.clients.submit(run.known(document))
        await run.finish()
        of_it = [one.entry for one in run.books()[GB].records if one.entry.message_id == answer.message_id]
        events = [one.event for one in of_it if one.event not in OF_NOTICES]
    assert len(refused) == 1
    assert events == [
        AuditEvent.TRANSFER_ACCEPTED,
        AuditEvent.TRANSFER_CLAIMED,
        AuditEvent.TRANSFER_FAILED,
        AuditEvent.TRANSFER_CLAIMED,
        AuditEvent.TRANSFER_DELIVERED,
    ]


async def test_a_killed_worker_costs_no_message(tmp_path: Path) -> None:
    number = seed()
    async with fault_run(tmp_path, workers=1, seed=number) as run:
        print(f"FAULTS_SEED={number}")
        documents = run.plan(DOCUMENTS, "worker")
        gate = Gate(0)
        async with asyncio.TaskGroup() as group:
            group.create_task(run.submit_all(documents, gate))
            killing = group.create_task(kill_workers(run, gate, KILLS))
        await run.finish()
        print(f"{killing.result()} workers killed; longest wait until all was done: {run.longest_wait_seconds:.1f} s")
        assert [str(breach) for breach in run.breaches] == []
        assert killing.result() == KILLS
        for side in run.gateways.sides.values():
            assert await until(lambda: len(workers_of(side)) == 1, within=NEW_WORKER)  # noqa: B023
        assert [await side.process.stop() for side in run.gateways.sides.values()] == [0, 0]
        assert [await side.audit_is_whole() for side in run.gateways.sides.values()] == [True, True]


async def test_a_document_that_ends_its_worker_twice_is_refused_alone_and_may_come_again(tmp_path: Path) -> None:
    async with (
        two_gateways(tmp_path, workers=1, extra="insecure_failpoints = true", start=False) as gateways,
        Clients(gateways.sides) as clients,
    ):
        # In every worker of GB the first view to be made ends it; what is not prepared there is done.
        armed = {VARIABLE: f"{Failpoint.VIEW_MADE}:1:kill"}
        await asyncio.gather(gateways.gb.process.start(environment=armed), gateways.fr.process.start())
        there = Document(marker="there", sample="export-one-item.xml", sender=GB, recipient=FR)
        back = Document(marker="back", sample="export-one-item.xml", sender=FR, recipient=GB)
        with pytest.raises(ClientError) as refused:
            await clients.submit(there)
        assert (refused.value.status, refused.value.code) == (500, "transfer.poisoned")
        message_id = (await clients.submit(back)).message_id
        assert await until(lambda: message_id in gateways.gb.backend.by_id, within=NEW_WORKER)
        books = read_books(gateways.gb.layout.data / DATABASE, GB)
        told = [one.entry for one in books.records if one.entry.event is AuditEvent.SUBMISSION_REFUSED]
        assert [entry.facts["code"] for entry in told] == ["transfer.poisoned"]
        assert (dict(books.transfers), books.submissions) == ({}, frozenset())
        await gateways.gb.process.stop()
        await gateways.gb.process.start()
        again = (await clients.submit(there)).message_id
        assert await until(lambda: again in gateways.fr.backend.by_id, within=NEW_WORKER)


@pytest.mark.long
async def test_what_waited_while_the_partners_worker_stood_still_goes_as_soon_as_it_goes_on(tmp_path: Path) -> None:
    """What was accepted and leased meanwhile waits in memory; nothing may leave it to the end of its lease."""
    async with fault_run(tmp_path, workers=1, seed=seed()) as run:
        of_gb = [document for document in run.plan(DOCUMENTS * 3, "still") if document.sender == GB]
        gate = Gate(len(of_gb) // 3)
        async with asyncio.TaskGroup() as group:
            group.create_task(run.submit_all(of_gb, gate))
            assert await until(lambda: run.clients.accepted >= len(of_gb) // 3, within=timedelta(seconds=60))
            stopped = workers_of(run.gateways.sides[FR])
            gate.open_to(len(of_gb))
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(STANDS_STILL_SECONDS)  # the time itself is what is tested
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        await run.finish()
    assert run.breaches == []
    assert run.longest_wait_seconds < NEW_WORKER.total_seconds()
