"""A page of the database that can not be read costs the row whose content it held, and no other."""

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.ids import TransferId
from gateway.domain.records import Accepted
from gateway.errors import StorageError
from gateway.storage import SqliteStore, verify_database
from tests.store_values import LEASE, NOW, PARTNER, StoreValues

PAGE_BYTES = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "gateway.db"


async def filled(path: Path) -> dict[TransferId, bytes]:
    """Accept three transfers whose content takes several pages each."""
    values, contents = StoreValues(), {}
    store = await SqliteStore.open(path, chain="test")
    for _ in range(3):
        change = values.submission()
        (transfer,) = change.prepared.transfers
        contents[transfer.slot.transfer_id] = sealed = os.urandom(20_000)
        change = replace(change, prepared=replace(change.prepared, transfers=(replace(transfer, sealed=sealed),)))
        assert isinstance(await store.accept(change, []), Accepted)
    await store.close()
    return contents


def damage(path: Path, content: bytes) -> None:
    """Overwrite a page in the middle of a content, and with it where the next one is."""
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = bytearray(path.read_bytes())
    page = file.index(content[9000:9064]) // PAGE_BYTES * PAGE_BYTES
    file[page : page + PAGE_BYTES] = b"\xff" * PAGE_BYTES
    path.write_bytes(file)


async def test_what_is_claimed_together_with_a_damaged_row_goes(path: Path) -> None:
    contents = await filled(path)
    damaged = list(contents)[1]
    damage(path, contents[damaged])
    store = await SqliteStore.open(path, chain="test")
    # Finding it spoils one transaction, which says so and changes nothing; then it is known.
    with pytest.raises(StorageError) as found:
        await store.claim(PARTNER, limit=9, now=NOW, lease=LEASE)
    assert found.value.code == "storage.unavailable"
    claimed = {one.row.id: one.sealed_jws for one in await store.claim(PARTNER, limit=9, now=NOW, lease=LEASE)}
    await store.close()
    assert claimed == {**contents, damaged: b""}
    assert [verdict.intact for verdict in verify_database(path)] == [True]
