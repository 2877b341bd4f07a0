"""Many submissions in one request: each line is answered as the single request would be, whatever its neighbours are."""

import asyncio
import base64
import io
from dataclasses import replace
from typing import Any

import orjson
import pytest

from gateway.audit import AuditEvent
from gateway.domain.bulk import BULK_TYPE, MAX_BULK_BYTES, MAX_BULK_LINES
from gateway.errors import GatewayError
from gateway.web.load import Load
from tests.store_values import OTHER, PARTNER
from tests.unit.web.listening import (
    BROKEN,
    FINE,
    SECRET,
    SLOW,
    UNWELCOME,
    Answer,
    Node,
    ask,
    open_submission,
    submit,
)


def line(document: bytes = FINE, *, key: str, to: str = PARTNER, **more: str) -> dict[str, str]:
    return {"idempotency_key": key, "to": to, "document": document.decode(), **more}


async def bulk(url: str, *lines: Any, token: str = "submitter", headers: dict[str, str] | None = None) -> Answer:
    body = b"\n".join(one if isinstance(one, bytes) else orjson.dumps(one) for one in lines)
    given = {"Content-Type": BULK_TYPE, **(headers or {})}
    return await ask(f"{url}/v1/submissions/bulk", "POST", token=token, headers=given, body=body)


def told(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 200
    assert answer.headers["Content-Type"] == BULK_TYPE
    return [orjson.loads(one) for one in answer.body.splitlines()]


def codes(lines: list[dict[str, Any]]) -> list[str]:
    return [one["problem"]["code"] if "problem" in one else "" for one in lines]


async def test_every_line_is_a_submission_and_answered_in_its_place(node: Node, submission: str) -> None:
    lines = told(await bulk(submission, *(line(key=f"key-{number}") for number in range(5))))
    assert [one["status"] for one in lines] == [202] * 5
    assert [one["idempotency_key"] for one in lines] == [f"key-{number}" for number in range(5)]
    assert len({one["submission"]["id"] for one in lines}) == 5
    for one in lines:
        kept = await ask(f"{submission}/v1/submissions/{one['submission']['id']}", token="submitter")
        assert kept.json() == one["submission"]
    assert len(await node.store.transfers(limit=10)) == 5


async def test_a_line_is_answered_as_the_single_request_would_be(submission: str) -> None:
    (many,) = told(await bulk(submission, line(key="many", to=f"{PARTNER},{OTHER}")))
    single = (await submit(submission, to=f"{PARTNER},{OTHER}", key="single")).json()
    assert many["submission"].keys() == single.keys()
    assert many["submission"]["transfers"][0].keys() == single["transfers"][0].keys()
    for document in (BROKEN, UNWELCOME):
        refused = await submit(submission, document, to=f"{PARTNER},{OTHER}", key="single-refused")
        (one,) = told(await bulk(submission, line(document, key="many-refused", to=f"{PARTNER},{OTHER}")))
        assert one["status"] == refused.status
        instances = one["problem"].pop("instance"), (expected := refused.json()).pop("instance")
        assert one["problem"] == expected
        assert instances[0].startswith("urn:uuid:")
        assert instances[0].endswith("#1")


async def test_bad_lines_stop_no_good_ones(node: Node, submission: str) -> None:
    lines = told(
        await bulk(
            submission,
            line(key="good-1"),
            b"no json",
            line(BROKEN, key="broken"),
            line(key="unknown", wait="1"),
            {**line(key="stranger"), "from": OTHER},
            b"",
            line(key="good-2"),
        )
    )
    assert [one["status"] for one in lines] == [202, 400, 422, 400, 403, 400, 202]
    refused = ["request.malformed", "schema.invalid", "request.malformed", "access.forbidden", "request.malformed"]
    assert codes(lines) == ["", *refused, ""]
    assert [one["idempotency_key"] for one in lines] == [
        "good-1",
        None,
        "broken",
        "unknown",
        "stranger",
        None,
        "good-2",
    ]
    assert len(await node.store.transfers(limit=10)) == 2
    events = [record.entry.event for record in await node.store.audit()]
    assert events.count(AuditEvent.SUBMISSION_REFUSED) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(b'["to"]', id="no object"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param({**line(key="k"), "to": 1}, id="no text"),
        pytest.param({**line(key="k"), "to": [PARTNER]}, id="a list"),
        pytest.param(b'{"to":[' + b"1," * 200_000, id="a list without end"),
        pytest.param({f"member-{number}": "" for number in range(100)}, id="many members"),
        pytest.param(b"{}", id="no member"),
        pytest.param(b'{"idempotency_key":"k"} {}', id="two objects"),
        pytest.param(b'{"idempotency_key":"k",}', id="a comma too many"),
        pytest.param(b'{"idempotency_key"}', id="no value"),
        pytest.param(b'{"idempotency_key":"k', id="cut off"),
        pytest.param(b"\xff", id="no UTF-8"),
        pytest.param({**line(key="k"), "to": ""}, id="no recipient"),
        pytest.param(line(key="k", to=f"{PARTNER},{PARTNER}"), id="a recipient twice"),
        pytest.param(line(key=""), id="empty key"),
        pytest.param(line(key="with blank"), id="key with a blank"),
        pytest.param(line(key="k", conversation="\u0000"), id="a control"),
        pytest.param(line(key="k", in_reply_to="x"), id="no id"),
        pytest.param(line(key="k", priority="now"), id="no priority"),
        pytest.param(line(key="k", explain="all"), id="nothing to explain"),
        pytest.param({"idempotency_key": "k", "to": PARTNER}, id="no document"),
        pytest.param({**line(key="k"), "document_base64": "PGEvPg=="}, id="two documents"),
        pytest.param({"idempotency_key": "k", "to": PARTNER, "document_base64": "?"}, id="no base64"),
        pytest.param(b'{"idempotency_key":"k","to":"FR-DGDDI","to":"NL-DOUANE","document":"<a/>"}', id="twice"),
        pytest.param(b'{"idempotency_key":"k","to":"FR-DGDDI","document":"\\ud800"}', id="half a character"),
        pytest.param(
            b'{"idempotency_key":"k","to":"FR-DGDDI","conversation":"\\ud800","document":"<a/>"}', id="half a name"
        ),
    ],
)
async def test_a_line_that_is_out_of_form_is_refused_alone(node: Node, submission: str, wrong: Any) -> None:
    lines = told(await bulk(submission, wrong, line(key="good")))
    assert [one["status"] for one in lines] == [400, 202]
    assert codes(lines)[0] == "request.malformed"
    assert len(await node.store.transfers(limit=10)) == 1


