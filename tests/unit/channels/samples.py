"""One inbox row, for the tests of the channels to back ends."""

from datetime import UTC, datetime

from gateway.domain.ids import AgreementId, ConversationId, MessageId, PartyId
from gateway.domain.lifecycle import HandOverState
from gateway.domain.message import AgreementRef, MessageKind, Terms
from gateway.domain.records import InboxRow

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def inbox_row(recipient: str = "NL-DUANE", attempts: int = 0) -> InboxRow:
    return InboxRow(
        message_id=MessageId("0195c7a0-0000-7000-8000-000000000001"),
        sender=PartyId("GB-HMRC"),
        recipient=PartyId(recipient),
        kind=MessageKind.DECLARATION,
        conversation=ConversationId("7d1f4c3e-0000-4000-8000-000000000002"),
        sequence=3,
        in_reply_to=None,
        agreement=AgreementRef(id=AgreementId("gb-nl"), version=2, sha256="ab" * 32),
        terms=Terms(legal_basis="Art. 12 – «mutual» assistance", purpose="risk", onward_use="none", retention_days=90),
        digest="cd" * 32,
        size_bytes=10,
        expires=datetime(2026, 3, 3, 11, 59, 58, tzinfo=UTC),
        received=datetime(2026, 3, 1, 11, 59, 58, 250_000, tzinfo=UTC),
        hand_over=HandOverState.IN_FLIGHT,
        hand_over_version=4 + attempts,
        attempts=attempts,
        next_attempt_at=None,
        handed_over=None,
        last_code="channel.busy" if attempts else "",
        last_detail="",
        policy_sha256="ef" * 32,
    )
