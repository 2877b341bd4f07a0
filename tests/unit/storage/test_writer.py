"""Group commit, over a real SQLite file."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.audit import AuditEntry, AuditEvent, verify_chain
from gateway.errors import StorageError, TransferError
from gateway.storage import evidence, writer
from gateway.storage.engine import Connection, Transaction
from gateway.storage.readers import Readers
from gateway.storage.sqlite.checkpoints import Checkpoints, checkpoint
from gateway.storage.sqlite.connection import SqliteConnection, open_reading, open_writing
from gateway.storage.sqlite.files import own_file
from gateway.storage.sqlite.store import prepare_file
from gateway.storage.writer import Writer
from tests.store_values import NOW

ENTRY = AuditEntry(event=AuditEvent.NODE_STARTED, at=NOW, actor="system")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "gateway.db"
    own_file(made)
    prepare_file(made)
    return made


class Commits:
    """Commits for real, and holds the writer back while `gate` is closed."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.reached = threading.Event()
        self.number = 0
        self.error: sqlite3.Error | None = None

    def __call__(self, raw: sqlite3.Connection) -> None:
        self.reached.set()
        self.gate.wait()
        if self.error is not None:
            raise self.error
        raw.execute("COMMIT")
        self.number += 1


@pytest.fixture
def commits() -> Commits:
    return Commits()


@pytest.fixture
async def writing(path: Path, commits: Commits) -> AsyncIterator[Writer]:
    made = Writer(lambda: open_writing(path, commit=commits), chain="node")
    made.start()
    yield made
    await asyncio.to_thread(made.close)


def records(path: Path) -> list[int]:
    connection = open_reading(path)
    found = list(evidence.all_records(connection, "node"))
    assert verify_chain(found, "node", expected=evidence.known_head(connection, "node")).intact
    connection.close()
    return [record.seq for record in found]


def add(transaction: Transaction) -> int:
    transaction.record(ENTRY)
    return transaction.head.seq


def add_and_fail(transaction: Transaction) -> int:
    add(transaction)
    add(transaction)
    raise LookupError("after two records")


async def held_back(commits: Commits, writing: Writer) -> "asyncio.Task[int]":
    """Start a change whose commit waits, so that what comes next waits for the next group."""
    commits.gate.clear()
    commits.reached.clear()
    first = asyncio.ensure_future(writing.write(add))
    await asyncio.sleep(0)
    await asyncio.to_thread(commits.reached.wait)
    return first


async def test_changes_that_wait_together_share_one_commit(path: Path, commits: Commits, writing: Writer) -> None:
    first = await held_back(commits, writing)
    others = [asyncio.ensure_future(writing.write(add)) for _ in range(writer.BATCH)]
    await asyncio.sleep(0)
    assert not first.done()
    commits.gate.set()
    assert await asyncio.gather(first, *others) == list(range(1, writer.BATCH + 2))
    assert commits.number == 2
    assert records(path) == list(range(1, writer.BATCH + 2))


async def test_nobody_is_told_before_the_commit(path: Path, commits: Commits, writing: Writer) -> None:
    first = await held_back(commits, writing)
    failing = asyncio.ensure_future(writing.write(add_and_fail))
    for _ in range(50):
        await asyncio.sleep(0.001)
    assert not first.done()
    assert not failing.done()
    assert records(path) == []
    commits.gate.set()
    assert await first == 1
    with pytest.raises(LookupError):
        await failing


async def test_a_failed_change_gives_back_its_place_in_the_chain(path: Path, commits: Commits, writing: Writer) -> None:
    first = await held_back(commits, writing)
    changes = [add_and_fail, add, add_and_fail, add]
    others = [asyncio.ensure_future(writing.write(change)) for change in changes]
    await asyncio.sleep(0)
    commits.gate.set()
    outcomes = await asyncio.gather(first, *others, return_exceptions=True)
    assert [one for one in outcomes if isinstance(one, int)] == [1, 2, 3]
    assert records(path) == [1, 2, 3]


async def test_savepoints_are_made_only_for_a_while_after_a_change_failed(
    writing: Writer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "CAREFUL", 2)
    assert isinstance(writing._connection, SqliteConnection)
    said: list[str] = []
    writing._connection.raw.set_trace_callback(said.append)

    async def savepoints() -> int:
        said.clear()
        await writing.write(add)
        return sum(statement.startswith("SAVEPOINT") for statement in said)

    assert await savepoints() == 0
    with pytest.raises(LookupError):
        await writing.write(add_and_fail)
    assert [await savepoints() for _ in range(4)] == [1, 1, 0, 0]
    assert records(path) == [1, 2, 3, 4, 5]


