"""Plausible values for tests of the store: prepared submissions, admitted messages, receipts. Nothing here is signed
or sealed for real; the store treats all of it as opaque."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import (
    AgreementId,
    ClientId,
    ConversationId,
    MessageId,
    PartyId,
    SchemaSetId,
    SubmissionId,
    TransferId,
)
from gateway.domain.jobs import (
    Admitted,
    PreparedSubmission,
    PreparedTransfer,
    ReferenceKind,
    Refused,
    SealedReference,
    Slot,
)
from gateway.domain.lifecycle import HandOverEvent, TransferEvent
from gateway.domain.message import AgreementRef, DocumentFacts, MessageHeader, MessageKind, Terms
from gateway.domain.records import AcceptSubmission, Attempt, IdempotencyScope, InboxRow, TransferRow
from gateway.domain.retry import RetryPolicy
from gateway.domain.statement import Receipt, Verdict
from gateway.errors import SchemaError, Violation

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
LEASE = timedelta(seconds=60)
HOME = PartyId("GB-HMRC")
PARTNER = PartyId("FR-DGDDI")
OTHER = PartyId("NL-DOUANE")
CLIENT = ClientId("national-system")
TERMS = Terms(
    legal_basis="Agreement on mutual assistance, article 12",
    purpose="risk analysis",
    onward_use="none",
    retention_days=90,
)
AGREEMENT = AgreementRef(id=AgreementId("gb-fr"), version=3, sha256="a" * 64)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def reference(value: str, kind: ReferenceKind = ReferenceKind.LRN) -> SealedReference:
    return SealedReference(kind=kind, index=sha(f"{kind}:{value}"), sealed=f"sealed {value}".encode())


@dataclass(slots=True)
class StoreValues:
    """Makes values with ids that rise, as UUIDv7 do."""

    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def uuid7(self) -> str:
        number = next(self.numbers)
        return f"01950000-{number >> 16 & 0xFFFF:04x}-7{number >> 4 & 0xFFF:03x}-8000-{number:012x}"

    def uuid4(self) -> str:
        return f"{next(self.numbers):08x}-0000-4000-8000-000000000000"

    def submission(
        self,
        *recipients: PartyId,
        key: str | None = None,
        fingerprint: str = "f" * 64,
        conversation: str | None = None,
        sequence: int = 1,
        references: Sequence[SealedReference] = (),
        in_reply_to: MessageId | None = None,
        now: datetime = NOW,
        sealed: bytes = b"sealed jws",
        deadline: timedelta = timedelta(hours=24),
        sender: PartyId = HOME,
        held_for: tuple[Violation, ...] = (),
        approvals: int = 1,
    ) -> AcceptSubmission:
        return AcceptSubmission(
            submission_id=SubmissionId(self.uuid7()),
            sender=sender,
            scope=IdempotencyScope(client=CLIENT, key=key or self.uuid4(), fingerprint=fingerprint),
            prepared=PreparedSubmission(
                facts_kind=MessageKind.DECLARATION,
                function_code="9",
                type_code="IM",
                item_count=2,
                size_bytes=10_240,
                document_sha256=sha("document"),
                sealed_document=b"sealed document",
                references=tuple(references),
                transfers=tuple(
                    held(made, held_for, approvals) if held_for else made
                    for made in (
                        self.prepared(recipient, conversation, sequence, in_reply_to, now, sealed, deadline, sender)
                        for recipient in recipients or (PARTNER,)
                    )
                ),
            ),
            now=now,
        )

    def prepared(
        self,
        recipient: PartyId,
        conversation: str | None,
        sequence: int,
        in_reply_to: MessageId | None,
        now: datetime,
        sealed: bytes,
        deadline: timedelta,
        sender: PartyId,
    ) -> PreparedTransfer:
        message_id = MessageId(self.uuid7())
        slot = Slot(
            transfer_id=TransferId(message_id),
            message_id=message_id,
            conversation=ConversationId(conversation or self.uuid4()),
            sequence=sequence,
            nonce=b"n" * 16,
        )
        header = self.header(
            message_id, sender, recipient, slot.conversation, sequence=sequence, in_reply_to=in_reply_to, now=now
        )
        return PreparedTransfer(
            slot=slot,
            recipient=recipient,
            header=header,
            digest=sha(message_id),
            sealed=sealed + b" of " + message_id.encode(),
            size_bytes=len(sealed),
            deadline=now + deadline,
            retry=RetryPolicy(attempts=20),
            kept=61,
            withheld=32,
        )

    def header(
        self,
        message_id: MessageId,
        sender: PartyId,
        recipient: PartyId,
        conversation: str,
        *,
        sequence: int = 1,
        in_reply_to: MessageId | None = None,
        now: datetime = NOW,
    ) -> MessageHeader:
        return MessageHeader(
            message_id=message_id,
            conversation=ConversationId(conversation),
            sequence=sequence,
            in_reply_to=in_reply_to,
            supersedes=None,
            sender=sender,
            recipient=recipient,
            kind=MessageKind.DECLARATION,
            schema_set=SchemaSetId("dms-declaration"),
            schema_set_sha256="b" * 64,
            agreement=AGREEMENT,
            policy_sha256="c" * 64,
            terms=TERMS,
            created=now,
            expires=now + timedelta(hours=48),
            nonce=b"n" * 16,
        )

    def admitted(
        self,
        *,
        sender: PartyId = PARTNER,
        recipient: PartyId = HOME,
        message_id: str | None = None,
        conversation: str | None = None,
        sequence: int = 1,
        content: str = "content",
        references: Sequence[SealedReference] = (),
        in_reply_to: MessageId | None = None,
        now: datetime = NOW,
    ) -> Admitted:
        name = MessageId(message_id or self.uuid7())
        header = self.header(
            name,
            sender,
            recipient,
            conversation or self.uuid4(),
            sequence=sequence,
            in_reply_to=in_reply_to,
            now=now,
        )
        digest = sha(f"{name} {content}")
        receipt = self.receipt(header, digest, Verdict.ACCEPTED, "ok", now=now)
        return Admitted(
            header=header,
            digest=digest,
            facts=DocumentFacts(kind=MessageKind.DECLARATION),
            size_bytes=5_000,
            sealed_message=f"sealed {name} {content}".encode(),
            references=tuple(references),
            receipt=receipt,
            receipt_token=f"accepted.{receipt.statement_id}",
        )

    def refused(self, like: Admitted, code: str = "schema.invalid") -> Refused:
        """The same message, judged otherwise."""
        receipt = self.receipt(like.header, like.digest, Verdict.REFUSED, code)
        return Refused(
            header=like.header,
            digest=like.digest,
            error=SchemaError(code),
            receipt=receipt,
            receipt_token=f"refused.{receipt.statement_id}",
        )

    def receipt(
        self, header: MessageHeader, digest: str, verdict: Verdict, code: str, *, now: datetime = NOW
    ) -> Receipt:
        return Receipt(
            message_id=header.message_id,
            digest=digest,
            verdict=verdict,
            code=code,
            agreement_version=header.agreement.version,
            issuer=header.recipient,
            audience=header.sender,
            issued_at=now,
            statement_id=self.uuid4(),
        )

    def receipt_for(self, row: TransferRow, verdict: Verdict = Verdict.ACCEPTED) -> tuple[Receipt, str]:
        receipt = Receipt(
            message_id=row.message_id,
            digest=row.digest,
            verdict=verdict,
            code="ok" if verdict is Verdict.ACCEPTED else "schema.invalid",
            agreement_version=row.agreement.version,
            issuer=row.recipient,
            audience=row.sender,
            issued_at=NOW,
            statement_id=self.uuid4(),
        )
        return receipt, f"{verdict}.{receipt.statement_id}"


def held(made: PreparedTransfer, reasons: tuple[Violation, ...], approvals: int = 1) -> PreparedTransfer:
    """The same transfer as one that waits for a person: unsigned, until its message would expire."""
    sealed = b"sealed view of " + made.slot.message_id.encode()
    changes = {"digest": "", "sealed": sealed, "deadline": made.header.expires}
    return replace(made, **changes, held_for=reasons, approvals=approvals)  # type: ignore[arg-type]  # its members


def accepted_evidence(change: AcceptSubmission) -> list[AuditEntry]:
    """One entry for each transfer."""
    return [
        AuditEntry(
            event=AuditEvent.TRANSFER_ACCEPTED,
            at=change.now,
            actor=f"client:{change.scope.client}",
            transfer_id=transfer.slot.transfer_id,
            message_id=transfer.slot.message_id,
            facts={"recipient": transfer.recipient, "digest": transfer.digest, "kept": transfer.kept},
        )
        for transfer in change.prepared.transfers
    ]


_EVENTS = {
    TransferEvent.ACCEPTED: AuditEvent.TRANSFER_DELIVERED,
    TransferEvent.TAKEN: AuditEvent.TRANSFER_TAKEN,
    TransferEvent.FAILED: AuditEvent.TRANSFER_FAILED,
    TransferEvent.GIVEN_BACK: AuditEvent.TRANSFER_GIVEN_BACK,
    TransferEvent.LEASE_LOST: AuditEvent.TRANSFER_LEASE_LOST,
    TransferEvent.REFUSED: AuditEvent.TRANSFER_REFUSED,
    TransferEvent.EXHAUSTED: AuditEvent.TRANSFER_EXHAUSTED,
    TransferEvent.OVERDUE: AuditEvent.TRANSFER_OVERDUE,
    TransferEvent.DEADLINE: AuditEvent.TRANSFER_DEADLINE,
    TransferEvent.HELD: AuditEvent.TRANSFER_HELD,
    TransferEvent.RELEASED: AuditEvent.TRANSFER_RELEASED,
    TransferEvent.REQUEUED: AuditEvent.TRANSFER_REQUEUED,
    TransferEvent.CANCELLED: AuditEvent.TRANSFER_CANCELLED,
    TransferEvent.CLAIMED: AuditEvent.TRANSFER_CLAIMED,
    TransferEvent.NOT_SEEN: AuditEvent.TRANSFER_NOT_SEEN,
    TransferEvent.SUPERSEDED: AuditEvent.TRANSFER_SUPERSEDED,
    TransferEvent.SKIPPED: AuditEvent.TRANSFER_SKIPPED,
}


def evidence(row: TransferRow, event: TransferEvent, now: datetime = NOW) -> AuditEntry:
    return AuditEntry(
        event=_EVENTS[event],
        at=now,
        actor="system",
        transfer_id=row.id,
        message_id=row.message_id,
        facts={"state": row.state.value},
    )


def hand_over_evidence(row: InboxRow, event: HandOverEvent, now: datetime = NOW) -> AuditEntry:
    return AuditEntry(
        event=AuditEvent(f"hand_over.{event}"),
        at=now,
        actor="system",
        message_id=row.message_id,
        facts={"kind": row.kind},
    )


def message_evidence(result: Admitted | Refused, now: datetime = NOW) -> AuditEntry:
    return AuditEntry(
        event=AuditEvent.MESSAGE_ACCEPTED if isinstance(result, Admitted) else AuditEvent.MESSAGE_REFUSED,
        at=now,
        actor=f"party:{result.header.sender}",
        message_id=result.header.message_id,
        facts={"digest": result.digest, "code": result.receipt.code},
    )


def attempt_of(row: TransferRow, outcome: str = "delivered", code: str = "ok") -> Attempt:
    return Attempt(
        transfer_id=row.id,
        number=row.attempts,
        started=NOW,
        ended=NOW + timedelta(milliseconds=120),
        outcome=outcome,
        code=code,
        detail="",
    )
