"""The SQLite file: who may open it, what it insists on, what it refuses to start with."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.ids import PartyId
from gateway.errors import StorageError
from gateway.storage import SqliteStore, database_chains, database_records, verify_database
from gateway.storage.sqlite.connection import open_reading, open_writing
from gateway.storage.tables import metadata
from tests.store_values import LEASE, NOW, PARTNER, StoreValues, accepted_evidence


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "gateway.db"


async def filled(path: Path, transfers: int = 3) -> None:
    store = await SqliteStore.open(path, chain="node")
    values = StoreValues()
    for _ in range(transfers):
        change = values.submission()
        await store.accept(change, accepted_evidence(change))
    await store.close()


async def refusal_of(path: Path) -> str:
    with pytest.raises(StorageError) as caught:
        await SqliteStore.open(path, chain="node")
    return caught.value.code


def tampered(path: Path, statement: str) -> None:
    """Change the file as somebody would who owns it."""
    with sqlite3.connect(path) as raw:
        raw.execute("DROP TRIGGER audit_no_update")
        raw.execute("DROP TRIGGER audit_no_delete")
        raw.execute(statement)
    raw.close()


# ── who may open it ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_only_the_owner_can_read_the_files_and_the_folder(path: Path) -> None:
    before = os.umask(0)
    try:
        store = await SqliteStore.open(path, chain="node")
        await store.ready()
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == [
            "gateway.db",
            "gateway.db-shm",
            "gateway.db-wal",
            "gateway.db.lock",
            "gateway.db.mark",
        ]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        await store.close()
    finally:
        os.umask(before)


def test_a_folder_and_file_left_open_are_closed(path: Path) -> None:
    asyncio.run(filled(path))
    path.chmod(0o644)
    path.parent.chmod(0o755)
    asyncio.run(filled(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_folder_that_others_share_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o1777)
    assert await refusal_of(path) == "storage.exposed"


async def test_a_second_opening_is_refused_by_this_process_and_by_another(path: Path) -> None:
    store = await SqliteStore.open(path, chain="node")
    assert await refusal_of(path) == "storage.locked"
    script = (
        "import asyncio, sys, pathlib\n"
        "from gateway.storage import SqliteStore\n"
        "asyncio.run(SqliteStore.open(pathlib.Path(sys.argv[1]), chain='node'))\n"
    )
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(path), stderr=subprocess.PIPE)
    _, said = await other.communicate()
    assert other.returncode == 1
    assert b"storage.locked" in said
    await store.close()
    await filled(path)


async def test_a_path_that_can_not_be_a_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert await refusal_of(tmp_path / "file" / "gateway.db") == "storage.unavailable"
    (tmp_path / "folder.db").mkdir()
    assert await refusal_of(tmp_path / "folder.db") == "storage.unavailable"


# ── what it insists on ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_every_commit_is_synced_and_the_log_is_not_carried_over_by_commits(path: Path) -> None:
    await filled(path)
    connection = open_writing(path)
    pragmas = {
        name: connection.raw.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "wal_autocheckpoint", "page_size", "busy_timeout")
    }
    connection.close()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "wal_autocheckpoint": 0,
        "page_size": 4096,
        "busy_timeout": 5000,
    }


async def test_a_reading_connection_can_not_write(path: Path) -> None:
    await filled(path)
    connection = open_reading(path)
    with pytest.raises(StorageError):
        connection.run(metadata.tables["meta"].delete(), {})
    connection.close()


async def test_too_old_a_library_is_told_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    assert await refusal_of(path) == "storage.unavailable"


async def test_the_tables_take_no_value_of_another_kind_or_state(path: Path) -> None:
    await filled(path)
    raw = sqlite3.connect(path, isolation_level=None)
    for change in ("state = 'LOST'", "attempts = 'many'", "head = 2", "lease_until = 1", "next_attempt_at = NULL"):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(f"UPDATE transfer SET {change}")
    for change in ("DELETE FROM audit", "UPDATE audit SET actor = 'nobody'"):
        with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
            raw.execute(change)
    raw.close()


# ── what it refuses to start with ────────────────────────────────────────────────────────────────────────────────────


async def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE theirs (x)")
    raw.close()
    assert await refusal_of(path) == "storage.schema_version"
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    raw.close()


async def test_a_newer_database_is_refused(path: Path) -> None:
    await filled(path)
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    assert await refusal_of(path) == "storage.schema_version"


def test_a_file_that_is_no_database_is_corrupt(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, however long it may be" * 1000)
    assert asyncio.run(refusal_of(path)) == "storage.corrupt"


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM audit WHERE seq = 3",
        "DELETE FROM audit_head",
        "UPDATE audit SET hash = previous WHERE seq = 3",
        "UPDATE audit_head SET seq = 4",
    ],
)
async def test_a_chain_that_does_not_end_where_it_was_left_is_refused(path: Path, change: str) -> None:
    await filled(path)
    tampered(path, change)
    assert await refusal_of(path) == "audit.broken"


# ── the audit chain, read without a store ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("UPDATE audit SET actor = 'client:other' WHERE seq = 2", 2),
        ("UPDATE audit SET facts = replace(facts, '61', '62') WHERE seq = 2", 2),
        ("UPDATE audit SET facts = replace(facts, ',', ', ') WHERE seq = 2", 2),
        ("UPDATE audit SET facts = 'none' WHERE seq = 2", 2),
        ("UPDATE audit SET event = 'nothing' WHERE seq = 2", 2),
        ("UPDATE audit SET at = at + 1 WHERE seq = 2", 2),
        ("UPDATE audit SET at = 9223372036854775807 WHERE seq = 2", 2),
        ("UPDATE audit SET transfer_id = NULL WHERE seq = 2", 2),
        ("UPDATE audit SET message_id = 'other' WHERE seq = 3", 3),
        ("UPDATE audit SET previous = hash WHERE seq = 3", 3),
        ("UPDATE audit SET hash = upper(hash) WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 2", 2),
        ("DELETE FROM audit WHERE seq = 3", 3),
        ("DELETE FROM audit", 1),
        ("UPDATE audit SET seq = 9 WHERE seq = 2", 2),
        ("UPDATE audit SET seq = -1 WHERE seq = 1", 1),
        (
            "INSERT INTO audit SELECT chain, 0, event, at, actor, NULL, NULL, facts, previous, hash FROM audit LIMIT 1",
            1,
        ),
        (
            "INSERT INTO audit SELECT chain, 4, event, at, actor, NULL, NULL, facts, previous, hash FROM audit LIMIT 1",
            4,
        ),
        ("UPDATE audit_head SET hash = 'other'", 3),
    ],
)
async def test_every_change_of_the_records_is_found_where_it_is(path: Path, change: str, broken: int) -> None:
    await filled(path)
    (verdict,) = verify_database(path)
    assert (verdict.intact, verdict.count) == (True, 3)
    tampered(path, change)
    (verdict,) = verify_database(path)
    assert (verdict.intact, verdict.broken_seq) == (False, broken)


async def test_a_chain_can_be_read_while_the_node_runs_and_after(path: Path) -> None:
    store = await SqliteStore.open(path, chain="node")
    change = StoreValues().submission(PartyId("FR-DGDDI"), PartyId("NL-DOUANE"))
    await store.accept(change, accepted_evidence(change))
    assert [record.seq for record in database_records(path, "node")] == [1, 2]
    await store.close()
    assert database_chains(path) == ["node"]
    assert list(database_records(path, "other")) == []


async def test_a_new_name_begins_a_new_chain_and_both_are_verified(path: Path) -> None:
    await filled(path)
    store = await SqliteStore.open(path, chain="another")
    assert await store.recover(now=NOW) == 0
    assert len(await store.claim(PARTNER, limit=2, now=NOW, lease=LEASE)) == 2
    assert [record.seq for record in await store.audit()] == [1, 2]
    await store.close()
    assert [(verdict.chain, verdict.count, verdict.intact) for verdict in verify_database(path)] == [
        ("another", 2, True),
        ("node", 3, True),
    ]


def test_no_file_is_no_database(path: Path) -> None:
    ask: Callable[[Path], object] = verify_database
    with pytest.raises(StorageError, match="no database file"):
        ask(path)
    assert not path.exists()
