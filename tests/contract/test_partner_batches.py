"""Several envelopes in one request: each message gets what its own line says, and no more than that.

Real servers on loopback play the partner, as in test_partner_channel.py.
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta

import pytest

from gateway.channels import Endpoint, HttpsPartnerChannel
from gateway.channels.partner import ONE_BY_ONE_FOR
from gateway.domain.batch import ANSWERS_TYPE, BATCH_TYPE, LineAnswer, write_answers
from gateway.domain.ids import MessageId
from gateway.domain.outcome import ReceiptReturned, SendOutcome, TransientFailure, TransportAccepted
from tests.contract.test_partner_channel import LONG, NL, SHORT, channel_to, failed
from tests.unit.channels import scripted
from tests.unit.channels.scripted import FixedClock, Request, Script, answering, serving, writing

IDS = [MessageId(f"0195c7a0-0000-7000-8000-00000000000{number}") for number in range(3)]
BATCH = [(message_id, f"envelope.of.{message_id}") for message_id in IDS]
UNEXPECTED = "channel.unexpected_answer"


def answers(*lines: LineAnswer) -> Script:
    return answering(200, write_answers(lines), Content_Type=ANSWERS_TYPE)


def receipt(message_id: MessageId) -> LineAnswer:
    return LineAnswer(message_id=message_id, status=200, token=f"receipt.of.{message_id}")


async def outcomes_of(script: Script) -> list[SendOutcome]:
    async with serving(script) as partner, channel_to(partner.url()) as channel:
        return await channel.send_batch(NL, BATCH)


async def test_the_envelopes_are_the_lines_of_one_post_and_the_answers_come_back_by_id() -> None:
    in_another_order = [receipt(message_id) for message_id in reversed(IDS)]
    async with serving(answers(*in_another_order)) as partner, channel_to(partner.url()) as channel:
        outcomes = await channel.send_batch(NL, BATCH)
    assert outcomes == [ReceiptReturned(token=f"receipt.of.{message_id}") for message_id in IDS]
    (request,) = partner.requests
    assert request.line == "POST /exchange/v1/batches HTTP/1.1"
    assert (request.headers["content-type"], request.headers["accept"]) == (BATCH_TYPE, ANSWERS_TYPE)
    assert request.body == b"\n".join(jwe.encode() for _, jwe in BATCH)


async def test_one_envelope_goes_in_the_single_form() -> None:
    single = answering(200, b"h.p.s", Content_Type="application/jose")
    async with serving(single) as partner, channel_to(partner.url()) as channel:
        assert await channel.send_batch(NL, BATCH[:1]) == [ReceiptReturned(token="h.p.s")]
    assert partner.requests[0].line == "POST /exchange/v1/messages HTTP/1.1"


async def test_each_line_means_what_the_single_answer_would() -> None:
    lines = [
        LineAnswer(message_id=IDS[0], status=409, token="h.p.s"),
        LineAnswer(message_id=IDS[1], status=202),
        LineAnswer(message_id=IDS[2], status=503, code="busy", retry_after=17),
    ]
    conflict, taken, busy = await outcomes_of(answers(*lines))
    assert (conflict, taken) == (ReceiptReturned(token="h.p.s"), TransportAccepted())
    assert (failed(busy).code, failed(busy).retry_after) == ("channel.busy", timedelta(seconds=17))


@pytest.mark.parametrize(
    "line",
    [
        LineAnswer(message_id=IDS[1], status=200),
        LineAnswer(message_id=IDS[1], status=200, code="ok"),
        LineAnswer(message_id=IDS[1], status=413, code="request.too_large"),
        LineAnswer(message_id=IDS[1], status=500, token="h.p.s"),
        LineAnswer(message_id=IDS[1], status=302, token="h.p.s"),
        LineAnswer(message_id=None, status=400, token="h.p.s"),
    ],
)
async def test_a_line_that_says_nothing_fails_its_message_alone(line: LineAnswer) -> None:
    first, second, third = await outcomes_of(answers(receipt(IDS[0]), line, receipt(IDS[2])))
    assert isinstance(first, ReceiptReturned)
    assert isinstance(third, ReceiptReturned)
    assert (failed(second).code, failed(second).sent, failed(second).connected) == (UNEXPECTED, True, True)


async def test_a_message_without_a_line_fails_alone_and_a_line_for_no_message_is_passed_over() -> None:
    stranger = MessageId("0195c7a0-0000-7000-8000-00000000ffff")
    first, second, third = await outcomes_of(answers(receipt(stranger), receipt(IDS[2]), receipt(IDS[0])))
    assert (isinstance(first, ReceiptReturned), isinstance(third, ReceiptReturned)) == (True, True)
    assert failed(second).code == UNEXPECTED


async def test_a_message_with_two_lines_has_no_answer() -> None:
    lines = [receipt(IDS[0]), LineAnswer(message_id=IDS[0], status=202), receipt(IDS[1]), receipt(IDS[2])]
    first, *others = await outcomes_of(answers(*lines))
    assert failed(first).code == UNEXPECTED
    assert all(isinstance(one, ReceiptReturned) for one in others)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (answering(200, b"nonsense\n", Content_Type=ANSWERS_TYPE), UNEXPECTED),
        (answering(200, write_answers([receipt(IDS[0])]) + b"{", Content_Type=ANSWERS_TYPE), UNEXPECTED),
        (answering(200, write_answers([receipt(IDS[0])]), Content_Type="application/json"), UNEXPECTED),
        (answering(200, b"h.p.s", Content_Type="application/jose"), UNEXPECTED),
        (answering(200, b"a" * 2_000_000, Content_Type=ANSWERS_TYPE), UNEXPECTED),
        (
            answering(200, write_answers([receipt(IDS[0])]), Content_Type=ANSWERS_TYPE, Content_Encoding="gzip"),
            UNEXPECTED,
        ),
        (answering(400, b"{}", Content_Type="application/problem+json"), UNEXPECTED),
        (answering(500), UNEXPECTED),
        (answering(302, Location="/elsewhere"), UNEXPECTED),
        (writing(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"), UNEXPECTED),
        (scripted.resetting, "channel.interrupted"),
    ],
)
async def test_an_answer_that_can_not_be_read_fails_all_in_it(script: Script, code: str) -> None:
    outcomes = await outcomes_of(script)
    assert [(failed(one).code, failed(one).sent) for one in outcomes] == [(code, True)] * len(BATCH)


async def test_an_empty_answer_answers_nothing() -> None:
    outcomes = await outcomes_of(answers())
    assert [failed(one).code for one in outcomes] == [UNEXPECTED] * len(BATCH)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_partner_is_left_with_the_whole_batch(status: int) -> None:
    outcomes = await outcomes_of(answering(status, Retry_After="9"))
    assert {(failed(one).code, failed(one).retry_after) for one in outcomes} == {("channel.busy", timedelta(seconds=9))}


async def test_a_partner_that_hangs_fails_the_whole_batch_in_time() -> None:
    async with serving(scripted.hanging) as partner, channel_to(partner.url(), timeouts=SHORT) as channel:
        outcomes = await channel.send_batch(NL, BATCH)
    assert {failed(one).code for one in outcomes} == {"channel.timeout"}


def only_singles(status: int) -> Script:
    """Return a gateway that has never heard of batches."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> None:
        single = request.line.startswith("POST /exchange/v1/messages ")
        known = answering(200, b"receipt." + request.body, Content_Type="application/jose")
        await (known if single else answering(status))(reader, writer, request)

    return script


