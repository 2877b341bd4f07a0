"""Check a chain, record by record, without holding it in memory.

Found by the chain alone: any change of a record, a record missing, added, moved, or of another chain. A cut at the end
is found against `expected`, the head one knows from elsewhere: the store keeps one beside the records, an export in its
last line, and an auditor the one noted down at the last visit. Whoever can rewrite all of these and every record after
the change is not found here; that takes a head kept out of their reach.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gateway.audit.chain import AuditRecord, ChainHead, genesis, record_hash
from gateway.errors import LocalError


class Fault(StrEnum):
    """Why a chain is broken."""

    UNREADABLE = "unreadable"
    OTHER_CHAIN = "other_chain"
    SEQUENCE = "sequence"
    PREVIOUS = "previous"
    HASH = "hash"
    TRUNCATED = "truncated"
    EXTRA = "extra"
    HEAD = "head"


_MEANING = {
    Fault.UNREADABLE: "The record can not be read as one that this program wrote",
    Fault.OTHER_CHAIN: "The record belongs to another chain",
    Fault.SEQUENCE: "The record does not follow the one before it: records are missing, added or moved",
    Fault.PREVIOUS: "The record does not name the hash of the one before it",
    Fault.HASH: "The content of the record is not what was hashed",
    Fault.TRUNCATED: "The chain ends before its known head",
    Fault.EXTRA: "The chain goes on after its known head",
    Fault.HEAD: "The record at the place of the known head is another one",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditVerdict:
    """What was found. `count` records from the start hold; `head` is the last that does.

    `fault` None: the chain is intact. Else `broken_seq` is the first sequence that does not hold.
    """

    chain: str
    count: int
    head: ChainHead
    broken_seq: int | None = None
    fault: Fault | None = None

    @property
    def intact(self) -> bool:
        """Whether nothing wrong was found."""
        return self.fault is None

    @property
    def reason(self) -> str:
        """What is wrong in words, or an empty text."""
        return "" if self.fault is None else _MEANING[self.fault]


def verify(
    records: Iterable[AuditRecord], *, start: ChainHead, expected: ChainHead | None = None, exact: bool = True
) -> AuditVerdict:
    """Check that `records` follow `start` (`genesis(chain)` for a whole chain) without a break.

    `expected`: a head known from elsewhere; with `exact` it must be the last record, else the chain may go on after it
    and must only pass through it. An iterator that raises LocalError `audit.broken` (a row or line that can not be
    read) breaks the chain at that place.
    """
    if expected is not None and expected.seq <= start.seq and expected != start:
        return _broken(start, start, Fault.HEAD)
    head = start
    stream = iter(records)
    while True:
        try:
            record = next(stream, None)
        except LocalError as error:
            if error.code != "audit.broken":
                raise
            return _broken(start, head, Fault.UNREADABLE)
        if record is None:
            break
        fault = _fault(head, record)
        if fault is None and expected is not None:
            fault = _against(expected, record, exact=exact)
        if fault is not None:
            return _broken(start, head, fault)
        head = record.head
    if expected is not None and head.seq < expected.seq:
        return _broken(start, head, Fault.TRUNCATED)
    if expected is not None and head.seq == expected.seq and head != expected:
        return _broken(start, head, Fault.HEAD)
    return AuditVerdict(chain=start.chain, count=head.seq - start.seq, head=head)


def verify_chain(records: Iterable[AuditRecord], chain: str, *, expected: ChainHead | None = None) -> AuditVerdict:
    """Check a whole chain from its first record; `expected` as in `verify`."""
    return verify(records, start=genesis(chain), expected=expected)


def _fault(head: ChainHead, record: AuditRecord) -> Fault | None:
    if record.chain != head.chain:
        return Fault.OTHER_CHAIN
    if record.seq != head.seq + 1:
        return Fault.SEQUENCE
    if record.previous != head.hash:
        return Fault.PREVIOUS
    if record.hash != record_hash(record.chain, record.seq, record.entry, previous=record.previous):
        return Fault.HASH
    return None


def _against(expected: ChainHead, record: AuditRecord, *, exact: bool) -> Fault | None:
    if record.seq == expected.seq and record.head != expected:
        return Fault.HEAD
    if exact and record.seq > expected.seq:
        return Fault.EXTRA
    return None


def _broken(start: ChainHead, head: ChainHead, fault: Fault) -> AuditVerdict:
    return AuditVerdict(chain=start.chain, count=head.seq - start.seq, head=head, broken_seq=head.seq + 1, fault=fault)
