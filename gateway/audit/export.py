"""A chain as a file that travels: JSON lines, one record a line, a header before and a footer after.

Every line is in the one canonical form and is checked to be: a line that says the same in other bytes is refused, so no
byte of an export can change unnoticed. Each record line names its chain, its place and both hashes, and can be checked
by itself. The footer holds the head, so an export that was cut says so.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway.audit.chain import AuditRecord, ChainHead, canonical_json, content
from gateway.audit.events import AuditEntry, AuditEvent
from gateway.audit.verdict import AuditVerdict, Fault, verify
from gateway.errors import LocalError

FORMAT: Final = "wcx-audit-export-1"
_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportStart:
    """The first line: the export holds what follows this head; sequence 0 means the whole chain."""

    head: ChainHead


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportEnd:
    """The last line: the head after the last record, and how many records there are."""

    head: ChainHead
    count: int


ExportLine = ExportStart | AuditRecord | ExportEnd


def export_lines(records: Iterable[AuditRecord], *, start: ChainHead) -> Iterator[bytes]:
    """Yield the lines of an export, each ending in LF. `start`: the head before the first record."""
    yield start_line(start)
    head, count = start, 0
    for record in records:
        yield record_line(record)
        head, count = record.head, count + 1
    yield end_line(head, count)


def start_line(head: ChainHead) -> bytes:
    """Return the first line of an export of what follows `head`, ending in LF. For who can not give all at once."""
    return _line({"format": FORMAT, "part": "start", "chain": head.chain, "seq": head.seq, "hash": head.hash})


def end_line(head: ChainHead, count: int) -> bytes:
    """Return the last line of an export: the head after its last record, and how many records there are."""
    return _line(
        {"format": FORMAT, "part": "end", "chain": head.chain, "seq": head.seq, "hash": head.hash, "count": count}
    )


def record_line(record: AuditRecord) -> bytes:
    """Return one record as its line of JSON, ending in LF."""
    members = content(record.chain, record.seq, record.entry)
    return _line({**members, "previous": record.previous, "hash": record.hash})


def parse_export(lines: Iterable[bytes]) -> Iterator[ExportLine]:
    """Yield what the lines of an export say, in order. Lines end in LF, as a file opened for bytes gives them.

    Raises LocalError `audit.broken` for a line that is not exactly as it would be written, for one out of its place,
    and for a missing start or end. Whether the records hold together is for `verify` to say.
    """
    number = 0
    ended = False
    for number, line in enumerate(lines, start=1):
        parsed = _parse(line, number)
        if ended or (number == 1) != isinstance(parsed, ExportStart):
            raise _unreadable(number, "A line stands where it can not")
        ended = isinstance(parsed, ExportEnd)
        yield parsed
    if not ended:
        raise _unreadable(number + 1, "The export has no last line")


def verify_export(lines: Iterable[bytes], *, expected: ChainHead | None = None) -> AuditVerdict:
    """Check an export in itself and, if given, against a head known from elsewhere that it must pass through.

    Raises LocalError `audit.broken` only when not even the first line can be read.
    """
    parsed = parse_export(lines)
    first = next(parsed)
    if not isinstance(first, ExportStart):
        raise _unreadable(1, "The first line is not the start of an export")
    ends: list[ExportEnd] = []

    def records() -> Iterator[AuditRecord]:
        for line in parsed:
            if isinstance(line, AuditRecord):
                yield line
            elif isinstance(line, ExportEnd):
                ends.append(line)

    verdict = verify(records(), start=first.head, expected=expected, exact=False)
    if not verdict.intact:
        return verdict
    fault = _end_fault(ends[0], verdict)
    if fault is None:
        return verdict
    return AuditVerdict(
        chain=verdict.chain, count=verdict.count, head=verdict.head, broken_seq=verdict.head.seq + 1, fault=fault
    )


def _end_fault(end: ExportEnd, verdict: AuditVerdict) -> Fault | None:
    if end.count > verdict.count or end.head.seq > verdict.head.seq:
        return Fault.TRUNCATED
    if end.count < verdict.count:
        return Fault.EXTRA
    return None if end.head == verdict.head else Fault.HEAD


def _line(members: dict[str, Any]) -> bytes:
    return canonical_json(members).encode() + b"\n"


def _parse(line: bytes, number: int) -> ExportLine:
    try:
        members = json.loads(line)
        parsed = _export_part(members) if "format" in members else _record(members)
        # The same value in other bytes (spaces, escapes, repeated members) is a change too.
        exact = _line(members) == line
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _unreadable(number, "The line is not an audit record") from None
    if not exact:
        raise _unreadable(number, "The line is not in canonical form")
    return parsed


def _export_part(members: dict[str, Any]) -> ExportStart | ExportEnd:
    if members["format"] != FORMAT:
        raise ValueError("another format")
    head = ChainHead(chain=_text(members["chain"]), seq=_number(members["seq"]), hash=_hash(members["hash"]))
    if members["part"] == "start" and len(members) == 5:
        return ExportStart(head=head)
    if members["part"] == "end" and len(members) == 6:
        return ExportEnd(head=head, count=_number(members["count"]))
    raise ValueError("another part")


def _record(members: dict[str, Any]) -> AuditRecord:
    record = AuditRecord(
        chain=_text(members["chain"]),
        seq=_number(members["seq"]),
        entry=entry_of(
            event=_text(members["event"]),
            at=datetime.fromisoformat(_text(members["at"])),
            actor=_text(members["actor"]),
            transfer_id=_optional(members["transfer_id"]),
            message_id=_optional(members["message_id"]),
            facts=members["facts"],
        ),
        previous=_hash(members["previous"]),
        hash=_hash(members["hash"]),
    )
    # Members beyond these, or a time written otherwise, would not be covered by the hash.
    if {**content(record.chain, record.seq, record.entry), "previous": record.previous, "hash": record.hash} != members:
        raise ValueError("not what would be written")
    return record


def entry_of(
    *, event: str, at: datetime, actor: str, transfer_id: str | None, message_id: str | None, facts: dict[str, Any]
) -> AuditEntry:
    """Return an entry from stored members. Raises ValueError for anything that the catalogue does not know."""
    return AuditEntry(
        event=AuditEvent(event), at=at, actor=actor, transfer_id=transfer_id, message_id=message_id, facts=facts
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _optional(value: object) -> str | None:
    return None if value is None else _text(value)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("not a count")
    return value


def _hash(value: object) -> str:
    if not _HASH.fullmatch(_text(value)):
        raise ValueError("not a hash")
    return str(value)


def _unreadable(line: int, detail: str) -> LocalError:
    return LocalError("audit.broken", f"Line {line} of the export: {detail}", facts={"line": line})
