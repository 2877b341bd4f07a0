"""Power cuts of gateways at work: what each disk would have held is kept, looked at, and held against what was promised.

A promise of a gateway is an acknowledgement that a client got, or a receipt that the other gateway holds. What was
promised is noted before the cut is made; so all of it must be in the cut.
"""

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.app.node import DATABASE
from gateway.domain.ids import PartyId
from gateway.settings import load_node
from gateway.storage import SqliteStore, verify_database
from tests.faults.books import check_books, read_books
from tests.faults.history import Outage
from tests.faults.loop_disk import LoopDisk
from tests.faults.run import FaultRun
from tests.faults.strikes import START_SECONDS
from tests.faults.traffic import Clients
from tests.world import two_gateways


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What the disk of a party held at one moment, and what the party had promised before it: `acknowledged` message
    ids, and `receipts` by message id."""

    party: PartyId
    image: Path
    acknowledged: frozenset[str]
    receipts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a cut held. `lost`: promises that are not in it. `wrong`: what does not hold together. `torn`: pages of an
    unfinished transaction that were dropped from the end of its log."""

    lost: frozenset[str]
    wrong: tuple[str, ...]
    torn: int


class PowerRun:
    """A run over two gateways, each with a disk of its own."""

    def __init__(self, run: FaultRun, disks: Mapping[PartyId, LoopDisk]) -> None:
        self.run = run
        self.disks = disks

    async def cut(self, party: PartyId) -> Cut:
        """Cut the power of a party's disk, as far as the image goes; the gateway works on."""
        answers = self.run.clients.answers
        acknowledged = frozenset(one.message_id for one in answers if one.code == "ok" and one.sender == party)
        receipts = await asyncio.to_thread(self._receipts_of, party)
        image = await asyncio.to_thread(self.disks[party].cut)
        return Cut(party=party, image=image, acknowledged=acknowledged, receipts=receipts)

    def _receipts_of(self, party: PartyId) -> dict[str, str]:
        """Return the accepted receipts that the other gateway holds from this one."""
        (other,) = (side for each, side in self.run.gateways.sides.items() if each != party)
        database = other.layout.data / DATABASE
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            return dict(opened.execute("SELECT message_id, token FROM receipt WHERE verdict = 'accepted'").fetchall())

    async def look(self, cut: Cut) -> Found:
        """Open what a cut left as a node would, hold it against what was promised, and throw it away."""
        with self.disks[cut.party].looked_at(cut.image) as at:
            return await self._look(cut, at)

    async def _look(self, cut: Cut, at: Path) -> Found:
        database = at / DATABASE
        name = load_node(self.run.gateways.sides[cut.party].layout.config).name
        store = await SqliteStore.open(database, chain=name)
        await store.close()
        books = read_books(database, cut.party)
        lost = {f"acknowledged {one}" for one in cut.acknowledged - set(books.transfers)}
        lost |= {f"receipt for {one}" for one, token in cut.receipts.items() if books.receipts_given.get(one) != token}
        lost |= {f"inbox message {one}" for one in cut.receipts if one not in books.hand_overs}
        wrong = [str(breach) for breach in check_books(books)]
        wrong += [str(verdict) for verdict in verify_database(database) if not verdict.intact]
        return Found(lost=frozenset(lost), wrong=tuple(wrong), torn=store.dropped_frames)

    async def go_dark(self, party: PartyId) -> None:
        """Cut a party's power for good, and start it again on what its disk held."""
        side, began = self.run.gateways.sides[party], datetime.now(UTC)
        # Stopped first: what it said after the cut would be a promise that no real cut leaves time for.
        os.kill(int(side.process.pid or 0), signal.SIGSTOP)
        image = await asyncio.to_thread(self.disks[party].cut)
        await side.process.kill()
        await asyncio.to_thread(self.disks[party].lose_power, image)
        image.unlink()
        await side.process.start(timeout=START_SECONDS)
        self.run.outages.append(Outage(party=party, at=began, over=datetime.now(UTC)))


@asynccontextmanager
async def power_run(folder: Path, *, seed: int) -> AsyncIterator[PowerRun]:
    """Start two gateways on disks of their own, and learn their views."""
    async with AsyncExitStack() as stack:
        # Disks are unmounted after the gateways have ended, which `two_gateways` sees to.
        disks: dict[PartyId, LoopDisk] = {}

        def close_disks() -> None:
            for disk in disks.values():
                disk.close()

        stack.callback(close_disks)
        gateways = await stack.enter_async_context(two_gateways(folder, start=False))
        for party, side in gateways.sides.items():
            disks[party] = LoopDisk(side.layout.data)
        await asyncio.gather(*(side.process.start(timeout=START_SECONDS) for side in gateways.sides.values()))
        clients = await stack.enter_async_context(Clients(gateways.sides))
        run = FaultRun(gateways, clients, seed)
        await run.learn_views()
        yield PowerRun(run, disks)
