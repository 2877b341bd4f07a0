"""The client of a back end that pulls its messages at the submission listener."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import orjson

from gateway.client.connection import ClientError, Connection, refusal_of
from gateway.domain.ids import AgreementId, ConversationId, MessageId, PartyId, is_message_id, party_id
from gateway.domain.lifecycle import HandOverState
from gateway.domain.limits import MAX_BATCH_ENVELOPES
from gateway.domain.message import AgreementRef, MessageKind, Terms

__all__ = ["InboxClient", "LeasedMessage", "SettledMessage"]

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedMessage:
    """A message under lease until `expires`. `attempt`: how often it was leased, from 1; the rest never changes.

    `over_shared`: places of the document that hold more than the agreement permits; none as a rule.
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
    policy_sha256: str
    over_shared: tuple[str, ...]
    digest: str
    received: datetime
    document: bytes = field(repr=False)
    attempt: int
    lease: str
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledMessage:
    """What became of a message."""

    message_id: MessageId
    sender: PartyId
    hand_over: HandOverState
    handed_over: datetime | None
    next_attempt_at: datetime | None


class InboxClient(Connection):
    """Fetches messages and says what became of them: `async with InboxClient(url, token) as client`.

    Methods raise ClientError: `hand_over.lease_lost` when the lease had ended and the message will come again.
    """

    async def lease(self, *, limit: int = 1, party: PartyId | None = None) -> tuple[LeasedMessage, ...]:
        """Return what waits, the longest waiting first: at most `limit` (1 to 32), possibly nothing.

        `party`: for whom; may be left out by a client that is registered for exactly one.
        """
        query = {"limit": str(limit)} if party is None else {"limit": str(limit), "for": party}
        answer = await self.request("POST", "/v1/inbox/leases", query=query)
        return _shaped(answer.json(), lambda value: tuple(map(_leased, value["messages"])))

    async def acknowledge(self, message: LeasedMessage) -> SettledMessage:
        """Take responsibility for a message. May be repeated under the same lease."""
        return await self.answer(message.message_id, "acknowledgement", lease=message.lease)

    async def acknowledge_all(self, messages: Sequence[LeasedMessage]) -> list[SettledMessage | ClientError]:
        """Return for each what `acknowledge` would have returned or raised, in their order.

        Raises ClientError where there is no answer, or one for the request as a whole; then all may be said again.
        """
        return await self.answer_all([(one.message_id, one.lease) for one in messages])

    async def postpone(self, message: LeasedMessage, *, reason: str) -> SettledMessage:
        """Give a message back for a while. `reason`: a lower-case word, such as `database_down`."""
        return await self.answer(message.message_id, "postponement", lease=message.lease, reason=reason)

    async def quarantine(self, message: LeasedMessage, *, reason: str) -> SettledMessage:
        """Give a message back for good. `reason`: a lower-case word, such as `not_ours`."""
        return await self.answer(message.message_id, "quarantine", lease=message.lease, reason=reason)

    async def answer(self, message_id: MessageId, act: str, **members: str) -> SettledMessage:
        """Say what became of a message: `act` and `members` as docs/api.md lists them."""
        answer = await self.request(
            "POST",
            f"/v1/inbox/{message_id}/{act}",
            headers={"Content-Type": "application/json"},
            body=orjson.dumps(members),
        )
        return _shaped(answer.json(), _settled)

    async def answer_all(self, leases: Sequence[tuple[MessageId, str]]) -> list[SettledMessage | ClientError]:
        """Acknowledge messages by their ids and leases: see `acknowledge_all`. As many go in one request as may."""
        told: list[SettledMessage | ClientError] = []
        for start in range(0, len(leases), MAX_BATCH_ENVELOPES):
            told += await self._acknowledged(leases[start : start + MAX_BATCH_ENVELOPES])
        return told

    async def _acknowledged(self, leases: Sequence[tuple[MessageId, str]]) -> list[SettledMessage | ClientError]:
        named = [{"message_id": message_id, "lease": lease} for message_id, lease in leases]
        answer = await self.request(
            "POST",
            "/v1/inbox/acknowledgements",
            headers={"Content-Type": "application/json"},
            body=orjson.dumps({"messages": named}),
        )
        return _shaped(
            answer.json(),
            lambda value: [
                _answered(one, message_id) for one, (message_id, _) in zip(value["messages"], leases, strict=True)
            ],
        )


def _answered(value: Mapping[str, Any], message_id: MessageId) -> SettledMessage | ClientError:
    if value["message_id"] != message_id:
        raise ValueError("an answer is about another message")
    return _settled(value) if value["status"] == 200 else refusal_of(value, status=value["status"])


def _shaped(value: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Value]) -> Value:
    try:
        return read(value)
    except (KeyError, ValueError, TypeError, binascii.Error) as error:
        raise ClientError("client.unexpected_answer", "The answer is not of the form docs/api.md describes") from error


def _leased(value: Mapping[str, Any]) -> LeasedMessage:
    document = base64.b64decode(value["document"], validate=True)
    if hashlib.sha256(document).hexdigest() != value["document_sha256"]:
        raise ValueError("the document is not the one that was sent")
    agreement = value["agreement"]
    return LeasedMessage(
        message_id=_message_id(value["message_id"]),
        sender=party_id(value["sender"]),
        recipient=PartyId(value["recipient"]),
        kind=MessageKind(value["kind"]),
        conversation=ConversationId(value["conversation"]),
        sequence=value["sequence"],
        in_reply_to=value["in_reply_to"],
        agreement=AgreementRef(
            id=AgreementId(agreement["id"]), version=agreement["version"], sha256=agreement["sha256"]
        ),
        terms=Terms(**{name: value[name] for name in ("legal_basis", "purpose", "onward_use", "retention_days")}),
        policy_sha256=value["policy_sha256"],
        over_shared=tuple(value["over_shared"]),
        digest=value["digest"],
        received=datetime.fromisoformat(value["received"]),
        document=document,
        attempt=value["attempt"],
        lease=value["lease"]["token"],
        expires=datetime.fromisoformat(value["lease"]["expires"]),
    )


def _message_id(text: str) -> MessageId:
    """Return what makes a good file name whatever server it came from."""
    if not is_message_id(text):
        raise ValueError("a message id is a UUIDv7")
    return MessageId(text)


def _settled(value: Mapping[str, Any]) -> SettledMessage:
    return SettledMessage(
        message_id=MessageId(value["message_id"]),
        sender=PartyId(value["sender"]),
        hand_over=HandOverState(value["hand_over"]),
        handed_over=_time(value["handed_over"]),
        next_attempt_at=_time(value["next_attempt_at"]),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
