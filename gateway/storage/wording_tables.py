"""The tables of texts that are or were in force. `docs/storage.md` explains them; migrations create them."""

from typing import Final

from sqlalchemy import Column, ForeignKey, PrimaryKeyConstraint, Text

from gateway.domain.wording import WordingKind
from gateway.storage.columns import number, one_of, partial, table, text, time

CURRENT: Final = "until IS NULL"

wording = table(
    "wording",
    text("text_sha256"),
    text("kind"),
    text("id"),
    number("version"),
    text("sha256"),
    text("text"),
    PrimaryKeyConstraint("text_sha256"),
    one_of("kind", WordingKind),
)
"""A text of an agreement or a policy. `sha256`: the hash that travels with messages; `text_sha256`: over the text."""

in_force = table(
    "in_force",
    Column("text_sha256", Text, ForeignKey("wording.text_sha256"), nullable=False),
    time("since"),
    time("until", null=True),
    text("actor"),
    text("reason"),
    PrimaryKeyConstraint("text_sha256", "since"),
    partial("in_force_now", "text_sha256", where=CURRENT, unique=True),
)
"""When a text was followed. One row without `until` for each text that is followed now."""
