"""Where a request ends is never a matter of opinion: what could be read in two ways is refused, and its connection closed.

A proxy before the gateway and the gateway itself must not come to see different requests in the same bytes.
"""

import asyncio
import gzip
import re

import pytest

from tests.store_values import PARTNER

HIDDEN = b"GET /v1/submissions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer submitter\r\nConnection: close\r\n\r\n"
"""A whole request that stands behind another, or where its body should."""

POST = b"POST /v1/submissions HTTP/1.1\r\nHost: x\r\n"

AMBIGUOUS = {
    "a length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 90\r\n\r\n",
    "a list of lengths": POST + b"Content-Length: 0, 90\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +0\r\n\r\n",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length in other digits": POST + "Content-Length: ٠\r\n\r\n".encode(),
    "a length with an underscore": POST + b"Content-Length: 0_0\r\n\r\n",
    "a length in hexadecimal": POST + b"Content-Length: 0x0\r\n\r\n",
    "a blank before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a folded line": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "chunked, but not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a vertical tab": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "a bare line feed": POST + b"Transfer-Encoding: chunked\nContent-Length: 0\n\n",
    "a bare carriage return": POST + b"Content-Length: 0\rTransfer-Encoding: chunked\r\n\r\n",
    "a zero byte in a name": POST + b"Content-Length\x00: 0\r\n\r\n",
    "a request line with a line feed": b"GET /v1/submissions\nHTTP/1.1\r\nHost: x\r\n\r\n",
}

SUBMITTING = POST.replace(b"submissions", b"submissions?to=" + PARTNER.encode()) + (
    b"Authorization: Bearer submitter\r\nIdempotency-Key: k\r\nContent-Type: application/xml\r\n"
)
CHUNKED = SUBMITTING + b"Transfer-Encoding: chunked\r\n\r\n"

CHUNKS = {
    "a size with a sign": b"+1\r\nx\r\n0\r\n\r\n",
    "a size in 0x": b"0x1\r\nx\r\n0\r\n\r\n",
    "a size with an underscore": b"1_0\r\nx\r\n0\r\n\r\n",
    "a size without end": b"f" * 40 + b"\r\nx\r\n0\r\n\r\n",
    "no size": b"\r\nx\r\n0\r\n\r\n",
    "more than its size": b"1\r\nxy\r\n0\r\n\r\n",
    "a bare line feed": b"1\nx\n0\n\n",
    "an extension with a line feed": b"1;a=\nb\r\nx\r\n0\r\n\r\n",
}


async def answers(url: str, request: bytes) -> list[int]:
    """Send bytes; return the status of every answer until the end of the connection. Raises TimeoutError if it is kept."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    async with asyncio.timeout(5):
        said = await reader.read()
    writer.close()
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", said)]


async def test_what_stands_behind_a_whole_request_is_another(submission: str) -> None:
    """What the others do not get would be got."""
    whole = HIDDEN.replace(b"Connection: close", b"Content-Length: 0")
    assert await answers(submission, whole + HIDDEN) == [200, 200]


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_a_request_whose_end_is_doubtful_is_refused_and_nothing_behind_it_is_read(
    submission: str, name: str
) -> None:
    assert await answers(submission, AMBIGUOUS[name] + HIDDEN) == [400]


@pytest.mark.parametrize("name", CHUNKS)
async def test_chunks_whose_end_is_doubtful_are_refused_and_nothing_behind_them_is_read(
    submission: str, name: str
) -> None:
    assert await answers(submission, CHUNKED + CHUNKS[name] + HIDDEN) == [400]


WHOLE = {
    "without a token": (POST, HIDDEN, 401),
    "to nowhere": (POST.replace(b"/v1/submissions", b"/nowhere"), HIDDEN, 404),
    "too large": (SUBMITTING, HIDDEN + b"x" * 100_001, 413),
    "compressed": (SUBMITTING + b"Content-Encoding: gzip\r\n", HIDDEN + gzip.compress(b"0" * 1_000_000), 415),
    "of another type": (SUBMITTING.replace(b"/xml", b"/json"), HIDDEN, 415),
}
"""The head of a request that is refused without a look at its body, the body, and the status."""


@pytest.mark.parametrize("name", WHOLE)
async def test_a_body_that_nobody_reads_is_never_the_next_request(submission: str, name: str) -> None:
    head, body, status = WHOLE[name]
    head += f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert await answers(submission, head + body) == [status]
