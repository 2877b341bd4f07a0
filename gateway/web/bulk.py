"""Many submissions in one request, on the submission listener: one a line, one answer a line (docs/api.md).

Each line is a submission of its own: its own key, its own verdict, all or none for its own recipients, and its answer
is what the single request would have been answered. Only what is wrong with the request as a whole (its token, its
size, its type) is answered for all. A line that can not be read stops no other.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson
import pybase64
from aiohttp import web

from gateway.domain.access import Caller
from gateway.domain.bulk import BULK_TYPE, DOCUMENT, DOCUMENT_BASE64, KEY, MAX_BULK_BYTES, MAX_BULK_LINES, PARAMETERS
from gateway.domain.failpoint import Reach
from gateway.errors import GatewayError, RequestError
from gateway.exchange.submit import Submit, SubmitRequest, Submitted
from gateway.web.asking import know_submitter, submit_request
from gateway.web.door import Door, note, request_id
from gateway.web.language import language_of
from gateway.web.load import Load
from gateway.web.problem import Audience, defects_in, problem_with_instance, told_of
from gateway.web.query import Query, key_of, read_body, too_large
from gateway.web.shapes import submission_json
from gateway.web.steps import answered

__all__ = ["LINES_IN_WORK", "BulkParts", "submit_many"]

LINES_IN_WORK: Final = 1024
"""Of all requests together, as many as may wait for a worker; half of them for one client."""

_DECODER: Final = json.JSONDecoder()
_BLANKS: Final = re.compile(r"[ \t\r]*")
_NDJSON: Final = frozenset({BULK_TYPE})
_MEMBERS: Final = frozenset({*PARAMETERS, KEY, DOCUMENT, DOCUMENT_BASE64})


class BulkParts(Protocol):
    """What this route needs of its listener."""

    @property
    def door(self) -> Door: ...

    @property
    def submit(self) -> Submit: ...

    @property
    def lines(self) -> Load: ...

    @property
    def max_document_bytes(self) -> int: ...

    @property
    def reach(self) -> Reach: ...


@dataclass(frozen=True, slots=True)
class _Line:
    """One line. `key`: as given, for the answer, if it can be read; `asked`: what it asks, or why it can not."""

    key: str | None
    asked: SubmitRequest | GatewayError


async def submit_many(request: web.Request, parts: BulkParts, caller: Caller) -> web.StreamResponse:
    """Take every line for itself; answer with as many lines, in their order."""
    Query(request, ())
    within, language = parts.door.body_timeout, language_of(request)
    body = await read_body(request, media_types=_NDJSON, max_bytes=MAX_BULK_BYTES, within=within)
    lines = [_read(line, caller, language, parts.max_document_bytes) for line in _split(body)]
    del body
    with ExitStack() as places:
        outcomes = await _submitted([_let_in(line, caller, parts, places) for line in lines], parts.submit)
    answers = [
        _answer(request, parts.door, number, line.key, outcome, language)
        for number, (line, outcome) in enumerate(zip(lines, outcomes, strict=True), start=1)
    ]
    note(request, lines=len(answers), lines_refused=sum(one["status"] != 202 for one in answers))
    written = b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in answers)
    return await answered(request, web.Response(body=written, content_type=BULK_TYPE), parts.reach)


def _split(body: bytes) -> list[bytes]:
    """Return the lines, whatever they hold; a line feed at the end begins no other. Raises RequestError."""
    lines = body.removesuffix(b"\n").split(b"\n")
    if len(lines) > MAX_BULK_LINES:
        raise RequestError("request.too_large", f"A request here has at most {MAX_BULK_LINES} lines")
    if lines == [b""]:
        raise RequestError("request.malformed", "The request has no line")
    return lines


def _read(line: bytes, caller: Caller, language: str, max_document_bytes: int) -> _Line:
    members: dict[str, str] = {}
    try:
        members = _members(line)
        if set(members) - _MEMBERS:
            allowed = ", ".join(sorted(_MEMBERS))
            raise RequestError("request.malformed", f"The line has an unknown member; known here: {allowed}")
        asked = submit_request(
            Query.of({name: value for name, value in members.items() if name in PARAMETERS}),
            caller,
            key=key_of([members[KEY]] if KEY in members else []),
            body=_document(members, max_document_bytes),
            language=language,
        )
    except GatewayError as error:
        return _Line(members.get(KEY), error)
    return _Line(asked.idempotency_key, asked)


def _members(line: bytes) -> dict[str, str]:
    """Return the members of a line. Raises RequestError.

    They are read one by one, so that what is no text is refused before it is built, however large it would become, and
    what could be read in two ways is not read at all.
    """
    try:
        found = dict(_pairs(line.decode()))
    except ValueError as error:
        detail = "The line is not a JSON object with a few members, each there once and each a text"
        raise RequestError("request.malformed", detail) from error
    if not all(_is_text(value) for name, value in found.items() if name != DOCUMENT):
        raise RequestError("request.malformed", "A member of the line is no Unicode text")
    return found


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield the members of a JSON object of texts. Raises ValueError."""
    names: set[str] = set()
    at = _after(text, 0, "{")
    while True:
        name, at = _text(text, at)
        value, at = _text(text, _after(text, at, ":"))
        if name in names or len(names) == len(_MEMBERS):
            raise ValueError("a member comes twice, or there are too many")
        names.add(name)
        yield name, value
        at = _blanks(text, at)
        if text[at : at + 1] == "}":
            break
        at = _after(text, at, ",")
    if _blanks(text, at + 1) != len(text):
        raise ValueError("something stands behind the object")


