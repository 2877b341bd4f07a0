"""The ways out: to the gateways of partners and to our own back ends."""

from collections.abc import Sequence
from typing import Protocol

from gateway.domain.ids import MessageId, PartyId
from gateway.domain.outcome import HandOverOutcome, SendOutcome
from gateway.domain.records import InboxRow


class ReceiptChannel(Protocol):
    """The way on which gateways speak of receipts outside of the answer to a message. Never raises for a partner."""

    async def fetch_receipt(self, recipient: PartyId, message_id: MessageId) -> SendOutcome:
        """Ask what became of a message of ours. TransportAccepted: it is still being judged."""
        ...

    async def post_receipt(self, recipient: PartyId, token: str) -> SendOutcome:
        """Give a partner our receipt for a message that we answered with 202. TransportAccepted: it took it."""
        ...


class PartnerChannel(ReceiptChannel, Protocol):
    """The way to one partner's gateway. Never raises for what a partner or a network does: that is an outcome."""

    async def send(self, recipient: PartyId, message_id: MessageId, jwe: str) -> SendOutcome: ...

    def takes(self, recipient: PartyId) -> int:
        """Return how many envelopes one request to this partner may hold: 1 where it knows no batches."""
        ...

    async def send_batch(self, recipient: PartyId, envelopes: Sequence[tuple[MessageId, str]]) -> list[SendOutcome]:
        """Send several envelopes, each of another message, together if the partner takes batches.

        Return what came of each, in their order. A message that the answer says nothing of failed alone.
        """
        ...

    async def ping(self, recipient: PartyId) -> SendOutcome:
        """Reach the partner's gateway with nothing of a message, over a connection that `send` then uses."""
        ...

    async def post_notices(self, recipient: PartyId, notices: Sequence[tuple[MessageId, str]]) -> list[SendOutcome]:
        """Tell a partner that messages of theirs were handed over, each by a notice (a token), together if it takes
        them so. Return what came of each, in their order; TransportAccepted: the partner took the notice."""
        ...


class BackendChannel(Protocol):
    """The way to the back end of one of our own parties."""

    def takes(self, recipient: PartyId) -> int:
        """Return how many messages one hand-over to this party's back end may hold: 1 where each goes alone."""
        ...

    async def hand_over(self, row: InboxRow, view: bytes) -> HandOverOutcome: ...

    async def hand_over_group(self, messages: Sequence[tuple[InboxRow, bytes]]) -> list[HandOverOutcome]:
        """Hand over several messages for one party, each of another conversation, together if its back end takes them
        so. Return what came of each, in their order. A message that the answer says nothing of failed alone."""
        ...
