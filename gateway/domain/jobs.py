"""The four batch jobs that worker processes do, as plain values: prepare, seal, admit, check.

Everything a job needs that is not a key or a rule comes in here: times, ids, nonces. Refusals come back as values
too (`GatewayError` instances), so that one bad message in a batch is its own verdict only.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.domain.ids import ConversationId, MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.message import AgreementRef, DocumentFacts, MessageHeader, MessageKind
from gateway.domain.retry import RetryPolicy
from gateway.domain.statement import Notice, NotSeen, Problem, Receipt
from gateway.domain.telling import PLAIN, Telling
from gateway.errors import GatewayError, Violation


class ReferenceKind(StrEnum):
    """The references by which a message can be found and by which conversations are recognised."""

    EXPLICIT = "explicit"
    MRN = "mrn"
    LRN = "lrn"
    UCR = "ucr"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedReference:
    """A reference as it is stored: a keyed hash to find it by, and its sealed value. Never the plain value."""

    kind: ReferenceKind
    index: str
    sealed: bytes


# ── prepare ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What a transfer to one recipient will be called, decided before the view is signed."""

    transfer_id: TransferId
    message_id: MessageId
    conversation: ConversationId
    sequence: int
    nonce: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A held view that officers approved. It is signed if this agreement would give the very same view now; else what
    is in force gives another one, which is held."""

    agreement: AgreementRef
    sealed_view: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareJob:
    """One submission. `slots`: one per recipient. `conversation_key` is the client's own case reference, if given.

    `telling`: how a refusal is to be told; it decides nothing.
    `approved`: this is the release of a held transfer, the only one of the job, or a new message for one; `supersedes`:
    the message that it stands in place of.
    `accepted`: when the submission was accepted, where that was before `now`; it says which keys of pseudonyms count.
    `at_once`: recipients whose transfers may be sent as soon as they are committed, as far as is foreseen; the first
    envelope is made here.
    """

    submission_id: SubmissionId
    body: bytes
    sender: PartyId
    client: str
    slots: Mapping[PartyId, Slot]
    conversation_key: str | None
    in_reply_to: MessageId | None
    now: datetime
    accepted: datetime | None = None
    telling: Telling = PLAIN
    approved: Approved | None = None
    supersedes: MessageId | None = None
    at_once: frozenset[PartyId] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedEnvelope:
    """A compact JWE, ready to be sent."""

    jwe: str = field(repr=False)

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) over its ASCII: what a problem about it must name."""
        return hashlib.sha256(self.jwe.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTransfer:
    """One view, sealed for storage: the JWS, or the unsigned view of one that is held. `digest`: of the message in hex,
    empty for an unsigned view. `size_bytes`: of what is sealed, before it was.

    `held_for`: the rules that ask for a person; the transfer starts HELD. `approvals`: how many officers release it.
    `warned`: what the profile of the agreement finds fault with and lets go.
    `envelope`: the first one, if the job asked for it, nothing holds the transfer, and the partner's key could be had;
    without it `seal` makes it later. It is kept in memory only.
    """

    slot: Slot
    recipient: PartyId
    header: MessageHeader
    digest: str
    sealed: bytes
    size_bytes: int
    deadline: datetime
    retry: RetryPolicy
    kept: int
    withheld: int
    warned: tuple[Violation, ...] = ()
    held_for: tuple[Violation, ...] = ()
    approvals: int = 1
    envelope: SealedEnvelope | None = None

    @property
    def signed(self) -> bool:
        """Whether this may be sent."""
        return bool(self.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSubmission:
    """What `prepare` makes of one submission: the sealed original and one transfer per recipient."""

    facts_kind: MessageKind
    function_code: str | None
    type_code: str | None
    item_count: int
    size_bytes: int
    document_sha256: str
    sealed_document: bytes
    references: tuple[SealedReference, ...]
    transfers: tuple[PreparedTransfer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSubmission:
    """Why nothing was prepared. `problems` by recipient; a problem of the document itself stands under None."""

    problems: Mapping[PartyId | None, GatewayError]


PrepareResult = PreparedSubmission | RefusedSubmission


# ── seal ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class SealJob:
    """Unseal a stored JWS and encrypt it to the partner's current key."""

    transfer_id: TransferId
    message_id: MessageId
    sender: PartyId
    recipient: PartyId
    sealed_jws: bytes
    now: datetime


SealResult = SealedEnvelope | GatewayError


# ── admit ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitJob:
    """One envelope as it came in. `channel_party` is whom the client certificate names.

    `jwe`: the body, one character for each byte (Latin-1), so that whatever came is there to be judged and hashed.
    `statement_id` will name the receipt or problem.
    """

    jwe: str
    channel_party: PartyId
    statement_id: str
    now: datetime

    @property
    def envelope_sha256(self) -> str:
        """SHA-256 (hex) over the body as it came in."""
        return hashlib.sha256(self.jwe.encode("latin-1", "replace")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A verified message, sealed for storage, with the receipt that becomes true when it is committed.

    `over_shared`: places that hold more than the policy keeps, at most 20, where the agreement takes such messages.
    """

    header: MessageHeader
    digest: str
    facts: DocumentFacts = field(repr=False)
    size_bytes: int
    sealed_message: bytes
    references: tuple[SealedReference, ...]
    receipt: Receipt
    receipt_token: str
    over_shared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Decryption and signature held, yet the message is refused. The receipt is bound to its digest.

    The commit may overrule this: an id accepted before with the same digest gets its stored receipt again.
    """

    header: MessageHeader
    digest: str
    error: GatewayError
    receipt: Receipt
    receipt_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unopened:
    """The envelope could not be believed. `token` is the signed Problem, or None if we could not even sign one."""

    envelope_sha256: str
    error: GatewayError
    problem: Problem | None
    token: str | None


AdmitResult = Admitted | Refused | Unopened

_MOST_CHARACTERS: Final = 500


def places_in_line(places: Iterable[str]) -> str:
    """Return places that hold more than the policy keeps as one line for the audit, cut to 500 characters."""
    text = " ".join(places)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


# ── check ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckJob:
    """A statement that came back for one message. `digest` and `envelope_sha256` are what it must be bound to."""

    token: str
    message_id: MessageId
    digest: str
    envelope_sha256: str | None
    sender: PartyId
    recipient: PartyId
    agreement: AgreementRef
    now: datetime


CheckResult = Receipt | Problem | GatewayError
"""A verified receipt bound to the digest, a verified problem bound to the envelope, or why neither can be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckNoticeJob:
    """A notice that a partner posted about one message of ours. `digest` is what it must be bound to; `created`: when
    the message was made, before which nobody can have handed it over."""

    token: str
    message_id: MessageId
    digest: str
    sender: PartyId
    recipient: PartyId
    created: datetime
    now: datetime


CheckNoticeResult = Notice | GatewayError
"""A verified notice bound to the digest, or why it can not be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAskedJob:
    """What a partner answered when asked about one message of ours: a receipt bound to `digest`, or `not_seen`."""

    token: str
    message_id: MessageId
    digest: str
    sender: PartyId
    recipient: PartyId
    now: datetime


CheckAskedResult = Receipt | NotSeen | GatewayError
"""A verified receipt or `not_seen` about the message, or why neither can be believed."""
