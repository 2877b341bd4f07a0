"""What the store keeps and gives back, in domain words. Sealed bytes stay opaque here.

Times are aware UTC. `version` counts changes of a row and is the other half of every compare-and-set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.domain.hold import Hold
from gateway.domain.ids import ClientId, ConversationId, MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.jobs import PreparedSubmission, SealedReference
from gateway.domain.lifecycle import HandOverState, NoticeState, TransferState
from gateway.domain.message import AgreementRef, MessageKind, Terms
from gateway.domain.priority import Priority
from gateway.domain.retry import RetryPolicy
from gateway.domain.statement import Verdict
from gateway.errors import Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyScope:
    """A client's key and the fingerprint of what it asked: SHA-256 hex over body, sorted recipients, parameters."""

    client: ClientId
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAtOnce:
    """To whom messages may be leased in the very commit that writes them, and for how long: transfers to partners, or
    hand-overs to parties of ours. Only one goes that nothing unfinished stands beside in its conversation; a transfer
    must be signed too, and its partner be without a back-off."""

    recipients: frozenset[PartyId]
    lease: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptSubmission:
    """The commit of one submission: everything or nothing."""

    submission_id: SubmissionId
    sender: PartyId
    scope: IdempotencyScope
    prepared: PreparedSubmission
    now: datetime
    claim: ClaimAtOnce | None = None
    priority: Priority = Priority.NORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Committed now. `claimed`: those of its transfers that were leased to this node in the same commit. `row`: what a
    read right after the commit would find, if the store has it at hand."""

    submission_id: SubmissionId
    claimed: "tuple[ClaimedTransfer, ...]" = field(default=(), repr=False)
    row: "SubmissionRow | None" = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The same request was committed before; this is its submission."""

    submission_id: SubmissionId


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReused:
    """The key was used for another request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationKnown:
    """Nothing was written: these recipients' messages belong to conversations already known, at these sequences.

    The submission must be prepared again with them, since both stand in the signed header.
    """

    places: Mapping[PartyId, tuple[ConversationId, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersUnknown:
    """Nothing was written: what the document is said to answer never came from these recipients to the sender."""

    recipients: frozenset[PartyId]


AcceptOutcome = Accepted | Replayed | KeyReused | ConversationKnown | AnswersUnknown


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRow:
    """A transfer as operators and submitters see it. `ever_sent`: any byte of it may have left. `handed_over`: when the
    partner's back end took it, as the partner's notice says. `digest`: empty while its view is held unsigned.
    `supersedes`: the message in whose place its message stands. `not_seen`: the partner has sworn that it never
    accepted its message, which can not go any more. `skipped`: given up for good; those behind it may go.
    `purged`: when its payload was deleted, its retention being over."""

    id: TransferId
    message_id: MessageId
    submission_id: SubmissionId
    client: ClientId
    sender: PartyId
    recipient: PartyId
    kind: MessageKind
    conversation: ConversationId
    sequence: int
    in_reply_to: MessageId | None
    state: TransferState
    version: int
    digest: str
    agreement: AgreementRef
    retry: RetryPolicy
    attempts: int
    ever_sent: bool
    created: datetime
    updated: datetime
    expires: datetime
    deadline: datetime
    next_attempt_at: datetime | None
    handed_over: datetime | None
    last_code: str
    last_detail: str
    kept: int
    withheld: int
    supersedes: MessageId | None = None
    not_seen: bool = False
    skipped: bool = False
    purged: datetime | None = None

    @property
    def outcome_known(self) -> bool:
        """Whether it is certain that the partner has not, and will not, accept the message as it is now."""
        return self.not_seen or not self.ever_sent

    @property
    def signed(self) -> bool:
        """Whether there is a message that could be sent."""
        return bool(self.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedTransfer:
    """A transfer leased to this node. `fence` must accompany every later change under the lease.

    `unreadable`: the code that says why the store could not read `sealed_jws`, which is empty then: `storage.corrupt`
    for what is damaged, another for what may be read later.
    """

    row: TransferRow
    fence: int
    sealed_jws: bytes
    unreadable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to send, with its plain explanation. `outcome` is `delivered`, `refused`, `taken`, `failed`.

    `again`: when the next try was to be made; None: none was.
    """

    transfer_id: TransferId
    number: int
    started: datetime
    ended: datetime
    outcome: str
    code: str
    detail: str
    again: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReceipt:
    """A receipt exactly as it was received or given: `token` is the compact JWS, byte for byte."""

    message_id: MessageId
    partner: PartyId
    verdict: Verdict
    code: str
    token: str
    received: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SupersededMessage:
    """An earlier message of a transfer, and when another took its place. `ever_sent`: any byte of it may have left."""

    message_id: MessageId
    digest: str
    ever_sent: bool
    superseded: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNotice:
    """A notice exactly as a partner gave it: `token` is the compact JWS, byte for byte."""

    message_id: MessageId
    partner: PartyId
    handed_over: datetime
    token: str
    received: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A partner's message that answers one of ours, and where its hand-over to our back end stands."""

    message_id: MessageId
    kind: MessageKind
    sequence: int
    received: datetime
    hand_over: HandOverState
    handed_over: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRow:
    """A submission and the transfers made of it. `answers`: by the message they answer, in the partner's order.

    `warnings`: by recipient, what the profile of its agreement found fault with and let go. `holds`: of the transfers
    that wait for a person now.
    """

    id: SubmissionId
    client: ClientId
    sender: PartyId
    kind: MessageKind
    created: datetime
    item_count: int
    size_bytes: int
    transfers: tuple[TransferRow, ...]
    answers: Mapping[MessageId, tuple[Answer, ...]]
    warnings: Mapping[PartyId, tuple[Violation, ...]] = field(default_factory=dict)
    holds: Mapping[TransferId, Hold] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """A received, verified, stored message and where its hand-over stands. `purged`: when its payload was deleted.

    `over_shared`: places that hold more than the policy keeps, at most 20, of a message that was taken all the same.
    """

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
    expires: datetime
    received: datetime
    hand_over: HandOverState
    hand_over_version: int
    attempts: int
    next_attempt_at: datetime | None
    handed_over: datetime | None
    last_code: str
    last_detail: str
    purged: datetime | None = None
    policy_sha256: str
    over_shared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedHandOver:
    """An inbox message leased for hand-over. `unreadable`: as of a ClaimedTransfer."""

    row: InboxRow
    fence: int
    sealed_message: bytes
    unreadable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedNotice:
    """That a message was handed over, as its `recipient`, a party of ours, owes it to its `sender` until `deadline`.

    `attempts`: tries made so far.
    """

    sender: PartyId
    message_id: MessageId
    recipient: PartyId
    digest: str
    handed_over: datetime
    state: NoticeState
    attempts: int
    next_attempt_at: datetime | None
    deadline: datetime
    updated: datetime
    last_code: str
    last_detail: str


