"""Clocks that jump, and a process that stands still while it holds a lease."""

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.audit import AuditEvent
from gateway.domain.lifecycle import TransferEvent, TransferState
from gateway.domain.limits import MAX_CLOCK_SKEW
from gateway.envelope.message import check_times
from gateway.errors import EnvelopeError, TransferError
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.ended import HoldEnded
from gateway.exchange.sweep import Sweep
from gateway.storage import SqliteStore, verify_database
from tests.contract.store_steps import accept, events, row_of
from tests.faults.commits import Quiet
from tests.faults.history import Outage
from tests.faults.run import FaultRun
from tests.faults.strikes import START_SECONDS
from tests.faults.test_recovery import stopped
from tests.faults.traffic import Clients, Document
from tests.faults.until import until
from tests.store_values import AGREEMENT, NOW, PARTNER, StoreValues, evidence
from tests.world import FR, GB, two_gateways

pytestmark = pytest.mark.faults

LEASE = timedelta(seconds=60)


class JumpingClock:
    """A wall clock that is set, and a monotonic one that is not."""

    def __init__(self) -> None:
        self.wall = NOW
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, time: timedelta) -> None:
        """Let time pass, on both."""
        self.wall += time
        self.seconds += time.total_seconds()


def sweeping(store: SqliteStore, clock: JumpingClock) -> Sweep:
    ended = HoldEnded(
        store=store, in_force=lambda _: frozenset({AGREEMENT.sha256}), stopped=lambda _: {}, telemetry=Quiet()
    )
    return Sweep(
        store=store,
        clock=clock,
        bells=Doorbells(),
        telemetry=Quiet(),
        ended=ended,
        every=LEASE,
        purge_every=timedelta(days=1),
    )


@pytest.mark.parametrize("jump", [timedelta(hours=24), timedelta(minutes=5), timedelta(seconds=3)], ids=str)
@pytest.mark.parametrize("sign", [1, -1], ids=["ahead", "back"])
async def test_a_lease_ends_and_is_taken_up_again_whatever_the_clock_does(
    tmp_path: Path, jump: timedelta, sign: int
) -> None:
    clock, values = JumpingClock(), StoreValues()
    store = await SqliteStore.open(tmp_path / "data" / "gateway.db", chain="test")
    sweep = sweeping(store, clock)
    transfer_id = await accept(store, values.submission(deadline=timedelta(days=7)))
    (claimed,) = await store.claim(PARTNER, limit=1, now=clock.now(), lease=LEASE)
    await sweep.once()
    clock.wall += jump * sign
    await sweep.once()
    early = jump * sign >= LEASE
    state = (await row_of(store, transfer_id)).state
    assert state is (TransferState.QUEUED if early else TransferState.IN_FLIGHT)
    clock.pass_by(LEASE)
    await sweep.once()
    assert (await row_of(store, transfer_id)).state is TransferState.QUEUED
    # The one who held it comes back late, and is refused its write by the fencing token.
    late = TransferEvent.FAILED
    with pytest.raises(TransferError, match="lease_lost"):
        await store.settle(claimed.row, late, audit=evidence(claimed.row, late), now=clock.now(), fence=claimed.fence)
    (again,) = await store.claim(PARTNER, limit=1, now=clock.now(), lease=LEASE)
    assert again.fence > claimed.fence
    assert (AuditEvent.NODE_CLOCK_SET_BACK in await events(store)) == (sign < 0)
    records = await store.audit()
    await store.close()
    # Ordered by sequence, whatever the times say.
    assert [one.seq for one in records] == list(range(1, len(records) + 1))
    assert [verdict.intact for verdict in verify_database(tmp_path / "data" / "gateway.db")] == [True]


async def test_a_clock_that_is_steered_is_none_that_is_set(tmp_path: Path) -> None:
    clock = JumpingClock()
    store = await SqliteStore.open(tmp_path / "data" / "gateway.db", chain="test")
    sweep = sweeping(store, clock)
    for _ in range(20):
        clock.wall -= timedelta(seconds=0.5)
        clock.pass_by(timedelta(seconds=1))
        await sweep.once()
    assert await events(store) == []
    await store.close()


def test_a_message_may_be_five_minutes_ahead_and_no_more() -> None:
    header = StoreValues().submission().prepared.transfers[0].header
    check_times(header, now=header.created - MAX_CLOCK_SKEW)
    with pytest.raises(EnvelopeError) as refused:
        check_times(header, now=header.created - MAX_CLOCK_SKEW - timedelta(seconds=1))
    assert refused.value.code == "envelope.created_in_future"
    assert timedelta(minutes=5) == MAX_CLOCK_SKEW


def with_short_lease(config: Path, seconds: int) -> None:
    """Give a node a short lease, and waits that fit into it."""
    text = config.read_text(encoding="utf-8")
    for before, after in (
        ("[timing]\n", f'[timing]\nlease = "{seconds}s"\n'),
        (f'folder = "partners/{FR}"\n', f'folder = "partners/{FR}"\ntimeout = "{seconds - 1}s"\n'),
        ('secret_file = "webhook.secret"\n', f'secret_file = "webhook.secret"\ntimeout = "{seconds - 1}s"\n'),
    ):
        assert before in text
        text = text.replace(before, after)
    config.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("lease", "stopped_for"),
    [pytest.param(3, 4, id="short"), pytest.param(20, 60, id="long", marks=pytest.mark.long)],
)
async def test_a_process_that_stood_still_with_a_lease_doubles_and_loses_nothing(
    tmp_path: Path, lease: int, stopped_for: int
) -> None:
    document = Document(marker="stopped", sample="export-one-item.xml", sender=GB, recipient=FR)
    async with two_gateways(tmp_path, start=False) as gateways, Clients(gateways.sides) as clients:
        with_short_lease(gateways.gb.layout.config, lease)
        await asyncio.gather(*(side.process.start(timeout=START_SECONDS) for side in gateways.sides.values()))
        run = FaultRun(gateways, clients, seed=1)
        await run.learn_views()
        run.known(document)
        began = datetime.now(UTC)
        with stopped(gateways.gb.process.pid):
            with stopped(gateways.fr.process.pid):
                os.kill(int(gateways.gb.process.pid or 0), signal.SIGCONT)
                message_id = (await clients.submit(document)).message_id
                assert await until(lambda: run.states()[GB].transfers[message_id] == "IN_FLIGHT", within=LEASE)
                os.kill(int(gateways.gb.process.pid or 0), signal.SIGSTOP)
            await asyncio.sleep(stopped_for)  # longer than the lease: the time itself is what is tested
        run.outages += [Outage(party=party, at=began, over=datetime.now(UTC)) for party in (GB, FR)]
        await run.finish()
        assert run.breaches == []
        assert [one.webhook_id for one in gateways.fr.backend.messages].count(message_id) == 1
        assert await gateways.gb.audit_is_whole()
