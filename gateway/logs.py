"""Logs: one JSON object a line, with the field names of the Elastic Common Schema (ECS 8, ecs-logging).

Two ways lead in. Our own code calls `JsonTelemetry.line`, once per request and per attempt. Libraries (aiohttp,
asyncio) use the standard logging module; of those records only the template passes, never its arguments or the text of
an exception, since either may quote a body. An exception is reduced to its class and the places it went through. Every
text is made harmless for terminals and viewers before it is written. A log line is no evidence: that is the audit's
part.
"""

import logging
import math
import re
import time
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from datetime import timedelta
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, TextIO

import orjson
import structlog

from gateway import __version__
from gateway.errors import CATALOGUE

__all__ = ["JsonTelemetry", "configure_logs"]

MAX_TEXT_CHARACTERS: Final = 1000
MALFORMED_QUIET_SECONDS: Final = 1.0
ECS_VERSION: Final = "8.11.0"
LEVELS: Final = ("debug", "info", "warning", "error", "critical")

_ECS_FIELDS: Final[Mapping[str, str]] = {
    "method": "http.request.method",
    "path": "url.path",
    "status": "http.response.status_code",
    "request_bytes": "http.request.body.bytes",
    "response_bytes": "http.response.body.bytes",
    "client_address": "client.address",
    "client_id": "client.user.id",
}
"""Labels that have a field of their own in ECS; every other label goes under `labels.`"""

# What a viewer may obey instead of show: C0 and C1 controls (ANSI sequences start with one), line and paragraph
# separators, the bidirectional controls of UAX #9, the byte-order mark; and lone surrogates, which are no text at all.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_PLACEHOLDER: Final = re.compile(r"%(?:\(\w+\))?[#0 +-]*(?:\d+|\*)?(?:\.(?:\d+|\*))?[a-zA-Z]")


class JsonTelemetry:
    """The Telemetry port, written to the stream that `configure_logs` was given."""

    def __init__(self) -> None:
        self._logger = structlog.get_logger().bind()

    def line(
        self, action: str, *, outcome: str, duration: timedelta | None = None, code: str = "", **labels: str | int
    ) -> None:
        """Write one canonical line. `success` is written at level info, anything else at warning.

        Labels of `_ECS_FIELDS` (method, path, status, request_bytes, response_bytes, client_address, client_id) become
        the ECS fields of that meaning.
        """
        fields: dict[str, str | int] = {"event.action": action, "event.outcome": outcome}
        if duration is not None:
            fields["event.duration"] = duration // timedelta(microseconds=1) * 1000
        if code:
            fields["error.code"] = code
            fields["error.message"] = CATALOGUE[code].title if code in CATALOGUE else code
        for name, value in labels.items():
            fields[_ECS_FIELDS.get(name, f"labels.{name}")] = value
        write = self._logger.info if outcome == "success" else self._logger.warning
        write(f"{action} {outcome}", **fields)


def configure_logs(
    *, level: str, service: str, stream: TextIO, monotonic: Callable[[], float] = time.monotonic
) -> JsonTelemetry:
    """Send all logs of this process to `stream` and return the telemetry to give to the rooms.

    `level`: one of LEVELS; raises ValueError for another. `service` is what `service.name` says, for example the node's
    name. `monotonic`: seconds, for the limit on lines about malformed requests. The last call counts.
    """
    if level not in LEVELS:
        raise ValueError(f"the log level is one of {', '.join(LEVELS)}")
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
            _Render(service),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=False,
    )
    _route_standard_logging(threshold, monotonic)
    return JsonTelemetry()


class _Lines(structlog.WriteLogger):
    """Writes one line at a time. A full disk or a closed pipe loses the line, not the work it tells of."""

    def msg(self, message: str) -> None:
        try:
            super().msg(message)
        except (OSError, ValueError):  # ValueError: the stream was closed
            return

    debug = info = warning = error = critical = msg


