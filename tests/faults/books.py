"""The books of one gateway: its audit chain and the rows it tells of, read from the database file by other code.

`check_books` plays the audit again, record by record, with a table of steps of its own: only legal steps may stand
there, and they must lead to the very states that the rows show (I7). That holds at every moment, so it is also checked
of the file that a killed process left behind.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.audit import AuditEntry, AuditEvent, AuditRecord
from gateway.domain.ids import PartyId

_E: Final = AuditEvent

TRANSFER_STEPS: Final[Mapping[tuple[str, AuditEvent], str]] = {
    ("", _E.TRANSFER_ACCEPTED): "QUEUED",
    ("QUEUED", _E.TRANSFER_CLAIMED): "IN_FLIGHT",
    ("QUEUED", _E.TRANSFER_DELIVERED): "DELIVERED",
    ("IN_FLIGHT", _E.TRANSFER_DELIVERED): "DELIVERED",
    ("IN_FLIGHT", _E.TRANSFER_FAILED): "QUEUED",
    ("IN_FLIGHT", _E.TRANSFER_GIVEN_BACK): "QUEUED",
    ("IN_FLIGHT", _E.TRANSFER_LEASE_LOST): "QUEUED",
    # A rule, an operator or the end of an agreement has it wait for a person; a rule does so in the very acceptance.
    ("QUEUED", _E.TRANSFER_HELD): "HELD",
    ("HELD", _E.TRANSFER_APPROVED): "HELD",
    ("HELD", _E.TRANSFER_PREPARED_AGAIN): "HELD",
    ("HELD", _E.TRANSFER_RELEASED): "QUEUED",
    ("DELIVERED", _E.TRANSFER_PURGED): "DELIVERED",  # never before
    # The receipt comes later, or is asked for when it is overdue.
    ("IN_FLIGHT", _E.TRANSFER_TAKEN): "AWAITING_RECEIPT",
    ("AWAITING_RECEIPT", _E.TRANSFER_TAKEN): "AWAITING_RECEIPT",
    ("AWAITING_RECEIPT", _E.TRANSFER_OVERDUE): "QUEUED",
    ("AWAITING_RECEIPT", _E.TRANSFER_DELIVERED): "DELIVERED",
}
HAND_OVER_STEPS: Final[Mapping[tuple[str, AuditEvent], str]] = {
    ("", _E.MESSAGE_ACCEPTED): "PENDING",
    ("PENDING", _E.HAND_OVER_CLAIMED): "IN_FLIGHT",
    ("IN_FLIGHT", _E.HAND_OVER_ACKNOWLEDGED): "HANDED_OVER",
    ("IN_FLIGHT", _E.HAND_OVER_FAILED): "PENDING",
    ("IN_FLIGHT", _E.HAND_OVER_LEASE_LOST): "PENDING",
    ("HANDED_OVER", _E.MESSAGE_PURGED): "HANDED_OVER",  # never before
}
"""What may happen to a good message while processes die. A refusal or a dead letter would be a breach here."""

OF_NOTICES: Final = frozenset({_E.NOTICE_GIVEN, _E.TRANSFER_HANDED_OVER})
"""That a message was handed over is told beside everything else: its records may stand between any two others."""

_MOVES_NOTHING: Final = frozenset(
    {
        _E.AGREEMENT_IN_FORCE,
        _E.CHANNEL_REFUSED,
        _E.MESSAGE_DUPLICATE,
        _E.MESSAGE_TAKEN,
        _E.NODE_CLOCK_SET_BACK,
        _E.NODE_DRAINING,
        _E.NODE_INSECURE,
        _E.NODE_RESUMED,
        _E.NODE_STARTED,
        _E.NODE_STOPPED,
        _E.POLICY_IN_FORCE,
        _E.RECEIPT_GIVEN,
        _E.STORE_TAIL_DROPPED,
        _E.SUBMISSION_ACCEPTED,
        *OF_NOTICES,
    }
)
"""Evidence that may stand there and changes no state. A gateway killed in the middle of a handshake looks to the other
like one that does not accept its certificate, so a kill may leave `channel.refused`."""


class Breach(NamedTuple):
    """A rule that did not hold: the invariant, and what was seen."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """One gateway's own word. States by message id; receipts as the tokens themselves.

    `receipts_held`: accepted receipts that partners gave us. `receipts_given`: those we stored for partners.
    """

    party: PartyId
    records: Sequence[AuditRecord]
    transfers: Mapping[str, str]
    hand_overs: Mapping[str, str]
    submissions: frozenset[str] = frozenset()
    receipts_held: Mapping[str, Sequence[str]] = field(default_factory=dict)
    receipts_given: Mapping[str, str] = field(default_factory=dict)
    head: tuple[int, str] = (0, "")

    def counts(self) -> dict[str, int]:
        """Return how many transfers and hand-overs stand in each state."""
        return {
            **Counter(f"transfer.{state}" for state in sorted(self.transfers.values())),
            **Counter(f"hand_over.{state}" for state in sorted(self.hand_overs.values())),
        }


def read_books(database: Path, party: PartyId) -> Books:
    """Return the books of a gateway as they stand in its database file at one moment. Changes nothing."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as opened:
        ask = opened.execute
        ask("BEGIN")
        held: dict[str, list[str]] = {}
        for message_id, token in ask("SELECT message_id, token FROM receipt WHERE verdict = 'accepted' ORDER BY id"):
            held.setdefault(message_id, []).append(token)
        return Books(
            party=party,
            records=[_record(*row) for row in ask(_RECORDS)],
            transfers=dict(ask("SELECT message_id, state FROM transfer").fetchall()),
            hand_overs=dict(ask("SELECT message_id, state FROM hand_over").fetchall()),
            submissions=frozenset(one for (one,) in ask("SELECT id FROM submission")),
            receipts_held=held,
            receipts_given=dict(ask("SELECT message_id, token FROM dedupe WHERE verdict = 'accepted'").fetchall()),
            head=next(iter(ask("SELECT seq, hash FROM audit_head")), (0, "")),
        )


