"""Many submissions in one request: the form of a line, as the submission listener reads it and the client writes it
(docs/api.md).

A line is a JSON object of texts. Its members are the parameters of a single submission under their own names, its key,
and its document: as text, or in base64 where it is not UTF-8.
"""

from typing import Final

BULK_TYPE: Final = "application/x-ndjson"
"""Media type of the request and of its answer: JSON objects, one a line."""

MAX_BULK_LINES: Final = 64
MAX_BULK_BYTES: Final = 32 * 1024 * 1024
"""Of the whole body. As on the wire between gateways."""

KEY: Final = "idempotency_key"
DOCUMENT: Final = "document"
DOCUMENT_BASE64: Final = "document_base64"
PARAMETERS: Final = frozenset({"from", "to", "conversation", "in_reply_to", "priority", "explain"})