class _Render:
    """The last structlog processor: names as in ECS, texts made harmless, one line of JSON."""

    def __init__(self, service: str) -> None:
        self._constant = {
            "ecs.version": ECS_VERSION,
            "service.name": _harmless(service),
            "service.version": __version__,
        }

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
        # ecs-logging asks for these three first, in this order, so that a line can be read by eye.
        first = {
            "@timestamp": event.pop("@timestamp"),
            "log.level": event.pop("level"),
            "message": event.pop("event"),
        }
        fields = {_name(name): _value(value) for name, value in {**first, **event}.items()}
        return orjson.dumps({**fields, **self._constant}).decode()


@lru_cache(maxsize=1024)
def _name(name: str) -> str:
    return _harmless(name)  # the same few names for ever


def _value(value: object) -> str | int:
    """Return `value` as a number that JSON and Elasticsearch can hold (64 bits), or as harmless text."""
    if isinstance(value, str):
        return _harmless(value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    return _harmless(str(value))


def _harmless(text: str) -> str:
    r"""Return `text` with every unsafe character as a visible `\u` escape, cut at MAX_TEXT_CHARACTERS."""
    if len(text) <= MAX_TEXT_CHARACTERS and text.isascii() and text.isprintable():
        return text  # as nearly all are; the pattern would find nothing
    shown = _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text[:MAX_TEXT_CHARACTERS])
    return shown if len(text) <= MAX_TEXT_CHARACTERS else shown + "…"


# ── the standard logging module ──────────────────────────────────────────────────────────────────────────────────


class _StandardHandler(logging.Handler):
    """Takes the records of libraries and writes what is safe of them."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._logger = structlog.get_logger().bind()
        self._monotonic = monotonic
        self._malformed_quiet_until = -math.inf
        self._malformed_dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        fields: dict[str, str | int] = {"log.logger": record.name}
        if error is not None:
            fields["error.type"] = type(error).__name__
        if error is not None and _is_malformed_request(error):
            self._malformed(fields)
            return
        if error is not None:
            fields["error.stack_trace"] = _places(error.__traceback__)
        # structlog knows the five levels only; a library's own level counts as the next lower one.
        self._logger.log(
            min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL), _template(record), **fields
        )

    def _malformed(self, fields: dict[str, str | int]) -> None:
        # Whoever sends garbage may send much of it: one short line a second, and how many more there were.
        if self._monotonic() < self._malformed_quiet_until:
            self._malformed_dropped += 1
            return
        fields |= {"event.action": "http.parse", "event.outcome": "failure", "labels.more": self._malformed_dropped}
        self._logger.info("http.parse failure", **fields)
        self._malformed_quiet_until = self._monotonic() + MALFORMED_QUIET_SECONDS
        self._malformed_dropped = 0


def _route_standard_logging(threshold: int, monotonic: Callable[[], float]) -> None:
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _StandardHandler)]:
        root.removeHandler(handler)
    root.addHandler(_StandardHandler(monotonic))
    # Libraries narrate at debug and info; what an operator needs of them starts at warning.
    root.setLevel(max(threshold, logging.WARNING))
    # Our own line per request takes the place of aiohttp's access log, which would write query strings.
    logging.getLogger("aiohttp.access").disabled = True


def _template(record: logging.LogRecord) -> str:
    """Return the first line of a record's template, with each placeholder as `…`.

    What follows a line break, in asyncio's records for one, is the repr of tasks and exceptions.
    """
    words = record.msg.partition("\n")[0] if isinstance(record.msg, str) else type(record.msg).__name__
    return _PLACEHOLDER.sub("…", words) if record.args else words


def _places(trace: TracebackType | None) -> str:
    """Return where an exception went through as `module:line function`, innermost last; no values, no source lines."""
    frames = traceback.walk_tb(trace)
    return " > ".join(f"{frame.f_globals.get('__name__', '?')}:{line} {frame.f_code.co_name}" for frame, line in frames)


def _is_malformed_request(error: BaseException) -> bool:
    """Tell whether aiohttp's HTTP parser refused a request. By name: log set-up must not load the HTTP stack."""
    return any(
        kind.__name__ == "HttpProcessingError" and kind.__module__.startswith("aiohttp") for kind in type(error).__mro__
    )
