"""Evidence: a closed catalogue of events and a hash chain over them. Pure; the store writes what is made here."""

from gateway.audit.chain import (
    AuditRecord,
    ChainHead,
    canonical_facts,
    canonical_json,
    genesis,
    instant,
    link,
    record_hash,
)
from gateway.audit.events import AuditEntry, AuditEvent
from gateway.audit.export import (
    ExportEnd,
    ExportLine,
    ExportStart,
    end_line,
    entry_of,
    export_lines,
    parse_export,
    record_line,
    start_line,
    verify_export,
)
from gateway.audit.verdict import AuditVerdict, Fault, verify, verify_chain

__all__ = [
    "AuditEntry",
    "AuditEvent",
    "AuditRecord",
    "AuditVerdict",
    "ChainHead",
    "ExportEnd",
    "ExportLine",
    "ExportStart",
    "Fault",
    "canonical_facts",
    "canonical_json",
    "end_line",
    "entry_of",
    "export_lines",
    "genesis",
    "instant",
    "link",
    "parse_export",
    "record_hash",
    "record_line",
    "start_line",
    "verify",
    "verify_chain",
    "verify_export",
]
