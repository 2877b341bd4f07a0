"""The tables, as SQLAlchemy Core, for every engine. `docs/storage.md` explains them; migrations create them.

Rules that hold throughout: times are whole microseconds since 1970 in UTC; ids are text; what a person could read a
document's values from is sealed before it comes here; rows that change often are small, and payloads stand in tables
of their own. Tables are STRICT on SQLite, and states are checked by the database too.

`head` of a transfer (and of a hand-over) is 1 for the one of its conversation that may go next: the lowest sequence
that is not finished. It is kept by every change, so that the claim reads a partial index that holds nothing else and
costs the same with a thousand rows waiting as with a million. Blocked is thus derived, never a state.
"""

from typing import Final

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, PrimaryKeyConstraint, Text, UniqueConstraint
from sqlalchemy.schema import ForeignKeyConstraint

from gateway.domain.hold import HoldCause
from gateway.domain.lifecycle import FINAL, TransferState
from gateway.storage import columns
from gateway.storage.columns import Number as _Number
from gateway.storage.columns import flag as _flag
from gateway.storage.columns import number as _number
from gateway.storage.columns import one_of as _one_of
from gateway.storage.columns import partial as _partial
from gateway.storage.columns import sealed as _sealed
from gateway.storage.columns import table as _table
from gateway.storage.columns import text as _text
from gateway.storage.columns import time as _time
from gateway.storage.inbox_tables import ANSWERS, LEASED

metadata: Final = columns.metadata

# A partial index is used only when the query holds the same words, so both take them from here. Where another index
# begins with `state`, the partial one does too, or excludes states with NOT IN: else planners prefer the other.
DUE: Final = "state = 'QUEUED' AND head = 1 AND not_seen = 0"
_OPEN: Final = f"state NOT IN ({', '.join(repr(str(state)) for state in sorted(FINAL))})"
LISTED: Final = "state NOT IN ('DELIVERED', 'IN_FLIGHT')"
UNFINISHED: Final = f"{_OPEN} AND skipped = 0"
UNFINISHED_AHEAD: Final = f"ahead.{_OPEN} AND ahead.skipped = 0"
OF_SUBMISSION: Final = "subject_kind = 'submission'"
OF_MESSAGE_ALONE: Final = "transfer_id IS NULL AND message_id IS NOT NULL"
TO_SUPERSEDE: Final = "state = 'QUEUED' AND not_seen = 1"
AWAITING: Final = "state = 'AWAITING_RECEIPT'"
TO_PURGE: Final = "purged IS NULL AND (skipped = 1 OR state IN ('CANCELLED', 'DELIVERED'))"
BOUND_BY_DEADLINE: Final = "state NOT IN ('CANCELLED', 'DEAD_LETTERED', 'DELIVERED', 'IN_FLIGHT')"

# ── what was handed in ───────────────────────────────────────────────────────────────────────────────────────────────

submission = _table(
    "submission",
    _text("id"),
    _text("client"),
    _text("sender"),
    _text("kind"),
    _text("function_code", null=True),
    _text("type_code", null=True),
    _number("item_count"),
    _number("size_bytes"),
    _text("document_sha256"),
    _time("created"),
    _text("warnings"),
    PrimaryKeyConstraint("id"),
    Index("submission_of_client", "client", "id"),
    clustered=True,
)
"""`warnings`: JSON, recipient → what a profile found fault with; empty for nothing. Places and rules, never values."""

original = _table(
    "original",
    Column("submission_id", Text, ForeignKey("submission.id"), nullable=False),
    _sealed("sealed"),
    PrimaryKeyConstraint("submission_id"),
)
"""The sealed document as it was handed in; apart, so that lists of submissions never read it."""

idempotency = _table(
    "idempotency",
    _text("client"),
    _text("key"),
    _text("fingerprint"),
    Column("submission_id", Text, ForeignKey("submission.id"), nullable=False),
    _time("created"),
    _time("keep_until"),
    PrimaryKeyConstraint("client", "key"),
    Index("idempotency_to_purge", "keep_until"),
    clustered=True,
)

reference = _table(
    "reference",
    _text("subject_kind"),
    _text("subject_id"),
    _text("kind"),
    _text("key_index"),
    _sealed("sealed"),
    PrimaryKeyConstraint("subject_kind", "subject_id", "kind", "key_index"),
    _partial("reference_by_index", "key_index", "subject_id", where=OF_SUBMISSION),
    _one_of("subject_kind", ("submission", "inbox")),
    clustered=True,
)
"""LRN, MRN, UCR and case references: a keyed hash to find by, and the sealed value.

`subject_id`: the submission's id, or `{sender}:{message id}` of an inbox message. Only transfers are looked for by
references; a hash is random, so each entry of that index is a page of its own to be written.
"""

# ── conversations ────────────────────────────────────────────────────────────────────────────────────────────────────

conversation = _table(
    "conversation",
    _text("party"),
    _text("partner"),
    _text("conversation"),
    _number("last_sequence"),
    _time("created"),
    PrimaryKeyConstraint("party", "partner", "conversation"),
    clustered=True,
)
"""What stands on the wire between one party of ours and one partner. `last_sequence`: of our messages, 0 if none."""

