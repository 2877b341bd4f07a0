"""The closed catalogue of audit events, and the entry that a change brings along.

An entry says who did what to what, with facts that are safe to keep for ever: ids, states, codes, counts, hashes. Each
event names the facts it may carry; anything else raises, so no document value can slip in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class AuditEvent(StrEnum):
    """What can be evidence."""

    NODE_STARTED = "node.started"
    NODE_STOPPED = "node.stopped"
    NODE_RELOADED = "node.reloaded"
    NODE_DRAINING = "node.draining"
    NODE_RESUMED = "node.resumed"
    NODE_INSECURE = "node.insecure_setting"
    AGREEMENT_IN_FORCE = "agreement.in_force"
    AGREEMENT_WITHDRAWN = "agreement.withdrawn"
    POLICY_IN_FORCE = "policy.in_force"
    POLICY_WITHDRAWN = "policy.withdrawn"
    NODE_CLOCK_SET_BACK = "node.clock_set_back"
    STORE_TAIL_DROPPED = "store.tail_dropped"
    STORE_RESTORED = "store.restored"
    SUBMISSION_ACCEPTED = "submission.accepted"
    SUBMISSION_REFUSED = "submission.refused"
    TRANSFER_ACCEPTED = "transfer.accepted"
    TRANSFER_CLAIMED = "transfer.claimed"
    TRANSFER_DELIVERED = "transfer.delivered"
    TRANSFER_HANDED_OVER = "transfer.handed_over"
    TRANSFER_TAKEN = "transfer.taken"
    TRANSFER_FAILED = "transfer.failed"
    TRANSFER_GIVEN_BACK = "transfer.given_back"
    TRANSFER_LEASE_LOST = "transfer.lease_lost"
    TRANSFER_REFUSED = "transfer.refused"
    TRANSFER_EXHAUSTED = "transfer.exhausted"
    TRANSFER_OVERDUE = "transfer.overdue"
    TRANSFER_DEADLINE = "transfer.deadline"
    TRANSFER_HELD = "transfer.held"
    TRANSFER_APPROVED = "transfer.approved"
    TRANSFER_PREPARED_AGAIN = "transfer.prepared_again"
    TRANSFER_RELEASED = "transfer.released"
    TRANSFER_REQUEUED = "transfer.requeued"
    TRANSFER_CANCELLED = "transfer.cancelled"
    TRANSFER_NOT_SEEN = "transfer.not_seen"
    TRANSFER_SUPERSEDED = "transfer.superseded"
    TRANSFER_SKIPPED = "transfer.skipped"
    TRANSFER_PURGED = "transfer.purged"
    RECEIPT_REJECTED = "receipt.rejected"
    RECEIPT_GIVEN = "receipt.given"
    RECEIPT_GIVEN_UP = "receipt.given_up"
    NOTICE_REJECTED = "notice.rejected"
    NOTICE_GIVEN = "notice.given"
    NOTICE_GIVEN_UP = "notice.given_up"
    MESSAGE_TAKEN = "message.taken"
    MESSAGE_ACCEPTED = "message.accepted"
    MESSAGE_OVER_SHARED = "message.over_shared"
    MESSAGE_ACKNOWLEDGED = "message.acknowledged"
    MESSAGE_REFUSED = "message.refused"
    MESSAGE_DUPLICATE = "message.duplicate"
    MESSAGE_CONFLICT = "message.conflict"
    MESSAGE_NOT_SEEN = "message.not_seen"
    MESSAGE_UNOPENED = "message.unopened"
    MESSAGE_PURGED = "message.purged"
    DOCUMENT_SHOWN = "document.shown"
    CHANNEL_REFUSED = "channel.refused"
    HAND_OVER_CLAIMED = "hand_over.claimed"
    HAND_OVER_ACKNOWLEDGED = "hand_over.acknowledged"
    HAND_OVER_FAILED = "hand_over.failed"
    HAND_OVER_LEASE_LOST = "hand_over.lease_lost"
    HAND_OVER_EXHAUSTED = "hand_over.exhausted"
    HAND_OVER_RELEASED = "hand_over.released"


FACTS: Final[frozenset[str]] = frozenset(
    {
        "agreement",
        "approvals",
        "agreement_version",
        "attempt",
        "certificate",
        "code",
        "count",
        "detail",
        "digest",
        "document_sha256",
        "envelope_sha256",
        "fence",
        "generation",
        "handed_over",
        "kept",
        "key_id",
        "kind",
        "next_attempt_at",
        "policy",
        "policy_sha256",
        "reason",
        "recipient",
        "rule",
        "rules_sha256",
        "schema_set_sha256",
        "sender",
        "setting",
        "state",
        "supersedes",
        "transfers",
        "version",
        "warnings",
        "withheld",
    }
)
"""Every fact an entry may carry. `reason` is what a named operator wrote, ≤ 500 characters. `rule`: the codes and ids
of the rules that hold a transfer. `approvals`: how many officers it takes, or took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that happened. `actor`: `system`, `party:ID`, `client:ID` or `operator:NAME`. `at` is aware UTC.

    Raises ValueError for a fact outside the catalogue, a naive time, a text that is not Unicode, a number that is not
    an integer below 2^53 (RFC 8785 §3.2.2.3): all of it must have one canonical form.
    """

    event: AuditEvent
    at: datetime
    actor: str
    transfer_id: str | None = None
    message_id: str | None = None
    facts: Mapping[str, str | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not FACTS.issuperset(self.facts):
            raise ValueError(f"no audit fact is called {', '.join(sorted(set(self.facts) - FACTS))}")
        if self.at.tzinfo is None:
            raise ValueError("an audit entry needs an aware time")
        for value in (self.actor, self.transfer_id, self.message_id, *self.facts.values()):
            if not (isinstance(value, str) and value.isascii()):  # as nearly all are
                _check(value)
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))


def _check(value: str | int | None) -> None:
    if isinstance(value, str):
        if not value.isascii():
            value.encode()  # a lone surrogate raises UnicodeEncodeError, which is a ValueError
    elif value is not None and (not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**53):
        raise ValueError("an audit fact is a text or an integer below 2^53")
