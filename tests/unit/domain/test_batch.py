"""The answer to a batch: what is written is read back, and what is no answer is none as a whole."""

import pytest

from gateway.domain.batch import LineAnswer, read_answers, write_answers
from gateway.domain.ids import MessageId

ID = MessageId("01950000-0000-7000-8000-000000000001")

LINES = [
    LineAnswer(message_id=ID, status=200, token="h.p.s"),
    LineAnswer(message_id=ID, status=409, token="h.p.s"),
    LineAnswer(message_id=ID, status=413, code="request.too_large"),
    LineAnswer(message_id=ID, status=503, code="busy", retry_after=5),
    LineAnswer(message_id=ID, status=202),
    LineAnswer(message_id=None, status=400, token="h.p.s"),
]


def test_what_is_written_is_read_back() -> None:
    assert read_answers(write_answers(LINES)) == LINES


def test_each_answer_is_one_line_of_json() -> None:
    body = write_answers(LINES[:1])
    assert body == b'{"id":"01950000-0000-7000-8000-000000000001","status":200,"token":"h.p.s"}\n'


def test_a_body_may_end_without_a_line_feed_and_may_say_more_than_we_know() -> None:
    assert read_answers(b'{"id":null,"status":202,"since":[1,{}]}') == [LineAnswer(message_id=None, status=202)]


@pytest.mark.parametrize(
    "line",
    [
        b"accepted",
        b"[]",
        b"{}",
        b'{"id":"x","status":200}',
        b'{"id":1,"status":200}',
        b'{"id":null,"status":"200"}',
        b'{"id":null,"status":true}',
        b'{"id":null,"status":20}',
        b'{"id":null,"status":1000}',
        b'{"id":null,"status":200.5}',
        b'{"id":null,"status":200,"token":7}',
        b'{"id":null,"status":200,"token":"\xc3\xa9"}',
        b'{"id":null,"status":503,"retry_after":-1}',
        b'{"id":null,"status":503,"retry_after":"soon"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_one_line_that_is_no_answer_spoils_the_body(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_answers(write_answers(LINES[:1]) + line + b"\n")
