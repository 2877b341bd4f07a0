"""Real desks of two parties: real keys, real rules, real schema sets; only the clock comes in as a value."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from gateway.app import Snapshot, lay_desk, rulebook_of
from gateway.bundled import schema_folder
from gateway.demo.layout import copy_agreement, lay_out
from gateway.domain.ids import ConversationId, MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.jobs import (
    AdmitJob,
    AdmitResult,
    PreparedSubmission,
    PrepareJob,
    SealedEnvelope,
    SealJob,
    Slot,
)
from gateway.exchange.admit import admit
from gateway.exchange.desk import Desk
from gateway.exchange.prepare import prepare
from gateway.exchange.seal import seal
from gateway.settings import load_configuration

GB = PartyId("GB-HMRC")
FR = PartyId("FR-DGDDI")
NOW = datetime.now(UTC)
"""Certificates are made fresh, so the tests live now; what they shift is shifted from here."""

SUBMISSION = SubmissionId("01990000-0000-7000-8000-000000000001")
MESSAGE = MessageId("01990000-0000-7000-8000-000000000002")
CONVERSATION = ConversationId("6f0e6d1c-3a55-4c3e-9a77-0d8d6a1f0c11")
STATEMENT = "0b6cf0de-7f0f-4c9f-8d35-2e1f5a7b9c10"


@cache
def desks() -> dict[PartyId, Desk]:
    """Return the desks of GB and FR, laid out once for all tests of a process."""
    folder = Path(mkdtemp(prefix="desks-"))
    world = lay_out(folder, [GB, FR], agreements=copy_agreement("gb-fr", folder / "config"), now=NOW)
    return {party: _desk(node.config) for party, node in world.nodes.items()}


def _desk(config: Path) -> Desk:
    configuration = load_configuration(config)
    return lay_desk(Snapshot(generation=1, settings=configuration.node, rulebook=rulebook_of(configuration)))


def sample(name: str) -> bytes:
    """Return a valid sample of the project."""
    return (schema_folder() / "samples" / "valid" / name).read_bytes()


def slot(message_id: str = MESSAGE, *, sequence: int = 1) -> Slot:
    return Slot(
        transfer_id=TransferId(message_id),
        message_id=MessageId(message_id),
        conversation=CONVERSATION,
        sequence=sequence,
        nonce=bytes(range(16)),
    )


def prepare_job(
    body: bytes, *, recipients: tuple[PartyId, ...] = (FR,), now: datetime = NOW, conversation_key: str | None = None
) -> PrepareJob:
    return PrepareJob(
        submission_id=SUBMISSION,
        body=body,
        sender=GB,
        client="national-system",
        slots={recipient: slot() for recipient in recipients},
        conversation_key=conversation_key,
        in_reply_to=None,
        now=now,
    )


def prepared(name: str = "import-two-items.xml", *, now: datetime = NOW) -> PreparedSubmission:
    result = prepare(prepare_job(sample(name), now=now), desks()[GB])
    assert isinstance(result, PreparedSubmission), result
    return result


def envelope(submission: PreparedSubmission, *, now: datetime = NOW) -> SealedEnvelope:
    transfer = submission.transfers[0]
    result = seal(
        SealJob(
            transfer_id=transfer.slot.transfer_id,
            message_id=transfer.slot.message_id,
            sender=GB,
            recipient=FR,
            sealed_jws=transfer.sealed,
            now=now,
        ),
        desks()[GB],
    )
    assert isinstance(result, SealedEnvelope), result
    return result


def admitted(jwe: str, *, now: datetime = NOW, channel_party: PartyId = GB, desk: Desk | None = None) -> AdmitResult:
    job = AdmitJob(jwe=jwe, channel_party=channel_party, statement_id=STATEMENT, now=now)
    return admit(job, desk or desks()[FR])


def with_agreement(desk: Desk, **changes: object) -> Desk:
    """Return a desk whose one agreement differs from what the partner holds, its hash kept unless given."""
    rulebook = desk.agreements
    agreements = tuple(replace(one, **changes) for one in rulebook.agreements)  # type: ignore[attr-defined]  # Rulebook
    return replace(desk, agreements=replace(rulebook, agreements=agreements))  # type: ignore[type-var]  # a dataclass


LATER = timedelta(days=8)
"""Past the lifetime of a message under the example agreement."""
