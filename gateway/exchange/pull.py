"""Hand-over by pull: a back end leases its messages, and says of each what became of it.

The same rows, states and order as when we call: only who begins is another. A lease is named by a token that holds the
sender and the fence of the claim, so there is one answer to "is this still yours?", and the store gives it. What is
said twice under one lease is the same said once; what is said after the lease ended is refused, since the message may
be in other hands.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.access import Caller
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.ids import MessageId, PartyId, party_id
from gateway.domain.lifecycle import HandOverEvent, HandOverState
from gateway.domain.outcome import Damaged
from gateway.domain.records import ClaimedHandOver, InboxRow
from gateway.domain.retry import RetryPolicy, wait_before_retry
from gateway.errors import AccessError, GatewayError, RequestError, TransferError
from gateway.exchange.opened import opened
from gateway.ports import Clock, Ids, Sealer, Store, Telemetry

_REASON: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_EVIDENCE: Final = {
    HandOverEvent.ACKNOWLEDGED: AuditEvent.HAND_OVER_ACKNOWLEDGED,
    HandOverEvent.FAILED: AuditEvent.HAND_OVER_FAILED,
    HandOverEvent.EXHAUSTED: AuditEvent.HAND_OVER_EXHAUSTED,
}
# What a repetition finds: a message that was given back comes to rest too once its attempts are used up.
_SAID_BEFORE: Final = {
    HandOverEvent.ACKNOWLEDGED: frozenset({HandOverState.HANDED_OVER}),
    HandOverEvent.FAILED: frozenset({HandOverState.PENDING, HandOverState.QUARANTINED}),
    HandOverEvent.EXHAUSTED: frozenset({HandOverState.QUARANTINED}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledMessage:
    """A message under lease. `view`: the document's exact bytes. `lease`: the token to answer with until `expires`."""

    row: InboxRow
    view: bytes
    lease: str
    expires: datetime


