"""The history of a small demo in which everything went well: a declaration, its acceptance, an amendment."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.audit import AuditEntry, AuditEvent, export_lines, genesis, link
from gateway.demo.backend import ReceivedMessage
from gateway.demo.chain import Chain, read_chain
from gateway.demo.documents import Programme, Sample, load_programme
from gateway.demo.history import Acknowledged, Books, Forgery, History, Kill, OverShared, Played, Refusal, Standing
from gateway.demo.stage import FR, GB
from gateway.domain.ids import MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.lifecycle import TransferState
from gateway.domain.message import MessageKind
from tests.unit.policy.rules import apply, example

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
KILLED: Final = NOON + timedelta(seconds=2)
NAMES: Final = ("conversation-1-declaration", "conversation-2-accepted", "conversation-3-amendment")
DECLARATION, ACCEPTED, AMENDMENT = NAMES
_POLICY: Final = {MessageKind.RESPONSE: "customs-response"}
_STEPS: Final = ("transfer.accepted", "transfer.claimed", "transfer.delivered", "transfer.handed_over")
_RECEIVED: Final = ("message.accepted", "hand_over.claimed", "hand_over.acknowledged", "notice.given")


def _programme() -> Programme:
    whole = load_programme()
    return replace(whole, documents=tuple(map(whole.named, NAMES)), conversation=NAMES)


PROGRAMME: Final = _programme()


def message_of(name: str) -> MessageId:
    return MessageId(f"message of {name}")


def view_of(document: Sample) -> bytes:
    """Return what the partner gets of it under the example agreement."""
    return apply(document.raw, example(_POLICY.get(document.kind, "customs-cooperation"))).xml


def acknowledged(document: Sample) -> Acknowledged:
    return Acknowledged(
        document=document,
        submission=SubmissionId(f"submission of {document.name}"),
        transfer=TransferId(f"transfer of {document.name}"),
        message=message_of(document.name),
        digest=f"digest of {document.name}",
        in_reply_to=message_of(document.answers) if document.answers else None,
    )


def received(one: Acknowledged, *, at: datetime = NOON) -> ReceivedMessage:
    """Return the webhook that brings a message, first or again."""
    metadata = {"message_id": one.message, "digest": one.digest, "in_reply_to": one.in_reply_to}
    view = view_of(one.document)
    body = json.dumps(metadata).encode() + view
    return ReceivedMessage(webhook_id=one.message, arrived=at, metadata=metadata, document=view, body=body)


def standing(one: Acknowledged, answers: Iterable[MessageId] = ()) -> Standing:
    return Standing(
        state=TransferState.DELIVERED,
        attempts=1,
        kept=one.document.kept,
        withheld=one.document.withheld,
        handed_over=NOON,
        answers=tuple(answers),
        receipt="",
        notice="",
    )


def chain_of(party: PartyId, entries: Iterable[AuditEntry]) -> Chain:
    """Return the chain of these entries, as it is read from an export."""
    head, records = genesis(party), []
    for entry in entries:
        record, head = link(head, entry)
        records.append(record)
    return read_chain(b"".join(export_lines(records, start=genesis(party))))


def entries_of(party: PartyId, sent: Iterable[Acknowledged]) -> list[AuditEntry]:
    """Return what the audit of a party tells when all went well."""

    def entry(event: str, transfer: str | None = None, message: str | None = None) -> AuditEntry:
        return AuditEntry(event=AuditEvent(event), at=NOON, actor="system", transfer_id=transfer, message_id=message)

    entries = [entry("node.started")]
    for one in sent:
        if one.document.sender == party:
            entries += [entry("submission.accepted"), *(entry(step, one.transfer, one.message) for step in _STEPS)]
        else:
            entries += [entry(step, message=one.message) for step in _RECEIVED]
    refused = [entry("submission.refused") for one in PROGRAMME.refusals if one.sender == party]
    if party == GB:
        return [*entries, *refused, entry("receipt.rejected"), entry("node.stopped")]
    return [*entries, *refused, entry("message.refused"), entry("node.started"), entry("node.stopped")]


def good_history() -> History:
    """Return a history of which every claim is true."""
    sent = tuple(map(acknowledged, PROGRAMME.documents))
    answers = {DECLARATION: (message_of(ACCEPTED),)}
    played = Played(
        acknowledged=sent,
        not_taken=(),
        refusals=tuple(
            Refusal(asked=one, code=one.code, violations=frozenset({one.violation})) for one in PROGRAMME.refusals
        ),
        kill=Kill(party=FR, at=KILLED, again=KILLED, exit_code=-9, before=1, during=1, arrived=1),
        forgery=Forgery(
            message=message_of(AMENDMENT),
            status=403,
            code="receipt.invalid",
            state=TransferState.QUEUED,
            has_receipt=False,
        ),
        over_shared=OverShared(
            document=PROGRAMME.documents[0], message=MessageId("0000-whole"), status=422, refusal=""
        ),
    )
    return History(
        programme=PROGRAMME,
        played=played,
        standings={one.transfer: standing(one, answers.get(one.document.name, ())) for one in sent},
        books={party: _books(party, sent) for party in (GB, FR)},
    )


def _books(party: PartyId, sent: tuple[Acknowledged, ...]) -> Books:
    return Books(
        received=tuple(received(one) for one in sent if one.document.recipient == party),
        bad_signatures=0,
        chain=chain_of(party, entries_of(party, sent)),
        verdict="intact",
        stopped=0,
        transfers=sum(one.document.sender == party for one in sent),
    )
