"""What the APIs answer, as frozen values; and reading them from JSON, strictly enough to notice a wrong server.

Names are those of the JSON members (docs/api.md). Times are aware UTC. Members a newer server adds are ignored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.client.acts import SupersededMessage, read_superseded
from gateway.client.holds import Hold, OperatorsHold, read_hold, read_operators_hold, read_violation
from gateway.domain.ids import AgreementId, ClientId, ConversationId, MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.lifecycle import HandOverState, NoticeState, SubmissionStatus, TransferState
from gateway.domain.message import AgreementRef, MessageKind, Terms
from gateway.domain.statement import Verdict
from gateway.errors import Violation

__all__ = [
    "Answer",
    "AnyTransfer",
    "Attempt",
    "Event",
    "InboxDetail",
    "InboxMessage",
    "Notice",
    "OwedNotice",
    "Partner",
    "Receipt",
    "Submission",
    "SubmittedTransfer",
    "Transfer",
    "TransferDetail",
    "Warned",
]

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyTransfer:
    """What both APIs tell of a transfer. `code` and `detail` tell of the latest difficulty; `handed_over`: when the
    partner's back end took it, as the partner's signed notice says."""

    id: TransferId
    message_id: MessageId
    recipient: PartyId
    state: TransferState
    conversation: ConversationId
    sequence: int
    in_reply_to: MessageId | None
    kept: int
    withheld: int
    agreement: AgreementRef
    digest: str
    attempts: int
    created: datetime
    updated: datetime
    deadline: datetime
    expires: datetime
    next_attempt_at: datetime | None
    handed_over: datetime | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the partner answered to one of our messages, and where it stands on its way to our back end."""

    message_id: MessageId
    kind: MessageKind
    sequence: int
    received: datetime
    hand_over: HandOverState
    handed_over: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedTransfer(AnyTransfer):
    """A transfer as its submitter sees it. `hold`: why it waits for a person now."""

    answers: tuple[Answer, ...]
    hold: Hold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(AnyTransfer):
    """A transfer as operators see it."""

    submission_id: SubmissionId
    client: ClientId
    sender: PartyId
    kind: MessageKind
    ever_sent: bool
    not_seen: bool
    skipped: bool
    supersedes: MessageId | None
    version: int
    purged: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """One thing wrong in a document that was accepted all the same. `recipients`: whose agreement says so."""

    violation: Violation
    recipients: tuple[PartyId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What became of one document. `replayed`: this answer repeats that of an earlier equal request.

    `warnings`: what the agreements find fault with and let go.
    """

    id: SubmissionId
    status: SubmissionStatus
    sender: PartyId
    kind: MessageKind
    created: datetime
    items: int
    size_bytes: int
    transfers: tuple[SubmittedTransfer, ...]
    warnings: tuple[Warned, ...] = ()
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to send."""

    number: int
    started: datetime
    ended: datetime
    outcome: str
    code: str
    detail: str
    again: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A stored receipt; `token` is the signed statement itself."""

    message_id: MessageId
    partner: PartyId
    verdict: Verdict
    code: str
    received: datetime
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A partner's statement that its back end took the message; `token` is the signed statement itself."""

    message_id: MessageId
    partner: PartyId
    handed_over: datetime
    received: datetime
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedNotice:
    """Whether the sender of a message knows that we handed it over. `attempts`: tries to tell it, so far."""

    state: NoticeState
    attempts: int
    updated: datetime
    next_attempt_at: datetime | None
    deadline: datetime
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a timeline: an audit record."""

    seq: int
    at: datetime
    event: str
    actor: str
    facts: Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferDetail:
    """All that is known of one transfer."""

    transfer: Transfer
    tries: tuple[Attempt, ...]
    receipt: Receipt | None
    notice: Notice | None
    answers: tuple[Answer, ...]
    timeline: tuple[Event, ...]
    holds: tuple[OperatorsHold, ...] = ()
    warnings: tuple[Violation, ...] = ()
    superseded: tuple[SupersededMessage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxMessage:
    """What is known of a received message, without it. `over_shared`: places that hold more than was agreed."""

    message_id: MessageId
    sender: PartyId
    recipient: PartyId
    kind: MessageKind
    conversation: ConversationId
    sequence: int
    in_reply_to: MessageId | None
    agreement: AgreementRef
    terms: Terms
    digest: str
    size_bytes: int
    received: datetime
    hand_over: HandOverState
    attempts: int
    next_attempt_at: datetime | None
    handed_over: datetime | None
    code: str
    detail: str
    purged: datetime | None = None
    policy_sha256: str
    over_shared: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxDetail:
    """A received message with the receipt we gave, the answers we sent, and its timeline."""

    message: InboxMessage
    receipt: Receipt | None
    notice: OwedNotice | None
    answers: tuple[Transfer, ...]
    timeline: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """How a partner has been answering. No attempt is made before `not_before`."""

    partner: PartyId
    failures: int
    not_before: datetime | None
    last_success: datetime | None
    last_failure: datetime | None
    last_code: str
    last_detail: str


def read_submission(value: Json, *, replayed: bool = False) -> Submission:
    """Return a submission. This and its siblings raise KeyError, ValueError or TypeError for another shape."""
    return Submission(
        id=SubmissionId(value["id"]),
        status=SubmissionStatus(value["status"]),
        sender=PartyId(value["from"]),
        kind=MessageKind(value["kind"]),
        created=_time(value["created"]),
        items=value["items"],
        size_bytes=value["size_bytes"],
        transfers=tuple(
            SubmittedTransfer(
                **_transfer(one),
                answers=_answers(one["answers"]),
                hold=None if one["hold"] is None else read_hold(one["hold"]),
            )
            for one in value["transfers"]
        ),
        warnings=tuple(_warned(one) for one in value["warnings"]),
        replayed=replayed,
    )


def read_transfer(value: Json) -> Transfer:
    """Return a transfer as operators see it."""
    return Transfer(
        **_transfer(value),
        submission_id=SubmissionId(value["submission_id"]),
        client=ClientId(value["client"]),
        sender=PartyId(value["sender"]),
        kind=MessageKind(value["kind"]),
        ever_sent=value["ever_sent"],
        not_seen=value["not_seen"],
        skipped=value["skipped"],
        purged=_maybe_time(value["purged"]),
        supersedes=None if value["supersedes"] is None else MessageId(value["supersedes"]),
        version=value["version"],
    )


def read_transfer_detail(value: Json) -> TransferDetail:
    """Return all that is known of one transfer."""
    return TransferDetail(
        transfer=read_transfer(value),
        tries=tuple(_attempt(one) for one in value["tries"]),
        receipt=_receipt(value["receipt"]),
        notice=_notice(value["notice"]),
        answers=_answers(value["answers"]),
        timeline=tuple(_event(one) for one in value["timeline"]),
        holds=tuple(map(read_operators_hold, value["holds"])),
        warnings=tuple(read_violation(one) for one in value["warnings"]),
        superseded=tuple(read_superseded(one) for one in value["superseded"]),
    )


def read_inbox_message(value: Json) -> InboxMessage:
    """Return what is known of a received message."""
    return InboxMessage(
        message_id=MessageId(value["message_id"]),
        sender=PartyId(value["sender"]),
        recipient=PartyId(value["recipient"]),
        kind=MessageKind(value["kind"]),
        conversation=ConversationId(value["conversation"]),
        sequence=value["sequence"],
        in_reply_to=None if value["in_reply_to"] is None else MessageId(value["in_reply_to"]),
        agreement=_agreement(value["agreement"]),
        terms=Terms(**{name: value["terms"][name] for name in _TERMS}),
        digest=value["digest"],
        size_bytes=value["size_bytes"],
        received=_time(value["received"]),
        hand_over=HandOverState(value["hand_over"]),
        attempts=value["attempts"],
        next_attempt_at=_maybe_time(value["next_attempt_at"]),
        handed_over=_maybe_time(value["handed_over"]),
        code=value["code"],
        detail=value["detail"],
        purged=_maybe_time(value["purged"]),
        policy_sha256=value["policy_sha256"],
        over_shared=tuple(value["over_shared"]),
    )


def read_inbox_detail(value: Json) -> InboxDetail:
    """Return a received message with receipt, answers and timeline."""
    return InboxDetail(
        message=read_inbox_message(value),
        receipt=_receipt(value["receipt"]),
        notice=_owed(value["notice"]),
        answers=tuple(map(read_transfer, value["answers"])),
        timeline=tuple(_event(one) for one in value["timeline"]),
    )


def read_partner(value: Json) -> Partner:
    """Return how a partner has been answering."""
    return Partner(
        partner=PartyId(value["partner"]),
        failures=value["failures"],
        not_before=_maybe_time(value["not_before"]),
        last_success=_maybe_time(value["last_success"]),
        last_failure=_maybe_time(value["last_failure"]),
        last_code=value["last_code"],
        last_detail=value["last_detail"],
    )


_TERMS = ("legal_basis", "purpose", "onward_use", "retention_days")


def _transfer(value: Json) -> dict[str, Any]:
    return {
        "id": TransferId(value["id"]),
        "message_id": MessageId(value["message_id"]),
        "recipient": PartyId(value["recipient"]),
        "state": TransferState(value["state"]),
        "conversation": ConversationId(value["conversation"]),
        "sequence": value["sequence"],
        "in_reply_to": None if value["in_reply_to"] is None else MessageId(value["in_reply_to"]),
        "kept": value["kept"],
        "withheld": value["withheld"],
        "agreement": _agreement(value["agreement"]),
        "digest": value["digest"],
        "attempts": value["attempts"],
        "created": _time(value["created"]),
        "updated": _time(value["updated"]),
        "deadline": _time(value["deadline"]),
        "expires": _time(value["expires"]),
        "next_attempt_at": _maybe_time(value["next_attempt_at"]),
        "handed_over": _maybe_time(value["handed_over"]),
        "code": value["code"],
        "detail": value["detail"],
    }


def _answers(values: Sequence[Json]) -> tuple[Answer, ...]:
    return tuple(
        Answer(
            message_id=MessageId(one["message_id"]),
            kind=MessageKind(one["kind"]),
            sequence=one["sequence"],
            received=_time(one["received"]),
            hand_over=HandOverState(one["hand_over"]),
            handed_over=_maybe_time(one["handed_over"]),
        )
        for one in values
    )


def _warned(value: Json) -> Warned:
    return Warned(violation=read_violation(value), recipients=tuple(PartyId(one) for one in value["recipients"]))


def _agreement(value: Json) -> AgreementRef:
    return AgreementRef(id=AgreementId(value["id"]), version=value["version"], sha256=value["sha256"])


def _attempt(value: Json) -> Attempt:
    return Attempt(
        number=value["number"],
        started=_time(value["started"]),
        ended=_time(value["ended"]),
        outcome=value["outcome"],
        code=value["code"],
        detail=value["detail"],
        again=_maybe_time(value["again"]),
    )


def _receipt(value: Json | None) -> Receipt | None:
    if value is None:
        return None
    return Receipt(
        message_id=MessageId(value["message_id"]),
        partner=PartyId(value["partner"]),
        verdict=Verdict(value["verdict"]),
        code=value["code"],
        received=_time(value["received"]),
        token=value["token"],
    )


def _notice(value: Json | None) -> Notice | None:
    if value is None:
        return None
    return Notice(
        message_id=MessageId(value["message_id"]),
        partner=PartyId(value["partner"]),
        handed_over=_time(value["handed_over"]),
        received=_time(value["received"]),
        token=value["token"],
    )


def _owed(value: Json | None) -> OwedNotice | None:
    if value is None:
        return None
    return OwedNotice(
        state=NoticeState(value["state"]),
        attempts=value["attempts"],
        updated=_time(value["updated"]),
        next_attempt_at=_maybe_time(value["next_attempt_at"]),
        deadline=_time(value["deadline"]),
        code=value["code"],
        detail=value["detail"],
    )


def _event(value: Json) -> Event:
    return Event(
        seq=value["seq"],
        at=_time(value["at"]),
        event=value["event"],
        actor=value["actor"],
        facts=dict(value["facts"]),
    )


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without its offset")
    return at


def _maybe_time(text: str | None) -> datetime | None:
    return None if text is None else _time(text)
