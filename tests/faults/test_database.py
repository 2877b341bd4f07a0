"""What can happen to a database under a node: another process locks it, an older copy is put in its place, its log is
cut off, a page of it is damaged."""

import asyncio
import shutil
import sqlite3
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.app import Node, rulebook_of
from gateway.app.node import DATABASE
from gateway.audit import AuditEvent
from gateway.domain.ids import PartyId, SubmissionId
from gateway.errors import StorageError
from gateway.settings import load_configuration
from tests.faults.books import Books, check_books, read_books
from tests.faults.commits import Quiet
from tests.faults.lone import lone_gateway
from tests.faults.run import FaultRun
from tests.faults.traffic import Clients, Document
from tests.faults.until import until
from tests.world import FR, GB, Side, two_gateways

pytestmark = pytest.mark.faults

SOON = timedelta(seconds=30)
PAGE_BYTES = 4096
DAMAGED = {"storage.corrupt", "trust.unsealing_failed"}
FRAME_BYTES = 24 + PAGE_BYTES


@pytest.mark.parametrize("seconds", [pytest.param(0, id="short"), pytest.param(30, id="long", marks=pytest.mark.long)])
async def test_a_database_that_another_process_locks_answers_503_until_it_lets_go(tmp_path: Path, seconds: int) -> None:
    async with lone_gateway(tmp_path) as lone:
        first = await lone.clients.submit(lone.document())
        with closing(sqlite3.connect(lone.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = await lone.until_refused(1)
            assert lone.clients.answers[-1].status == 503
            assert lone.clients.answers[-1].code == "storage.unavailable"
            async with lone.side.submissions() as client:  # what only reads goes on
                assert (await client.get(SubmissionId(first.submission_id))).id == first.submission_id
            await asyncio.sleep(seconds)  # nothing to wait for: the time itself is what is tested
            other.execute("ROLLBACK")
        await lone.clients.submit(refused)
        assert await lone.is_ready()
        lone.assert_nothing_lost()


@asynccontextmanager
async def node_of(side: Side, *, restored: str = "") -> AsyncIterator[Node]:
    """Run a node within this process."""
    configuration = load_configuration(side.layout.config)
    async with Node(configuration.node, rulebook_of(configuration), Quiet(), restored=restored) as node:
        yield node


def books_of(side: Side, party: PartyId) -> Books:
    return read_books(side.layout.data / DATABASE, party)


def document(marker: str) -> Document:
    return Document(marker=marker, sample="import-two-items.xml", sender=GB, recipient=FR)


async def test_an_older_copy_is_refused_and_then_taken_on_purpose_without_doubling_anything(tmp_path: Path) -> None:
    async with two_gateways(tmp_path, start=False) as gateways, Clients(gateways.sides) as clients:
        gb, backend = gateways.gb, gateways.fr.backend
        database = gb.layout.data / DATABASE
        run = FaultRun(gateways, clients, seed=1)
        async with node_of(gateways.fr):
            async with node_of(gb):
                before = (await clients.submit(document("before"))).message_id
                assert await until(lambda: before in backend.by_id, within=SOON)
            shutil.copy(database, tmp_path / "backup.db")
            async with node_of(gb):
                after = (await clients.submit(document("after"))).message_id
                assert await until(lambda: run.states()[GB].transfers[after] == "DELIVERED", within=SOON)
            written = books_of(gb, GB).head
            shutil.copy(tmp_path / "backup.db", database)
            with pytest.raises(StorageError, match=f"record {written[0]} had been written") as refused:
                async with node_of(gb):
                    pass
            assert refused.value.code == "storage.rolled_back"
            async with node_of(gb, restored="backup of two o'clock"):
                again = (await clients.submit(document("again"))).message_id
                assert await until(lambda: again in backend.by_id, within=SOON)
        (told,) = (one.entry for one in books_of(gb, GB).records if one.entry.event is AuditEvent.STORE_RESTORED)
        assert told.facts == {"count": written[0], "digest": written[1], "reason": "backup of two o'clock"}
        assert set(books_of(gb, GB).transfers) == {before, again}
        assert len(backend.messages) == 3, "something was handed over twice"


def in_the_middle_of_a_transaction(log: bytes, after: int) -> int:
    """Return a length at which a log, from `after` on, ends three pages into a transaction."""
    unfinished = 0
    for at in range(after, len(log), FRAME_BYTES):
        (pages_after_commit,) = struct.unpack_from(">I", log, at + 4)  # not 0 in the last frame of a transaction
        unfinished = 0 if pages_after_commit else unfinished + 1
        if unfinished == 3:
            return at + FRAME_BYTES
    raise AssertionError("no transaction of four pages came after it")


async def test_a_log_that_was_cut_off_is_told_in_the_audit(tmp_path: Path) -> None:
    async with two_gateways(tmp_path, start=False) as gateways, Clients(gateways.sides) as clients:
        data = gateways.gb.layout.data
        async with node_of(gateways.gb):
            kept = (await clients.submit(document("kept"))).message_id
            shutil.copytree(data, tmp_path / "cut")
            await clients.submit(document("later"))
            log = (data / f"{DATABASE}-wal").read_bytes()
        length = in_the_middle_of_a_transaction(log, len((tmp_path / "cut" / f"{DATABASE}-wal").read_bytes()))
        shutil.rmtree(data)
        shutil.move(tmp_path / "cut", data)
        (data / f"{DATABASE}-wal").write_bytes(log[:length])
        (data / f"{DATABASE}-shm").unlink(missing_ok=True)
        async with node_of(gateways.gb):
            pass
        books = books_of(gateways.gb, GB)
        (told,) = (one.entry for one in books.records if one.entry.event is AuditEvent.STORE_TAIL_DROPPED)
        assert told.facts == {"count": 3}
        assert set(books.transfers) == {kept}


def damage(database: Path, transfer_id: str) -> None:
    """Overwrite the page that holds the end of what is sealed for a transfer."""
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (sealed,) = opened.execute("SELECT sealed FROM payload WHERE transfer_id = ?", (transfer_id,)).fetchone()
    content = bytearray(database.read_bytes())
    place = content.find(sealed[-64:])
    assert place > 0
    page = place // PAGE_BYTES * PAGE_BYTES
    content[page : page + PAGE_BYTES] = b"\xff" * PAGE_BYTES
    database.write_bytes(content)


async def test_a_damaged_page_stops_its_own_transfer_and_no_other(tmp_path: Path) -> None:
    async with two_gateways(tmp_path, start=False) as gateways, Clients(gateways.sides) as clients:
        run, backend = FaultRun(gateways, clients, seed=1), gateways.fr.backend
        async with node_of(gateways.gb):
            ids = [(await clients.submit(document(f"page-{number}"))).message_id for number in range(4)]
        database = gateways.gb.layout.data / DATABASE
        damage(database, ids[1])
        async with node_of(gateways.fr), node_of(gateways.gb):
            others = {ids[0], *ids[2:]}
            assert await until(lambda: others <= set(backend.by_id), within=SOON)
            # Nobody could mend it by trying again, so it is told at once and not when all attempts are used up.
            assert await until(lambda: code_of(database, ids[1]) in DAMAGED, within=SOON)
        assert ids[1] not in backend.by_id
        books = run.books()[GB]
        assert {books.transfers[one] for one in others} == {"DELIVERED"}
        assert books.transfers[ids[1]] == "DEAD_LETTERED"
        breaches = [str(breach) for breach in check_books(books)]
        assert [breach for breach in breaches if ids[1] not in breach] == [], (
            "but for the dead letter, which is one there"
        )


def code_of(database: Path, message_id: str) -> str:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as opened:
        (code,) = opened.execute("SELECT last_code FROM transfer WHERE message_id = ?", (message_id,)).fetchone()
    return str(code)
