"""What a claim costs, counted in steps of SQLite's machine, which unlike time are the same on every machine."""

import sqlite3
from pathlib import Path

import pytest

from gateway.audit import genesis
from gateway.domain.failpoint import pass_by
from gateway.domain.lifecycle import TransferState
from gateway.storage import (
    accepting,
    conversations,
    evidence,
    hand_overs,
    notices,
    receiving,
    retention,
    settling,
    transfer_reading,
    transfers,
    upkeep,
)
from gateway.storage.engine import Transaction
from gateway.storage.sqlite.connection import SqliteConnection, compiled, open_writing
from gateway.storage.sqlite.files import own_file
from gateway.storage.sqlite.store import prepare_file
from tests.crowd import copy_queued
from tests.store_values import HOME, LEASE, NOW, PARTNER, StoreValues, message_evidence


@pytest.fixture
def connection(tmp_path: Path) -> SqliteConnection:
    path = tmp_path / "gateway.db"
    own_file(path)
    prepare_file(path)
    made = open_writing(path)
    made.raw.execute("PRAGMA synchronous=OFF")
    return made


class Steps:
    """Counts the steps of SQLite's machine."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.number = 0
        raw.set_progress_handler(self._count, 1)

    def _count(self) -> int:
        self.number += 1
        return 0


def accept(transaction: Transaction, values: StoreValues, *, conversations: int, length: int) -> None:
    for _ in range(conversations):
        name = values.uuid4()
        for sequence in range(1, length + 1):
            change = values.submission(conversation=name, sequence=sequence)
            accepting.accept_all(transaction, [(change, ())], pass_by)


def cost_of_claim(transaction: Transaction) -> int:
    connection = transaction.connection
    assert isinstance(connection, SqliteConnection)
    connection.savepoint()
    steps = Steps(connection.raw)
    assert len(transfers.claim(transaction, PARTNER, limit=8, now=NOW, lease=LEASE)) == 8
    connection.raw.set_progress_handler(None, 1)
    connection.rollback_to_savepoint()
    connection.release()
    return steps.number


def test_a_claim_costs_the_same_however_much_waits(connection: SqliteConnection) -> None:
    values, transaction = StoreValues(), Transaction(connection, genesis("node"))
    connection.begin()
    accept(transaction, values, conversations=20, length=1)
    few = cost_of_claim(transaction)
    # Most of these stand behind the head of their conversation, and are due all the same.
    accept(transaction, values, conversations=40, length=40)
    many = cost_of_claim(transaction)
    connection.close()
    assert many <= few * 1.1


def cost_of_restart(transaction: Transaction) -> int:
    """Steps from an open file to the first claim, as a start takes them: the head of the chain, leases, what is due."""
    connection = transaction.connection
    assert isinstance(connection, SqliteConnection)
    connection.savepoint()
    steps = Steps(connection.raw)
    evidence.read_head(connection, "node")
    assert settling.give_back_leases(transaction, now=NOW) == 3
    assert hand_overs.give_back_leases(transaction, now=NOW) == 0
    assert not upkeep.anything_to_purge(connection, now=NOW)
    assert transfer_reading.read_overdue(connection, now=NOW, limit=500) == []
    assert transfer_reading.read_due_at(connection, PARTNER) is not None
    assert len(transfers.claim(transaction, PARTNER, limit=8, now=NOW, lease=LEASE)) == 8
    connection.raw.set_progress_handler(None, 1)
    connection.rollback_to_savepoint()
    connection.release()
    return steps.number


def test_a_restart_costs_the_same_however_much_waits(
    connection: SqliteConnection, request: pytest.FixtureRequest
) -> None:
    values, transaction = StoreValues(), Transaction(connection, genesis("node"))
    connection.begin()
    accept(transaction, values, conversations=20, length=1)
    assert len(transfers.claim(transaction, PARTNER, limit=3, now=NOW, lease=LEASE)) == 3
    transaction.records.clear()  # of a chain that is not written here
    few = cost_of_restart(transaction)
    copy_queued(connection.raw, 100_000 if request.config.getoption("--long") else 10_000)
    many = cost_of_restart(transaction)
    connection.close()
    assert many <= few * 1.1


def test_a_claim_costs_the_same_when_much_is_blocked_by_dead_letters(connection: SqliteConnection) -> None:
    values, transaction = StoreValues(), Transaction(connection, genesis("node"))
    connection.begin()
    accept(transaction, values, conversations=20, length=1)
    none_blocked = cost_of_claim(transaction)
    accept(transaction, values, conversations=30, length=30)
    connection.raw.execute(
        f"UPDATE transfer SET state = '{TransferState.DEAD_LETTERED}', next_attempt_at = NULL WHERE sequence = 1 "
        "AND conversation IN (SELECT conversation FROM transfer WHERE sequence = 2)"
    )
    many_blocked = cost_of_claim(transaction)
    connection.close()
    assert many_blocked <= none_blocked * 1.1


def test_even_a_wrong_mark_lets_nothing_overtake(connection: SqliteConnection) -> None:
    values, transaction = StoreValues(), Transaction(connection, genesis("node"))
    connection.begin()
    accept(transaction, values, conversations=1, length=5)
    connection.raw.execute("UPDATE transfer SET head = 1")
    claimed = transfers.claim(transaction, PARTNER, limit=9, now=NOW, lease=LEASE)
    connection.close()
    assert [row.sequence for row, _ in claimed] == [1]


def list_of(state: str) -> object:
    return transfer_reading._list_statement(state=state, recipient=False, reference_index=False, oldest_first=False)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (transfers._DUE, "transfer_due"),
        (transfer_reading._NEXT_DUE, "transfer_due"),
        (settling._LEASED, "transfer_leased"),
        (transfer_reading._LEASE_ENDED, "transfer_leased"),
        (transfer_reading._PAST_DEADLINE, "transfer_deadline"),
        (transfer_reading._RECEIPT_OVERDUE, "transfer_awaiting"),
        (retention._FINISHED, "transfer_to_purge"),
        (retention._HANDED_OVER, "hand_over_to_purge"),
        (hand_overs._DUE, "hand_over_due"),
        (hand_overs._LEASE_ENDED, "hand_over_leased"),
        (receiving._KNOWN, "dedupe"),
        *((statement, "dedupe") for statement in receiving._FINALS.statements.values()),
        *((statement, "transfer_unfinished") for statement in conversations._UNFINISHED_IN.statements.values()),
        *(
            (statement, "hand_over_unfinished")
            for statement in conversations._UNFINISHED_RECEIVED_IN.statements.values()
        ),
        *((statement, "PRIMARY KEY") for statement in conversations._OF_KEYS.statements.values()),
        *((statement, "PRIMARY KEY") for statement in conversations._LAST.statements.values()),
        *((statement, "PRIMARY KEY") for statement in accepting._KNOWN_KEYS.statements.values()),
        *((statement, "notice") for statement in notices._KNOWN.statements.values()),
        (list_of("HELD"), "transfer_by_state"),
        (transfer_reading._DEAD_LETTERS, "transfer_by_state"),
        (evidence._OF_MESSAGE_ALONE, "audit_of_message"),
    ],
)
def test_hot_questions_use_their_index(connection: SqliteConnection, statement: object, index: str) -> None:
    text, _ = compiled(statement)  # type: ignore[arg-type]  # parametrize knows only objects
    plan = connection.raw.execute(f"EXPLAIN QUERY PLAN {text}", [1] * text.count("?")).fetchall()
    connection.close()
    details = [row[-1] for row in plan]
    assert any(f"{word}{index}" in one for one in details for word in ("INDEX ", "autoindex_", "USING ")), details
    assert not any(detail.startswith("SCAN") and index not in detail for detail in details), details
    assert not any("TEMP B-TREE" in detail for detail in details), details


def test_an_inbox_of_any_size_is_handed_over_at_the_same_cost(connection: SqliteConnection) -> None:
    values, transaction = StoreValues(), Transaction(connection, genesis("node"))
    connection.begin()

    def receive(number: int) -> None:
        for sequence in range(number):
            result = values.admitted(conversation=f"c{sequence // 20}", sequence=sequence + 1)
            receiving.admit(transaction, receiving.Judgement(result, NOW, message_evidence(result)))

    def cost() -> int:
        connection.savepoint()
        steps = Steps(connection.raw)
        assert len(hand_overs.claim(transaction, [HOME], limit=2, now=NOW, lease=LEASE)) == 2
        connection.raw.set_progress_handler(None, 1)
        connection.rollback_to_savepoint()
        connection.release()
        return steps.number

    receive(60)
    few = cost()
    receive(1000)
    many = cost()
    connection.close()
    assert many <= few * 1.1
