"""A stand-in for a national back end: takes webhooks, checks their signature, keeps what it got in memory.

It does what any receiver must (Standard Webhooks): verify over the raw body, treat the same `webhook-id` as the same
message, answer 2xx only after it has the message. Of several messages in one webhook each is kept and answered.
"""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from aiohttp import web
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

GROUP: Final = "messages.received"
"""The `type` of a webhook with several messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage:
    """One message as it arrived: the id it came under, when, the metadata beside the document, the document's exact
    bytes, and the body that held them: of the webhook, or the message's part of it."""

    webhook_id: str
    arrived: datetime
    metadata: dict[str, Any]
    document: bytes = field(repr=False)
    body: bytes = field(repr=False)


class StandInBackend:
    """A webhook receiver on loopback. `messages` holds every accepted webhook in order, repeats included."""

    def __init__(self, secret: str, *, port: int = 0) -> None:
        self._webhook = Webhook(secret)
        self._port = port
        self._runner: web.AppRunner | None = None
        self.messages: list[ReceivedMessage] = []
        self.rejected = 0

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def by_id(self) -> dict[str, ReceivedMessage]:
        """The first webhook of each id."""
        first: dict[str, ReceivedMessage] = {}
        for message in self.messages:
            first.setdefault(message.webhook_id, message)
        return first

    async def start(self) -> None:
        """Begin to listen on 127.0.0.1."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/webhook", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        if self._port == 0:
            self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            self._webhook.verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.rejected += 1
            return web.Response(status=401)
        told = orjson.loads(body)
        if told["type"] != GROUP:
            self._keep(told, body, request.headers["webhook-id"])
            return web.Response(status=204)
        # Each message is one line of the body, so that what came can be compared byte for byte.
        parts = [line.removesuffix(b",") for line in body.splitlines()[1:-1]]
        kept = [self._keep(one, part) for one, part in zip(told["data"], parts, strict=True)]
        answer = {"messages": [{**_name(one), "status": 204} for one in kept]}
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    def _keep(self, told: dict[str, Any], body: bytes, webhook_id: str | None = None) -> ReceivedMessage:
        """Keep one message. `webhook_id`: the id it came under; in a group it is the message's own."""
        metadata = told["data"]
        message = ReceivedMessage(
            webhook_id=webhook_id or metadata["message_id"],
            arrived=datetime.now(UTC),
            document=base64.b64decode(metadata.pop("document")),
            metadata=metadata,
            body=body,
        )
        self.messages.append(message)
        return message


def _name(message: ReceivedMessage) -> dict[str, str]:
    """Return the stable id of a message: its own is unique for one sender only."""
    return {name: message.metadata[name] for name in ("sender", "message_id")}