async def test_blanks_between_the_members_of_a_line_change_nothing(submission: str) -> None:
    spaced = b' { "idempotency_key" : "k" ,\t"to":"' + PARTNER.encode() + b'" , "document" : "<MetaData/>" } \r'
    (first,) = told(await bulk(submission, spaced))
    (again,) = told(await bulk(submission, line(key="k")))
    assert (first["replayed"], again["replayed"]) == (False, True)


async def test_a_line_needs_a_key(submission: str) -> None:
    lines = told(await bulk(submission, {"to": PARTNER, "document": "<MetaData/>"}))
    assert codes(lines) == ["request.idempotency_key_missing"]


async def test_a_document_may_come_in_base64(submission: str) -> None:
    document = base64.b64encode(FINE).decode()
    given = {"idempotency_key": "k", "to": PARTNER, "document_base64": document}
    (first,) = told(await bulk(submission, given))
    (again,) = told(await bulk(submission, line(key="k")))
    assert (again["submission"], again["replayed"]) == (first["submission"], True)


async def test_a_document_that_is_too_large_is_refused_alone(node: Node) -> None:
    async with open_submission(node.submission(max_document_bytes=100)) as url:
        lines = told(await bulk(url, line(b"<a>" + b"x" * 100 + b"</a>", key="large"), line(key="good")))
    assert [(one["status"], code) for one, code in zip(lines, codes(lines), strict=True)] == [
        (413, "request.too_large"),
        (202, ""),
    ]


async def test_the_same_key_twice_is_one_submission_answered_twice(node: Node, submission: str) -> None:
    lines = told(await bulk(submission, line(key="k"), line(key="other"), line(key="k"), line(key="k", to=OTHER)))
    assert [one["status"] for one in lines] == [202, 202, 202, 422]
    assert [one.get("replayed") for one in lines] == [False, False, True, None]
    assert lines[2]["submission"] == lines[0]["submission"]
    assert codes(lines)[3] == "request.idempotency_key_reused"
    assert len(await node.store.transfers(limit=10)) == 2


async def test_a_key_that_is_worked_on_elsewhere_is_told_to_wait(node: Node, submission: str) -> None:
    first = asyncio.create_task(submit(submission, SLOW, key="k"))
    await node.workers.begun.wait()
    lines = told(await bulk(submission, line(SLOW, key="k"), line(key="other")))
    assert [(one["status"], one.get("retry_after")) for one in lines] == [(409, 1), (202, None)]
    assert codes(lines)[0] == "request.idempotency_in_progress"
    node.workers.may_end.set()
    assert (await first).status == 202


