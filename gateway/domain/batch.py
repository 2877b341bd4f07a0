"""The answer to a batch of envelopes: one line for each, as JSON, by message id (docs/protocol.md §4).

Written by the partner listener, read by the channel to partners; here, so that both mean the same. A line says of one
envelope what the answer to a request with that envelope alone would have said.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.domain.ids import MessageId, is_uuid

BATCH_TYPE: Final = "application/vnd.wcx.batch"
"""Media type of a batch: compact JWEs in ASCII, separated by LF."""

ANSWERS_TYPE: Final = "application/vnd.wcx.answers"
"""Media type of the answers: JSON objects, one a line."""

_MAX_RETRY_AFTER_SECONDS: Final = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class LineAnswer:
    """What is said of one envelope. `message_id`: as its outer header names it, None where that can not be read.

    `status`: the HTTP status of the single form; `token`: the signed statement, else `code`: a public code.
    `retry_after`: in seconds.
    """

    message_id: MessageId | None
    status: int
    token: str | None = None
    code: str = ""
    retry_after: int | None = None


def write_answers(answers: Iterable[LineAnswer]) -> bytes:
    """Return the body that holds these answers, a line each."""
    return b"".join(orjson.dumps(_members(one), option=orjson.OPT_APPEND_NEWLINE) for one in answers)


def read_answers(body: bytes) -> list[LineAnswer]:
    """Return the answers in a body, in its order. Members that are not known are passed over.

    Raises ValueError when any line is not of the form: then nothing of the body can be relied on.
    """
    return [_read(line) for line in body.split(b"\n") if line]


def _members(one: LineAnswer) -> dict[str, Any]:
    members: dict[str, Any] = {"id": one.message_id, "status": one.status}
    if one.token is not None:
        members["token"] = one.token
    elif one.code:
        members["code"] = one.code
    if one.retry_after is not None:
        members["retry_after"] = one.retry_after
    return members


def _read(line: bytes) -> LineAnswer:
    found = _object(line)
    return LineAnswer(
        message_id=_message_id(found.get("id")),
        status=_number(found.get("status"), least=100, most=599),
        token=_text(found.get("token")) or None,
        code=_text(found.get("code")),
        retry_after=None
        if found.get("retry_after") is None
        else _number(found["retry_after"], least=0, most=_MAX_RETRY_AFTER_SECONDS),
    )


def _object(line: bytes) -> dict[str, Any]:
    found = orjson.loads(line)
    if isinstance(found, dict):
        return found
    raise ValueError("a line is not an object")


def _message_id(value: object) -> MessageId | None:
    if value is None:
        return None
    if not isinstance(value, str) or not is_uuid(value):
        raise ValueError("id is not a message id")
    return MessageId(value)


def _number(value: object, *, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"a number is not from {least} to {most}")
    return value


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not value.isascii():
        raise ValueError("a text is not ASCII")
    return value
