"""The tables of what comes in: duplicates, refusals, the inbox, hand-overs, and what is owed to senders for it.

The rules of `tables.py` hold here too; that one imports this one, so that all tables are known wherever one is.
"""

from typing import Final

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint
from sqlalchemy.schema import ForeignKeyConstraint

from gateway.domain.lifecycle import HandOverState, NoticeState
from gateway.storage.columns import flag as _flag
from gateway.storage.columns import number as _number
from gateway.storage.columns import one_of as _one_of
from gateway.storage.columns import partial as _partial
from gateway.storage.columns import sealed as _sealed
from gateway.storage.columns import table as _table
from gateway.storage.columns import text as _text
from gateway.storage.columns import time as _time

HAND_OVER_DUE: Final = "state = 'PENDING' AND head = 1"
HAND_OVER_WAITS: Final = "state IN ('PENDING', 'QUARANTINED')"
HAND_OVER_UNFINISHED: Final = "state <> 'HANDED_OVER'"
ANSWERS: Final = "in_reply_to IS NOT NULL"
OVER_SHARED: Final = "over_shared <> ''"
LEASED: Final = "state = 'IN_FLIGHT'"
OWED: Final = "state = 'OWED'"
HAND_OVER_TO_PURGE: Final = "state = 'HANDED_OVER' AND purged IS NULL"

# ── receiving ────────────────────────────────────────────────────────────────────────────────────────────────────────

dedupe = _table(
    "dedupe",
    _text("sender"),
    _text("message_id"),
    _text("recipient"),
    _text("digest"),
    _text("verdict"),
    _text("code"),
    _text("token"),
    _time("received"),
    _time("keep_until"),
    PrimaryKeyConstraint("sender", "message_id"),
    _one_of("verdict", ("accepted", "not_seen")),
    Index("dedupe_to_purge", "keep_until"),
)
"""What a message id of a partner stands for, for ever final: the digest and the receipt we gave. Outlives the payload.

`not_seen` is for ids that we have sworn never to have had.
"""

refusal = _table(
    "refusal",
    _text("sender"),
    _text("message_id"),
    _text("digest"),
    _text("recipient"),
    _text("code"),
    _text("token"),
    _number("times"),
    _time("first"),
    _time("last"),
    _time("keep_until"),
    PrimaryKeyConstraint("sender", "message_id", "digest"),
    Index("refusal_to_purge", "keep_until"),
)
"""Messages that we could open and refused. Never final: the message is judged anew when it comes again."""

inbox = _table(
    "inbox",
    _text("sender"),
    _text("message_id"),
    _text("recipient"),
    _text("kind"),
    _text("conversation"),
    _number("sequence"),
    _text("in_reply_to", null=True),
    _text("supersedes", null=True),
    _text("schema_set"),
    _text("schema_set_sha256"),
    _text("agreement_id"),
    _number("agreement_version"),
    _text("agreement_sha256"),
    _text("policy_sha256"),
    _text("legal_basis"),
    _text("purpose"),
    _text("onward_use"),
    _number("retention_days"),
    _text("digest"),
    _number("size_bytes"),
    _time("created"),
    _time("expires"),
    _time("received"),
    _text("over_shared"),
    PrimaryKeyConstraint("sender", "message_id"),
    Index("inbox_by_message", "message_id"),
    Index("inbox_by_time", "received", "message_id"),
    _partial("inbox_that_answers", "in_reply_to", where=ANSWERS),
    _partial("inbox_over_shared", "received", "message_id", where=OVER_SHARED),
)

inbox_payload = _table(
    "inbox_payload",
    _text("sender"),
    _text("message_id"),
    _sealed("sealed"),
    PrimaryKeyConstraint("sender", "message_id"),
    ForeignKeyConstraint(["sender", "message_id"], ["inbox.sender", "inbox.message_id"]),
)
"""The sealed JWS of an inbox message."""

