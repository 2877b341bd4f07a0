"""Several messages in one webhook: each gets what its own entry of the answer says, and no more than that.

Real servers on loopback play the back end, as in test_backend_channel.py.
"""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from gateway.channels import webhook_group
from gateway.channels.webhook import webhook_body
from gateway.channels.webhook_group import JSON_TYPE
from gateway.domain.hand_over import terms_beside
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.outcome import HandedOver, HandOverOutcome, TransientFailure
from gateway.domain.records import InboxRow
from tests.contract.test_backend_channel import OTHER_SECRET, SHORT, backend_at, failed
from tests.unit.channels import scripted
from tests.unit.channels.samples import SECRET, inbox_row
from tests.unit.channels.scripted import FixedClock, Script, answering, serving

UNEXPECTED = "channel.unexpected_answer"


def named(number: int, sender: str = "GB-HMRC", attempts: int = 0) -> InboxRow:
    message_id = MessageId(f"0195c7a0-0000-7000-8000-00000000000{number}")
    return replace(inbox_row(attempts=attempts), message_id=message_id, sender=PartyId(sender))


GROUP = [(named(number), f"<a n='{number}'/>".encode()) for number in range(3)]


def entry(row: InboxRow, status: int = 204, **more: Any) -> dict[str, Any]:
    return {"sender": row.sender, "message_id": row.message_id, "status": status, **more}


def saying(*entries: Any, **headers: str) -> Script:
    return writing_json({"messages": entries}, **headers)


def writing_json(value: Any, **headers: str) -> Script:
    return answering(200, json.dumps(value).encode(), **{"Content_Type": JSON_TYPE, **headers})


TAKES_ALL = saying(*(entry(row) for row, _ in GROUP))


async def outcomes_of(script: Script) -> list[HandOverOutcome]:
    async with serving(script) as server, backend_at(server.url(), batch=8) as backend:
        return await backend.hand_over_group(GROUP)


async def test_the_standard_library_of_receivers_verifies_a_group() -> None:
    clock = FixedClock(datetime.now(UTC))
    async with serving(TAKES_ALL) as server, backend_at(server.url() + "/hook", clock=clock, batch=8) as backend:
        assert await backend.hand_over_group(GROUP) == [HandedOver()] * 3
    (request,) = server.requests
    assert request.line == "POST /hook HTTP/1.1"
    assert (request.headers["content-type"], request.headers["accept"]) == (JSON_TYPE, JSON_TYPE)
    told = Webhook(SECRET).verify(request.body, request.headers)
    assert (told["type"], told["timestamp"]) == ("messages.received", "2026-03-01T11:59:58.250000Z")
    assert told["data"] == [json.loads(webhook_body(row, view)) for row, view in GROUP]
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body.replace(b"GB-HMRC", b"GB-OTHR"), request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER_SECRET).verify(request.body, request.headers)


async def test_each_message_has_its_terms_and_exact_document_on_a_line_as_alone() -> None:
    async with serving(TAKES_ALL) as server, backend_at(server.url(), batch=8) as backend:
        await backend.hand_over_group(GROUP)
    _, *lines, _ = server.requests[0].body.split(b"\n")
    assert [one.removesuffix(b",") for one in lines] == [webhook_body(row, view) for row, view in GROUP]
    told = [one["data"] for one in json.loads(server.requests[0].body)["data"]]
    assert [base64.b64decode(one.pop("document")) for one in told] == [view for _, view in GROUP]
    assert told == [terms_beside(row) for row, _ in GROUP]


async def test_a_message_that_comes_again_is_the_same_bytes_whatever_stands_beside_it() -> None:
    clock = FixedClock()
    async with serving(answering(503)) as server, backend_at(server.url(), clock=clock, batch=8) as backend:
        await backend.hand_over_group(GROUP)
        clock.time += timedelta(hours=1)
        await backend.hand_over_group([(named(1, attempts=5), GROUP[1][1])])
        await backend.hand_over_group([(replace(row, attempts=1), view) for row, view in GROUP])
    first, alone, again = server.requests
    assert webhook_body(*GROUP[1]) in alone.body
    assert webhook_body(*GROUP[1]) in first.body
    assert (again.body, again.headers["webhook-id"]) == (first.body, first.headers["webhook-id"])
    assert alone.headers["webhook-id"] != first.headers["webhook-id"]
    assert first.headers["webhook-id"].startswith("group-")


async def test_one_that_is_refused_or_put_off_does_not_hold_the_others() -> None:
    entries = [entry(GROUP[2][0], 200), entry(GROUP[0][0], 422), entry(GROUP[1][0], 429, retry_after=17, note="busy")]
    refused, later, taken = await outcomes_of(saying(*entries))
    assert taken == HandedOver()
    assert (failed(refused).code, failed(refused).connected) == ("channel.refused", True)
    assert (failed(later).code, failed(later).retry_after) == ("channel.busy", timedelta(seconds=17))


