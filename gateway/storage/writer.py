"""The one writer: group commit on a thread of its own.

Changes from all over the process wait in one queue. The thread takes all that wait (up to BATCH), opens one
transaction, runs each change, and commits once: one fsync for all. A change that raises is taken back alone, together
with the audit records it made. Only after COMMIT are results and errors handed to those who wait, so whoever was
answered may acknowledge.

A savepoint for each change costs a tenth of it, and hardly any change fails. So they are run without first. When one
raises, the transaction is rolled back as a whole and the same changes are run again, each in a savepoint of its own:
a change looks at nothing but the database, so it does there what it would have done here. For some transactions after
that none is tried without, lest whoever sends what fails makes everything cost twice.

When something goes wrong with the whole:

1. The transaction could not be opened, or ended under our feet (disk full, I/O error): nothing was committed, and
   everyone gets `storage.unavailable`.
2. A damaged page was met, after which the engine commits nothing of the transaction: its changes are run again, each in
   a transaction of its own, so that only those which need that page get `storage.corrupt`.
3. COMMIT itself failed: it may have happened or not. Everyone gets `storage.commit_unknown`, the ones whose change
   failed too, because what they saw may never have been. They ask again by id.

After any of them the connection is closed, and before the next batch a new one is opened and the audit chain's head is
read back from the database, whose word is the only one that counts.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from gateway.audit import ChainHead
from gateway.domain.limits import MAX_BATCH_CHANGES
from gateway.errors import GatewayError, StorageError
from gateway.storage.engine import Connection, Transaction
from gateway.storage.evidence import read_head, write_records
from gateway.storage.together import make_all

T = TypeVar("T")

BATCH: Final = MAX_BATCH_CHANGES
"""Changes in one transaction, or as many more as came together with the last: past this the fsync is shared well
enough, and waiting grows."""

WAITING: Final = 10_000
"""How many may wait for their changes. More is refused at once with `capacity.exhausted`, before memory grows."""

CAREFUL: Final = 16
"""Transactions with a savepoint for each change after one in which a change failed."""

Change = Callable[[Transaction], T]
"""What is to be written, and what comes of it. It may be run twice, in one transaction that commits at most."""


@dataclass(slots=True)
class _Waiting:
    """One change, and what came of it: settled on the thread, told after COMMIT."""

    change: Change[Any]
    result: Any = None
    error: Exception | None = None


@dataclass(slots=True)
class _Asked:
    """Changes that came together, and whom to tell: of a single one itself, of `many` that it is done."""

    changes: list[_Waiting]
    loop: asyncio.AbstractEventLoop
    told: "asyncio.Future[Any]"
    many: bool = False


@dataclass(slots=True)
class _Upkeep:
    """Something the engine does on the writer's connection between two transactions."""

    act: Callable[[Connection], None]


class _Stop:
    """The last thing in the queue."""


