"""Opening and closing a listener."""

import asyncio
from datetime import timedelta

import aiohttp
import pytest

from gateway.web import Listener, serve, submission_app
from tests.store_values import PARTNER
from tests.unit.web.listening import SLOW, Node, ask, open_submission, submit


async def opened(node: Node) -> Listener:
    return await serve(submission_app(node.submission()), host="127.0.0.1", port=0, stop_within=timedelta(seconds=5))


async def test_port_0_gives_the_real_port(node: Node) -> None:
    listener = await opened(node)
    try:
        assert listener.port > 0
        assert listener.url == f"http://127.0.0.1:{listener.port}"
        assert (await ask(f"{listener.url}/v1/submissions", token="submitter")).status == 200
    finally:
        await listener.stop()


async def test_a_stop_lets_a_request_in_work_finish_and_takes_no_other(node: Node) -> None:
    listener = await opened(node)
    first = asyncio.create_task(submit(listener.url, SLOW))
    await node.workers.begun.wait()
    stopping = asyncio.create_task(listener.stop())
    await asyncio.sleep(0)  # one turn of the loop, in which the listening socket is closed
    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(listener.url)
    node.workers.may_end.set()
    assert (await first).status == 202
    await stopping


async def test_a_port_that_is_taken_is_an_error(node: Node) -> None:
    listener = await opened(node)
    try:
        with pytest.raises(OSError, match="in use"):
            await serve(submission_app(node.submission()), host="127.0.0.1", port=listener.port)
    finally:
        await listener.stop()


async def dial(url: str, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    return reader, writer


HALF_A_HEAD = b"GET /v1/submissions HTTP/1.1\r\nX-Slow: "
SLOW_REQUEST = (
    f"POST /v1/submissions?to={PARTNER} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer submitter\r\n"
    f"Idempotency-Key: k\r\nContent-Type: application/xml\r\nContent-Length: {len(SLOW)}\r\n\r\n"
).encode() + SLOW


async def test_a_connection_too_many_is_closed_at_once_while_all_others_are_at_work(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.runner._MAX_CONNECTIONS", 1)
    async with open_submission(node.submission()) as url, asyncio.timeout(5):
        _, kept = await dial(url, SLOW_REQUEST)
        await node.workers.begun.wait()
        reader, other = await dial(url, b"")
        assert await reader.read() == b""
        node.workers.may_end.set()
        kept.close()
        other.close()


async def test_heads_that_never_end_keep_nobody_out(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.web.runner._MAX_CONNECTIONS", 3)
    async with open_submission(node.submission()) as url, asyncio.timeout(5):
        hanging = [await dial(url, HALF_A_HEAD) for _ in range(3)]
        assert (await ask(f"{url}/v1/submissions", token="submitter")).status == 200
        oldest, _ = hanging[0]
        assert await oldest.read() == b""
        for _, writer in hanging:
            writer.close()


async def test_who_opens_many_connections_displaces_its_own(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.web.runner._MAX_CONNECTIONS", 3)
    async with open_submission(node.submission()) as url, asyncio.timeout(5):
        port = int(url.rpartition(":")[2])
        neighbour, kept = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
        hanging = [await dial(url, HALF_A_HEAD) for _ in range(4)]
        kept.write(b"GET /v1/submissions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer submitter\r\n\r\n")
        assert (await neighbour.readline()).startswith(b"HTTP/1.1 200")
        for writer in (kept, *(writer for _, writer in hanging)):
            writer.close()


async def test_a_new_connection_has_seconds_for_its_first_request(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.web.runner._HEAD_SECONDS", 0.05)
    async with open_submission(node.submission()) as url, asyncio.timeout(5):
        reader, writer = await dial(url, HALF_A_HEAD)
        assert await reader.read() == b""
        writer.close()


async def test_a_head_that_never_ends_is_cut_off(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.web.runner._IDLE_SECONDS", 0.05)
    async with open_submission(node.submission()) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /v1/submissions HTTP/1.1\r\nX-Slow: ")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
