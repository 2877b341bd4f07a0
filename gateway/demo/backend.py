"""A stand-in for a national back end: takes webhooks, checks their signature, keeps what it got in memory.

It does what any receiver must (Standard Webhooks): verify over the raw body, treat the same `webhook-id` as the same
message, answer 2xx only after it has the message.
"""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage:
    """One webhook as it arrived: its id, when, the metadata beside the document, and the document's exact bytes."""

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
        metadata = orjson.loads(body)["data"]
        document = base64.b64decode(metadata.pop("document"))
        self.messages.append(
            ReceivedMessage(
                webhook_id=request.headers["webhook-id"],
                arrived=datetime.now(UTC),
                metadata=metadata,
                document=document,
                body=body,
            )
        )
        return web.Response(status=204)
