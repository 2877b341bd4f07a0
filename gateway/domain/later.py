"""Receipts that come later: an envelope that was answered with 202, and the receipt that is owed for it.

Two bounds keep what is owed finite: how much of one partner may wait to be judged, and how long judging is tried.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.domain.ids import MessageId, PartyId
from gateway.domain.lifecycle import NoticeState
from gateway.domain.statement import Verdict

MAX_TAKEN: Final = 1000
"""Envelopes of one partner that may wait to be judged."""

MAX_TAKEN_BYTES: Final = 256 * 1024 * 1024
"""The same in bytes. Both are bounds of what a partner can have written before a verdict."""

JUDGED_WITHIN: Final = timedelta(hours=24)
"""How long judging is tried when nothing can be said, for want of a fresh revocation list for example."""


class Taken(StrEnum):
    """What became of an envelope that was to be taken unread."""

    NEW = "new"
    KNOWN = "known"
    NO_ROOM = "no_room"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenEnvelope:
    """An envelope that was taken unread, to be judged later. Nothing in it was believed yet but who sent it.

    `sender`: whose certificate held the channel. `message_id`: as the outer header names it. `attempts`: how often it
    was tried to judge it, in vain; `until`: then that is given up.
    """

    sender: PartyId
    message_id: MessageId
    jwe: str = field(repr=False)
    received: datetime
    until: datetime
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unjudged:
    """How many envelopes of a partner wait to be judged, and since when the oldest of them does."""

    sender: PartyId
    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedReceipt:
    """A receipt of ours that its `partner` is still to get, under the id that it sent, until `deadline`.

    `token`: the signed receipt, byte for byte as it was committed. `attempts`: tries made so far.
    """

    partner: PartyId
    message_id: MessageId
    verdict: Verdict
    token: str = field(repr=False)
    state: NoticeState
    attempts: int
    next_attempt_at: datetime | None
    deadline: datetime
