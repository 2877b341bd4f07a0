"""Hand-over to a back end by webhook, signed as Standard Webhooks 1.0 describes (HMAC-SHA256, `webhook-*` headers).

At least once, under a stable id: `webhook-id` is the message id, and the body is byte for byte the same each time; only
the `webhook-timestamp` and with it the signature change. The body is JSON: `type`, `timestamp` (when the message was
received) and `data` with the terms of use beside the document, which is base64 of its exact bytes so that signatures
and hashes over it hold. A 2xx means that the back end has taken responsibility; its body is not read.

A back end that takes several messages in one request gets them together, each as the body of the single form, and
answers each (`webhook_group`).
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import pybase64
from standardwebhooks.webhooks import Webhook

from gateway.channels.endpoint import Endpoint
from gateway.channels.http import Answer, HttpLine
from gateway.channels.webhook_group import JSON_TYPE, Entry, body_of, group_id, in_requests, name_of, outcomes_of
from gateway.domain.hand_over import rfc3339, terms_beside
from gateway.domain.ids import PartyId
from gateway.domain.outcome import HandedOver, HandOverOutcome, TransientFailure
from gateway.domain.records import InboxRow
from gateway.errors import ConfigurationError
from gateway.ports import BackendChannel, Clock

EVENT_TYPE: Final = "message.received"

_SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # the prefix of the format, not a secret
_SECRET_BYTES: Final = range(24, 65)  # Standard Webhooks: between 24 and 64 bytes
_COMPOSED_ASIDE_FROM_BYTES: Final = 256 * 1024  # above, base64 and HMAC would hold up the event loop


class WebhookBackend:
    """Implements `ports.BackendChannel` for one back end.

    `secrets`: `whsec_` and base64, newest first; while a secret is being changed there are two, and both sign.
    `batch`: messages in one request; above 1 every request has the form for several, with one message too.
    """

    def __init__(self, endpoint: Endpoint, *, secrets: Sequence[str], clock: Clock, batch: int = 1) -> None:
        if not secrets:
            raise ConfigurationError("config.invalid", "A webhook needs a secret")
        self._signers = tuple(Webhook(_secret(text)) for text in secrets)
        self._clock = clock
        self._line = HttpLine(endpoint, clock=clock)
        self._batch = batch

    def takes(self, recipient: PartyId) -> int:  # noqa: ARG002  # every party has its own back end
        """Return how many messages one request may hold."""
        return self._batch

    async def hand_over(self, row: InboxRow, view: bytes) -> HandOverOutcome:
        """Post one message and return what came of it. `view`: the document's exact bytes."""
        now = self._clock.now().astimezone(UTC)
        if len(view) < _COMPOSED_ASIDE_FROM_BYTES:
            body, headers = self._compose(row, view, now)
        else:
            body, headers = await asyncio.to_thread(self._compose, row, view, now)
        answer = await self._line.request("POST", "", headers=headers, body=body)
        return answer if isinstance(answer, TransientFailure) else _outcome(answer)

    async def hand_over_group(self, messages: Sequence[tuple[InboxRow, bytes]]) -> list[HandOverOutcome]:
        """Post several messages and return what came of each, in their order.

        One request, unless it would have more than MAX_BATCH_BYTES.
        """
        now = self._clock.now().astimezone(UTC)
        if sum(len(view) for _, view in messages) < _COMPOSED_ASIDE_FROM_BYTES:
            requests = self._compose_group(messages, now)
        else:
            requests = await asyncio.to_thread(self._compose_group, messages, now)
        outcomes = await asyncio.gather(*map(self._post_group, requests))
        return [one for some in outcomes for one in some]

    async def close(self) -> None:
        """Close the connections."""
        await self._line.close()

    async def _post_group(self, request: "_Request") -> list[HandOverOutcome]:
        answer = await self._line.request("POST", "", headers=request.headers, body=request.body, reads=JSON_TYPE)
        if isinstance(answer, TransientFailure):
            return [answer] * len(request.entries)
        return outcomes_of(answer, request.entries, of_single=_outcome)

    def _compose(self, row: InboxRow, view: bytes, now: datetime) -> tuple[bytes, dict[str, str]]:
        body = webhook_body(row, view)
        return body, {"Content-Type": JSON_TYPE, **self._signed(row.message_id, now, body)}

    def _compose_group(self, messages: Iterable[tuple[InboxRow, bytes]], now: datetime) -> list["_Request"]:
        entries = [
            Entry(name=name_of(row), received=row.received, body=webhook_body(row, view)) for row, view in messages
        ]
        return [self._compose_request(some, now) for some in in_requests(entries)]

    def _compose_request(self, entries: Sequence[Entry], now: datetime) -> "_Request":
        body = body_of(entries)
        headers = {"Accept": JSON_TYPE, "Content-Type": JSON_TYPE, **self._signed(group_id(entries), now, body)}
        return _Request(entries=entries, body=body, headers=headers)

    def _signed(self, webhook_id: str, now: datetime, body: bytes) -> dict[str, str]:
        text = body.decode("ascii")
        signatures = (signer.sign(msg_id=webhook_id, timestamp=now, data=text) for signer in self._signers)
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """One request with several messages, ready to go."""

    entries: Sequence[Entry]
    body: bytes = field(repr=False)
    headers: Mapping[str, str]


