"""Documents in the log: whole, in order, in pieces that no log line cuts."""

import io
import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.app.document_log import document_log
from gateway.logs import MAX_TEXT_CHARACTERS, configure_logs

VALUE = "x" * 70


def logged(document: bytes) -> list[str]:
    """Return the text of each line that the real log writes for a document."""
    stream = io.StringIO()
    document_log(configure_logs(level="info", service="test", stream=stream))(document)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["labels.part"] for line in lines] == list(range(1, len(lines) + 1))
    return [line["labels.text"] for line in lines]


# Characters that the log shows as an escape stand apart; they lengthen a line after it was cut.
@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=5 * MAX_TEXT_CHARACTERS))
def test_the_lines_together_are_the_document(text: str) -> None:
    assert "".join(logged(text.encode())) == text


def test_a_value_is_not_torn_between_two_lines() -> None:
    document = "".join(f"<Name>{VALUE}</Name>" for _ in range(100))
    lines = logged(document.encode())
    assert len(lines) > 1
    assert sum(line.count(VALUE) for line in lines) == 100


def test_what_is_refused_for_its_encoding_can_be_read() -> None:
    assert logged("<A>é</A>".encode("utf-16")) == ["<A>é</A>"]


def test_what_is_no_text_is_written_all_the_same() -> None:
    assert logged(b"\x80\xfa<A/>") == ["��<A/>"]
