"""The first tables.

Frozen: this file tells what version 0001 was, also when `tables.py` has moved on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _partial(name: str, table: str, columns: str, where: str, *, unique: bool = False) -> None:
    words = sa.text(where)
    op.create_index(name, table, columns.split(), unique=unique, sqlite_where=words, postgresql_where=words)


def _texts(*names: str, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=nullable) for name in names]


def _numbers(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, _NUMBER, nullable=nullable) for name in names]


def upgrade() -> None:
    """Make every table and index."""
    op.create_table(
        "audit",
        sa.Column("chain", sa.Text, nullable=False),
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("at", _NUMBER, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        *_texts("transfer_id", "message_id", nullable=True),
        *_texts("facts", "previous", "hash"),
        sa.PrimaryKeyConstraint("chain", "seq", name="audit_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    _partial("audit_of_message", "audit", "message_id chain seq", "transfer_id IS NULL AND message_id IS NOT NULL")
    _partial("audit_of_transfer", "audit", "transfer_id chain seq", "transfer_id IS NOT NULL")
    op.create_table(
        "audit_head",
        sa.Column("chain", sa.Text, nullable=False),
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("chain", name="audit_head_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "conversation",
        *_texts("party", "partner", "conversation"),
        *_numbers("last_sequence", "created"),
        sa.PrimaryKeyConstraint("party", "partner", "conversation", name="conversation_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dedupe",
        *_texts("sender", "message_id", "recipient", "digest", "verdict", "code", "token"),
        *_numbers("received", "keep_until"),
        sa.CheckConstraint("verdict IN ('accepted', 'not_seen')", name=op.f("dedupe_verdict_is_known")),
        sa.PrimaryKeyConstraint("sender", "message_id", name="dedupe_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_index("dedupe_to_purge", "dedupe", ["keep_until"])
    op.create_table(
        "inbox",
        *_texts("sender", "message_id", "recipient", "kind", "conversation"),
        sa.Column("sequence", _NUMBER, nullable=False),
        *_texts("in_reply_to", "supersedes", nullable=True),
        *_texts("schema_set", "schema_set_sha256", "agreement_id"),
        sa.Column("agreement_version", _NUMBER, nullable=False),
        *_texts("agreement_sha256", "policy_sha256", "legal_basis", "purpose", "onward_use"),
        sa.Column("retention_days", _NUMBER, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        *_numbers("size_bytes", "created", "expires", "received"),
        sa.Column("over_shared", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sender", "message_id", name="inbox_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_index("inbox_by_message", "inbox", ["message_id"])
    op.create_index("inbox_by_time", "inbox", ["received", "message_id"])
    _partial("inbox_that_answers", "inbox", "in_reply_to", "in_reply_to IS NOT NULL")
    _partial("inbox_over_shared", "inbox", "received message_id", "over_shared <> ''")
    op.create_table(
        "meta",
        *_texts("key", "value"),
        sa.PrimaryKeyConstraint("key", name="meta_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "partner_health",
        sa.Column("partner", sa.Text, nullable=False),
        sa.Column("failures", _NUMBER, nullable=False),
        *_numbers("not_before", "last_success", "last_failure", "last_heard", nullable=True),
        *_texts("last_code", "last_detail"),
        sa.PrimaryKeyConstraint("partner", name="partner_health_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "party_key",
        *_texts("party", "use", "key_id", "certificate_sha256", "certificate"),
        *_numbers("not_before", "not_after", "added"),
        sa.Column("revoked", _NUMBER, nullable=True),
        sa.Column("revocation", sa.Text, nullable=True),
        sa.CheckConstraint("use IN ('decrypt', 'sign', 'tls')", name=op.f("party_key_use_is_known")),
        sa.PrimaryKeyConstraint("party", "use", "key_id", name="party_key_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_index("party_key_by_id", "party_key", ["key_id"])
    op.create_table(
        "reference",
        *_texts("subject_kind", "subject_id", "kind", "key_index"),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("subject_kind IN ('inbox', 'submission')", name=op.f("reference_subject_kind_is_known")),
        sa.PrimaryKeyConstraint("subject_kind", "subject_id", "kind", "key_index", name="reference_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    _partial("reference_by_index", "reference", "key_index subject_id", "subject_kind = 'submission'")
    op.create_table(
        "refusal",
        *_texts("sender", "message_id", "digest", "recipient", "code", "token"),
        *_numbers("times", "first", "last", "keep_until"),
        sa.PrimaryKeyConstraint("sender", "message_id", "digest", name="refusal_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_index("refusal_to_purge", "refusal", ["keep_until"])
    op.create_table(
        "taken",
        *_texts("sender", "message_id", "jwe"),
        *_numbers("size_bytes", "received", "until", "attempts", "next_attempt_at"),
        sa.PrimaryKeyConstraint("sender", "message_id", name="taken_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_index("taken_due", "taken", ["sender", "next_attempt_at", "message_id", "size_bytes"])
    op.create_table(
        "receipt_owed",
        *_texts("sender", "message_id", "verdict", "token", "state"),
        sa.Column("attempts", _NUMBER, nullable=False),
        sa.Column("next_attempt_at", _NUMBER, nullable=True),
        *_numbers("deadline", "keep_until"),
        sa.CheckConstraint(
            "(state = 'OWED') = (next_attempt_at IS NOT NULL)", name=op.f("receipt_owed_owed_has_a_time")
        ),
        sa.CheckConstraint("state IN ('GIVEN', 'GIVEN_UP', 'OWED')", name=op.f("receipt_owed_state_is_known")),
        sa.CheckConstraint("verdict IN ('accepted', 'refused')", name=op.f("receipt_owed_verdict_is_known")),
        sa.PrimaryKeyConstraint("sender", "message_id", name="receipt_owed_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    _partial("receipt_owed_due", "receipt_owed", "sender next_attempt_at message_id", "state = 'OWED'")
    op.create_index("receipt_owed_to_purge", "receipt_owed", ["keep_until"])
    op.create_table(
        "submission",
        *_texts("id", "client", "sender", "kind"),
        *_texts("function_code", "type_code", nullable=True),
        *_numbers("item_count", "size_bytes"),
        sa.Column("document_sha256", sa.Text, nullable=False),
        sa.Column("created", _NUMBER, nullable=False),
        sa.Column("warnings", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="submission_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("submission_of_client", "submission", ["client", "id"])
    op.create_table(
        "conversation_key",
        *_texts("party", "partner", "key_index", "conversation"),
        sa.ForeignKeyConstraint(
            ["party", "partner", "conversation"],
            ["conversation.party", "conversation.partner", "conversation.conversation"],
            name="conversation_key_party_known",
        ),
        sa.PrimaryKeyConstraint("party", "partner", "key_index", name="conversation_key_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hand_over",
        *_texts("sender", "message_id", "recipient", "conversation"),
        sa.Column("sequence", _NUMBER, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        *_numbers("version", "head", "fence"),
        sa.Column("lease_until", _NUMBER, nullable=True),
        sa.Column("attempts", _NUMBER, nullable=False),
        sa.Column("next_attempt_at", _NUMBER, nullable=True),
        sa.Column("updated", _NUMBER, nullable=False),
        sa.Column("handed_over", _NUMBER, nullable=True),
        *_texts("last_code", "last_detail"),
        sa.Column("keep_until", _NUMBER, nullable=False),
        sa.Column("purged", _NUMBER, nullable=True),
        sa.CheckConstraint(
            "(state = 'IN_FLIGHT') = (lease_until IS NOT NULL)", name=op.f("hand_over_lease_in_flight_only")
        ),
        sa.CheckConstraint(
            "state <> 'PENDING' OR next_attempt_at IS NOT NULL", name=op.f("hand_over_pending_has_a_time")
        ),
        sa.CheckConstraint(
            "state IN ('HANDED_OVER', 'IN_FLIGHT', 'PENDING', 'QUARANTINED')", name=op.f("hand_over_state_is_known")
        ),
        sa.CheckConstraint("head IN (0, 1)", name=op.f("hand_over_head_is_flag")),
        sa.ForeignKeyConstraint(
            ["sender", "message_id"], ["inbox.sender", "inbox.message_id"], name="hand_over_sender_known"
        ),
        sa.PrimaryKeyConstraint("sender", "message_id", name="hand_over_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    _partial("hand_over_by_state", "hand_over", "state", "state IN ('PENDING', 'QUARANTINED')")
    _partial(
        "hand_over_due", "hand_over", "state recipient next_attempt_at message_id", "state = 'PENDING' AND head = 1"
    )
    _partial("hand_over_leased", "hand_over", "state lease_until", "state = 'IN_FLIGHT'")
    _partial(
        "hand_over_to_purge", "hand_over", "state keep_until message_id", "state = 'HANDED_OVER' AND purged IS NULL"
    )
    _partial("hand_over_unfinished", "hand_over", "sender conversation sequence message_id", "state <> 'HANDED_OVER'")
    op.create_table(
        "idempotency",
        *_texts("client", "key", "fingerprint", "submission_id"),
        *_numbers("created", "keep_until"),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="idempotency_submission_id_known"),
        sa.PrimaryKeyConstraint("client", "key", name="idempotency_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("idempotency_to_purge", "idempotency", ["keep_until"])
    op.create_table(
        "inbox_payload",
        *_texts("sender", "message_id"),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(
            ["sender", "message_id"], ["inbox.sender", "inbox.message_id"], name="inbox_payload_sender_known"
        ),
        sa.PrimaryKeyConstraint("sender", "message_id", name="inbox_payload_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "notice_owed",
        *_texts("sender", "message_id", "recipient", "digest"),
        sa.Column("handed_over", _NUMBER, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", _NUMBER, nullable=False),
        sa.Column("next_attempt_at", _NUMBER, nullable=True),
        *_numbers("deadline", "updated"),
        *_texts("last_code", "last_detail"),
        sa.Column("keep_until", _NUMBER, nullable=False),
        sa.CheckConstraint(
            "(state = 'OWED') = (next_attempt_at IS NOT NULL)", name=op.f("notice_owed_owed_has_a_time")
        ),
        sa.CheckConstraint("state IN ('GIVEN', 'GIVEN_UP', 'OWED')", name=op.f("notice_owed_state_is_known")),
        sa.ForeignKeyConstraint(
            ["sender", "message_id"], ["inbox.sender", "inbox.message_id"], name="notice_owed_sender_known"
        ),
        sa.PrimaryKeyConstraint("sender", "message_id", name="notice_owed_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    _partial("notice_owed_due", "notice_owed", "sender next_attempt_at message_id", "state = 'OWED'")
    op.create_index("notice_owed_to_purge", "notice_owed", ["keep_until"])
    op.create_table(
        "original",
        sa.Column("submission_id", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="original_submission_id_known"),
        sa.PrimaryKeyConstraint("submission_id", name="original_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "transfer",
        *_texts("id", "message_id", "submission_id", "client", "sender", "recipient", "kind", "conversation"),
        sa.Column("sequence", _NUMBER, nullable=False),
        *_texts("in_reply_to", "supersedes", nullable=True),
        sa.Column("lane", _NUMBER, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        *_numbers("version", "head", "fence"),
        sa.Column("lease_until", _NUMBER, nullable=True),
        *_numbers("ever_sent", "not_seen", "skipped"),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("message_bytes", _NUMBER, nullable=False),
        sa.Column("agreement_id", sa.Text, nullable=False),
        sa.Column("agreement_version", _NUMBER, nullable=False),
        sa.Column("agreement_sha256", sa.Text, nullable=False),
        *_numbers("retry_first_wait", "retry_cap", "retry_deadline"),
        sa.Column("retry_attempts", _NUMBER, nullable=True),
        *_numbers("attempts", "created", "updated", "expires", "deadline"),
        *_numbers("next_attempt_at", "handed_over", nullable=True),
        *_texts("last_code", "last_detail"),
        *_numbers("kept", "withheld", "keep_until"),
        sa.Column("purged", _NUMBER, nullable=True),
        sa.CheckConstraint(
            "(state = 'IN_FLIGHT') = (lease_until IS NOT NULL)", name=op.f("transfer_lease_in_flight_only")
        ),
        sa.CheckConstraint("state <> 'QUEUED' OR next_attempt_at IS NOT NULL", name=op.f("transfer_queued_has_a_time")),
        sa.CheckConstraint(
            "state IN ('AWAITING_RECEIPT', 'CANCELLED', 'DEAD_LETTERED', 'DELIVERED', 'HELD', 'IN_FLIGHT', 'QUEUED')",
            name=op.f("transfer_state_is_known"),
        ),
        sa.CheckConstraint("ever_sent IN (0, 1)", name=op.f("transfer_ever_sent_is_flag")),
        sa.CheckConstraint("not_seen IN (0, 1)", name=op.f("transfer_not_seen_is_flag")),
        sa.CheckConstraint("skipped IN (0, 1)", name=op.f("transfer_skipped_is_flag")),
        sa.CheckConstraint(
            "skipped = 0 OR state IN ('CANCELLED', 'DEAD_LETTERED', 'DELIVERED')",
            name=op.f("transfer_skipped_stays"),
        ),
        sa.CheckConstraint("head IN (0, 1)", name=op.f("transfer_head_is_flag")),
        sa.CheckConstraint(
            "digest <> '' OR state IN ('CANCELLED', 'DEAD_LETTERED', 'HELD')", name=op.f("transfer_unsigned_stays_here")
        ),
        sa.CheckConstraint("sequence > 0", name=op.f("transfer_sequence_from_one")),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="transfer_submission_id_known"),
        sa.PrimaryKeyConstraint("id", name="transfer_primary"),
        sa.UniqueConstraint("message_id", name="transfer_message_id_once"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    _partial("transfer_awaiting", "transfer", "state next_attempt_at", "state = 'AWAITING_RECEIPT'")
    _partial("transfer_by_state", "transfer", "state id", "state NOT IN ('DELIVERED', 'IN_FLIGHT')")
    _partial(
        "transfer_deadline",
        "transfer",
        "deadline",
        "state NOT IN ('CANCELLED', 'DEAD_LETTERED', 'DELIVERED', 'IN_FLIGHT')",
    )
    _partial(
        "transfer_due",
        "transfer",
        "recipient lane next_attempt_at id",
        "state = 'QUEUED' AND head = 1 AND not_seen = 0",
    )
    _partial("transfer_leased", "transfer", "state lease_until", "state = 'IN_FLIGHT'")
    op.create_index("transfer_of_submission", "transfer", ["submission_id"])
    _partial("transfer_that_answers", "transfer", "in_reply_to", "in_reply_to IS NOT NULL")
    _partial("transfer_not_seen", "transfer", "recipient next_attempt_at", "state = 'QUEUED' AND not_seen = 1")
    _partial(
        "transfer_to_purge",
        "transfer",
        "keep_until id",
        "purged IS NULL AND (skipped = 1 OR state IN ('CANCELLED', 'DELIVERED'))",
    )
    _partial(
        "transfer_unfinished",
        "transfer",
        "sender recipient conversation sequence",
        "state NOT IN ('CANCELLED', 'DELIVERED') AND skipped = 0",
        unique=True,
    )
    op.create_table(
        "attempt",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("transfer_id", sa.Text, nullable=False),
        *_numbers("number", "started", "ended"),
        *_texts("outcome", "code", "detail"),
        sa.Column("again", _NUMBER, nullable=True),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name="attempt_transfer_id_known"),
        sa.PrimaryKeyConstraint("id", name="attempt_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_index("attempt_of_transfer", "attempt", ["transfer_id", "id"])
    op.create_table(
        "notice",
        *_texts("transfer_id", "message_id", "partner", "digest", "statement_id"),
        *_numbers("handed_over", "issued", "received"),
        sa.Column("token", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name="notice_transfer_id_known"),
        sa.PrimaryKeyConstraint("transfer_id", name="notice_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "not_seen",
        *_texts("message_id", "transfer_id", "partner", "statement_id"),
        *_numbers("issued", "received"),
        sa.Column("token", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name="not_seen_transfer_id_known"),
        sa.PrimaryKeyConstraint("message_id", name="not_seen_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "payload",
        sa.Column("transfer_id", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name="payload_transfer_id_known"),
        sa.PrimaryKeyConstraint("transfer_id", name="payload_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "receipt",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        *_texts("transfer_id", "message_id", "partner", "verdict", "code", "digest", "statement_id"),
        *_numbers("issued", "received"),
        sa.Column("token", sa.Text, nullable=False),
        sa.CheckConstraint("verdict IN ('accepted', 'refused')", name=op.f("receipt_verdict_is_known")),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name="receipt_transfer_id_known"),
        sa.PrimaryKeyConstraint("id", name="receipt_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_index("receipt_of_transfer", "receipt", ["transfer_id", "id"])
    op.create_table(
        "hold",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        *_texts("transfer_id", "cause"),
        sa.Column("since", _NUMBER, nullable=False),
        *_texts("actor", "reason", "reasons"),
        sa.Column("approvals", _NUMBER, nullable=False),
        sa.Column("released", _NUMBER, nullable=True),
        sa.CheckConstraint("approvals > 0", name=op.f("hold_somebody_approves")),
        sa.CheckConstraint("cause IN ('agreement', 'changed', 'operator', 'rules')", name=op.f("hold_cause_is_known")),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name="hold_transfer_id_known"),
        sa.PrimaryKeyConstraint("id", name="hold_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_index("hold_of_transfer", "hold", ["transfer_id", "id"])
    op.create_table(
        "approval",
        sa.Column("hold_id", _NUMBER, nullable=False),
        *_texts("officer", "reason"),
        sa.Column("at", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["hold_id"], ["hold.id"], name="approval_hold_id_known"),
        sa.PrimaryKeyConstraint("hold_id", "officer", name="approval_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "superseded",
        *_texts("message_id", "transfer_id", "digest"),
        sa.Column("ever_sent", _NUMBER, nullable=False),
        sa.Column("agreement_id", sa.Text, nullable=False),
        *_numbers("agreement_version", "expires", "superseded"),
        sa.CheckConstraint("ever_sent IN (0, 1)", name=op.f("superseded_ever_sent_is_flag")),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name="superseded_transfer_id_known"),
        sa.PrimaryKeyConstraint("message_id", name="superseded_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_index("superseded_of_transfer", "superseded", ["transfer_id", "superseded"])
    op.create_table(
        "wording",
        *_texts("text_sha256", "kind", "id"),
        sa.Column("version", _NUMBER, nullable=False),
        *_texts("sha256", "text"),
        sa.CheckConstraint("kind IN ('agreement', 'policy')", name=op.f("wording_kind_is_known")),
        sa.PrimaryKeyConstraint("text_sha256", name="wording_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "in_force",
        sa.Column("text_sha256", sa.Text, nullable=False),
        sa.Column("since", _NUMBER, nullable=False),
        sa.Column("until", _NUMBER, nullable=True),
        *_texts("actor", "reason"),
        sa.ForeignKeyConstraint(["text_sha256"], ["wording.text_sha256"], name="in_force_text_sha256_known"),
        sa.PrimaryKeyConstraint("text_sha256", "since", name="in_force_primary"),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    _partial("in_force_now", "in_force", "text_sha256", "until IS NULL", unique=True)
    if op.get_bind().dialect.name == "sqlite":
        _only_append()


def _only_append() -> None:
    """Audit records are only ever added. This stops mistakes; whoever can change the file is found by the chain."""
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_no_{act.lower()} BEFORE {act} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'audit records are only ever added'); END"
        )
