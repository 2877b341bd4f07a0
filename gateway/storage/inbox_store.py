"""The inbox as operators read it: listed, and one message with what is sealed of it."""

from functools import partial

from gateway.domain.ids import MessageId, PartyId
from gateway.domain.lifecycle import HandOverState
from gateway.domain.records import InboxRow
from gateway.storage import hand_overs
from gateway.storage.readers import Readers


class SqlInboxStore:
    """See `gateway.ports.Store` for what each method promises."""

    _readers: Readers

    async def inbox(
        self,
        *,
        limit: int,
        before: MessageId | None = None,
        state: HandOverState | None = None,
        over_shared: bool = False,
    ) -> list[InboxRow]:
        """Return inbox messages, the last received first."""
        asked = partial(hand_overs.read_inbox, limit=limit, before=before, state=state, over_shared=over_shared)
        return await self._readers.read(asked)

    async def inbox_message(
        self, message_id: MessageId, *, sender: PartyId | None = None
    ) -> tuple[InboxRow, bytes] | None:
        """Return the row and its sealed JWS, empty when it was purged."""
        return await self._readers.read(lambda ask: hand_overs.read_message(ask, message_id, sender))
