"""The typed client against the real listeners: values come back typed, refusals as errors with their problem."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path

import pytest
from aiohttp import web

from gateway.audit import verify_export
from gateway.client import ClientError, NewSubmission, OperationsClient, Submission, SubmissionClient, in_requests
from gateway.client.bulk import line_of
from gateway.domain.bulk import MAX_BULK_BYTES
from gateway.domain.ids import SubmissionId, TransferId
from gateway.domain.lifecycle import HandOverState, SubmissionStatus, TransferState
from gateway.errors import TrustError
from tests.store_values import HOME, LEASE, NOW, OTHER, PARTNER, message_evidence
from tests.unit.web.listening import (
    BROKEN,
    FINE,
    UNWELCOME,
    Node,
    open_node,
    open_operations,
    open_submission,
)
from tests.unit.web.test_operations import accepted, dead_lettered


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with open_node(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
async def client(node: Node) -> AsyncIterator[SubmissionClient]:
    async with open_submission(node.submission()) as url, SubmissionClient(url, "submitter") as opened:
        yield opened


@pytest.fixture
async def operator(node: Node) -> AsyncIterator[OperationsClient]:
    async with open_operations(node.operations()) as url, OperationsClient(url, "operator") as opened:
        yield opened


async def test_a_submission_comes_back_typed(client: SubmissionClient) -> None:
    made = await client.submit(FINE, to=[PARTNER, OTHER], sender=HOME, conversation="case 7")
    assert made.status is SubmissionStatus.IN_PROGRESS
    assert {one.recipient for one in made.transfers} == {PARTNER, OTHER}
    assert made.transfers[0].state is TransferState.QUEUED
    assert made.created.tzinfo is UTC
    assert not made.replayed
    assert await client.get(made.id) == made
    listed, before = await client.list(limit=1)
    assert (listed, before) == ((made,), made.id)


async def test_each_submission_has_a_fresh_key_unless_one_is_given(client: SubmissionClient) -> None:
    assert (await client.submit(FINE, to=[PARTNER])).id != (await client.submit(FINE, to=[PARTNER])).id
    first = await client.submit(FINE, to=[PARTNER], idempotency_key="same")
    again = await client.submit(FINE, to=[PARTNER], idempotency_key="same")
    assert again.id == first.id
    assert again.replayed


async def test_a_refusal_holds_its_problem(client: SubmissionClient) -> None:
    with pytest.raises(ClientError) as refused:
        await client.submit(BROKEN, to=[PARTNER])
    assert (refused.value.code, refused.value.status) == ("schema.invalid", 422)
    assert refused.value.problem["violations"][0]["line"] == 7
    with pytest.raises(ClientError) as unwelcome:
        await client.submit(UNWELCOME, to=[PARTNER])
    assert unwelcome.value.problem["recipients"][0]["recipient"] == PARTNER


async def test_what_is_not_there_is_not_found(client: SubmissionClient) -> None:
    with pytest.raises(ClientError) as missing:
        await client.get(SubmissionId("01950000-0000-7000-8000-00000000ffff"))
    assert missing.value.code == "request.not_found"
    made = await client.submit(FINE, to=[PARTNER])
    with pytest.raises(ClientError) as early:
        await client.receipt(made.transfers[0].id)
    assert early.value.code == "request.not_found"


async def test_transfers_are_read_and_steered(node: Node, operator: OperationsClient) -> None:
    row = await dead_lettered(node)
    listed, _ = await operator.transfers(state=TransferState.DEAD_LETTERED, reference="mrn:24GB0001")
    assert [one.id for one in listed] == [row.id]
    detail = await operator.transfer(row.id)
    assert (detail.transfer.state, detail.tries[0].code) == (TransferState.DEAD_LETTERED, "channel.unreachable")
    assert [event.event for event in detail.timeline][-1] == "transfer.exhausted"
    assert (await operator.requeue(row.id, reason="repaired")).state is TransferState.QUEUED
    with pytest.raises(ClientError) as refused:
        await operator.requeue(row.id, reason="again")
    assert (refused.value.code, refused.value.status) == ("transfer.illegal_transition", 409)
    fresh = await accepted(node, "24GB0002")
    assert (await operator.cancel(fresh.id, reason="mistake")).state is TransferState.CANCELLED
    assert (await operator.counts())["transfer.CANCELLED"] == 1


async def test_the_inbox_is_read(node: Node, operator: OperationsClient) -> None:
    message = node.values.admitted()
    await node.store.admit(message, now=NOW, audit=message_evidence(message))
    listed, _ = await operator.inbox(state=HandOverState.PENDING)
    assert [one.message_id for one in listed] == [message.header.message_id]
    detail = await operator.inbox_message(message.header.message_id)
    assert detail.message == listed[0]
    assert detail.receipt is not None
    assert detail.receipt.token == message.receipt_token


async def test_answers_are_read_on_both_sides(node: Node, client: SubmissionClient, operator: OperationsClient) -> None:
    sent = (await client.submit(FINE, to=[PARTNER])).transfers[0]
    await node.store.claim(PARTNER, limit=1, now=NOW, lease=LEASE)
    message = node.values.admitted(in_reply_to=sent.message_id, conversation=sent.conversation)
    await node.store.admit(message, now=NOW, audit=message_evidence(message))
    detail = await operator.transfer(sent.id)
    (answer,) = detail.answers
    assert (answer.message_id, answer.hand_over) == (message.header.message_id, HandOverState.PENDING)
    assert (await client.list())[0][0].transfers[0].answers == detail.answers
    ours = await client.submit(FINE, to=[PARTNER], in_reply_to=answer.message_id)
    (given,) = (await operator.inbox_message(answer.message_id)).answers
    assert (given.id, given.in_reply_to) == (ours.transfers[0].id, answer.message_id)


async def test_the_node_says_how_it_is(node: Node, operator: OperationsClient) -> None:
    assert await operator.healthy()
    assert (await operator.ready())["store"] == {"ready": True}
    assert [one.partner for one in await operator.partners()] == [PARTNER, OTHER]
    node.failing["revocation"] = TrustError("trust.crl_stale")
    with pytest.raises(ClientError) as refused:
        await operator.ready()
    assert refused.value.code == "node.not_ready"
    assert not refused.value.problem["checks"]["revocation"]["ready"]


async def test_the_audit_comes_as_an_export(node: Node) -> None:
    await accepted(node)
    async with open_operations(node.operations()) as url, OperationsClient(url, "auditor") as auditor:
        export = b"".join([chunk async for chunk in auditor.audit()])
    assert verify_export(export.splitlines(keepends=True)).intact


async def test_a_stream_that_is_refused_is_an_error(operator: OperationsClient) -> None:
    with pytest.raises(ClientError) as refused:
        [chunk async for chunk in operator.audit()]
    assert refused.value.code == "access.forbidden"


async def test_nobody_there_is_said_so() -> None:
    async with SubmissionClient("http://127.0.0.1:1", "submitter") as client:
        with pytest.raises(ClientError) as refused:
            await client.get(SubmissionId("x"))
    assert (refused.value.code, refused.value.status) == ("client.unreachable", None)


async def test_a_server_that_is_no_gateway_is_noticed(node: Node) -> None:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="<h1>It works</h1>", content_type="text/html")

    async def other(_request: web.Request) -> web.Response:
        return web.json_response({"id": 7})

    async def elsewhere(_request: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:1/")

    app = web.Application()
    app.router.add_get("/v1/submissions/page", page)
    app.router.add_get("/v1/submissions/other", other)
    app.router.add_get("/v1/submissions/elsewhere", elsewhere)
    from gateway.web import serve

    listener = await serve(app, host="127.0.0.1", port=0)
    try:
        async with SubmissionClient(listener.url, "submitter") as client:
            for path in ("page", "other", "elsewhere", "missing"):
                with pytest.raises(ClientError) as refused:
                    await client.get(SubmissionId(path))
                assert refused.value.code == "client.unexpected_answer", path
    finally:
        await listener.stop()


async def test_a_client_is_used_as_a_context_manager() -> None:
    with pytest.raises(RuntimeError, match="context manager"):
        await OperationsClient("http://127.0.0.1:1", "operator").transfer(TransferId("x"))


def test_a_token_is_not_shown() -> None:
    assert "s3cret" not in repr(SubmissionClient("http://127.0.0.1:1", "s3cret"))


async def test_many_submissions_come_back_typed_in_their_order(client: SubmissionClient) -> None:
    asked = [NewSubmission(document=one, to=(PARTNER, OTHER), sender=HOME) for one in (FINE, BROKEN, FINE)]
    first, refused, last = await client.submit_many(asked)
    assert isinstance(first, Submission)
    assert isinstance(last, Submission)
    assert isinstance(refused, ClientError)
    assert (refused.status, refused.code) == (422, "schema.invalid")
    assert refused.problem["violations"][0]["line"] == 7
    again = await client.submit_many(asked)
    assert [one.id if isinstance(one, Submission) else one.code for one in again] == [
        first.id,
        "schema.invalid",
        last.id,
    ]
    assert isinstance(again[0], Submission)
    assert again[0].replayed


async def test_many_submissions_of_a_client_without_the_right_are_one_error(node: Node) -> None:
    async with open_submission(node.submission()) as url, SubmissionClient(url, "fetcher") as client:
        with pytest.raises(ClientError) as refused:
            await client.submit_many([NewSubmission(document=FINE, to=(PARTNER,))])
    assert refused.value.code == "access.forbidden"


def test_submissions_are_parted_into_requests_that_may_come() -> None:
    def new(size: int) -> NewSubmission:
        return NewSubmission(document=b"x" * size, to=(PARTNER,))

    assert [len(some) for some in in_requests(new(1) for _ in range(130))] == [64, 64, 2]
    half = MAX_BULK_BYTES // 2
    assert [len(some) for some in in_requests([new(half), new(half), new(1), new(2 * half), new(1)])] == [1, 2, 1, 1]


def test_a_document_in_no_unicode_goes_all_the_same() -> None:
    told = json.loads(line_of(NewSubmission(document=b"<a>\xff</a>", to=(PARTNER,))))
    assert base64.b64decode(told["document_base64"]) == b"<a>\xff</a>"
    assert "document" not in told
