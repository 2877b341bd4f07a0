"""Rows of the store alone: what is written of messages, against the bare `executemany` of the same rows.

Both run inside a transaction that is taken back, so each turn finds the store as the one before; COMMIT and its sync,
the same for both, are in neither. Hashing of the audit chain, questions and what is told are in ours.
"""

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy.sql.expression import ClauseElement

from gateway.audit import genesis
from gateway.domain.failpoint import pass_by
from gateway.domain.jobs import Admitted, ReferenceKind
from gateway.domain.lifecycle import HandOverEvent, TransferEvent
from gateway.domain.records import Accepted, AcceptSubmission, ClaimAtOnce, ClaimedTransfer
from gateway.ports import HandOverSettlement, Settlement
from gateway.storage import accepting, hand_overs, receiving, settling
from gateway.storage.engine import Transaction, Values
from gateway.storage.evidence import write_records
from gateway.storage.sqlite.connection import SqliteConnection, compiled, open_writing
from gateway.storage.sqlite.files import own_file
from gateway.storage.sqlite.store import prepare_file
from tests.benchmarks.floor import BATCH
from tests.benchmarks.rows import Row
from tests.store_values import (
    HOME,
    LEASE,
    NOW,
    PARTNER,
    StoreValues,
    accepted_evidence,
    attempt_of,
    evidence,
    hand_over_evidence,
    message_evidence,
    reference,
)

_SEALED = os.urandom(3_700)  # of 10 KB: it does not compress any further
_TOKEN = "r" * 900


@contextmanager
def store_rows(folder: Path) -> Iterator[list[Row]]:
    """Yield the rows of what a message costs the store at its sender and at its receiver."""
    path = folder / "rows.db"
    own_file(path)
    prepare_file(path)
    connection = _Listening(open_writing(path).raw, writes=True)
    yield [
        _row("store_sent", "accept, claim and settle", connection, _sending()),
        _row("store_received", "admit, claim and settle a hand-over", connection, _receiving()),
    ]
    connection.close()


class _Values(StoreValues):
    """Ids as random as in life: where a row comes to lie is what it costs."""

    def uuid4(self) -> str:
        return str(uuid.uuid4())


class _Listening(SqliteConnection):
    """A connection that notes what is written by it, while `heard` is a list."""

    heard: list[tuple[str, list[tuple[Any, ...]]]] | None = None

    def run(self, statement: ClauseElement, values: Values) -> int:
        """Execute, and note."""
        self._note(statement, [values])
        return super().run(statement, values)

    def run_many(self, statement: ClauseElement, values: Sequence[Values]) -> int:
        """Execute each, and note."""
        self._note(statement, values)
        return super().run_many(statement, values)

    def _note(self, statement: ClauseElement, values: Sequence[Values]) -> None:
        if self.heard is not None:
            text, bind = compiled(statement)
            self.heard.append((text, [bind(one) for one in values]))


def _row(name: str, what: str, connection: _Listening, work: Callable[[Transaction], None]) -> Row:
    heard: list[tuple[str, list[tuple[Any, ...]]]] = []
    connection.heard = heard
    _taken_back(connection, work)
    connection.heard = None

    def bare(transaction: Transaction) -> None:
        for text, rows in heard:
            connection.raw.executemany(text, rows)

    return Row(
        name=name,
        title=f"{what} of {BATCH} messages / executemany of the same rows",
        ours=lambda: _taken_back(connection, work),
        bare=lambda: _taken_back(connection, bare),
    )


def _taken_back(connection: _Listening, work: Callable[[Transaction], None]) -> None:
    connection.begin()
    transaction = Transaction(connection, genesis("bench"))
    work(transaction)
    if transaction.records:
        write_records(connection, transaction.records, transaction.head)
    connection.rollback()


def _sending() -> Callable[[Transaction], None]:
    values = _Values()
    given = [(change, accepted_evidence(change)) for change in (_submission(values) for _ in range(BATCH))]

    def work(transaction: Transaction) -> None:
        outcomes = accepting.accept_all(transaction, given, pass_by)
        claimed = [one for outcome in outcomes if isinstance(outcome, Accepted) for one in outcome.claimed]
        settling.settle_all(transaction, [_delivered(values, one) for one in claimed])

    return work


def _submission(values: StoreValues) -> AcceptSubmission:
    name = values.uuid4()
    references = [reference(name), reference(name, ReferenceKind.UCR)]
    change = values.submission(sealed=_SEALED, references=references)
    return replace(change, claim=ClaimAtOnce(recipients=frozenset({PARTNER}), lease=LEASE))


def _delivered(values: StoreValues, one: ClaimedTransfer) -> Settlement:
    return Settlement(
        row=one.row,
        event=TransferEvent.ACCEPTED,
        audit=evidence(one.row, TransferEvent.ACCEPTED),
        now=NOW,
        fence=one.fence,
        attempt=attempt_of(one.row),
        receipt=(values.receipt_for(one.row)[0], _TOKEN),
    )


def _receiving() -> Callable[[Transaction], None]:
    values = _Values()
    messages = [_message(values) for _ in range(BATCH)]
    judged = [receiving.Judgement(one, NOW, message_evidence(one)) for one in messages]

    def work(transaction: Transaction) -> None:
        receiving.admit_all(transaction, judged, pass_by)
        claimed = hand_overs.claim(transaction, [HOME], limit=BATCH, now=NOW, lease=LEASE)
        done = HandOverEvent.ACKNOWLEDGED
        settlements = [
            HandOverSettlement(row=row, event=done, audit=hand_over_evidence(row, done), now=NOW, fence=fence)
            for row, fence in claimed
        ]
        hand_overs.settle_all(transaction, settlements)

    return work


def _message(values: StoreValues) -> Admitted:
    name = values.uuid4()
    made = values.admitted(references=[reference(name), reference(name, ReferenceKind.UCR)])
    return replace(made, sealed_message=_SEALED, receipt_token=_TOKEN)
