"""Rows of a store in which very many transfers wait: what a claim costs then, and how long a node takes to start.

The crowd is made by SQL (tests/crowd.py), copies of one transfer that was submitted for real.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from gateway.app.node import DATABASE
from gateway.audit import genesis
from gateway.demo.layout import NodeLayout
from gateway.demo.processes import GatewayProcess
from gateway.domain.failpoint import pass_by
from gateway.storage import accepting, transfers
from gateway.storage.engine import Transaction
from gateway.storage.sqlite.connection import SqliteConnection, open_writing
from gateway.storage.sqlite.files import own_file
from gateway.storage.sqlite.store import prepare_file
from tests.benchmarks.load import submission, submit_all
from tests.benchmarks.rows import Row
from tests.crowd import copy_queued
from tests.store_values import LEASE, NOW, PARTNER, StoreValues

FEW: Final = 1_000
_LATER: Final = NOW + timedelta(hours=1)
_CLAIM: Final = 32
_CLAIMS: Final = 20


@contextmanager
def claim_rows(folder: Path, waiting: int) -> Iterator[list[Row]]:
    """Yield the row that compares a claim with so many waiting and one with FEW; none for no crowd."""
    if not waiting:
        yield []
        return
    crowded, few = _store(folder / "crowded.db", waiting), _store(folder / "few.db", FEW)
    yield [
        Row(
            name=f"claim_{short(waiting)}",
            title=f"claim {_CLAIM} transfers with {waiting:,} waiting / with {FEW:,}",
            ours=_claims(crowded),
            bare=_claims(few),
            target=1.5,
            messages=_CLAIM * _CLAIMS,
        )
    ]
    crowded.close()
    few.close()


def _store(path: Path, waiting: int) -> SqliteConnection:
    own_file(path)
    prepare_file(path)
    connection = open_writing(path)
    connection.raw.execute("PRAGMA synchronous=OFF")  # nothing of it is to be kept
    connection.begin()
    accepting.accept_all(Transaction(connection, genesis("bench")), [(StoreValues().submission(), ())], pass_by)
    copy_queued(connection.raw, waiting)
    connection.commit()
    connection.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return connection


def _claims(connection: SqliteConnection) -> Callable[[], object]:
    def work() -> None:
        for _ in range(_CLAIMS):
            connection.begin()
            transaction = Transaction(connection, genesis("bench"))
            assert len(transfers.claim(transaction, PARTNER, limit=_CLAIM, now=_LATER, lease=LEASE)) == _CLAIM
            connection.rollback()

    return work


async def restart_row(sender: NodeLayout, recipient: str, document: bytes, waiting: int) -> tuple[float, float]:
    """Return microseconds from the start of a gateway until it is ready, with so many transfers waiting for a partner
    that is away, and with one. `sender`: laid out, and not running."""
    process = GatewayProcess(sender.config, operations_url=sender.operations_url, operator_token=sender.operator_token)
    await process.start()
    request = submission(document, key="crowd", to=recipient, token=sender.submitter_token, port=sender.submission_port)
    await submit_all(sender.submission_port, [request], connections=1)
    await process.stop()
    bare = await _seconds_to_start(process)
    connection = open_writing(sender.data / DATABASE)
    connection.begin()
    copy_queued(connection.raw, waiting)
    connection.commit()
    connection.close()
    return await _seconds_to_start(process) * 1e6, bare * 1e6


async def _seconds_to_start(process: GatewayProcess) -> float:
    started = time.perf_counter()
    await process.start(timeout=120)
    ready = time.perf_counter()
    await asyncio.sleep(0)
    await process.stop()
    return ready - started


def short(number: int) -> str:
    """Return a round number as names have it: `100k`, `1m`."""
    for size, letter in ((1_000_000, "m"), (1_000, "k")):
        if number >= size and number % size == 0:
            return f"{number // size}{letter}"
    return str(number)