async def test_after_a_failed_commit_the_chain_goes_on_from_what_the_database_holds(
    path: Path, commits: Commits, writing: Writer
) -> None:
    assert await writing.write(add) == 1
    commits.error = sqlite3.OperationalError("disk I/O error")
    with pytest.raises(StorageError) as caught:
        await writing.write(add)
    assert caught.value.code == "storage.commit_unknown"
    commits.error = None
    assert await writing.write(add) == 2
    assert records(path) == [1, 2]


async def test_a_transaction_that_can_not_begin_is_unavailable_and_not_unknown(path: Path, writing: Writer) -> None:
    blocker = open_writing(path)
    blocker.begin()
    assert isinstance(writing._connection, SqliteConnection)
    writing._connection.raw.execute("PRAGMA busy_timeout=0")
    with pytest.raises(StorageError) as caught:
        await writing.write(add)
    assert caught.value.code == "storage.unavailable"
    blocker.rollback()
    blocker.close()
    assert await writing.write(add) == 1


async def test_a_full_disk_fails_the_group_and_commits_nothing_of_it(path: Path, writing: Writer) -> None:
    assert await writing.write(add) == 1
    assert isinstance(writing._connection, SqliteConnection)
    (pages,) = writing._connection.raw.execute("PRAGMA page_count").fetchone()
    writing._connection.raw.execute(f"PRAGMA max_page_count={pages}")

    def much(transaction: Transaction) -> None:
        add(transaction)
        transaction.connection.run_many(
            evidence._INSERT_HEAD, [{"chain": f"{number}" + "x" * 10_000, "seq": 0, "hash": ""} for number in range(9)]
        )

    outcomes = await asyncio.gather(writing.write(much), writing.write(much), return_exceptions=True)
    assert [isinstance(one, StorageError) and one.code for one in outcomes] == ["storage.unavailable"] * 2
    # The next connection has no such limit: the store mends itself once there is room.
    assert await writing.write(add) == 2
    assert records(path) == [1, 2]


async def test_a_chain_that_another_wrote_to_is_not_forked(path: Path, writing: Writer) -> None:
    assert await writing.write(add) == 1
    stranger = open_writing(path)
    stranger.begin()
    forked = Transaction(stranger, evidence.read_head(stranger, "node"))
    forked.record(ENTRY)
    evidence.write_records(stranger, forked.records, forked.head)
    stranger.commit()
    stranger.close()
    with pytest.raises(StorageError) as caught:
        await writing.write(add)
    assert caught.value.code == "storage.constraint"
    assert records(path) == [1, 2]


