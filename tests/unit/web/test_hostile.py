"""What the outside may throw at a listener, and what it gets back: a problem, soon, and nothing of ours."""

import asyncio
import gzip
from datetime import timedelta

import pytest

from gateway.web.query import _time_for
from tests.store_values import PARTNER
from tests.unit.web.listening import CRASHING, FINE, SECRET, SLOW, Node, ask, open_submission, submit

POST_HEAD = (
    f"POST /v1/submissions?to={PARTNER} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer submitter\r\n"
    "Idempotency-Key: k\r\nContent-Type: application/xml\r\n"
)


async def raw(url: str, request: bytes) -> bytes:
    """Send bytes as they are and return the answer, which is a problem."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    async with asyncio.timeout(5):
        answer = await reader.readuntil(b"}")
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Many: 1\r\n" * 500 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
    ],
    ids=["tls", "version", "long-line", "long-header", "many-headers", "no-colon", "smuggling", "two-lengths"],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_what_is_no_request_gets_a_problem_that_quotes_nothing(submission: str, request_bytes: bytes) -> None:
    answer = await raw(submission, request_bytes)
    assert answer.startswith(b"HTTP/1.")
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert b"application/problem+json" in answer
    assert b'"code":"request.malformed"' in answer
    assert b"aaaa" not in answer


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(submission: str) -> None:
    answer = await raw(submission, f"{POST_HEAD}Content-Length: 100001\r\n\r\n".encode())
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert b'"code":"request.too_large"' in answer


async def test_a_body_that_grows_too_large_is_refused(submission: str) -> None:
    async def flood() -> object:
        for _ in range(40):
            yield b"x" * 10_000

    answer = await submit(submission, flood())
    assert (answer.status, answer.code) == (413, "request.too_large")


async def test_a_body_that_ends_early_is_refused(node: Node, submission: str) -> None:
    host, port = submission.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{POST_HEAD}Content-Length: 100\r\n\r\n<Meta".encode())
    await writer.drain()
    writer.close()
    async with asyncio.timeout(5):
        await node.lines.told.wait()
    assert node.lines.kept[0]["code"] == "request.malformed"
    assert await node.store.audit() == []


async def test_a_body_that_never_comes_ends_by_its_deadline(node: Node) -> None:
    async with open_submission(node.submission(body_timeout=timedelta(milliseconds=50))) as url:
        answer = await raw(url, f"{POST_HEAD}Content-Length: 100\r\n\r\n<".encode())
    assert b'"code":"request.malformed"' in answer


async def test_a_compressed_body_is_refused_unread(submission: str) -> None:
    answer = await ask(
        f"{submission}/v1/submissions?to={PARTNER}",
        "POST",
        token="submitter",
        headers={"Content-Type": "application/xml", "Content-Encoding": "gzip", "Idempotency-Key": "k"},
        body=gzip.compress(b"0" * 1_000_000),
    )
    assert (answer.status, answer.code) == (415, "request.media_type")


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
async def test_another_media_type_is_refused(submission: str, media_type: str) -> None:
    answer = await ask(
        f"{submission}/v1/submissions?to={PARTNER}",
        "POST",
        token="submitter",
        headers={"Content-Type": media_type, "Idempotency-Key": "k"},
        body=FINE,
    )
    assert (answer.status, answer.code) == (415, "request.media_type")


async def test_an_unknown_expectation_is_ignored(submission: str) -> None:
    answer = await ask(f"{submission}/v1/submissions", token="submitter", headers={"Expect": "miracles"})
    assert answer.status == 200


async def test_a_defect_shows_neither_text_nor_trace(node: Node, submission: str) -> None:
    answer = await submit(submission, CRASHING)
    assert (answer.status, answer.code) == (500, "internal")
    assert SECRET not in answer.text
    line = node.lines.kept[-1]
    assert (line["code"], line["error"], line["outcome"]) == ("internal", "ZeroDivisionError", "failure")
    assert line["place"].startswith("tests.unit.web.listening:")
    assert SECRET not in str(line)


async def test_one_request_too_many_is_told_to_come_back(node: Node) -> None:
    async with open_submission(node.submission(in_work=1)) as url:
        first = asyncio.create_task(submit(url, SLOW))
        await node.workers.begun.wait()
        second = await submit(url, key="key-2")
        assert (second.status, second.code) == (503, "capacity.exhausted")
        assert second.headers["Retry-After"] == "5"
        node.workers.may_end.set()
        assert (await first).status == 202
        assert (await submit(url, key="key-2")).status == 202


async def hold_a_place(url: str) -> asyncio.StreamWriter:
    """Begin a request whose body does not come; it is in work when this returns."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{POST_HEAD}Expect: 100-continue\r\nContent-Length: {len(FINE)}\r\n\r\n".encode())
    async with asyncio.timeout(5):
        assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
    return writer


async def test_a_client_that_sends_slowly_leaves_room_for_others(node: Node) -> None:
    async with open_submission(node.submission(in_work=4)) as url:
        slow = [await hold_a_place(url) for _ in range(2)]
        mine = await submit(url, token="submitter", key="mine")
        assert (mine.status, mine.code) == (429, "capacity.share_exhausted")
        assert mine.headers["Retry-After"] == "5"
        assert (await submit(url, token="broker", key="other", query="&from=GB-HMRC")).status != 429
        for each in slow:
            each.close()


async def test_a_small_body_has_seconds_and_a_large_one_what_a_slow_line_needs() -> None:
    half_a_minute, second = timedelta(seconds=30), timedelta(seconds=1)
    assert _time_for(17_000, half_a_minute) < 6 * second
    assert 12 * second < _time_for(1024 * 1024, half_a_minute) < 14 * second
    assert _time_for(10 * 1024 * 1024, half_a_minute) == half_a_minute
    assert _time_for(None, half_a_minute) == half_a_minute


async def test_bodies_that_would_fill_memory_are_told_to_come_back(node: Node) -> None:
    async with open_submission(node.submission(in_work_bytes=1000)) as url:
        large = await submit(url, FINE + b" " * 1000)
        small = await submit(url, FINE)
    assert (large.status, large.code) == (503, "capacity.exhausted")
    assert small.status == 202


async def test_a_line_names_the_route_and_never_what_was_typed(node: Node, operations: str) -> None:
    await ask(f"{operations}/v1/transfers?reference=mrn:{SECRET}", token="operator")
    await ask(f"{operations}/{SECRET}", token="operator")
    await ask(f"{operations}/v1/transfers?{SECRET}=1", "GET", token=SECRET)
    await ask(f"{operations}/v1/transfers/{SECRET}", token="operator")
    listed, missing, refused, mistaken = node.lines.kept
    assert (mistaken["path"], mistaken["code"]) == ("/v1/transfers/{id}", "transfer.not_found")
    assert (listed["path"], listed["status"], listed["client_id"]) == ("/v1/transfers", 200, "operator-1")
    assert (missing["path"], missing["code"]) == ("-", "request.not_found")
    assert (refused["status"], refused["code"]) == (401, "access.token_invalid")
    assert SECRET not in str(node.lines.kept)


async def test_every_answer_is_hardened(submission: str, operations: str) -> None:
    for answer in (
        await submit(submission),
        await ask(f"{submission}/v1/submissions"),
        await ask(f"{submission}/nowhere"),
        await ask(f"{operations}/healthz"),
        await ask(f"{operations}/console/sign-in"),
    ):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Request-Id"]
        assert "Server" not in answer.headers
        assert "Strict-Transport-Security" not in answer.headers, "only where there is TLS"
