"""An older copy of the database is noticed at the next start, and taken only on purpose."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.audit import AuditEntry, AuditEvent, ChainHead
from gateway.errors import StorageError
from gateway.storage import SqliteStore
from gateway.storage.sqlite.mark import read_mark, write_mark
from tests.store_values import NOW

CHAIN = "test"


async def record(path: Path, count: int, *, restored: bool = False) -> SqliteStore:
    """Open the store, record so many entries, close it."""
    store = await SqliteStore.open(path, chain=CHAIN, restored=restored)
    for _ in range(count):
        await store.record(AuditEntry(event=AuditEvent.NODE_STARTED, at=NOW, actor="system"))
    await store.close()
    return store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "gateway.db"


def mark_of(path: Path) -> ChainHead | None:
    return read_mark(path.with_name("gateway.db.mark"))


async def test_the_mark_is_left_at_the_end_of_the_chain(path: Path) -> None:
    await record(path, 3)
    mark = mark_of(path)
    assert mark is not None
    assert (mark.chain, mark.seq) == (CHAIN, 3)
    assert path.with_name("gateway.db.mark").stat().st_mode & 0o777 == 0o600
    assert (await record(path, 0)).passed_over is None


async def test_an_older_copy_is_refused_and_told_apart_by_its_records(path: Path) -> None:
    await record(path, 3)
    shutil.copy(path, path.with_name("backup"))
    await record(path, 4)
    shutil.copy(path.with_name("backup"), path)
    with pytest.raises(StorageError, match=r"ends at audit record 3, and record 7 had been written") as caught:
        await record(path, 1)
    assert caught.value.code == "storage.rolled_back"
    mark = mark_of(path)
    assert mark is not None
    assert mark.seq == 7, "a refused start moved the mark"


async def test_an_older_copy_that_went_on_without_the_mark_is_refused_too(path: Path) -> None:
    await record(path, 3)
    shutil.copy(path, path.with_name("backup"))
    await record(path, 4)
    shutil.copy(path.with_name("backup"), path)
    kept = mark_of(path)
    assert kept is not None
    path.with_name("gateway.db.mark").unlink()
    await record(path, 0)
    store = await SqliteStore.open(path, chain=CHAIN)
    for _ in range(9):
        await store.record(AuditEntry(event=AuditEvent.NODE_STOPPED, at=NOW, actor="system"))
    await store.close()
    write_mark(path.with_name("gateway.db.mark"), kept)
    with pytest.raises(StorageError, match="has another audit record 7"):
        await record(path, 1)


async def test_an_older_copy_is_taken_on_purpose_and_the_mark_follows_it(path: Path) -> None:
    await record(path, 3)
    shutil.copy(path, path.with_name("backup"))
    await record(path, 4)
    lost = mark_of(path)
    shutil.copy(path.with_name("backup"), path)
    store = await record(path, 1, restored=True)
    assert store.passed_over == lost
    mark = mark_of(path)
    assert mark is not None
    assert mark.seq == 4
    assert (await record(path, 1)).passed_over is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"chain": "test"}', b"\xff"], ids=repr)
async def test_a_mark_that_can_not_be_read_keeps_nobody_from_starting(path: Path, content: bytes) -> None:
    await record(path, 2)
    path.with_name("gateway.db.mark").write_bytes(content)
    await record(path, 1)
    mark = mark_of(path)
    assert mark is not None
    assert mark.seq == 3


async def test_the_mark_of_another_node_means_nothing(path: Path) -> None:
    await record(path, 2)
    write_mark(path.with_name("gateway.db.mark"), ChainHead(chain="other", seq=99, hash="0" * 64))
    assert (await record(path, 1)).passed_over is None


async def test_a_mark_ahead_of_an_empty_database_refuses_it(path: Path) -> None:
    await record(path, 2)
    for name in ("gateway.db", "gateway.db-wal", "gateway.db-shm"):
        path.with_name(name).unlink(missing_ok=True)
    with pytest.raises(StorageError, match="ends at audit record 0"):
        await record(path, 1)


# ── the end of the log ──


def cut_off(path: Path, *, keep: int) -> int:
    """Leave a database and its log as a cut in the middle of a transaction would: return the pages left over."""
    folder = path.parent
    work = folder.with_name("cut")
    shutil.rmtree(work, ignore_errors=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as one:
        one.execute("PRAGMA wal_autocheckpoint=0")
        one.execute("UPDATE meta SET value = value")
        before = path.with_name("gateway.db-wal").stat().st_size
        one.execute("BEGIN")
        one.execute("CREATE TABLE left_over (content BLOB)")
        one.execute("INSERT INTO left_over VALUES (randomblob(200000))")
        one.execute("COMMIT")
        shutil.copytree(folder, work)
    shutil.rmtree(folder)
    work.rename(folder)
    frame = 24 + 4096
    with path.with_name("gateway.db-wal").open("r+b") as log:
        log.truncate(before + keep * frame)
    return keep


@pytest.mark.parametrize("keep", [0, 1, 17])
async def test_the_torn_end_of_a_log_is_dropped_and_told(path: Path, keep: int) -> None:
    await record(path, 3)
    cut_off(path, keep=keep)
    store = await record(path, 1)
    assert store.dropped_frames == keep
    with closing(sqlite3.connect(path)) as after:
        assert after.execute("SELECT count(*) FROM sqlite_master WHERE name = 'left_over'").fetchone() == (0,)
        assert after.execute("SELECT max(seq) FROM audit").fetchone() == (4,)
    assert (await record(path, 0)).dropped_frames == 0


async def test_a_log_that_ends_with_a_commit_loses_nothing(path: Path) -> None:
    await record(path, 3)
    cut_off(path, keep=1000)  # longer than the log is: nothing is cut, the rest is no frame of this run
    store = await record(path, 0)
    assert store.dropped_frames == 0
    with closing(sqlite3.connect(path)) as after:
        assert after.execute("SELECT count(*) FROM sqlite_master WHERE name = 'left_over'").fetchone() == (1,)
