"""The way to a partner's gateway: HTTPS with mutual TLS, as docs/protocol.md describes it.

What comes back is a value, always. A statement (`application/jose`) is handed on unverified: only `check` in a worker
may believe it. An unsigned answer, whatever it says, means try again. One partner's connections and time-outs are its
own, so a partner that is slow, down or hostile hurts only its own transfers.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from gateway.channels.endpoint import Endpoint
from gateway.channels.http import MAX_ANSWER_BYTES, Answer, HttpLine
from gateway.domain.failpoint import Reach, pass_by
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.outcome import ReceiptReturned, SendOutcome, TransientFailure, TransportAccepted
from gateway.errors import ConfigurationError
from gateway.ports import Clock

MEDIA_TYPE: Final = "application/jose"
MESSAGES_PATH: Final = "/exchange/v1/messages"
NOTICES_PATH: Final = "/exchange/v1/notices"
PING_PATH: Final = "/exchange/v1/ping"
RECEIPTS_PATH: Final = "/exchange/v1/receipts"


class HttpsPartnerChannel:
    """Implements `ports.PartnerChannel`. One `HttpLine` a partner, with 2 to 8 connections."""

    def __init__(self, endpoints: Mapping[PartyId, Endpoint], *, clock: Clock, reach: Reach = pass_by) -> None:
        if not all(2 <= endpoint.connections <= 8 for endpoint in endpoints.values()):
            raise ConfigurationError("config.invalid", "The connections to a partner must be from 2 to 8")
        self._endpoints = dict(endpoints)
        self._reach = reach
        self._lines = {party: HttpLine(endpoint, clock=clock) for party, endpoint in endpoints.items()}

    async def send(self, recipient: PartyId, message_id: MessageId, jwe: str) -> SendOutcome:  # noqa: ARG002
        """Post one envelope (a compact JWE, ASCII) and return what came of it.

        The message id is not in the request: the envelope names it, and the partner reads it there.
        """
        return await self._ask(recipient, "POST", MESSAGES_PATH, body=jwe.encode("ascii"), reach=self._reach)

    async def ping(self, recipient: PartyId) -> SendOutcome:
        """Ask whether the partner's gateway is there and lets us in. Nothing is stored by it.

        Both certificates are examined on the way, and the connection is kept for the messages that follow.
        """
        endpoint = self._endpoints.get(recipient)
        within = None if endpoint is None else min(endpoint.timeouts.ping, endpoint.timeouts.total)
        return await self._ask(recipient, "POST", PING_PATH, within=within)

    async def fetch_receipt(self, recipient: PartyId, message_id: MessageId) -> SendOutcome:
        """Ask for the partner's statement about one of our messages (a receipt, or that it was not seen)."""
        return await self._ask(recipient, "GET", f"{RECEIPTS_PATH}/{quote(message_id, safe='')}")

    async def post_receipt(self, recipient: PartyId, token: str) -> SendOutcome:
        """Give the partner our receipt for a message of theirs that we answered with 202."""
        return await self._ask(recipient, "POST", RECEIPTS_PATH, body=token.encode("ascii"))

    async def post_notice(self, recipient: PartyId, token: str) -> SendOutcome:
        """Tell the partner that a message of theirs was handed over."""
        return await self._ask(recipient, "POST", NOTICES_PATH, body=token.encode("ascii"))

    async def close(self) -> None:
        """Close every connection."""
        for line in self._lines.values():
            await line.close()

    async def _ask(
        self,
        recipient: PartyId,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        within: timedelta | None = None,
        reach: Reach = pass_by,
    ) -> SendOutcome:
        line = self._lines.get(recipient)
        if line is None:
            return TransientFailure(
                code="channel.unreachable", detail=f"No endpoint of {recipient} is known", sent=False, connected=False
            )
        headers = {"Accept": MEDIA_TYPE}
        if body:
            headers["Content-Type"] = MEDIA_TYPE
        answer = await line.request(
            method, path, headers=headers, body=body, reads=MEDIA_TYPE, within=within, reach=reach
        )
        return answer if isinstance(answer, TransientFailure) else _outcome(answer)


def _outcome(answer: Answer) -> SendOutcome:
    if answer.status in {429, 503}:
        return answer.busy()
    if answer.status in {202, 204}:
        return TransportAccepted()
    if answer.media_type == MEDIA_TYPE and (answer.status == 200 or 400 <= answer.status < 500):
        return _statement(answer)
    return answer.unexpected()


def _statement(answer: Answer) -> SendOutcome:
    if answer.body is None:
        return answer.failed(
            "channel.unexpected_answer", f"The answer is compressed or longer than {MAX_ANSWER_BYTES} bytes"
        )
    try:
        token = answer.body.decode("ascii")
    except UnicodeDecodeError:
        token = ""
    if not token:
        return answer.failed("channel.unexpected_answer", f"The answer (HTTP {answer.status}) holds no token")
    return ReceiptReturned(token=token)
