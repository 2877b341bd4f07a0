"""The implementations of `ports.Store` that the contract suite runs over, and how each is broken on purpose."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

from gateway.audit import AuditVerdict
from gateway.ports import Store
from gateway.storage import SqliteStore, verify_database

CHAIN: Final = "GB-HMRC"


class CommitFault(Enum):
    """What the next COMMIT does."""

    NONE = "works"
    NOT_DONE = "fails, and did not happen"
    DONE = "fails, and happened all the same"


class StoreCase(Protocol):
    """One implementation with one database. `faults_to_come`: so many COMMITs fail from now on, and do not happen."""

    fault: CommitFault
    faults_to_come: int

    def opened(self) -> AbstractAsyncContextManager[Store]: ...

    def verdicts(self) -> list[AuditVerdict]:
        """Verify every audit chain of the database, from outside."""
        ...


class SqliteCase:
    """SQLite in a file of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "data" / "gateway.db"
        self.fault = CommitFault.NONE
        self.faults_to_come = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        store = await SqliteStore.open(self.path, chain=CHAIN, commit=self._commit)
        try:
            yield store
        finally:
            await store.close()

    def verdicts(self) -> list[AuditVerdict]:
        return verify_database(self.path)

    def _commit(self, connection: sqlite3.Connection) -> None:
        fault, self.fault = self.fault, CommitFault.NONE
        if self.faults_to_come:
            self.faults_to_come -= 1
            fault = CommitFault.NOT_DONE
        if fault is not CommitFault.NOT_DONE:
            connection.execute("COMMIT")
        if fault is not CommitFault.NONE:
            raise sqlite3.OperationalError("disk I/O error")


CASES: Final = {"sqlite": SqliteCase}