def read_states(database: Path, party: PartyId) -> Books:
    """Return the states alone, of transfers and hand-overs: quickly, so that they may be asked for again and again."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as opened:
        opened.execute("BEGIN")
        return Books(
            party=party,
            records=(),
            transfers=dict(opened.execute("SELECT message_id, state FROM transfer").fetchall()),
            hand_overs=dict(opened.execute("SELECT message_id, state FROM hand_over").fetchall()),
        )


_RECORDS: Final = (
    "SELECT chain, seq, previous, hash, event, at, actor, transfer_id, message_id, facts FROM audit ORDER BY chain, seq"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _record(chain: str, seq: int, previous: str, hashed: str, *row: Any) -> AuditRecord:
    event, at, actor, transfer_id, message_id, facts = row
    entry = AuditEntry(
        event=AuditEvent(event),
        at=_EPOCH + timedelta(microseconds=at),
        actor=actor,
        transfer_id=transfer_id,
        message_id=message_id,
        facts=json.loads(facts),
    )
    return AuditRecord(chain=chain, seq=seq, entry=entry, previous=previous, hash=hashed)


def unfinished(books: Mapping[PartyId, Books]) -> int:
    """Return how many transfers were accepted and not yet both delivered and handed over. What waits for a person is
    finished as far as a gateway can."""
    handed_over = {
        message_id for each in books.values() for message_id, state in each.hand_overs.items() if state == "HANDED_OVER"
    }
    return sum(
        state != "HELD" and (state != "DELIVERED" or message_id not in handed_over)
        for each in books.values()
        for message_id, state in each.transfers.items()
    )


def released_digests(books: Books) -> Iterator[tuple[str, str]]:
    """Return message id and digest of what had none when it was acknowledged, because it was held unsigned."""
    for record in books.records:
        entry = record.entry
        if entry.event is AuditEvent.TRANSFER_RELEASED and "digest" in entry.facts:
            yield str(entry.message_id), str(entry.facts["digest"])


def check_books(books: Books) -> list[Breach]:
    """Return every breach within one gateway's books."""
    return [*_chain(books), *_steps(books), *_digests(books)]


def _chain(books: Books) -> Iterator[Breach]:
    """I8: from 1 without a gap, each record naming the one before it, up to the head beside them."""
    seq, newest = 0, ""
    for record in books.records:
        if record.seq != seq + 1 or (seq and record.previous != newest):
            yield Breach("I8", f"the audit of {books.party} breaks at record {record.seq}")
            return
        seq, newest = record.seq, record.hash
    if books.head != (seq, newest):
        yield Breach("I8", f"the audit of {books.party} ends at {seq}, and its head says {books.head[0]}")


def _steps(books: Books) -> Iterator[Breach]:
    """I7: every step is legal, and the steps lead to the states of the rows."""
    transfers: dict[str, str] = {}
    hand_overs: dict[str, str] = {}
    for record in books.records:
        entry = record.entry
        if entry.event in _MOVES_NOTHING or _cut_off(entry):
            continue
        states, steps = (hand_overs, HAND_OVER_STEPS) if entry.transfer_id is None else (transfers, TRANSFER_STEPS)
        name = str(entry.message_id)
        was = states.get(name, "")
        becomes = steps.get((was, entry.event))
        if becomes is None:
            yield Breach("I7", f"{entry.event} of {name} at {books.party}, which was {was or 'nothing'}")
            continue
        states[name] = becomes
    for what, played, rows in (("transfer", transfers, books.transfers), ("hand-over", hand_overs, books.hand_overs)):
        for name in sorted(played.keys() | rows.keys()):
            told, found = played.get(name, "nothing"), rows.get(name, "nothing")
            if told != found:
                yield Breach("I7", f"the {what} {name} at {books.party} is {found}, and its audit says {told}")


def _cut_off(entry: AuditEntry) -> bool:
    """Tell whether this is the first part of a request whose sender died while it sent."""
    return entry.event is AuditEvent.MESSAGE_UNOPENED and entry.facts.get("code") == "request.malformed"


def _digests(books: Books) -> Iterator[Breach]:
    """I2: whatever came again under an id had the digest that was accepted under it."""
    accepted: dict[str, object] = {}
    for record in books.records:
        entry = record.entry
        if entry.event is AuditEvent.MESSAGE_ACCEPTED and entry.message_id is not None:
            accepted[entry.message_id] = entry.facts["digest"]
        if entry.event is AuditEvent.MESSAGE_DUPLICATE and accepted.get(str(entry.message_id)) != entry.facts["digest"]:
            yield Breach("I2", f"{entry.message_id} came to {books.party} again with another digest")