def lines_of(requests: Sequence[Request]) -> list[str]:
    return [one.line.split()[1].rpartition("/")[2] for one in requests]


class MovingClock(FixedClock):
    """A clock whose monotonic time a test moves."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.mark.parametrize("status", [404, 405, 413, 415])
async def test_a_partner_that_takes_no_batches_gets_singles_for_a_while_and_is_then_asked_again(status: int) -> None:
    clock = MovingClock()
    async with serving(only_singles(status)) as partner:
        endpoint = Endpoint(url=partner.url(), insecure_plain_http=True, timeouts=LONG, connections=2)
        channel = HttpsPartnerChannel({NL: endpoint}, clock=clock)
        assert channel.takes(NL) == 64
        outcomes = await channel.send_batch(NL, BATCH)
        assert outcomes == [ReceiptReturned(token=f"receipt.{jwe}") for _, jwe in BATCH]
        assert channel.takes(NL) == 1
        assert lines_of(partner.requests) == ["batches", "messages", "messages", "messages"]
        await channel.send_batch(NL, BATCH)
        assert lines_of(partner.requests[4:]) == ["messages"] * 3
        clock.seconds += ONE_BY_ONE_FOR.total_seconds()
        assert channel.takes(NL) == 64
        await channel.send_batch(NL, BATCH[:2])
        assert lines_of(partner.requests[7:]) == ["batches", "messages", "messages"]
        await channel.close()


async def test_an_unknown_partner_is_an_outcome_for_each_message() -> None:
    outcomes = await HttpsPartnerChannel({}, clock=FixedClock()).send_batch(NL, BATCH)
    assert [failed(one).code for one in outcomes] == ["channel.unreachable"] * len(BATCH)


async def test_a_partner_can_not_write_into_what_operators_read() -> None:
    line = json.dumps({"id": IDS[0], "status": 418, "code": "\x1b[31mHACK"}).encode()
    outcomes = await outcomes_of(answering(200, line, Content_Type=ANSWERS_TYPE))
    for one in outcomes:
        assert isinstance(one, TransientFailure)
        assert one.detail.isprintable()
        assert "HACK" not in one.detail


async def test_notices_go_together_on_a_path_of_their_own_and_each_line_is_taken_or_not() -> None:
    lines = [
        LineAnswer(message_id=IDS[0], status=204),
        LineAnswer(message_id=IDS[1], status=404, code="transfer.not_found"),
        LineAnswer(message_id=IDS[2], status=204),
    ]
    async with serving(answers(*lines)) as partner, channel_to(partner.url()) as channel:
        first, second, third = await channel.post_notices(NL, BATCH)
        assert channel.takes(NL) == 64
    assert (first, third) == (TransportAccepted(), TransportAccepted())
    assert failed(second).code == UNEXPECTED
    (request,) = partner.requests
    assert request.line == "POST /exchange/v1/notices/batch HTTP/1.1"
    assert request.body == b"\n".join(token.encode() for _, token in BATCH)


async def test_a_partner_that_takes_notices_one_by_one_may_take_batches_of_messages_all_the_same() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> None:
        status = 404 if request.line.startswith("POST /exchange/v1/notices/batch ") else 204
        await answering(status)(reader, writer, request)

    async with serving(script) as partner, channel_to(partner.url()) as channel:
        assert await channel.post_notices(NL, BATCH) == [TransportAccepted()] * len(BATCH)
        assert lines_of(partner.requests) == ["batch", "notices", "notices", "notices"]
        assert channel.takes(NL) == 64


async def test_a_channel_that_was_set_to_one_message_a_request_sends_single_ones() -> None:
    single = answering(200, b"h.p.s", Content_Type="application/jose")
    async with serving(single) as partner, channel_to(partner.url(), batch=1) as channel:
        assert channel.takes(NL) == 1
        assert await channel.send_batch(NL, BATCH) == [ReceiptReturned(token="h.p.s")] * len(BATCH)
    assert {request.line for request in partner.requests} == {"POST /exchange/v1/messages HTTP/1.1"}