async def test_a_whole_request_again_gives_the_same_answers(node: Node, submission: str) -> None:
    given = [line(key="a"), line(BROKEN, key="b"), b"no json", line(key="c", to=f"{PARTNER},{OTHER}")]
    first, again = [told(await bulk(submission, *given)) for _ in range(2)]
    assert [one.pop("replayed", None) for one in first] == [False, None, None, False]
    assert [one.pop("replayed", None) for one in again] == [True, None, None, True]
    for one in (*first, *again):
        one.get("problem", {}).pop("instance", None)
    assert again == first
    assert len(await node.store.transfers(limit=10)) == 3


async def test_keys_are_the_same_keys_as_those_of_single_requests(submission: str) -> None:
    single = await submit(submission, key="k")
    (many,) = told(await bulk(submission, line(key="k")))
    assert (many["submission"], many["replayed"]) == (single.json(), True)


async def test_as_many_lines_as_may_come_are_taken(node: Node, submission: str) -> None:
    lines = told(await bulk(submission, *(line(key=f"key-{number}") for number in range(MAX_BULK_LINES))))
    assert {one["status"] for one in lines} == {202}
    assert len(await node.store.transfers(limit=100)) == MAX_BULK_LINES


async def test_more_lines_than_may_come_are_refused_as_a_whole(node: Node, submission: str) -> None:
    answer = await bulk(submission, *(line(key=f"key-{number}") for number in range(MAX_BULK_LINES + 1)))
    assert (answer.status, answer.code) == (413, "request.too_large")
    assert await node.store.transfers(limit=10) == []


async def test_a_body_that_is_too_large_is_refused_unread(submission: str) -> None:
    body = io.BytesIO(b" " * (MAX_BULK_BYTES + 1))
    given = {"Content-Type": BULK_TYPE}
    answer = await ask(f"{submission}/v1/submissions/bulk", "POST", token="submitter", headers=given, body=body)
    assert (answer.status, answer.code) == (413, "request.too_large")


@pytest.mark.parametrize("body", [b"", b"\n"])
async def test_a_request_without_a_line_is_refused(submission: str, body: bytes) -> None:
    answer = await bulk(submission, body)
    assert (answer.status, answer.code) == (400, "request.malformed")


async def test_it_must_be_said_to_be_lines_of_json(submission: str) -> None:
    answer = await bulk(submission, line(key="k"), headers={"Content-Type": "application/xml"})
    assert (answer.status, answer.code) == (415, "request.media_type")


async def test_only_a_submitter_submits(submission: str) -> None:
    for token, code in (("fetcher", "access.forbidden"), ("wrong", "access.token_invalid")):
        assert (await bulk(submission, line(key="k"), token=token)).code == code


async def test_what_a_client_may_have_in_work_bounds_its_lines(node: Node) -> None:
    parts = replace(node.submission(), lines=Load(requests=6, size=0))  # half of them for one client
    async with open_submission(parts) as url:
        lines = told(await bulk(url, *(line(key=f"key-{number}") for number in range(5))))
        assert [(one["status"], one.get("retry_after")) for one in lines] == [(202, None)] * 3 + [(429, 5)] * 2
        assert codes(lines)[3:] == ["capacity.share_exhausted"] * 2
        rest = told(await bulk(url, *(line(key=f"key-{number}") for number in range(3))))
        assert [one["replayed"] for one in rest] == [True] * 3, "the places were given back"


def test_one_place_too_many_among_all_is_refused() -> None:
    load = Load(requests=1, size=0)
    with load.room_for("a"), pytest.raises(GatewayError, match=r"capacity\.exhausted"), load.room_for("b"):
        pass
    with load.room_for("b"):
        pass


async def test_the_log_tells_of_the_request_and_of_each_line_that_was_refused(node: Node, submission: str) -> None:
    await bulk(submission, line(key="good"), line(BROKEN, key="bad", conversation=SECRET), b"no json")
    (request,) = [one for one in node.lines.kept if one["action"] == "http.request"]
    assert (request["lines"], request["lines_refused"]) == (3, 2)
    refused = [one for one in node.lines.kept if one["action"] == "submission.line"]
    assert [(one["line"], one["code"], one["status"]) for one in refused] == [
        (2, "schema.invalid", 422),
        (3, "request.malformed", 400),
    ]
    assert {one["request_id"] for one in refused} == {request["request_id"]}
    assert SECRET not in str(node.lines)
