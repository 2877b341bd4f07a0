"""The hash chain. Each record's hash covers its content and the hash before it: a change anywhere breaks the rest."""

from dataclasses import dataclass

from gateway.audit.events import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """An entry in its place: `seq` from 1 without gaps, `previous` and `hash` lower-case hex of SHA-256."""

    chain: str
    seq: int
    entry: AuditEntry
    previous: str
    hash: str
