"""Opening and closing a listener."""

import asyncio
from datetime import timedelta

import aiohttp
import pytest

from gateway.web import Listener, serve, submission_app
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


async def test_a_connection_too_many_is_closed_at_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.web.runner._MAX_CONNECTIONS", 1)
    async with open_submission(node.submission()) as url:
        host, port = url.removeprefix("http://").split(":")
        _, kept = await asyncio.open_connection(host, int(port))
        kept.write(b"GET /v1/submissions HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(5):
            await node.lines.told.wait()
            reader, other = await asyncio.open_connection(host, int(port))
            assert await reader.read() == b""
        kept.close()
        other.close()


async def test_a_head_that_never_ends_is_cut_off(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.web.runner._IDLE_SECONDS", 0.05)
    async with open_submission(node.submission()) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /v1/submissions HTTP/1.1\r\nX-Slow: ")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
