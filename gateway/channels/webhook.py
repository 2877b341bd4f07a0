"""Hand-over to a back end by webhook, signed as Standard Webhooks 1.0 describes (HMAC-SHA256, `webhook-*` headers).

At least once, under a stable id: `webhook-id` is the message id, and the body is byte for byte the same each time; only
the `webhook-timestamp` and with it the signature change. The body is JSON: `type`, `timestamp` (when the message was
received) and `data` with the terms of use beside the document, which is base64 of its exact bytes so that signatures
and hashes over it hold. A 2xx means that the back end has taken responsibility; its body is not read.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import pybase64
from standardwebhooks.webhooks import Webhook

from gateway.channels.endpoint import Endpoint
from gateway.channels.http import Answer, HttpLine
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
    """

    def __init__(self, endpoint: Endpoint, *, secrets: Sequence[str], clock: Clock) -> None:
        if not secrets:
            raise ConfigurationError("config.invalid", "A webhook needs a secret")
        self._signers = tuple(Webhook(_secret(text)) for text in secrets)
        self._clock = clock
        self._line = HttpLine(endpoint, clock=clock)

    async def hand_over(self, row: InboxRow, view: bytes) -> HandOverOutcome:
        """Post one message and return what came of it. `view`: the document's exact bytes."""
        now = self._clock.now().astimezone(UTC)
        if len(view) < _COMPOSED_ASIDE_FROM_BYTES:
            body, headers = self._compose(row, view, now)
        else:
            body, headers = await asyncio.to_thread(self._compose, row, view, now)
        answer = await self._line.request("POST", "", headers=headers, body=body)
        return answer if isinstance(answer, TransientFailure) else _outcome(answer)

    async def close(self) -> None:
        """Close the connections."""
        await self._line.close()

    def _compose(self, row: InboxRow, view: bytes, now: datetime) -> tuple[bytes, dict[str, str]]:
        body = webhook_body(row, view)
        text = body.decode("ascii")
        signatures = (signer.sign(msg_id=row.message_id, timestamp=now, data=text) for signer in self._signers)
        return body, {
            "Content-Type": "application/json",
            "webhook-id": row.message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


class BackendRouter:
    """Implements `ports.BackendChannel` for several own parties: the back end of the party a message is for."""

    def __init__(self, backends: Mapping[PartyId, BackendChannel]) -> None:
        self._backends = dict(backends)

    async def hand_over(self, row: InboxRow, view: bytes) -> HandOverOutcome:
        """Hand over to the recipient's back end."""
        backend = self._backends.get(row.recipient)
        if backend is None:
            return TransientFailure(
                code="channel.unreachable",
                detail=f"No back end of {row.recipient} is configured",
                sent=False,
                connected=False,
            )
        return await backend.hand_over(row, view)


def webhook_body(row: InboxRow, view: bytes) -> bytes:
    """Return the body for a message: ASCII JSON, fixed member order, no spaces. Depends on nothing that changes between
    attempts."""
    content = {
        "type": EVENT_TYPE,
        "timestamp": rfc3339(row.received),
        "data": {**terms_beside(row), "document": pybase64.b64encode(view).decode("ascii")},
    }
    return json.dumps(content, separators=(",", ":"), ensure_ascii=True).encode("ascii")


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