conversation_key = _table(
    "conversation_key",
    _text("party"),
    _text("partner"),
    _text("key_index"),
    _text("conversation"),
    PrimaryKeyConstraint("party", "partner", "key_index"),
    ForeignKeyConstraint(
        ["party", "partner", "conversation"],
        ["conversation.party", "conversation.partner", "conversation.conversation"],
    ),
    clustered=True,
)
"""Which conversation a reference belongs to. The first one known stays."""

# ── transfers ────────────────────────────────────────────────────────────────────────────────────────────────────────

transfer = _table(
    "transfer",
    _text("id"),
    _text("message_id"),
    Column("submission_id", Text, ForeignKey("submission.id"), nullable=False),
    _text("client"),
    _text("sender"),
    _text("recipient"),
    _text("kind"),
    _text("conversation"),
    _number("sequence"),
    _text("in_reply_to", null=True),
    _text("supersedes", null=True),
    _number("lane"),
    _text("state"),
    _number("version"),
    *_flag("head"),
    _number("fence"),
    _time("lease_until", null=True),
    *_flag("ever_sent"),
    *_flag("not_seen"),
    *_flag("skipped"),
    _text("digest"),
    _number("message_bytes"),
    _text("agreement_id"),
    _number("agreement_version"),
    _text("agreement_sha256"),
    _number("retry_first_wait"),
    _number("retry_cap"),
    _number("retry_deadline"),
    _number("retry_attempts", null=True),
    _number("attempts"),
    _time("created"),
    _time("updated"),
    _time("expires"),
    _time("deadline"),
    _time("next_attempt_at", null=True),
    _time("handed_over", null=True),
    _text("last_code"),
    _text("last_detail"),
    _number("kept"),
    _number("withheld"),
    _time("keep_until"),
    _time("purged", null=True),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("message_id"),
    _one_of("state", TransferState),
    CheckConstraint("skipped = 0 OR state IN ('CANCELLED', 'DEAD_LETTERED', 'DELIVERED')", name="skipped_stays"),
    CheckConstraint("sequence > 0", name="sequence_from_one"),
    CheckConstraint("(state = 'IN_FLIGHT') = (lease_until IS NOT NULL)", name="lease_in_flight_only"),
    CheckConstraint("state <> 'QUEUED' OR next_attempt_at IS NOT NULL", name="queued_has_a_time"),
    CheckConstraint("digest <> '' OR state IN ('CANCELLED', 'DEAD_LETTERED', 'HELD')", name="unsigned_stays_here"),
    Index("transfer_of_submission", "submission_id"),
    _partial("transfer_by_state", "state", "id", where=LISTED),
    _partial("transfer_due", "recipient", "lane", "next_attempt_at", "id", where=DUE),
    _partial("transfer_unfinished", "sender", "recipient", "conversation", "sequence", where=UNFINISHED, unique=True),
    _partial("transfer_leased", "state", "lease_until", where=LEASED),
    _partial("transfer_awaiting", "state", "next_attempt_at", where=AWAITING),
    _partial("transfer_not_seen", "recipient", "next_attempt_at", where=TO_SUPERSEDE),
    _partial("transfer_deadline", "deadline", where=BOUND_BY_DEADLINE),
    _partial("transfer_that_answers", "in_reply_to", where=ANSWERS),
    _partial("transfer_to_purge", "keep_until", "id", where=TO_PURGE),
)
"""`next_attempt_at`: of a QUEUED transfer, when it may go; of one AWAITING_RECEIPT, when the receipt is overdue.

`fence` rises with every claim and every lost lease. Nothing stands twice in one place: `conversation` counts the
sequences. Retry terms: microseconds, and a count or null. `handed_over`: when
the partner's back end took it, as its notice says; no part of the life of the transfer. `digest`: empty while there is
no signed message, only a view that a person has to look at; no such transfer is ever queued. `message_bytes`: of the
JWS, or of that view, as they are before they are sealed. `keep_until`: how long the agreement has its payload kept;
`purged`: when that was deleted, which never happens to one that may yet be sent.
"""

superseded = _table(
    "superseded",
    _text("message_id"),
    Column("transfer_id", Text, ForeignKey("transfer.id"), nullable=False),
    _text("digest"),
    *_flag("ever_sent"),
    _text("agreement_id"),
    _number("agreement_version"),
    _time("expires"),
    _time("superseded"),
    PrimaryKeyConstraint("message_id"),
    Index("superseded_of_transfer", "transfer_id", "superseded"),
)
"""The earlier messages of a transfer, each with the digest that a late receipt for it must name."""

not_seen = _table(
    "not_seen",
    _text("message_id"),
    Column("transfer_id", Text, ForeignKey("transfer.id"), nullable=False),
    _text("partner"),
    _text("statement_id"),
    _time("issued"),
    _time("received"),
    _text("token"),
    PrimaryKeyConstraint("message_id"),
)
"""What partners swore never to have had: the proof by which a transfer was cancelled, skipped or superseded."""