@pytest.mark.parametrize(
    ("status", "code"), [(302, UNEXPECTED), (404, "channel.refused"), (408, "channel.timeout"), (500, UNEXPECTED)]
)
async def test_an_entry_means_what_the_same_answer_to_the_message_alone_would(status: int, code: str) -> None:
    first, second, third = await outcomes_of(saying(entry(GROUP[0][0]), entry(GROUP[1][0], status), entry(GROUP[2][0])))
    assert (first, third) == (HandedOver(), HandedOver())
    assert (failed(second).code, failed(second).sent) == (code, True)


async def test_a_message_that_is_not_named_or_twice_has_no_answer() -> None:
    stranger = named(9)
    none, two, taken = await outcomes_of(
        saying(entry(stranger), entry(GROUP[1][0]), entry(GROUP[1][0], 422), entry(GROUP[2][0]))
    )
    assert (failed(none).code, failed(two).code, taken) == (UNEXPECTED, UNEXPECTED, HandedOver())


async def test_the_same_id_of_two_senders_is_two_messages() -> None:
    ours, theirs = named(1), named(1, sender="NO-TOLL")
    script = saying(entry(theirs, 204), entry(ours, 422))
    async with serving(script) as server, backend_at(server.url(), batch=8) as backend:
        first, second = await backend.hand_over_group([(ours, b"<a/>"), (theirs, b"<b/>")])
    assert (failed(first).code, second) == ("channel.refused", HandedOver())


@pytest.mark.parametrize(
    "script",
    [
        answering(200, b"nonsense", Content_Type=JSON_TYPE),
        answering(200, b"[" * 30_000, Content_Type=JSON_TYPE),
        writing_json([entry(row) for row, _ in GROUP]),
        writing_json({"messages": {GROUP[0][0].message_id: 204}}),
        saying(entry(GROUP[0][0]), []),
        saying(entry(GROUP[0][0]), {"message_id": "x", "status": 204}),
        saying(entry(GROUP[0][0]), entry(GROUP[1][0], 99)),
        saying(entry(GROUP[0][0]), entry(GROUP[1][0], 429, retry_after=-1)),
        saying(*(entry(row, True) for row, _ in GROUP)),
        saying(*(entry(row) for row, _ in GROUP), Content_Type="text/plain"),
        saying(*(entry(row) for row, _ in GROUP), Content_Encoding="gzip"),
        saying(*(entry(row, note="x" * 40_000) for row, _ in GROUP)),
        saying(),
        answering(204),
        answering(202),
        answering(302, Location="/elsewhere"),
        answering(500),
    ],
)
async def test_an_answer_that_can_not_be_read_answers_nothing_and_all_are_tried_again(script: Script) -> None:
    for outcome in await outcomes_of(script):
        assert (failed(outcome).code, failed(outcome).sent, failed(outcome).connected) == (UNEXPECTED, True, True)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_back_end_that_is_busy_puts_all_off_for_as_long_as_it_says(status: int) -> None:
    for outcome in await outcomes_of(answering(status, Retry_After="5")):
        assert (failed(outcome).code, failed(outcome).retry_after) == ("channel.busy", timedelta(seconds=5))


async def test_silence_and_a_reset_fail_all() -> None:
    assert {failed(one).code for one in await outcomes_of(scripted.resetting)} == {"channel.interrupted"}
    async with serving(scripted.hanging) as server, backend_at(server.url(), timeouts=SHORT, batch=8) as backend:
        assert {failed(one).code for one in await backend.hand_over_group(GROUP)} == {"channel.timeout"}


async def test_more_than_one_request_may_hold_goes_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    length = len(webhook_body(*GROUP[0]))
    monkeypatch.setattr(webhook_group, "MAX_BATCH_BYTES", 3 * length)
    async with serving(TAKES_ALL) as server, backend_at(server.url(), batch=8) as backend:
        assert await backend.hand_over_group(GROUP) == [HandedOver()] * 3
    assert sorted(len(json.loads(request.body)["data"]) for request in server.requests) == [1, 2]
    assert all(len(request.body) <= 3 * length for request in server.requests)


async def test_a_large_group_arrives_whole() -> None:
    large = [(row, b"<a>" + b"x" * 3_000_000 + b"</a>") for row, _ in GROUP]
    async with serving(TAKES_ALL) as server, backend_at(server.url(), batch=8) as backend:
        assert await backend.hand_over_group(large) == [HandedOver()] * 3
    told = [one["data"] for one in json.loads(server.requests[0].body)["data"]]
    assert [base64.b64decode(one["document"]) for one in told] == [view for _, view in large]


async def test_a_back_end_takes_as_many_as_its_settings_say() -> None:
    async with backend_at("http://127.0.0.1:9", batch=8) as several, backend_at("http://127.0.0.1:9") as one:
        assert (several.takes(PartyId("NL-DUANE")), one.takes(PartyId("NL-DUANE"))) == (8, 1)
        assert all(isinstance(outcome, TransientFailure) for outcome in await several.hand_over_group(GROUP))