def _text(text: str, at: int) -> tuple[str, int]:
    """Return the JSON text at a place, and where it ends. Raises ValueError."""
    at = _blanks(text, at)
    if text[at : at + 1] != '"':
        raise ValueError("a text was to come")
    found: tuple[str, int] = _DECODER.raw_decode(text, at)
    return found


def _after(text: str, at: int, mark: str) -> int:
    at = _blanks(text, at)
    if text[at : at + 1] != mark:
        raise ValueError("a mark was to come")
    return at + 1


def _blanks(text: str, at: int) -> int:
    """Return where the blanks at a place end."""
    found = _BLANKS.match(text, at)
    return at if found is None else found.end()


def _is_text(value: str) -> bool:
    """Tell whether there is no half of a character in it, as JSON can write one."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _document(members: dict[str, str], max_bytes: int) -> bytes:
    text, base64 = members.get(DOCUMENT), members.get(DOCUMENT_BASE64)
    if (text is None) == (base64 is None):
        raise RequestError("request.malformed", f"Give the document as `{DOCUMENT}` or as `{DOCUMENT_BASE64}`")
    try:
        document = pybase64.b64decode(base64, validate=True) if base64 is not None else (text or "").encode()
    except ValueError as error:
        raise RequestError("request.malformed", "The document is not text, or not base64") from error
    if len(document) > max_bytes:
        raise too_large(max_bytes)
    return document


def _let_in(line: _Line, caller: Caller, parts: BulkParts, places: ExitStack) -> SubmitRequest | GatewayError:
    """Return what a line asks if there is room for one more of this client, else why not."""
    if isinstance(line.asked, GatewayError):
        return line.asked
    with ExitStack() as place:
        try:
            place.enter_context(parts.lines.room_for(caller.client))
        except GatewayError as error:
            return error
        places.push(place.pop_all())
    know_submitter(parts.reach)
    return line.asked


async def _submitted(asked: Sequence[SubmitRequest | GatewayError], submit: Submit) -> list[Submitted | GatewayError]:
    came = iter(await submit.several([one for one in asked if not isinstance(one, GatewayError)]))
    return [one if isinstance(one, GatewayError) else next(came) for one in asked]


def _answer(
    request: web.Request, door: Door, number: int, key: str | None, outcome: Submitted | GatewayError, language: str
) -> dict[str, Any]:
    if not isinstance(outcome, GatewayError):
        row, replayed = outcome
        return {"status": 202, KEY: key, "replayed": replayed, "submission": submission_json(row)}
    instance = f"{request_id(request)}#{number}"
    members, retry_after = problem_with_instance(outcome, Audience.CLIENT, instance=instance, language=language)
    more: dict[str, Any] = {"detail": "; ".join(details)} if (details := defects_in(outcome)) else {}
    door.telemetry.line(
        "submission.line",
        outcome="failure",
        code=told_of(outcome).code,
        request_id=request_id(request),
        line=number,
        status=members["status"],
        **more,
    )
    waits = {} if retry_after is None else {"retry_after": retry_after}
    return {"status": members["status"], KEY: key, **waits, "problem": members}
