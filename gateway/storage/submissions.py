"""Submissions: what is known of them. How one is accepted stands in `accepting.py`."""

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, select

from gateway.domain.hold import Hold
from gateway.domain.ids import ClientId, MessageId, SubmissionId, TransferId
from gateway.domain.lifecycle import TransferState
from gateway.domain.message import MessageKind
from gateway.domain.records import Answer, IdempotencyScope, KeyReused, Replayed, SubmissionRow, TransferRow
from gateway.storage import answers, holds
from gateway.storage.engine import Connection, Row
from gateway.storage.tables import idempotency, original, submission, transfer
from gateway.storage.values import time_of, transfer_row, violations_of

_FIND_KEY = select(idempotency.c.fingerprint, idempotency.c.submission_id).where(
    idempotency.c.client == bindparam("client"), idempotency.c.key == bindparam("key")
)
_ONE = select(submission).where(submission.c.id == bindparam("id"))
_OF_CLIENT = (
    select(submission)
    .where(submission.c.client == bindparam("client"), submission.c.id < bindparam("before"))
    .order_by(submission.c.id.desc())
    .limit(bindparam("limit"))
)
_TRANSFERS = (
    select(transfer).where(transfer.c.submission_id == bindparam("submission_id")).order_by(transfer.c.recipient)
)
_ORIGINAL = select(original.c.sealed).where(original.c.submission_id == bindparam("submission_id"))

AFTER_ALL = "~"
"""Sorts after every id, since ids are hexadecimal digits and hyphens."""


def find_key(connection: Connection, scope: IdempotencyScope) -> Replayed | KeyReused | None:
    """Return what is known of an idempotency key, or None."""
    row = connection.one(_FIND_KEY, {"client": scope.client, "key": scope.key})
    if row is None:
        return None
    if row["fingerprint"] != scope.fingerprint:
        return KeyReused()
    return Replayed(submission_id=row["submission_id"])


def read_one(connection: Connection, submission_id: SubmissionId) -> SubmissionRow | None:
    """Return a submission with its transfers, or None."""
    row = connection.one(_ONE, {"id": submission_id})
    return None if row is None else _submission_row(connection, row)


def read_of_client(
    connection: Connection, *, client: ClientId, limit: int, before: SubmissionId | None
) -> list[SubmissionRow]:
    """Return a client's submissions, newest first."""
    rows = connection.rows(_OF_CLIENT, {"client": client, "limit": limit, "before": before or AFTER_ALL})
    return [_submission_row(connection, row) for row in rows]


def read_original(connection: Connection, submission_id: SubmissionId) -> bytes | None:
    """Return the sealed original, or None."""
    row = connection.one(_ORIGINAL, {"submission_id": submission_id})
    return None if row is None else bytes(row["sealed"])


def _submission_row(connection: Connection, row: Row) -> SubmissionRow:
    transfers = [transfer_row(each) for each in connection.rows(_TRANSFERS, {"submission_id": row["id"]})]
    held = [each.id for each in transfers if each.state is TransferState.HELD]
    return _submission_of(
        row,
        transfers,
        answers={each.message_id: answers.read(connection, each) for each in transfers},
        holds={transfer_id: found[-1] for transfer_id in held if (found := holds.read_of(connection, transfer_id))},
    )


def _submission_of(
    row: Row,
    transfers: Sequence[TransferRow],
    *,
    answers: Mapping[MessageId, tuple[Answer, ...]],
    holds: Mapping[TransferId, Hold],
) -> SubmissionRow:
    return SubmissionRow(
        id=row["id"],
        client=row["client"],
        sender=row["sender"],
        kind=MessageKind(row["kind"]),
        created=time_of(row["created"]),
        item_count=row["item_count"],
        size_bytes=row["size_bytes"],
        transfers=tuple(transfers),
        warnings=violations_of(row["warnings"]),
        answers=answers,
        holds=holds,
    )
