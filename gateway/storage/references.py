"""References of submissions and inbox messages: rows by which they are found again."""

from collections.abc import Sequence
from typing import Any

from gateway.domain.jobs import SealedReference
from gateway.storage.engine import Connection, insert_into
from gateway.storage.tables import reference

_INSERT = insert_into(reference)


def reference_values(subject_kind: str, subject_id: str, references: Sequence[SealedReference]) -> list[dict[str, Any]]:
    """Return the rows of a submission's or an inbox message's references; the same one twice counts once."""
    rows = {
        (one.kind._value_, one.index): {
            "subject_kind": subject_kind,
            "subject_id": subject_id,
            "kind": one.kind._value_,
            "key_index": one.index,
            "sealed": one.sealed,
        }
        for one in references
    }
    return list(rows.values())


def write_references(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write what `reference_values` returned."""
    if rows:
        connection.run_many(_INSERT, rows)