payload = _table(
    "payload",
    Column("transfer_id", Text, ForeignKey("transfer.id"), nullable=False),
    _sealed("sealed"),
    PrimaryKeyConstraint("transfer_id"),
)
"""The sealed JWS of a transfer, or its view as long as it is held unsigned."""

hold = _table(
    "hold",
    Column("id", _Number, nullable=False, autoincrement=True),
    Column("transfer_id", Text, ForeignKey("transfer.id"), nullable=False),
    _text("cause"),
    _time("since"),
    _text("actor"),
    _text("reason"),
    _text("reasons"),
    _number("approvals"),
    _time("released", null=True),
    PrimaryKeyConstraint("id"),
    _one_of("cause", HoldCause),
    CheckConstraint("approvals > 0", name="somebody_approves"),
    Index("hold_of_transfer", "transfer_id", "id"),
)
"""Each time a transfer waited for a person; only the newest counts. `reasons`: JSON, the rules that ask for one and
where. `approvals`: how many officers it takes."""

approval = _table(
    "approval",
    Column("hold_id", _Number, ForeignKey("hold.id"), nullable=False),
    _text("officer"),
    _text("reason"),
    _time("at"),
    PrimaryKeyConstraint("hold_id", "officer"),
    clustered=True,
)
"""Who approved that a held transfer goes. Each officer once for each hold."""

attempt = _table(
    "attempt",
    Column("id", _Number, nullable=False, autoincrement=True),
    Column("transfer_id", Text, ForeignKey("transfer.id"), nullable=False),
    _number("number"),
    _time("started"),
    _time("ended"),
    _text("outcome"),
    _text("code"),
    _text("detail"),
    _time("again", null=True),
    PrimaryKeyConstraint("id"),
    Index("attempt_of_transfer", "transfer_id", "id"),
)
"""Every try to send. Numbers start again when an operator requeues, hence a key of its own. `again`: when the next try
was to be made, null for none."""

receipt = _table(
    "receipt",
    Column("id", _Number, nullable=False, autoincrement=True),
    Column("transfer_id", Text, ForeignKey("transfer.id"), nullable=False),
    _text("message_id"),
    _text("partner"),
    _text("verdict"),
    _text("code"),
    _text("digest"),
    _text("statement_id"),
    _time("issued"),
    _time("received"),
    _text("token"),
    PrimaryKeyConstraint("id"),
    _one_of("verdict", ("accepted", "refused")),
    Index("receipt_of_transfer", "transfer_id", "id"),
)
"""Receipts that partners gave us. All are kept: an accepted one may follow a refusal, or be for a message of the
transfer that another has superseded."""

notice = _table(
    "notice",
    Column("transfer_id", Text, ForeignKey("transfer.id"), nullable=False),
    _text("message_id"),
    _text("partner"),
    _text("digest"),
    _text("statement_id"),
    _time("handed_over"),
    _time("issued"),
    _time("received"),
    _text("token"),
    PrimaryKeyConstraint("transfer_id"),
)
"""Notices that partners gave us: their back end took the message. The first stays."""

# ── partners ─────────────────────────────────────────────────────────────────────────────────────────────────────────

partner_health = _table(
    "partner_health",
    _text("partner"),
    _number("failures"),
    _time("not_before", null=True),
    _time("last_success", null=True),
    _time("last_failure", null=True),
    _time("last_heard", null=True),
    _text("last_code"),
    _text("last_detail"),
    PrimaryKeyConstraint("partner"),
)

party_key = _table(
    "party_key",
    _text("party"),
    _text("use"),
    _text("key_id"),
    _text("certificate_sha256"),
    _text("certificate"),
    _time("not_before"),
    _time("not_after"),
    _time("added"),
    _time("revoked", null=True),
    _text("revocation", null=True),
    PrimaryKeyConstraint("party", "use", "key_id"),
    _one_of("use", ("tls", "sign", "decrypt")),
    Index("party_key_by_id", "key_id"),
)
"""Public keys by party, several at a time, each with its validity. `certificate` is PEM; `revocation` says why."""

# ── evidence and the store itself ────────────────────────────────────────────────────────────────────────────────────

audit = _table(
    "audit",
    _text("chain"),
    _number("seq"),
    _text("event"),
    _time("at"),
    _text("actor"),
    _text("transfer_id", null=True),
    _text("message_id", null=True),
    _text("facts"),
    _text("previous"),
    _text("hash"),
    PrimaryKeyConstraint("chain", "seq"),
    _partial("audit_of_transfer", "transfer_id", "chain", "seq", where="transfer_id IS NOT NULL"),
    _partial("audit_of_message", "message_id", "chain", "seq", where=OF_MESSAGE_ALONE),
    clustered=True,
)

audit_head = _table(
    "audit_head",
    _text("chain"),
    _number("seq"),
    _text("hash"),
    PrimaryKeyConstraint("chain"),
)
"""How far each chain goes, written with every commit, so that a cut at a chain's end shows."""

meta = _table("meta", _text("key"), _text("value"), PrimaryKeyConstraint("key"))
