"""The way to a partner's gateway: HTTPS with mutual TLS, as docs/protocol.md describes it.

What comes back is a value, always. A statement (`application/jose`) is handed on unverified: only `check` in a worker
may believe it. An unsigned answer, whatever it says, means try again. One partner's connections and time-outs are its
own, so a partner that is slow, down or hostile hurts only its own transfers.

Several envelopes go as one batch. A partner that says it knows no batches, or none so large, gets its messages one by
one for a while, and is then asked again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from gateway.channels.batch import MAX_ANSWERS_BYTES, Addressed, body_of, outcomes_of
from gateway.channels.endpoint import Endpoint
from gateway.channels.http import MAX_ANSWER_BYTES, Answer, HttpLine
from gateway.domain.batch import ANSWERS_TYPE, BATCH_TYPE
from gateway.domain.failpoint import Reach, pass_by
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.limits import MAX_BATCH_ENVELOPES
from gateway.domain.outcome import ReceiptReturned, SendOutcome, TransientFailure, TransportAccepted
from gateway.errors import ConfigurationError
from gateway.ports import Clock

MEDIA_TYPE: Final = "application/jose"
BATCHES_PATH: Final = "/exchange/v1/batches"
MESSAGES_PATH: Final = "/exchange/v1/messages"
NOTICES_PATH: Final = "/exchange/v1/notices"
NOTICE_BATCHES_PATH: Final = "/exchange/v1/notices/batch"
PING_PATH: Final = "/exchange/v1/ping"
RECEIPTS_PATH: Final = "/exchange/v1/receipts"

ONE_BY_ONE_FOR: Final = timedelta(minutes=10)
"""How long a partner that did not take a batch is sent single messages."""

_NO_BATCHES: Final = frozenset({404, 405, 413, 415})
"""What a gateway answers that has no such path, or takes less in one request. Nothing of the batch was looked at."""


class HttpsPartnerChannel:
    """Implements `ports.PartnerChannel`. One `HttpLine` a partner, with 2 to 8 connections. `batch`: messages in one
    request at most."""

    def __init__(
        self,
        endpoints: Mapping[PartyId, Endpoint],
        *,
        clock: Clock,
        batch: int = MAX_BATCH_ENVELOPES,
        reach: Reach = pass_by,
    ) -> None:
        if not all(2 <= endpoint.connections <= 8 for endpoint in endpoints.values()):
            raise ConfigurationError("config.invalid", "The connections to a partner must be from 2 to 8")
        self._endpoints = dict(endpoints)
        self._reach = reach
        self._lines = {party: HttpLine(endpoint, clock=clock) for party, endpoint in endpoints.items()}
        self._clock = clock
        self._batch = batch
        self._one_by_one: dict[tuple[PartyId, str], float] = {}  # by path; until when, in monotonic seconds

    async def send(self, recipient: PartyId, message_id: MessageId, jwe: str) -> SendOutcome:  # noqa: ARG002
        """Post one envelope (a compact JWE, ASCII) and return what came of it.

        The message id is not in the request: the envelope names it, and the partner reads it there.
        """
        return await self._ask(recipient, "POST", MESSAGES_PATH, body=jwe.encode("ascii"), reach=self._reach)

    def takes(self, recipient: PartyId) -> int:
        """Return how many envelopes one request to this partner may hold."""
        return self._batch if self._takes_many(recipient, BATCHES_PATH) else 1

    async def send_batch(self, recipient: PartyId, envelopes: Sequence[tuple[MessageId, str]]) -> list[SendOutcome]:
        """Post several envelopes, each of another message, and return what came of each, in their order.

        One request, unless there is but one or the partner takes no batches. The sizes are the caller's to bound.
        """
        outcomes = await self._post_batch(recipient, BATCHES_PATH, envelopes, reach=self._reach)
        if outcomes is not None:
            return outcomes
        return await asyncio.gather(*(self.send(recipient, message_id, jwe) for message_id, jwe in envelopes))

    async def ping(self, recipient: PartyId) -> SendOutcome:
        """Ask whether the partner's gateway is there and lets us in. Nothing is stored by it.

        Both certificates are examined on the way, and the connection is kept for the messages that follow.
        """
        endpoint = self._endpoints.get(recipient)
        within = None if endpoint is None else min(endpoint.timeouts.ping, endpoint.timeouts.total)
        return await self._ask(recipient, "POST", PING_PATH, within=within)

    async def fetch_receipt(self, recipient: PartyId, message_id: MessageId) -> SendOutcome:
        """Ask for the partner's statement about one of our messages (a receipt, or that it was not seen).

        The query names whom we ask: a gateway may speak for several parties.
        """
        path = f"{RECEIPTS_PATH}/{quote(message_id, safe='')}?to={quote(recipient, safe='')}"
        return await self._ask(recipient, "GET", path)

    async def post_receipt(self, recipient: PartyId, token: str) -> SendOutcome:
        """Give the partner our receipt for a message of theirs that we answered with 202."""
        return await self._ask(recipient, "POST", RECEIPTS_PATH, body=token.encode("ascii"))

    async def post_notice(self, recipient: PartyId, token: str) -> SendOutcome:
        """Tell the partner that a message of theirs was handed over."""
        return await self._ask(recipient, "POST", NOTICES_PATH, body=token.encode("ascii"))

    async def post_notices(self, recipient: PartyId, notices: Sequence[tuple[MessageId, str]]) -> list[SendOutcome]:
        """Tell the partner that several messages of theirs were handed over: as `send_batch`, a notice for each."""
        outcomes = await self._post_batch(recipient, NOTICE_BATCHES_PATH, notices)
        if outcomes is not None:
            return outcomes
        return await asyncio.gather(*(self.post_notice(recipient, token) for _, token in notices))

    async def close(self) -> None:
        """Close every connection."""
        for line in self._lines.values():
            await line.close()

    def _takes_many(self, recipient: PartyId, path: str) -> bool:
        return self._clock.monotonic() >= self._one_by_one.get((recipient, path), float("-inf"))

    async def _post_batch(
        self, recipient: PartyId, path: str, lines: Sequence[tuple[MessageId, str]], *, reach: Reach = pass_by
    ) -> list[SendOutcome] | None:
        """Return what came of tokens that went together, or None when they must go one by one."""
        line = self._lines.get(recipient)
        if line is None:
            return [_unknown(recipient)] * len(lines)
        if min(len(lines), self._batch) == 1 or not self._takes_many(recipient, path):
            return None
        addressed = [Addressed(message_id=message_id, token=token) for message_id, token in lines]
        headers = {"Accept": ANSWERS_TYPE, "Content-Type": BATCH_TYPE}
        answer = await line.request(
            "POST",
            path,
            headers=headers,
            body=body_of(addressed),
            reads=ANSWERS_TYPE,
            longest=MAX_ANSWERS_BYTES,
            reach=reach,
        )
        if isinstance(answer, TransientFailure):
            return [answer] * len(lines)
        if answer.status in _NO_BATCHES:
            self._one_by_one[recipient, path] = self._clock.monotonic() + ONE_BY_ONE_FOR.total_seconds()
            return None
        return outcomes_of(answer, addressed)

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
            return _unknown(recipient)
        headers = {"Accept": MEDIA_TYPE}
        if body:
            headers["Content-Type"] = MEDIA_TYPE
        answer = await line.request(
            method, path, headers=headers, body=body, reads=MEDIA_TYPE, within=within, reach=reach
        )
        return answer if isinstance(answer, TransientFailure) else _outcome(answer)


def _unknown(recipient: PartyId) -> TransientFailure:
    detail = f"No endpoint of {recipient} is known"
    return TransientFailure(code="channel.unreachable", detail=detail, sent=False, connected=False)


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