async def test_too_many_waiting_are_refused_before_memory_grows(
    commits: Commits, writing: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "WAITING", 3)
    first = await held_back(commits, writing)
    waiting = [asyncio.ensure_future(writing.write(add)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(StorageError) as caught:
        await writing.write(add)
    assert caught.value.code == "capacity.exhausted"
    commits.gate.set()
    assert await asyncio.gather(first, *waiting) == [1, 2, 3, 4]


async def test_what_waits_at_the_end_is_still_committed(path: Path, commits: Commits) -> None:
    closing = Writer(lambda: open_writing(path, commit=commits), chain="node")
    closing.start()
    first = await held_back(commits, closing)
    other = asyncio.ensure_future(closing.write(add))
    await asyncio.sleep(0)
    closing.stop_taking()
    with pytest.raises(StorageError, match="closed"):
        await closing.write(add)
    commits.gate.set()
    await asyncio.to_thread(closing.close)
    assert [await first, await other] == [1, 2]


async def test_an_event_loop_that_is_gone_does_not_stop_the_writer(writing: Writer) -> None:
    def short_lived() -> None:
        async def leave() -> None:
            task = asyncio.ensure_future(writing.write(add))
            await asyncio.sleep(0)
            task.cancel()

        asyncio.run(leave())

    await asyncio.to_thread(short_lived)
    assert await writing.write(add) == 2


async def test_a_read_sees_one_state_and_never_waits_for_a_write(path: Path, commits: Commits, writing: Writer) -> None:
    readers = Readers(lambda: open_reading(path), count=1)
    first = await held_back(commits, writing)
    assert await readers.read(lambda connection: evidence.known_head(connection, "node").seq) == 0
    asked, answered = threading.Event(), threading.Event()

    def twice(connection: Connection) -> tuple[int, int]:
        before = evidence.known_head(connection, "node").seq
        asked.set()
        answered.wait()
        return before, evidence.known_head(connection, "node").seq

    reading = asyncio.ensure_future(readers.read(twice))
    await asyncio.to_thread(asked.wait)
    commits.gate.set()
    assert await first == 1
    answered.set()
    assert await reading == (0, 0)
    assert await readers.read(lambda connection: evidence.known_head(connection, "node").seq) == 1
    await asyncio.to_thread(readers.close)
    with pytest.raises(StorageError, match="closed"):
        await readers.read(lambda connection: evidence.known_head(connection, "node").seq)


async def test_a_read_that_fails_leaves_the_reader_usable(path: Path) -> None:
    readers = Readers(lambda: open_reading(path), count=1)

    def fail(connection: Connection) -> None:
        evidence.known_head(connection, "node")
        raise LookupError

    with pytest.raises(LookupError):
        await readers.read(fail)
    assert await readers.read(lambda connection: evidence.known_head(connection, "node").seq) == 0
    await asyncio.to_thread(readers.close)


@pytest.mark.parametrize("carried_over", [True, False])
async def test_the_log_is_carried_over_beside_the_writer_and_starts_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, carried_over: bool
) -> None:
    monkeypatch.setattr("gateway.storage.sqlite.checkpoints.FRAMES_BETWEEN", 60)
    monkeypatch.setattr("gateway.storage.sqlite.checkpoints.FRAMES_AT_MOST", 20)
    checkpoints = Checkpoints(path)
    writing = Writer(lambda: open_writing(path), chain="node", after_commit=checkpoints.committed)
    writing.start()
    if carried_over:
        checkpoints.start(between=writing.between_transactions)
    for _ in range(300):
        await writing.write(add)
    await asyncio.to_thread(checkpoints.close)
    await writing.write(add)
    connection = open_writing(path)
    frames = checkpoint(connection, "PASSIVE")
    connection.close()
    # Two pages a commit at least: left alone, the log holds them all.
    assert (frames < 300) == carried_over, frames
    await asyncio.to_thread(writing.close)
    assert records(path) == list(range(1, 302))


async def test_a_log_that_grew_long_is_finished_by_the_writer_itself(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.storage.sqlite.checkpoints.FRAMES_BETWEEN", 60)
    monkeypatch.setattr("gateway.storage.sqlite.checkpoints.FRAMES_AT_MOST", 60)
    asked: queue.SimpleQueue[Callable[[Connection], None]] = queue.SimpleQueue()
    checkpoints = Checkpoints(path)
    writing = Writer(lambda: open_writing(path), chain="node")
    writing.start()
    for _ in range(100):
        await writing.write(add)
    checkpoints.start(between=asked.put)
    checkpoints.committed(60)
    finish = await asyncio.to_thread(asked.get, True, 10)
    for _ in range(50):
        await writing.write(add)
    writing.between_transactions(finish)
    await writing.write(add)
    connection = open_writing(path)
    assert checkpoint(connection, "PASSIVE") < 10
    connection.close()
    await asyncio.to_thread(checkpoints.close)
    await asyncio.to_thread(writing.close)
    assert records(path) == list(range(1, 152))


def add_and_refuse(transaction: Transaction) -> int:
    add(transaction)
    raise TransferError("transfer.stale")


async def test_changes_given_together_share_one_commit_and_fail_alone(
    path: Path, commits: Commits, writing: Writer
) -> None:
    first, refused, last = await writing.write_all([add, add_and_refuse, add])
    assert (first, last) == (1, 2)
    assert isinstance(refused, TransferError)
    assert commits.number == 1
    assert records(path) == [1, 2]


async def test_a_defect_in_one_of_several_is_raised_and_the_others_are_committed(path: Path, writing: Writer) -> None:
    with pytest.raises(LookupError):
        await writing.write_all([add, add_and_fail, add])
    assert records(path) == [1, 2]


async def test_a_commit_holds_no_more_changes_than_was_set(path: Path, commits: Commits) -> None:
    writing = Writer(lambda: open_writing(path, commit=commits), chain="node", batch=1)
    writing.start()
    first = await held_back(commits, writing)
    others = [asyncio.ensure_future(writing.write(add)) for _ in range(3)]
    await asyncio.sleep(0)
    commits.gate.set()
    assert await asyncio.gather(first, *others) == [1, 2, 3, 4]
    assert commits.number == 4
    await asyncio.to_thread(writing.close)
