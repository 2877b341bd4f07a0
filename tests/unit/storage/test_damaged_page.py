"""A page of the database that can not be read costs the row whose content it held, and no other."""

import asyncio
import itertools
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.ids import TransferId
from gateway.domain.lifecycle import TransferEvent
from gateway.domain.records import Accepted
from gateway.errors import StorageError
from gateway.storage import SqliteStore, verify_database
from tests.store_values import LEASE, NOW, PARTNER, StoreValues, evidence

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


def damage(path: Path, content: bytes) -> bytes:
    """Overwrite a page in the middle of a content, and with it where the next one is. Return the file as it was."""
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = path.read_bytes()
    file = bytearray(whole)
    page = file.index(content[9000:9064]) // PAGE_BYTES * PAGE_BYTES
    file[page : page + PAGE_BYTES] = b"\xff" * PAGE_BYTES
    path.write_bytes(file)
    return whole


def put_back(path: Path, whole: bytes) -> None:
    """Undo `damage` in place; nothing was written into the file since, only into its log."""
    with path.open("r+b") as file:
        file.write(whole)


async def test_what_is_claimed_together_with_a_damaged_row_goes(path: Path) -> None:
    contents = await filled(path)
    damaged = list(contents)[1]
    damage(path, contents[damaged])
    store = await SqliteStore.open(path, chain="test")
    claimed = {one.row.id: one for one in await store.claim(PARTNER, limit=9, now=NOW, lease=LEASE)}
    await store.close()
    assert {name: one.sealed_jws for name, one in claimed.items()} == {**contents, damaged: b""}
    assert [name for name, one in claimed.items() if one.unreadable] == [damaged]
    assert claimed[damaged].unreadable == "storage.corrupt"
    assert [verdict.intact for verdict in verify_database(path)] == [True]


async def test_a_damage_that_passes_is_forgotten(path: Path) -> None:
    contents = await filled(path)
    damaged = list(contents)[1]
    whole = damage(path, contents[damaged])
    store = await SqliteStore.open(path, chain="test")
    claimed = await store.claim(PARTNER, limit=9, now=NOW, lease=LEASE)
    assert [one.row.id for one in claimed if one.unreadable] == [damaged]
    put_back(path, whole)
    for one in claimed:
        failed = TransferEvent.FAILED
        await store.settle(one.row, failed, audit=evidence(one.row, failed), now=NOW, fence=one.fence)
    again = await store.claim(PARTNER, limit=9, now=NOW, lease=LEASE)
    await store.close()
    assert {one.row.id: one.sealed_jws for one in again} == contents


async def test_a_change_that_needs_a_damaged_page_fails_and_those_beside_it_do_not(path: Path) -> None:
    contents = await filled(path)
    values = StoreValues(itertools.count(1000))
    conversations = [values.uuid4() for _ in range(400)]
    store = await SqliteStore.open(path, chain="test")
    for each in conversations:  # enough to fill several pages
        await store.accept(values.submission(conversation=each), [])
    await store.close()
    damage_page_of(path, conversations[-1])
    store = await SqliteStore.open(path, chain="test")
    changes = [values.submission(conversation=each, sequence=2) for each in (conversations[0], conversations[-1])]
    outcomes = await asyncio.gather(*(store.accept(change, []) for change in changes), return_exceptions=True)
    await store.close()
    assert isinstance(outcomes[0], Accepted)
    assert isinstance(outcomes[1], StorageError)
    assert outcomes[1].code == "storage.corrupt"
    assert len(contents) == 3


def damage_page_of(path: Path, conversation: str) -> None:
    """Overwrite the leaf of the table of conversations that holds this one."""
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        found = opened.execute(
            "SELECT party || partner || conversation FROM conversation WHERE conversation = ?", (conversation,)
        )
        (cell,) = found.fetchone()
    file = bytearray(path.read_bytes())
    page = file.index(cell.encode()) // PAGE_BYTES * PAGE_BYTES
    file[page : page + PAGE_BYTES] = b"\xff" * PAGE_BYTES
    path.write_bytes(file)
