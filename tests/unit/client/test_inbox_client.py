"""The client of a back end that pulls: typed messages, refusals with their code, and no trust in a strange server."""

import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web

from gateway.client import ClientError, InboxClient, LeasedMessage
from gateway.domain.hand_over import terms_beside
from gateway.domain.lifecycle import HandOverState
from tests.store_values import HOME, OTHER, TERMS
from tests.unit.channels.samples import inbox_row
from tests.unit.web.listening import Node, open_node, open_submission
from tests.unit.web.test_inbox import VIEW, received

Value = TypeVar("Value")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with open_node(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
async def client(node: Node) -> AsyncIterator[InboxClient]:
    async with open_submission(node.submission()) as url, InboxClient(url, "fetcher") as opened:
        yield opened


async def test_a_leased_message_comes_back_typed(node: Node, client: InboxClient) -> None:
    message_id = await received(node)
    (message,) = await client.lease(party=HOME, limit=4)
    assert (message.message_id, message.document, message.terms, message.attempt) == (message_id, VIEW, TERMS, 1)
    assert (message.expires - node.clock.now()).total_seconds() == 60
    settled = await client.acknowledge(message)
    assert (settled.hand_over, settled.handed_over) == (HandOverState.HANDED_OVER, node.clock.now())
    assert await client.acknowledge(message) == settled
    assert await client.lease() == ()


async def test_messages_are_acknowledged_together_each_with_its_own_answer(node: Node, client: InboxClient) -> None:
    ids = {await received(node, conversation=str(number)) for number in range(70)}
    messages = [one for _ in range(3) for one in await client.lease(party=HOME, limit=32)]
    lost = messages[66]
    await client.postpone(lost, reason="database_down")
    told = await client.acknowledge_all(messages)
    done = [one for one in told if not isinstance(one, ClientError)]
    assert {one.message_id for one in done} == ids - {lost.message_id}
    assert {one.hand_over for one in done} == {HandOverState.HANDED_OVER}
    (refused,) = (one for one in told if isinstance(one, ClientError))
    assert told.index(refused) == 66
    assert (refused.status, refused.code) == (409, "hand_over.lease_lost")
    assert await client.acknowledge_all([]) == []


async def test_an_answer_about_another_message_is_not_believed() -> None:
    answer = {"messages": [{"message_id": "0195c7a0-0000-7000-8000-00000000ffff", "status": 200}]}
    with pytest.raises(ClientError) as caught:
        await answered(answer, lambda client: client.answer_all([(inbox_row().message_id, "eA")]))
    assert caught.value.code == "client.unexpected_answer"


async def test_a_message_can_be_given_back(node: Node, client: InboxClient) -> None:
    await received(node, conversation="c")
    await received(node, conversation="d")
    first, second = await client.lease(limit=2)
    postponed = await client.postpone(first, reason="database_down")
    assert postponed.hand_over is HandOverState.PENDING
    assert postponed.next_attempt_at is not None
    assert (await client.quarantine(second, reason="not_ours")).hand_over is HandOverState.QUARANTINED


async def test_a_refusal_is_an_error_with_its_code(client: InboxClient) -> None:
    with pytest.raises(ClientError) as caught:
        await client.lease(party=OTHER)
    assert (caught.value.status, caught.value.code) == (403, "access.forbidden")


DOCUMENT = {"document": base64.b64encode(VIEW).decode(), "document_sha256": hashlib.sha256(VIEW).hexdigest()}
LEASED: dict[str, Any] = {"attempt": 1, "lease": {"token": "t", "expires": "2026-03-01T09:31:00.000Z"}}


@pytest.mark.parametrize(
    "change",
    [
        {"document_sha256": "00" * 32},
        {"message_id": "../../etc/passwd"},
        {"sender": "../GB"},
        {"document": "no base64!"},
        {"kind": "unheard of"},
        {"lease": None},
    ],
)
async def test_a_server_that_makes_no_sense_is_not_believed(change: dict[str, Any]) -> None:
    right: dict[str, Any] = {**terms_beside(inbox_row()), **DOCUMENT, **LEASED}
    assert len(await leased_from(right)) == 1
    with pytest.raises(ClientError) as caught:
        await leased_from({**right, **change})
    assert caught.value.code == "client.unexpected_answer"


async def leased_from(message: dict[str, Any]) -> tuple[LeasedMessage, ...]:
    """Return what a client reads from a server that answers `message`."""
    return await answered({"messages": [message]}, lambda client: client.lease())


async def answered(value: dict[str, Any], ask: Callable[[InboxClient], Awaitable[Value]]) -> Value:
    """Return what a client reads from a server that answers `value` to everything."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(value)

    app = web.Application()
    app.router.add_post("/v1/inbox/{what}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with InboxClient(f"http://127.0.0.1:{runner.addresses[0][1]}", "word") as client:
            return await ask(client)
    finally:
        await runner.cleanup()
