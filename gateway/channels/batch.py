"""Several tokens in one request, and what each line of the answer means for its message (docs/protocol.md §4).

A line counts for the one message that it names. What is not named, or named twice, was not answered: try again. An
answer that can not be read as a whole answers nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from gateway.channels.http import Answer
from gateway.channels.retry_after import LONGEST_WAIT
from gateway.domain.batch import ANSWERS_TYPE, LineAnswer, read_answers
from gateway.domain.ids import MessageId
from gateway.domain.limits import MAX_BATCH_ENVELOPES
from gateway.domain.outcome import ReceiptReturned, SendOutcome, TransientFailure, TransportAccepted

MAX_ANSWERS_BYTES: Final = MAX_BATCH_ENVELOPES * 16 * 1024
"""The longest answer to a batch that is read: a signed statement in a line is under 4 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """One compact token, an envelope or a notice, and the message that it holds or is about."""

    message_id: MessageId
    token: str = field(repr=False)


def body_of(lines: Iterable[Addressed]) -> bytes:
    """Return the body of a request with these tokens."""
    return "\n".join(one.token for one in lines).encode("ascii")


def outcomes_of(answer: Answer, sent: Sequence[Addressed]) -> list[SendOutcome]:
    """Return what the answer to a batch means for each of its lines, in their order."""
    if answer.status in {429, 503}:
        return [answer.busy()] * len(sent)
    if answer.status != 200 or answer.media_type != ANSWERS_TYPE:
        return [answer.unexpected()] * len(sent)
    if answer.body is None:
        detail = f"The answer to a batch is compressed or longer than {MAX_ANSWERS_BYTES} bytes"
        return [answer.failed(_UNEXPECTED, detail)] * len(sent)
    try:
        lines = read_answers(answer.body)
    except ValueError as error:
        return [answer.failed(_UNEXPECTED, f"The answer to a batch can not be read: {error}")] * len(sent)
    return list(_by_message(answer, lines, sent))


_UNEXPECTED: Final = "channel.unexpected_answer"


def _by_message(answer: Answer, lines: Sequence[LineAnswer], sent: Sequence[Addressed]) -> Iterator[SendOutcome]:
    times = Counter(line.message_id for line in lines)
    said = {line.message_id: line for line in lines}
    for one in sent:
        line = said.get(one.message_id)
        if line is None:
            yield answer.failed(_UNEXPECTED, "The answer to a batch has no line for this message")
        elif times[one.message_id] > 1:
            yield answer.failed(_UNEXPECTED, "The answer to a batch has several lines for this message")
        else:
            yield _outcome(line)


def _outcome(line: LineAnswer) -> SendOutcome:
    """Return what one line means: what the same answer to a single envelope would."""
    if line.status in {429, 503}:
        return _failed("channel.busy", f"The other side is busy (status {line.status})", line.retry_after)
    if line.status in {202, 204}:
        return TransportAccepted()
    if line.token is not None and (line.status == 200 or 400 <= line.status < 500):
        return ReceiptReturned(token=line.token)
    return _failed(_UNEXPECTED, f"The other side answered status {line.status} without a statement", line.retry_after)


def _failed(code: str, detail: str, retry_after: int | None) -> TransientFailure:
    wait = None if retry_after is None else min(timedelta(seconds=retry_after), LONGEST_WAIT)
    return TransientFailure(code=code, detail=detail, sent=True, connected=True, retry_after=wait)
