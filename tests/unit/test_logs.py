"""Log lines: what they hold, what they never hold, and what can not be smuggled into them."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import BaseTestServer, TestServer
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CATALOGUE
from gateway.logs import JsonTelemetry, configure_logs
from gateway.ports import Telemetry

SECRET = "TAX-SECRET-4711"


@pytest.fixture(autouse=True)
def _standard_logging_as_before() -> Iterator[None]:
    root, access = logging.getLogger(), logging.getLogger("aiohttp.access")
    handlers, level, disabled = list(root.handlers), root.level, access.disabled
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    access.disabled = disabled


class Sink:
    """Where the lines go, and how to read them."""

    def __init__(self, level: str = "info") -> None:
        self.stream = io.StringIO()
        self.seconds = 0.0
        self.telemetry = configure_logs(
            level=level, service="GB-HMRC", stream=self.stream, monotonic=lambda: self.seconds
        )

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


def test_a_line_has_the_ecs_fields_time_level_and_message_first() -> None:
    sink = Sink()
    sink.telemetry.line("transfer.send", outcome="success", duration=timedelta(milliseconds=12), partner="FR-DGDDI")
    (line,) = sink.lines()
    assert list(line)[:3] == ["@timestamp", "log.level", "message"]
    moment = datetime.fromisoformat(line.pop("@timestamp"))
    assert moment.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    line.pop("service.version")
    assert line == {
        "log.level": "info",
        "message": "transfer.send success",
        "event.action": "transfer.send",
        "event.outcome": "success",
        "event.duration": 12_000_000,
        "labels.partner": "FR-DGDDI",
        "ecs.version": "8.11.0",
        "service.name": "GB-HMRC",
    }


def test_the_duration_is_in_nanoseconds() -> None:
    sink = Sink()
    sink.telemetry.line("x", outcome="success", duration=timedelta(days=1, microseconds=3))
    assert sink.lines()[0]["event.duration"] == 86_400_000_003_000


def test_a_failure_is_a_warning_with_the_code_and_the_title_of_the_catalogue() -> None:
    sink = Sink()
    sink.telemetry.line("message.receive", outcome="failure", code="envelope.expired")
    (line,) = sink.lines()
    assert line["log.level"] == "warning"
    assert line["error.code"] == "envelope.expired"
    assert line["error.message"] == CATALOGUE["envelope.expired"].title


def test_a_code_of_nobody_does_not_break_the_line() -> None:
    sink = Sink()
    sink.telemetry.line("message.receive", outcome="failure", code="who.knows")
    assert sink.lines()[0]["error.message"] == "who.knows"


def test_http_facts_have_their_ecs_names() -> None:
    sink = Sink()
    sink.telemetry.line(
        "http.request",
        outcome="success",
        method="POST",
        path="/exchange/v1/messages",
        status=200,
        client_address="192.0.2.7",
        client_id="backend",
        request_bytes=10,
        response_bytes=20,
    )
    (line,) = sink.lines()
    assert line["http.request.method"] == "POST"
    assert line["url.path"] == "/exchange/v1/messages"
    assert line["http.response.status_code"] == 200
    assert line["client.address"] == "192.0.2.7"
    assert line["client.user.id"] == "backend"
    assert line["http.request.body.bytes"] == 10
    assert line["http.response.body.bytes"] == 20
    assert not [name for name in line if name.startswith("labels.")]


def test_lines_below_the_level_are_not_written() -> None:
    sink = Sink("warning")
    sink.telemetry.line("a", outcome="success")
    sink.telemetry.line("b", outcome="failure")
    assert [line["event.action"] for line in sink.lines()] == ["b"]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="one of debug, info"):
        configure_logs(level="loud", service="x", stream=io.StringIO())


def test_configuring_again_moves_the_lines_and_writes_none_twice() -> None:
    first = Sink()
    second = Sink()
    logging.getLogger("aiohttp.server").warning("once")
    JsonTelemetry().line("a", outcome="success")
    assert first.lines() == []
    assert [line["message"] for line in second.lines()] == ["once", "a success"]


def test_telemetry_is_the_port() -> None:
    telemetry: Telemetry = Sink().telemetry
    assert telemetry.line.__doc__


def test_a_stream_that_is_gone_loses_the_line_and_nothing_else() -> None:
    sink = Sink()
    sink.stream.close()
    sink.telemetry.line("a", outcome="success")
    assert sink.stream.closed


UNSAFE = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, 0x2028, 0x2029]))
UNSAFE += "".join(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF]))


def test_line_breaks_ansi_and_bidi_become_visible() -> None:
    sink = Sink()
    sink.telemetry.line("a", outcome="success", agent='ok\r\n{"log.level":"info"}\x1b[31mred\u202eevil')
    (line,) = sink.lines()
    assert line["labels.agent"] == 'ok\\u000d\\u000a{"log.level":"info"}\\u001b[31mred\\u202eevil'


@given(st.text(alphabet=st.one_of(st.sampled_from(UNSAFE), st.characters()), max_size=40), st.text(max_size=5))
def test_no_text_makes_a_second_line_or_carries_an_unsafe_character(value: str, action: str) -> None:
    sink = Sink()
    sink.telemetry.line(action, outcome="success", code=value, path=value, other=value)
    raw = sink.stream.getvalue()
    assert raw.count("\n") == 1
    assert raw.endswith("}\n")
    (line,) = sink.lines()
    assert not set(UNSAFE) & set("".join(map(str, line.values())))


@given(st.integers())
def test_any_number_can_be_written(number: int) -> None:
    sink = Sink()
    sink.telemetry.line("a", outcome="success", number=number)
    assert str(sink.lines()[0]["labels.number"]) == str(number)


def test_a_long_text_is_cut() -> None:
    sink = Sink()
    sink.telemetry.line("a", outcome="success", text="x" * 5000)
    assert sink.lines()[0]["labels.text"] == "x" * 1000 + "…"


def test_a_record_of_a_library_keeps_its_words_and_loses_its_arguments() -> None:
    sink = Sink()
    logging.getLogger("some.library").error("could not parse %r after %5.1f s", SECRET, 1.5)
    (line,) = sink.lines()
    assert line["message"] == "could not parse … after … s"
    assert line["log.logger"] == "some.library"
    assert line["log.level"] == "error"


def test_an_exception_of_a_library_loses_its_text_and_keeps_class_and_places() -> None:
    sink = Sink()
    try:
        int(SECRET)
    except ValueError:
        formatted_by_the_library = f"Task exception was never retrieved\nfuture: <Task {SECRET}>"
        logging.getLogger("asyncio").exception(formatted_by_the_library)
    (line,) = sink.lines()
    assert line["message"] == "Task exception was never retrieved"
    assert line["error.type"] == "ValueError"
    assert line["error.stack_trace"].endswith(
        "test_an_exception_of_a_library_loses_its_text_and_keeps_class_and_places"
    )
    assert SECRET not in sink.stream.getvalue()


def test_a_record_that_is_no_text_shows_its_class_only() -> None:
    sink = Sink()
    logging.getLogger("x").error(ValueError(SECRET))
    assert sink.lines()[0]["message"] == "ValueError"


def test_a_level_of_a_librarys_own_counts_as_the_next_lower_one() -> None:
    sink = Sink()
    logging.getLogger("x").log(35, "between")
    assert sink.lines()[0]["log.level"] == "warning"


def test_libraries_narrate_in_vain() -> None:
    sink = Sink("debug")
    logging.getLogger("aiohttp.client").info("chatter")
    assert sink.lines() == []


async def _speak(server: BaseTestServer, raw: bytes) -> None:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(raw)
    await writer.drain()
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def _echo(request: web.Request) -> web.Response:
    if request.path == "/fail":
        raise RuntimeError(SECRET + await request.text())
    return web.Response(text="fine")


async def test_malformed_requests_make_one_line_a_second_without_their_bytes() -> None:
    sink = Sink()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", _echo)
    async with TestServer(app) as server:
        for seconds in (0.0, 0.1, 0.9, 1.1):
            sink.seconds = seconds
            await _speak(server, f"GET /{SECRET} nonsense {SECRET}\r\n\r\n".encode())
    lines = sink.lines()
    assert [line["labels.more"] for line in lines] == [0, 2]
    assert {line["event.action"] for line in lines} == {"http.parse"}
    assert {line["event.outcome"] for line in lines} == {"failure"}
    assert not any("error.stack_trace" in line for line in lines)
    assert SECRET not in sink.stream.getvalue()


async def test_a_handler_that_fails_leaves_a_trace_but_not_the_body_or_the_query() -> None:
    sink = Sink()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", _echo)
    async with TestServer(app) as server, ClientSession() as client:
        async with client.post(server.make_url(f"/fail?lrn={SECRET}"), data=SECRET) as answer:
            assert answer.status == 500
        async with client.get(server.make_url(f"/well?lrn={SECRET}")) as answer:
            assert answer.status == 200
    (line,) = sink.lines()
    assert line["log.level"] == "error"
    assert line["error.type"] == "RuntimeError"
    assert "_echo" in line["error.stack_trace"]
    assert SECRET not in sink.stream.getvalue()