hand_over = _table(
    "hand_over",
    _text("sender"),
    _text("message_id"),
    _text("recipient"),
    _text("conversation"),
    _number("sequence"),
    _text("state"),
    _number("version"),
    *_flag("head"),
    _number("fence"),
    _time("lease_until", null=True),
    _number("attempts"),
    _time("next_attempt_at", null=True),
    _time("updated"),
    _time("handed_over", null=True),
    _text("last_code"),
    _text("last_detail"),
    _time("keep_until"),
    _time("purged", null=True),
    PrimaryKeyConstraint("sender", "message_id"),
    ForeignKeyConstraint(["sender", "message_id"], ["inbox.sender", "inbox.message_id"]),
    _one_of("state", HandOverState),
    CheckConstraint("(state = 'IN_FLIGHT') = (lease_until IS NOT NULL)", name="lease_in_flight_only"),
    CheckConstraint("state <> 'PENDING' OR next_attempt_at IS NOT NULL", name="pending_has_a_time"),
    _partial("hand_over_by_state", "state", where=HAND_OVER_WAITS),
    _partial("hand_over_due", "state", "recipient", "next_attempt_at", "message_id", where=HAND_OVER_DUE),
    _partial("hand_over_unfinished", "sender", "conversation", "sequence", "message_id", where=HAND_OVER_UNFINISHED),
    _partial("hand_over_leased", "state", "lease_until", where=LEASED),
    _partial("hand_over_to_purge", "state", "keep_until", "message_id", where=HAND_OVER_TO_PURGE),
)
"""`keep_until`: how long the terms of the message let its payload be kept here. `purged`: when that was deleted; only
what was handed over ever is."""

notice_owed = _table(
    "notice_owed",
    _text("sender"),
    _text("message_id"),
    _text("recipient"),
    _text("digest"),
    _time("handed_over"),
    _text("state"),
    _number("attempts"),
    _time("next_attempt_at", null=True),
    _time("deadline"),
    _time("updated"),
    _text("last_code"),
    _text("last_detail"),
    _time("keep_until"),
    PrimaryKeyConstraint("sender", "message_id"),
    ForeignKeyConstraint(["sender", "message_id"], ["inbox.sender", "inbox.message_id"]),
    _one_of("state", NoticeState),
    CheckConstraint("(state = 'OWED') = (next_attempt_at IS NOT NULL)", name="owed_has_a_time"),
    Index("notice_owed_to_purge", "keep_until"),
    _partial("notice_owed_due", "sender", "next_attempt_at", "message_id", where=OWED),
    clustered=True,
)
"""That a message was handed over, as we owe it to its sender. Made in the commit of the hand-over."""

taken = _table(
    "taken",
    _text("sender"),
    _text("message_id"),
    _text("jwe"),
    _number("size_bytes"),
    _time("received"),
    _time("until"),
    _number("attempts"),
    _time("next_attempt_at"),
    PrimaryKeyConstraint("sender", "message_id"),
    Index("taken_due", "sender", "next_attempt_at", "message_id", "size_bytes"),
)
"""Envelopes that were answered with 202, as they came, until they are judged. `message_id`: the outer header's."""

receipt_owed = _table(
    "receipt_owed",
    _text("sender"),
    _text("message_id"),
    _text("verdict"),
    _text("token"),
    _text("state"),
    _number("attempts"),
    _time("next_attempt_at", null=True),
    _time("deadline"),
    _time("keep_until"),
    PrimaryKeyConstraint("sender", "message_id"),
    _one_of("verdict", ("accepted", "refused")),
    _one_of("state", NoticeState),
    CheckConstraint("(state = 'OWED') = (next_attempt_at IS NOT NULL)", name="owed_has_a_time"),
    Index("receipt_owed_to_purge", "keep_until"),
    _partial("receipt_owed_due", "sender", "next_attempt_at", "message_id", where=OWED),
)
"""Receipts for messages that were answered with 202, as we owe them to the sender; made with the verdict."""
