"""Documents in the log. Only `insecure_log_documents` leads here, and a node audits that it is on at every start.

Everywhere else no value of a document may reach a log line. This is for laboratories that must see what was handed in,
and for the proof that a search for values would find them if they were there.
"""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator

from gateway.logs import MAX_TEXT_CHARACTERS
from gateway.ports import Telemetry


def document_log(telemetry: Telemetry) -> Callable[[bytes], None]:
    """Return what writes a document to `telemetry`, in as many lines as its text needs."""

    def write(document: bytes) -> None:
        encoding = "utf-16" if document.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8"
        for number, text in enumerate(_pieces(document.decode(encoding, "replace")), start=1):
            telemetry.line("submission.document", outcome="success", part=number, text=text)

    return write


def _pieces(text: str) -> Iterator[str]:
    """Return the text in pieces that a log line holds whole, cut after a tag where it can be, so no value is torn."""
    start = 0
    while start < len(text):
        end = start + MAX_TEXT_CHARACTERS
        if end < len(text):
            end = text.rfind(">", start, end) + 1 or end
        yield text[start:end]
        start = end
