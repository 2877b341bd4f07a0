"""Limits: an envelope's size follows from its document's, and every document fits its envelope and its batch."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.limits import (
    CEILING_DOCUMENT_BYTES,
    MAX_BATCH_BYTES,
    MAX_DOCUMENT_BYTES,
    MAX_PROTECTED_HEADER_BYTES,
    DocumentLimits,
    max_envelope_bytes,
)

P256_SIGNATURE_CHARACTERS = 86


def _base64url(size: int) -> int:
    return len(base64.urlsafe_b64encode(bytes(size)).rstrip(b"="))


@given(st.integers(0, 200_000), st.integers(2, MAX_PROTECTED_HEADER_BYTES))
def test_a_message_with_the_largest_headers_fits_its_envelope(document: int, header: int) -> None:
    jws = _base64url(header) + 1 + _base64url(document) + 1 + P256_SIGNATURE_CHARACTERS
    jwe_parts = [MAX_PROTECTED_HEADER_BYTES, 40, 12, jws, 16]
    jwe = sum(_base64url(part) for part in jwe_parts) + 4
    assert jwe <= max_envelope_bytes(document)


def test_the_largest_document_of_the_default_fits_a_batch() -> None:
    assert max_envelope_bytes(MAX_DOCUMENT_BYTES) <= MAX_BATCH_BYTES


def test_the_default_limits_are_those_that_the_docs_promise() -> None:
    limits = DocumentLimits()
    assert limits.size_bytes == 10 * 1024 * 1024
    assert (limits.depth, limits.elements, limits.attributes) == (64, 200_000, 64)
    assert limits.size_bytes <= CEILING_DOCUMENT_BYTES == 32 * 1024 * 1024