class NoticeStored(StrEnum):
    """What became of a partner's notice: kept now, the same as before, or another time than before."""

    NEW = "new"
    KNOWN = "known"
    CONTRADICTS = "contradicts"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitStored:
    """The commit's answer to an envelope that could be opened: the token to send back, byte for byte.

    `duplicate`: the message was accepted before and this is its stored receipt.
    `conflict`: another message is known under this id.
    `answers_unknown`: nothing was written, since what the message answers was never sent to its sender.
    `tombstoned`: nothing was written, since we have sworn never to have had a message under this id.
    `superseded`: the message that this one stands in place of was accepted; this is the receipt for that one.
    `claimed`: its hand-over, if that was leased to this node in the same commit.
    """

    token: str
    verdict: Verdict
    code: str
    duplicate: bool = False
    conflict: bool = False
    answers_unknown: bool = False
    tombstoned: bool = False
    superseded: bool = False
    claimed: "ClaimedHandOver | None" = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerHealth:
    """Durable back-off of one partner. `failures` in a row; no attempt before `not_before`. `last_code` and
    `last_detail`: why it could not be reached, empty since it was."""

    partner: PartyId
    failures: int
    not_before: datetime | None
    last_success: datetime | None
    last_failure: datetime | None
    last_code: str
    last_detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferDetail:
    """One transfer with all that is known of it. `references` are sealed.

    `ahead`: the first unfinished transfer before it in its conversation; until that one has finished, it waits.
    `holds`: every time it waited for a person, the newest last. `warnings`: what the profile of its agreement found
    fault with and let go. `superseded`: its earlier messages, the first one first.
    """

    row: TransferRow
    attempts: tuple[Attempt, ...]
    receipt: StoredReceipt | None
    notice: StoredNotice | None
    references: tuple[SealedReference, ...]
    answers: tuple[Answer, ...]
    ahead: TransferRow | None = None
    holds: tuple[Hold, ...] = ()
    warnings: tuple[Violation, ...] = ()
    superseded: tuple[SupersededMessage, ...] = ()

    @property
    def unreleased(self) -> Hold | None:
        """The hold that nobody released yet, whatever state the transfer is in now."""
        return self.holds[-1] if self.holds and self.holds[-1].released is None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDone:
    """A transfer that an act on many left where it is, and why."""

    id: TransferId
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActedOnMany:
    """What an act on many did. `following`: where the next one goes on, None when there is nothing left."""

    rows: tuple[TransferRow, ...]
    refused: tuple[NotDone, ...]
    following: TransferId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """One public key of a party with its certificate, for people. `use`: `sign`, `decrypt` or `tls`.

    `key_id` is what messages name it by, for TLS the SHA-256 of the certificate. `revoked`: a list names it.
    """

    party: PartyId
    use: str
    key_id: str
    not_before: datetime
    not_after: datetime
    revoked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesReloaded:
    """What a node follows after a reload. `changed`: the files said something else than before.

    `generation` counts from 1, the start. `rules_sha256` is the hash of all agreements in force with the policies and
    schema sets they name, lower-case hex; `agreements` reads `ID version N`. `not_in_force` are those of them
    under which nothing is sent today: suspended, ended, or still to begin. `held`: how many transfers waited under
    such.
    """

    changed: bool
    generation: int
    rules_sha256: str
    agreements: tuple[str, ...]
    not_in_force: tuple[str, ...] = ()
    held: int = 0
    schema_sets: tuple[str, ...]
