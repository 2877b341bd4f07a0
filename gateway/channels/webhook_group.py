"""Several messages in one webhook, and what each entry of the answer means for its message (docs/hand-over.md).

The body is JSON, so that every library for Standard Webhooks verifies it as it is. Its `data` are the bodies that
webhooks with each message alone would have, byte for byte, so a message that comes again comes as the same bytes,
whatever stands beside it. The answer says of each message, by sender and message id, what the status of an answer to it
alone would have said. What it does not name, or names twice, was not answered: try again. An answer that can not be
read as a whole answers nothing.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.channels.http import Answer
from gateway.channels.retry_after import LONGEST_WAIT
from gateway.domain.hand_over import rfc3339
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.limits import MAX_BATCH_BYTES
from gateway.domain.outcome import HandOverOutcome
from gateway.domain.records import InboxRow

EVENT_TYPE: Final = "messages.received"
JSON_TYPE: Final = "application/json"

_UNEXPECTED: Final = "channel.unexpected_answer"
_MAX_RETRY_AFTER_SECONDS: Final = 2**31
_BETWEEN: Final = b",\n"
_FRAME_BYTES: Final = 128  # more than what stands around the entries of a body

Name = tuple[PartyId, MessageId]
"""The stable id of a message: an id is unique for one sender only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message on its way: its stable id, when it was received, and the body of a webhook with it alone."""

    name: Name
    received: datetime
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryAnswer:
    """What the back end says of one message. `status`: that of the answer to a webhook with it alone."""

    name: Name
    status: int
    retry_after: timedelta | None = None


def name_of(row: InboxRow) -> Name:
    """Return the stable id of a message."""
    return row.sender, row.message_id


def in_requests(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Cut entries into bodies of at most MAX_BATCH_BYTES, in their order. One may be longer, and then goes alone."""
    request: list[Entry] = []
    size = _FRAME_BYTES
    for entry in entries:
        length = len(_BETWEEN) + len(entry.body)
        if request and size + length > MAX_BATCH_BYTES:
            yield request
            request, size = [], _FRAME_BYTES
        request.append(entry)
        size += length
    if request:
        yield request


def body_of(entries: Sequence[Entry]) -> bytes:
    """Return the body of a request with these entries, each on a line of its own; `timestamp` is that of the newest."""
    newest = rfc3339(max(entry.received for entry in entries))
    head = f'{{"type":"{EVENT_TYPE}","timestamp":"{newest}","data":[\n'.encode("ascii")
    return head + _BETWEEN.join(entry.body for entry in entries) + b"\n]}"


def group_id(entries: Iterable[Entry]) -> str:
    """Return the `webhook-id` of a request. It names the messages in their order, and with them every byte."""
    named = "\n".join(f"{sender}/{message_id}" for sender, message_id in (entry.name for entry in entries))
    return f"group-{hashlib.sha256(named.encode('ascii')).hexdigest()[:32]}"


def outcomes_of(
    answer: Answer, sent: Sequence[Entry], *, of_single: Callable[[Answer], HandOverOutcome]
) -> list[HandOverOutcome]:
    """Return what the answer to a group means for each of its entries, in their order.

    `of_single`: what an answer to a webhook with one message means.
    """
    if answer.status != 200:
        whole = answer.unexpected() if answer.status < 300 else of_single(answer)
        return [whole] * len(sent)
    if answer.media_type != JSON_TYPE:
        return [answer.unexpected()] * len(sent)
    if answer.body is None:
        return [answer.failed(_UNEXPECTED, "The answer to a group is compressed or too long")] * len(sent)
    try:
        said = read_answers(answer.body)
    except ValueError as error:
        return [answer.failed(_UNEXPECTED, f"The answer to a group can not be read: {error}")] * len(sent)
    return list(_by_name(answer, said, sent, of_single))


def _by_name(
    answer: Answer, said: Sequence[EntryAnswer], sent: Sequence[Entry], of_single: Callable[[Answer], HandOverOutcome]
) -> Iterator[HandOverOutcome]:
    times = Counter(one.name for one in said)
    of = {one.name: one for one in said}
    for entry in sent:
        one = of.get(entry.name)
        if one is None:
            yield answer.failed(_UNEXPECTED, "The answer to a group does not name this message")
        elif times[entry.name] > 1:
            yield answer.failed(_UNEXPECTED, "The answer to a group names this message more than once")
        else:
            yield of_single(Answer(status=one.status, media_type="", body=None, retry_after=one.retry_after))


def read_answers(body: bytes) -> list[EntryAnswer]:
    """Return what an answer says of each message, in its order. Members that are not known are passed over.

    Raises ValueError when anything in it is not of the form: then nothing of it can be relied on.
    """
    try:
        found = json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except ValueError:
        raise ValueError("it is not JSON") from None  # the parser's words may quote what it met
    entries = found.get("messages") if isinstance(found, dict) else None
    if isinstance(entries, list):
        return [_read(entry) for entry in entries]
    raise ValueError("it has no list of messages")


def _read(entry: object) -> EntryAnswer:
    found = entry if isinstance(entry, dict) else {}
    wait = found.get("retry_after")
    retry_after = None if wait is None else timedelta(seconds=_number(wait, least=0, most=_MAX_RETRY_AFTER_SECONDS))
    return EntryAnswer(
        name=(PartyId(_text(found, "sender")), MessageId(_text(found, "message_id"))),
        status=_number(found.get("status"), least=100, most=599),
        retry_after=None if retry_after is None else min(retry_after, LONGEST_WAIT),
    )


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if isinstance(value, str):
        return value
    raise ValueError(f"an entry without {name}")


def _number(value: object, *, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"a number is not from {least} to {most}")
    return value
