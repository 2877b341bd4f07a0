"""Answer a partner that asks what became of a message of its own.

1. Accepted: the stored receipt, byte for byte.
2. Answered with 202, and still to be judged: nothing yet; the partner asks again.
3. Refused after a 202, and the refusal is still owed: that refusal, once; it counts as given.
4. Never accepted: a signed `not_seen`. The id is given up in the same commit, so that what we swear stays true: the
   message is refused if it comes late (`message.not_seen`). By this a sender can cancel it, or send another in its
   place, and know that the back end gets one. Asked again, the answer is the same statement, byte for byte.

A partner can ask only after its own ids: an id is looked up, and given up, together with the party whose certificate
holds the channel. One that is being judged right now is refused by its own commit if the id was given up before.
"""

from collections.abc import Collection

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.lifecycle import NoticeState
from gateway.domain.statement import NotSeen
from gateway.envelope import sign_not_seen
from gateway.errors import RequestError
from gateway.exchange.later import given_receipt
from gateway.ports import Clock, Ids, Store, Trust

__all__ = ["Asked"]


class Asked:
    """The use case. `own`: the parties of this node, the first one answers unless another is asked."""

    def __init__(
        self,
        *,
        store: Store,
        trust: Trust,
        clock: Clock,
        ids: Ids,
        own: Collection[PartyId],
    ) -> None:
        self._store = store
        self._trust = trust
        self._clock = clock
        self._ids = ids
        self._own = tuple(own)

    async def __call__(self, message_id: MessageId, *, channel_party: PartyId, to: PartyId | None = None) -> str | None:
        """Return the statement that answers; None while the message is to be judged. `to`: the party of ours asked.

        Raises RequestError `request.not_found` for a party that is not ours, StorageError when nothing can be sworn.
        """
        issuer = to or self._own[0]
        if issuer not in self._own:
            raise RequestError("request.not_found")
        stored = await self._store.given_receipt(channel_party, message_id)
        if stored is not None:
            return stored.token
        if await self._store.is_taken(channel_party, message_id):
            return None
        owed = await self._store.receipt_owed(channel_party, message_id)
        if owed is not None and owed.state is NoticeState.OWED:
            now, audit = self._clock.now(), given_receipt(owed, self._clock)
            await self._store.settle_receipt(owed, NoticeState.GIVEN, now=now, audit=audit)
            return owed.token
        return await self._forswear(message_id, issuer, channel_party)

    async def _forswear(self, message_id: MessageId, issuer: PartyId, audience: PartyId) -> str:
        now = self._clock.now()
        statement = NotSeen(
            message_id=message_id,
            issuer=issuer,
            audience=audience,
            issued_at=now.replace(microsecond=0),
            statement_id=self._ids.uuid4(),
        )
        audit = AuditEntry(
            event=AuditEvent.MESSAGE_NOT_SEEN,
            at=now,
            actor=f"party:{audience}",
            message_id=message_id,
            facts={"sender": audience, "recipient": issuer},
        )
        token = sign_not_seen(statement, self._trust.signer(issuer, now))
        return await self._store.forswear(statement, token, now=now, audit=audit)
