"""Many submissions in one request: their lines, and what the lines of the answer say (docs/api.md)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson
import pybase64

from gateway.client.connection import ClientError, refusal_of
from gateway.client.results import Submission, read_submission
from gateway.domain.bulk import DOCUMENT, DOCUMENT_BASE64, KEY, MAX_BULK_BYTES, MAX_BULK_LINES
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.priority import Priority

__all__ = ["NewSubmission", "in_requests", "line_of", "read_answers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubmission:
    """One document to hand in. `idempotency_key`: keep it to ask again; it is a fresh one unless it is given."""

    document: bytes = field(repr=False)
    to: tuple[PartyId, ...]
    sender: PartyId | None = None
    conversation: str | None = None
    priority: Priority | None = None
    in_reply_to: MessageId | None = None
    idempotency_key: str = field(default_factory=lambda: str(uuid4()))
    explain_values: bool = False


def parameters_of(one: NewSubmission) -> dict[str, str]:
    """Return the parameters of a submission by their names in the API."""
    given = {
        "to": ",".join(one.to),
        "from": one.sender,
        "conversation": one.conversation,
        "priority": one.priority,
        "in_reply_to": one.in_reply_to,
        "explain": "values" if one.explain_values else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def line_of(one: NewSubmission) -> bytes:
    """Return the line of a submission, without its end."""
    try:
        document = {DOCUMENT: one.document.decode()}
    except UnicodeDecodeError:
        document = {DOCUMENT_BASE64: pybase64.b64encode(one.document).decode("ascii")}
    return orjson.dumps({KEY: one.idempotency_key, **parameters_of(one), **document})


def in_requests(submissions: Iterable[NewSubmission]) -> Iterator[list[NewSubmission]]:
    """Yield the submissions as many at a time as one request may hold; one that is larger comes alone."""
    some: list[NewSubmission] = []
    size = 0
    for one in submissions:
        weight = len(line_of(one)) + 1
        if some and (len(some) == MAX_BULK_LINES or size + weight > MAX_BULK_BYTES):
            yield some
            some, size = [], 0
        some.append(one)
        size += weight
    if some:
        yield some


def read_answers(body: bytes, asked: Sequence[NewSubmission]) -> list[Submission | ClientError]:
    """Return what the lines of an answer say, in the order of what was asked. Raises ClientError."""
    try:
        lines = [orjson.loads(line) for line in body.splitlines()]
        told = [_read(line, one) for line, one in zip(lines, asked, strict=True)]
    except (ValueError, KeyError, TypeError) as error:
        raise ClientError("client.unexpected_answer", "The answer has not a line for each submission") from error
    return told


def _read(line: Mapping[str, Any], one: NewSubmission) -> Submission | ClientError:
    if line[KEY] is not None and line[KEY] != one.idempotency_key:
        raise ValueError("a line answers another submission")
    if line["status"] == 202:
        return read_submission(line["submission"], replayed=line["replayed"])
    return refusal_of(line["problem"], status=line["status"])