class Pull:
    """The use case. `leases`: the parties whose back ends pull, and how long each lease lasts; `retries`: by party."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        clock: Clock,
        ids: Ids,
        telemetry: Telemetry,
        leases: Mapping[PartyId, timedelta],
        retries: Mapping[PartyId, RetryPolicy],
        reach: Reach = pass_by,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._ids = ids
        self._telemetry = telemetry
        self._leases = leases
        self._retries = retries
        self._reach = reach

    async def lease(self, party: PartyId, *, limit: int, caller: Caller) -> list[PulledMessage]:
        """Lease what is due for `party`, the longest waiting first: at most `limit`, empty when nothing waits.

        Raises AccessError `access.forbidden` for a party the caller is not registered for, RequestError
        `hand_over.not_by_pull` for one whose back end does not pull.
        """
        if party not in caller.parties:
            raise AccessError("access.forbidden", "The client is not registered for the party it names")
        lasting, now = self._lasting(party), self._clock.now()
        claimed = await self._store.claim_hand_overs(
            {party}, limit=limit, now=now, lease=lasting, actor=f"client:{caller.client}"
        )
        if claimed:
            self._reach(Failpoint.PULL_LEASED)
        opened = [await self._open(one, now + lasting) for one in claimed]
        return [one for one in opened if one is not None]

    async def acknowledge(self, message_id: MessageId, lease: str, *, caller: Caller) -> InboxRow:
        """Hand over: the back end has taken responsibility. Raises as `_say` does."""
        return await self._say(message_id, lease, HandOverEvent.ACKNOWLEDGED, "", caller)

    async def acknowledge_all(
        self, taken: Sequence[tuple[MessageId, str]], *, caller: Caller
    ) -> list[InboxRow | GatewayError]:
        """Do what `acknowledge` does for each (message id, lease), sharing commits; each fails alone, as a value."""

        async def one(message_id: MessageId, lease: str) -> InboxRow | GatewayError:
            try:
                return await self.acknowledge(message_id, lease, caller=caller)
            except GatewayError as error:
                return error

        return await asyncio.gather(*(one(message_id, lease) for message_id, lease in taken))

    async def postpone(self, message_id: MessageId, lease: str, *, reason: str, caller: Caller) -> InboxRow:
        """Take the message back until its next wait is over; when all attempts were made, quarantine it.

        `reason`: a word of the back end's own, lower case. Raises as `_say` does.
        """
        return await self._say(message_id, lease, HandOverEvent.FAILED, _checked(reason), caller)

    async def quarantine(self, message_id: MessageId, lease: str, *, reason: str, caller: Caller) -> InboxRow:
        """Take the message back for good, until an operator releases it. Raises as `_say` does."""
        return await self._say(message_id, lease, HandOverEvent.EXHAUSTED, _checked(reason), caller)

    # ── leasing ──

    def _lasting(self, party: PartyId) -> timedelta:
        try:
            return self._leases[party]
        except KeyError:
            raise RequestError("hand_over.not_by_pull") from None

    async def _open(self, claimed: ClaimedHandOver, expires: datetime) -> PulledMessage | None:
        """Return a message with its document, or None for one that can not be opened: it is quarantined when its stored
        bytes are damaged, else it waits."""
        row, view = claimed.row, opened(claimed, self._sealer)
        if not isinstance(view, bytes):
            event = HandOverEvent.EXHAUSTED if isinstance(view, Damaged) else HandOverEvent.FAILED
            await self._settle(row, claimed.fence, event, view.code, view.detail, "system", {})
            return None
        return PulledMessage(row=row, view=view, lease=_token(row.sender, claimed.fence), expires=expires)

    # ── what became of it ──

    async def _say(
        self, message_id: MessageId, lease: str, event: HandOverEvent, reason: str, caller: Caller
    ) -> InboxRow:
        """Settle under a lease. Saying the same again under the same lease changes nothing and returns the row.

        Raises RequestError `request.malformed`, `request.not_found` (also for a message of a party the caller is not
        registered for), `hand_over.not_by_pull`, and TransferError `hand_over.lease_lost`.
        """
        sender, fence = _read_token(lease)
        row = await self._held(message_id, sender, fence, caller)
        if row.hand_over is HandOverState.IN_FLIGHT:
            actor = f"client:{caller.client}"
            facts = {"reason": reason} if reason else {}
            code, detail = ("channel.refused", f"The back end gave it back: {reason}") if reason else ("", "")
            try:
                return await self._settle(row, fence, event, code, detail, actor, facts)
            except TransferError:
                # Somebody was faster: the sweep, or the same said twice at once.
                row = await self._held(message_id, sender, fence, caller)
        if row.hand_over in _SAID_BEFORE[event]:
            return row
        raise TransferError("hand_over.lease_lost")

    async def _held(self, message_id: MessageId, sender: PartyId, fence: int, caller: Caller) -> InboxRow:
        found = await self._store.hand_over(message_id, sender=sender)
        if found is None or found[0].recipient not in caller.parties:
            raise RequestError("request.not_found")
        row, newest = found
        self._lasting(row.recipient)
        if newest != fence:
            raise TransferError("hand_over.lease_lost")
        return row

    async def _settle(
        self,
        row: InboxRow,
        fence: int,
        event: HandOverEvent,
        code: str,
        detail: str,
        actor: str,
        facts: Mapping[str, str | int],
    ) -> InboxRow:
        now = self._clock.now()
        event, wait = self._what_follows(row, event)
        coded = {"code": code} if code else {}
        if event is HandOverEvent.ACKNOWLEDGED:
            self._reach(Failpoint.PULL_ACKNOWLEDGED)
        settled = await self._store.settle_hand_over(
            row,
            event,
            audit=AuditEntry(
                event=_EVIDENCE[event],
                at=now,
                actor=actor,
                message_id=row.message_id,
                facts={"attempt": row.attempts, **coded, **facts},
            ),
            now=now,
            fence=fence,
            next_attempt_at=None if wait is None else now + wait,
            code=code,
            detail=detail,
        )
        if event is HandOverEvent.ACKNOWLEDGED:
            self._reach(Failpoint.PULL_COMMITTED)
        self._telemetry.line(
            "hand_over.attempt",
            outcome="failure" if code else "success",
            code=code,
            message_id=row.message_id,
            attempt=row.attempts,
        )
        return settled

    def _what_follows(self, row: InboxRow, event: HandOverEvent) -> tuple[HandOverEvent, timedelta | None]:
        """Return the event that really happens and, for one to be tried again, how long to wait."""
        if event is not HandOverEvent.FAILED:
            return event, None
        retry = self._retries.get(row.recipient, RetryPolicy())
        wait = wait_before_retry(retry, attempt=row.attempts, jitter=self._ids.jitter())
        return (HandOverEvent.EXHAUSTED, None) if wait is None else (event, wait)


def _checked(reason: str) -> str:
    # It is kept for ever as evidence, so it must be a word that a program chose and not what a document says.
    if not _REASON.fullmatch(reason):
        raise RequestError(
            "request.malformed", "`reason` is a word of 1 to 64 of a-z, 0-9, _ . and -, such as not_ours"
        )
    return reason


def _token(sender: PartyId, fence: int) -> str:
    return base64.urlsafe_b64encode(f"{sender}/{fence}".encode("ascii")).decode("ascii").rstrip("=")


def _read_token(token: str) -> tuple[PartyId, int]:
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode("ascii")
        sender, _, fence = text.partition("/")
        return party_id(sender), _number(fence)
    except (ValueError, binascii.Error):
        raise RequestError("request.malformed", "`lease` is not the token that came with the message") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise ValueError("a fence is a number")
    return int(text)
