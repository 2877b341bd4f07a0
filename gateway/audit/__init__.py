"""Evidence: a closed catalogue of events and a hash chain over them. Pure; the store writes what is made here."""

from gateway.audit.chain import AuditRecord
from gateway.audit.events import AuditEntry, AuditEvent

__all__ = ["AuditEntry", "AuditEvent", "AuditRecord"]
