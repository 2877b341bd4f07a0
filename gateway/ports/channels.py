"""The ways out: to the gateways of partners and to our own back ends."""

from collections.abc import Sequence
from typing import Protocol

from gateway.domain.ids import MessageId, PartyId
from gateway.domain.outcome import HandOverOutcome, SendOutcome
from gateway.domain.records import InboxRow


class PartnerChannel(Protocol):
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

    async def post_notice(self, recipient: PartyId, token: str) -> SendOutcome:
        """Tell a partner that a message of theirs was handed over. TransportAccepted: it took the notice."""
        ...


class BackendChannel(Protocol):
    """The way to the back end of one of our own parties."""

    async def hand_over(self, row: InboxRow, view: bytes) -> HandOverOutcome: ...