class BackendRouter:
    """Implements `ports.BackendChannel` for several own parties: the back end of the party a message is for."""

    def __init__(self, backends: Mapping[PartyId, BackendChannel]) -> None:
        self._backends = dict(backends)

    def takes(self, recipient: PartyId) -> int:
        """Return how many messages one hand-over to this party's back end may hold."""
        backend = self._backends.get(recipient)
        return 1 if backend is None else backend.takes(recipient)

    async def hand_over(self, row: InboxRow, view: bytes) -> HandOverOutcome:
        """Hand over to the recipient's back end."""
        backend = self._backends.get(row.recipient)
        return _without_back_end(row.recipient) if backend is None else await backend.hand_over(row, view)

    async def hand_over_group(self, messages: Sequence[tuple[InboxRow, bytes]]) -> list[HandOverOutcome]:
        """Hand several messages for one party over to its back end."""
        recipient = messages[0][0].recipient
        backend = self._backends.get(recipient)
        if backend is None:
            return [_without_back_end(recipient)] * len(messages)
        return await backend.hand_over_group(messages)


def _without_back_end(recipient: PartyId) -> TransientFailure:
    detail = f"No back end of {recipient} is configured"
    return TransientFailure(code="channel.unreachable", detail=detail, sent=False, connected=False)


def webhook_body(row: InboxRow, view: bytes) -> bytes:
    """Return the body for a message: ASCII JSON, fixed member order, no spaces. Depends on nothing that changes between
    attempts."""
    content = {"type": EVENT_TYPE, "timestamp": rfc3339(row.received), "data": terms_beside(row)}
    told = json.dumps(content, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    # The document is the last member of `data`. Base64 needs no escapes, so no encoder has to look at its every byte.
    return b'%b,"document":"%b"}}' % (told.removesuffix(b"}}"), pybase64.b64encode(view))


def _outcome(answer: Answer) -> HandOverOutcome:
    if 200 <= answer.status < 300:
        return HandedOver()
    if answer.status in {429, 503}:
        return answer.busy()
    if answer.status == 408:
        return answer.failed("channel.timeout", "The back end did not get the whole request in time (HTTP 408)")
    if 400 <= answer.status < 500:
        return answer.failed("channel.refused", f"The back end refused the message (HTTP {answer.status})")
    return answer.unexpected()


def _secret(text: str) -> bytes:
    """Return the key. Raises ConfigurationError that does not quote it."""
    key = b""
    if text.startswith(_SECRET_PREFIX):
        try:
            key = base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
    if len(key) not in _SECRET_BYTES:
        raise ConfigurationError(
            "config.invalid", "A webhook secret must be whsec_ and the base64 of 24 to 64 random bytes"
        )
    return key
