"""What happened in a demo, as plain values: what was acknowledged, what arrived, what was written down.

Collected while it runs and right after; judged by `checks`, shown by `show`. Nothing here is a verdict yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.demo.backend import ReceivedMessage
from gateway.demo.chain import Chain
from gateway.demo.documents import MustRefuse, Programme, Sample
from gateway.domain.ids import MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.lifecycle import TransferState


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """What a gateway answered to a submission (202). `digest` is the message's, from then on for ever."""

    document: Sample
    submission: SubmissionId
    transfer: TransferId
    message: MessageId
    digest: str
    in_reply_to: MessageId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTaken:
    """A document of the programme that was not acknowledged, and why."""

    document: Sample
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What came of a submission that must be refused. `code`: empty if it was taken."""

    asked: MustRefuse
    code: str
    violations: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """What came of a receipt that another key signed, while the receiver was down.

    `status`, `code`: the answer to it. `state`, `has_receipt`: of the transfer, right after.
    """

    message: MessageId
    status: int
    code: str
    state: TransferState
    has_receipt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OverShared:
    """What came of a message with the whole of `document`. `refusal`: empty if the answer is the receiver's signed
    refusal, bound to this message and with the code for it; else what is wrong with the answer."""

    document: Sample
    message: MessageId
    status: int
    refusal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """The receiving gateway was killed. `before`, `during`: how many documents were taken before it, and while it was
    down; `arrived`: how many its back end had by then."""

    party: PartyId
    at: datetime
    again: datetime
    exit_code: int | None
    before: int
    during: int
    arrived: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a transfer stands at the end, as its own gateway tells. `receipt`, `notice`: empty if they verify with the
    partner's public key, else what is wrong."""

    state: TransferState
    attempts: int
    kept: int
    withheld: int
    handed_over: datetime | None
    answers: tuple[MessageId, ...]
    receipt: str
    notice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """One side at the end: what its back end holds, in order of arrival, and its audit chain.

    `stopped`: exit code of the gateway, None while it runs. `verdict`: `gateway audit verify` of its database.
    `transfers`: how many its gateway has.
    """

    received: Sequence[ReceivedMessage] = field(repr=False)
    bad_signatures: int
    chain: Chain = field(repr=False)
    verdict: str
    stopped: int | None
    transfers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What was seen while the traffic ran."""

    acknowledged: tuple[Acknowledged, ...]
    not_taken: tuple[NotTaken, ...]
    refusals: tuple[Refusal, ...]
    kill: Kill
    forgery: Forgery | None
    over_shared: OverShared | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All of it. `standings`: by transfer, where its gateway knows it."""

    programme: Programme
    played: Played
    standings: Mapping[TransferId, Standing]
    books: Mapping[PartyId, Books]

    def standing(self, one: Acknowledged) -> Standing | None:
        """Return where the transfer of `one` stands."""
        return self.standings.get(one.transfer)

    def arrived(self, one: Acknowledged) -> ReceivedMessage | None:
        """Return what the back end of the recipient got first under the id of `one`."""
        received = self.books[one.document.recipient].received
        return next((message for message in received if message.webhook_id == one.message), None)

    def of(self, name: str) -> Acknowledged | None:
        """Return the acknowledged document of this name."""
        return next((one for one in self.played.acknowledged if one.document.name == name), None)
