"""The hash chain. Each record's hash covers its content and the hash before it: a change anywhere breaks the rest.

    hash(n) = SHA-256("wcx-audit-record-1" LF ‖ hash(n−1) ‖ canonical(record n)),   32 raw bytes for hash(n−1)
    hash(0) = SHA-256("wcx-audit-genesis-1" LF ‖ chain id in UTF-8)

The canonical bytes are the JSON object of the record without its two hashes: members sorted, no spaces, UTF-8, integers
and strings only (RFC 8785 for these values). The first words keep a hash made here from meaning anything elsewhere.
One process writes one chain; `docs/audit.md` tells how to check one without this program.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from gateway.audit.events import AuditEntry

_RECORD: Final = b"wcx-audit-record-1\n"
_GENESIS: Final = b"wcx-audit-genesis-1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """An entry in its place: `seq` from 1 without gaps, `previous` and `hash` lower-case hex of SHA-256."""

    chain: str
    seq: int
    entry: AuditEntry
    previous: str
    hash: str

    @property
    def head(self) -> "ChainHead":
        """The head of the chain when this record was its newest."""
        return ChainHead(chain=self.chain, seq=self.seq, hash=self.hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """How far a chain goes: the sequence and the hash of its newest record; sequence 0 before the first."""

    chain: str
    seq: int
    hash: str


def genesis(chain: str) -> ChainHead:
    """Return the head of an empty chain. Its hash depends on the chain's id, so records can not move between chains."""
    return ChainHead(chain=chain, seq=0, hash=hashlib.sha256(_GENESIS + chain.encode()).hexdigest())


def link(head: ChainHead, entry: AuditEntry) -> tuple[AuditRecord, ChainHead]:
    """Return `entry` as the record after `head`, and the new head."""
    seq = head.seq + 1
    digest = record_hash(head.chain, seq, entry, previous=head.hash)
    record = AuditRecord(chain=head.chain, seq=seq, entry=entry, previous=head.hash, hash=digest)
    return record, ChainHead(chain=head.chain, seq=seq, hash=digest)


def record_hash(chain: str, seq: int, entry: AuditEntry, *, previous: str, facts: bytes | None = None) -> str:
    """Return the hash, lower-case hex, that a record with this content must have after `previous` (hex).

    `facts`: `canonical_facts(entry)`, for whom has it already.
    """
    return hashlib.sha256(_RECORD + bytes.fromhex(previous) + canonical(chain, seq, entry, facts)).hexdigest()


def canonical(chain: str, seq: int, entry: AuditEntry, facts: bytes | None = None) -> bytes:
    """Return the bytes that are hashed for a record: its JSON object without the two hashes. `facts` as above."""
    text = canonical_facts(entry) if facts is None else facts
    return orjson.dumps(_members(chain, seq, entry, orjson.Fragment(text)))  # which are sorted


def canonical_facts(entry: AuditEntry) -> bytes:
    """Return the facts of an entry as they stand in its record."""
    return orjson.dumps(dict(entry.facts), option=orjson.OPT_SORT_KEYS)


def content(chain: str, seq: int, entry: AuditEntry) -> dict[str, Any]:
    """Return a record as JSON members, without the hashes. `at` is RFC 3339 in UTC with six digits of a second."""
    return _members(chain, seq, entry, dict(entry.facts))


def _members(chain: str, seq: int, entry: AuditEntry, facts: object) -> dict[str, Any]:
    return {
        "actor": entry.actor,
        "at": instant(entry.at),
        "chain": chain,
        "event": entry.event._value_,  # `value` is a descriptor in Python: half a microsecond
        "facts": facts,
        "message_id": entry.message_id,
        "seq": seq,
        "transfer_id": entry.transfer_id,
    }


@lru_cache(maxsize=256)  # many records of one commit tell of one moment
def instant(at: datetime) -> str:
    """Return an aware time as it stands in a record, for example `2026-03-01T09:30:00.000000Z`."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def canonical_json(members: object) -> str:
    """Return JSON as records and exports hold it: sorted members, no spaces, nothing escaped without need."""
    return orjson.dumps(members, option=orjson.OPT_SORT_KEYS).decode()
