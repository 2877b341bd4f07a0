"""What a back end is told beside a document, the same by webhook, folder and pull (docs/api.md).

Nothing here depends on the attempt: a message that is handed over again brings the same members with the same values.
"""

from datetime import UTC, datetime
from typing import Any, Final

from gateway.domain.records import InboxRow

MEDIA_TYPE: Final = "application/xml"


def terms_beside(row: InboxRow) -> dict[str, Any]:
    """Return the members beside the document in their fixed order, ready for JSON: where the message comes from and
    belongs, and under what terms it may be used."""
    return {
        "message_id": row.message_id,
        "conversation": row.conversation,
        "sequence": row.sequence,
        "in_reply_to": row.in_reply_to,
        "sender": row.sender,
        "recipient": row.recipient,
        "kind": row.kind.value,
        "agreement": {
            "id": row.agreement.id,
            "version": row.agreement.version,
            "sha256": row.agreement.sha256,
        },
        "legal_basis": row.terms.legal_basis,
        "purpose": row.terms.purpose,
        "onward_use": row.terms.onward_use,
        "retention_days": row.terms.retention_days,
        "policy_sha256": row.policy_sha256,
        "over_shared": list(row.over_shared),
        "digest": row.digest,
        "received": rfc3339(row.received),
        "media_type": MEDIA_TYPE,
    }


def rfc3339(moment: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC, with microseconds where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
