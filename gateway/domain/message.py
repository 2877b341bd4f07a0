"""What a message is: its kind, the facts read from its document, and the header that is signed with it.

`MessageHeader` is the `wcx` member of the signed header (docs/protocol.md). Its members are frozen: version 1 on the
wire never changes meaning.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.ids import AgreementId, ConversationId, MessageId, PartyId, SchemaSetId


class MessageKind(StrEnum):
    """The business kind of a message. `response` is what some sources call a notification."""

    DECLARATION = "declaration"
    AMENDMENT = "amendment"
    ARRIVAL = "arrival"
    CANCELLATION = "cancellation"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFacts:
    """Facts read from a document's header by qualified name.

    `lrn` is Declaration/FunctionalReferenceID (WCO D026), `mrn` Declaration/ID (WCO D014), `ucr` the first UCR id
    (WCO 016). These three are personal enough to be stored only sealed.
    """

    kind: MessageKind
    lrn: str | None = None
    mrn: str | None = None
    ucr: str | None = None
    function_code: str | None = None
    type_code: str | None = None
    item_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementRef:
    """One version of one agreement, as both parties know it. `sha256` is lower-case hex over its canonical form."""

    id: AgreementId
    version: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Under what terms the receiver may use the view; travels signed. `retention_days`: how long it may be kept."""

    legal_basis: str
    purpose: str
    onward_use: str
    retention_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHeader:
    """The signed description of a message (`wcx`, version 1). Times are aware, whole seconds, UTC.

    `nonce` is 128 random bits, so that the digest of the signed bytes can not confirm a guess about the document.
    """

    message_id: MessageId
    conversation: ConversationId
    sequence: int
    in_reply_to: MessageId | None
    supersedes: MessageId | None
    sender: PartyId
    recipient: PartyId
    kind: MessageKind
    schema_set: SchemaSetId
    schema_set_sha256: str
    agreement: AgreementRef
    policy_sha256: str
    terms: Terms
    created: datetime
    expires: datetime
    nonce: bytes
    withheld: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The filtered document that one partner gets, as its exact bytes. Only `policy.apply_policy` makes one.

    `kept` and `withheld` count the leaves and attributes with content on either side of the cut; `changed`, how many of
    those kept have another value than in the document.
    """

    xml: bytes
    kind: MessageKind
    schema_set: SchemaSetId
    schema_set_sha256: str
    policy_sha256: str
    kept: int
    withheld: int
    changed: int = 0