class Writer:
    """Owns the only connection that writes. `connect` opens it; `after_commit` is told how many changes each commit
    held. `batch`: changes in a transaction, as at BATCH. Methods may be called from any
    thread."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        chain: str,
        after_commit: Callable[[int], None] = lambda _: None,
        batch: int = BATCH,
    ) -> None:
        self._batch = batch
        self._connect = connect
        self._chain = chain
        self._after_commit = after_commit
        self._queue: queue.SimpleQueue[_Asked | _Upkeep | _Stop] = queue.SimpleQueue()
        self._connection: Connection | None = None
        self._head: ChainHead | None = None
        self._committed: ChainHead | None = None
        self._careful = 0  # transactions to come that use savepoints
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """Open the connection, read the chain's head, start the thread. Raises StorageError."""
        self._open()
        self._thread.start()

    @property
    def closing(self) -> bool:
        """Whether every further change is refused."""
        return self._closing

    @property
    def committed(self) -> ChainHead | None:
        """How far the audit chain is known to be committed. May be asked from any thread, after the end too."""
        return self._committed

    async def write(self, change: Change[T]) -> T:
        """Return what `change` returned, once it is committed.

        Raises what `change` raised (it alone is taken back) or StorageError `storage.unavailable` (nothing happened),
        `storage.commit_unknown`, `capacity.exhausted`. Whoever stops waiting leaves the outcome open.
        """
        result: T = await self._ask([_Waiting(change)], many=False)
        return result

    async def write_all(self, changes: Sequence[Change[T]]) -> list[T | GatewayError]:
        """Return what each of `changes` returned, or the GatewayError that `write` would have raised, in their order.

        They share a transaction, and one that fails is taken back alone. Raises StorageError `storage.unavailable` or
        `capacity.exhausted` where nothing was even begun, and, after the commit, what is no GatewayError: a defect.
        """
        if not changes:
            return []
        asked = [_Waiting(change) for change in changes]
        await self._ask(asked, many=True)
        return [one.result if one.error is None else _ours(one.error) for one in asked]

    def _ask(self, changes: list[_Waiting], *, many: bool) -> "asyncio.Future[Any]":
        if self._closing:
            raise StorageError("storage.unavailable", "The store is closed")
        if self._queue.qsize() >= WAITING:
            raise StorageError("capacity.exhausted", "Too many changes wait for the store")
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Any] = loop.create_future()
        self._queue.put(_Asked(changes, loop, told, many))
        return told

    def between_transactions(self, act: Callable[[Connection], None]) -> None:
        """Have `act` done on the writer's connection when no transaction is open."""
        self._queue.put(_Upkeep(act))

    def stop_taking(self) -> None:
        """Refuse every further change; what waits is still committed. Call it where `write` is called."""
        if not self._closing:
            self._closing = True
            self._queue.put(_Stop())

    def close(self) -> None:
        """Commit what waits, then close the connection. Blocks."""
        self.stop_taking()
        if self._thread.is_alive():
            self._thread.join()
        self._drop()

    # ── on the thread ──

    def _run(self) -> None:
        while self._turn():
            pass

    def _turn(self) -> bool:
        """Do one transaction with what waits, once anything does, and tell whether there may be more to come.

        The whole of the thread's work; the simulation calls it without a thread.
        """
        asked: list[_Asked] = []
        changes = 0
        last = self._queue.get()
        while isinstance(last, _Asked):
            asked.append(last)
            changes += len(last.changes)
            if changes >= self._batch:
                break
            try:
                last = self._queue.get_nowait()
            except queue.Empty:
                break
        if asked:
            batch = [change for one in asked for change in one.changes]
            self._write(batch)
            _tell(asked)
        if isinstance(last, _Upkeep):
            self._keep_up(last)
        return not isinstance(last, _Stop)

    def _write(self, batch: list[_Waiting]) -> None:
        try:
            self._commit(batch)
        except StorageError as error:
            self._fail(batch, error.code, error.detail, error)
            if error.code == "storage.corrupt" and len(batch) > 1:
                for waiting in batch:
                    waiting.error = None
                    self._write([waiting])
        except Exception as error:  # noqa: BLE001 the outermost boundary of this thread: it must go on for the others
            self._fail(batch, "storage.commit_unknown", f"The store failed inside: {type(error).__name__}", error)

    def _fail(self, batch: list[_Waiting], code: str, detail: str, cause: Exception) -> None:
        self._drop()
        for waiting in batch:
            # Each gets an error of its own: one that is raised in many tasks would gather all their tracebacks.
            waiting.error = StorageError(code, detail)
            waiting.error.__cause__ = cause

    def _commit(self, batch: list[_Waiting]) -> None:
        connection, head = self._open()
        transaction = self._run_changes(batch, connection, head)
        if transaction.records:
            write_records(connection, transaction.records, transaction.head)
        try:
            connection.commit()
        except StorageError as error:
            raise StorageError("storage.commit_unknown", "The outcome of a commit is unknown; ask again") from error
        self._head = self._committed = transaction.head
        self._after_commit(len(batch))

    def _run_changes(self, batch: list[_Waiting], connection: Connection, head: ChainHead) -> Transaction:
        """Run a batch in a transaction that is left open. Raises StorageError when that is lost."""
        connection.begin()
        transaction = Transaction(connection, head)
        if self._careful:
            self._careful -= 1
        elif _run_together(batch, transaction):
            return transaction
        else:
            self._careful = CAREFUL
            connection.rollback()
            connection.begin()
            transaction = Transaction(connection, head)
        for waiting in batch:
            _run_alone(waiting, transaction)
        return transaction

    def _open(self) -> tuple[Connection, ChainHead]:
        if self._connection is None or self._head is None:
            self._connection = self._connect()
            self._head = self._committed = read_head(self._connection, self._chain)
        return self._connection, self._head

    def _drop(self) -> None:
        connection, self._connection, self._head = self._connection, None, None
        if connection is not None:
            connection.close()

    def _keep_up(self, upkeep: _Upkeep) -> None:
        try:
            connection, _ = self._open()
            upkeep.act(connection)
        except StorageError:
            self._drop()


def _run_together(batch: list[_Waiting], transaction: Transaction) -> bool:
    """Run changes in their order, those of one kind together, and tell whether all went well.

    Raises StorageError as `_run_alone` does.
    """
    try:
        results = make_all(transaction, [waiting.change for waiting in batch])
    except Exception as error:  # noqa: BLE001 it is raised again when the change runs by itself
        _raise_if_lost(error, transaction.connection)
        return False
    for waiting, result in zip(batch, results, strict=True):
        waiting.result = result
    return True


def _run_alone(waiting: _Waiting, transaction: Transaction) -> None:
    """Run one change in its savepoint. Raises StorageError when the whole transaction is lost."""
    connection = transaction.connection
    mark = transaction.mark()
    connection.savepoint()
    try:
        waiting.result = waiting.change(transaction)
    except Exception as error:  # noqa: BLE001 it is handed to whoever waits
        _raise_if_lost(error, connection)
        connection.rollback_to_savepoint()
        transaction.restore(mark)
        waiting.error = error
    connection.release()


def _raise_if_lost(error: Exception, connection: Connection) -> None:
    """Raise StorageError `storage.unavailable` or `storage.corrupt` when not a change failed but the transaction."""
    code = error.code if isinstance(error, StorageError) else ""
    if code == "storage.corrupt":
        raise error
    if code == "storage.unavailable" or not connection.in_transaction():
        raise StorageError("storage.unavailable", "The store could not write; nothing was changed") from error


def _ours(error: Exception) -> GatewayError:
    """Return an error that is a value here. Raises what is not."""
    if isinstance(error, GatewayError):
        return error
    raise error


def _tell(asked: list[_Asked]) -> None:
    """Wake everyone who waits: one call into each event loop, not one for each change."""
    for loop in {one.loop for one in asked}:
        mine = [one for one in asked if one.loop is loop]
        # A loop that was closed meanwhile has nobody left to tell.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, mine)


def _settle(asked: list[_Asked]) -> None:
    for one in asked:
        if one.told.done():
            continue  # whoever waited gave up
        if one.many:
            one.told.set_result(None)
        elif (error := one.changes[0].error) is not None:
            one.told.set_exception(error)
        else:
            one.told.set_result(one.changes[0].result)
