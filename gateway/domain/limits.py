"""Limits that hold unless settings make them tighter. Sizes in bytes, counts in pieces."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

MAX_DOCUMENT_BYTES: Final = 10 * 1024 * 1024
CEILING_DOCUMENT_BYTES: Final = 32 * 1024 * 1024
MAX_BATCH_BYTES: Final = 32 * 1024 * 1024
MAX_BATCH_ENVELOPES: Final = 64
MAX_BATCH_CHANGES: Final = 128
MAX_PROTECTED_HEADER_BYTES: Final = 8 * 1024
MAX_RECIPIENTS: Final = 32
STAGE_BATCH: Final = 32
MAX_CLOCK_SKEW: Final = timedelta(minutes=5)
IDEMPOTENCY_KEPT: Final = timedelta(days=30)
NOTICE_OWED: Final = timedelta(days=7)
"""How long after a hand-over, and after the message's expiry, its sender is told of it."""
DEDUPE_KEPT_AFTER_EXPIRY: Final = timedelta(days=90)
NOT_SEEN_KEPT: Final = timedelta(days=3660 + 90)
"""How long an id that we gave up stays so. No message lives longer than ten years."""


def max_envelope_bytes(document_bytes: int) -> int:
    """Return the largest envelope for a document: two base64 layers (4/3 each) and room for headers."""
    return document_bytes * 16 // 9 + 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """What the XML door accepts. `attributes` counts per element."""

    size_bytes: int = MAX_DOCUMENT_BYTES
    depth: int = 64
    elements: int = 200_000
    attributes: int = 64
