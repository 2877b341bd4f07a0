"""Every refusal as one shape: RFC 9457 problem details, `application/problem+json`.

`type` is `urn:wco-gateway:problem:CODE`; codes are those of `gateway/errors.py` and are listed in docs/errors.md. Who
asks decides how much is told: a partner gets the public code and its title only, a client gets the detail of what it
can mend, an operator gets the detail of everything. No member ever holds a value of a document.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

import orjson
from aiohttp import web

from gateway.domain.telling import Telling
from gateway.errors import CATALOGUE, DocumentError, ErrorCode, GatewayError, PeerError, SchemaError
from gateway.exchange.submit import RecipientsRefusedError
from gateway.schema import door_violation

__all__ = [
    "MEDIA_TYPE",
    "TYPE_PREFIX",
    "Audience",
    "defects_in",
    "error_of_http",
    "problem",
    "problem_members",
    "problem_with_instance",
    "public_problem",
    "retry_after_seconds",
    "told_of",
]

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:wco-gateway:problem:"

# Codes that only the outside sees; each stands for several of the catalogue.
_PUBLIC_TITLES: Final[Mapping[str, str]] = {
    "envelope.rejected": "The message can not be opened or believed",
    "unavailable": "The gateway can not answer now",
    "busy": "The gateway is at its limit; come back later",
}
_RETRY_AFTER_SECONDS: Final[Mapping[int, int]] = {409: 1, 429: 5, 503: 5}
_HTTP_CODES: Final[Mapping[int, str]] = {
    404: "request.not_found",
    405: "request.method_not_allowed",
    413: "request.too_large",
    415: "request.media_type",
}


class Audience(Enum):
    """Who reads a problem."""

    PARTNER = auto()
    CLIENT = auto()
    OPERATOR = auto()


def problem(error: GatewayError, *, audience: Audience, instance: str, language: str = "en") -> web.Response:
    """Return the answer for `error`. `instance`: the request id, which also stands in the log line.

    `language`: of what the XML door says; what a schema set says was worded where the document was read.
    """
    members = problem_members(error, audience=audience, language=language)
    return _response(members, retryable=error.retryable, instance=instance)


def problem_with_instance(
    error: GatewayError, audience: Audience, *, instance: str, language: str
) -> tuple[dict[str, Any], int | None]:
    """Return what `problem` would answer, as members, and the seconds of its `Retry-After`, if it has one."""
    members = problem_members(error, audience=audience, language=language)
    wait = _RETRY_AFTER_SECONDS.get(members["status"]) if error.retryable else None
    return {**members, "instance": _instance(instance)}, wait


def public_problem(code: str, status: int, *, instance: str) -> web.Response:
    """Return the answer to a partner for which no signed statement could be made. `code`: a public code."""
    members = {"type": f"{TYPE_PREFIX}{code}", "status": status, "code": code, "title": _public_title(code)}
    return _response(members, retryable=status in {429, 503}, instance=instance)


def retry_after_seconds(status: int) -> int | None:
    """Return how long to stay away after an answer of 429 or 503, None for any other."""
    return _RETRY_AFTER_SECONDS[status] if status in {429, 503} else None


def _response(members: dict[str, Any], *, retryable: bool, instance: str) -> web.Response:
    status: int = members["status"]
    headers = {}
    if retryable and status in _RETRY_AFTER_SECONDS:
        headers["Retry-After"] = str(_RETRY_AFTER_SECONDS[status])
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = orjson.dumps({**members, "instance": _instance(instance)})
    return web.Response(status=status, body=body, content_type=MEDIA_TYPE, headers=headers)


def _instance(request_id: str) -> str:
    return f"urn:uuid:{request_id}"


def problem_members(error: GatewayError, *, audience: Audience, language: str = "en") -> dict[str, Any]:
    """Return the members of a problem, without `instance`."""
    error = told_of(error)
    members = _members(error, audience, language)
    if isinstance(error, RecipientsRefusedError):
        members["recipients"] = [
            {"recipient": recipient, **_told(one, audience, language)} for recipient, one in error.problems.items()
        ]
    return members


def told_of(error: GatewayError) -> GatewayError:
    """Return what an answer tells of: of a refused submission the problem of the document itself, if it is that."""
    if isinstance(error, RecipientsRefusedError) and set(error.problems) == {None}:
        return error.problems[None]
    return error


def defects_in(error: GatewayError) -> tuple[str, ...]:
    """Return the details of what is `internal` in an error. Operators need them, and no answer to a client has them."""
    parts = error.problems.values() if isinstance(error, RecipientsRefusedError) else (error,)
    return tuple(one.detail for one in parts if one.code == "internal" and one.detail != one.entry.title)


def error_of_http(error: web.HTTPException) -> GatewayError:
    """Return aiohttp's own refusal as one of ours."""
    code = _HTTP_CODES.get(error.status, "request.malformed" if error.status < 500 else "internal")
    return GatewayError(code)


def _members(error: GatewayError, audience: Audience, language: str) -> dict[str, Any]:
    told = _told(error, audience, language)
    return {**told, "type": f"{TYPE_PREFIX}{told['code']}", "status": _status(error, audience)}


def _told(error: GatewayError, audience: Audience, language: str) -> dict[str, Any]:
    if audience is Audience.PARTNER:
        return {"code": error.public_code, "title": _public_title(error.public_code)}
    told: dict[str, Any] = {"code": error.code, "title": error.entry.title}
    if audience is Audience.OPERATOR or error.entry.status < 500:
        told = {**error.facts, **told, "detail": error.detail}
    if isinstance(error, SchemaError):
        told["violations"] = [violation.as_json() for violation in error.violations]
    if isinstance(error, DocumentError):
        told["violations"] = [door_violation(error, Telling(language=language)).as_json()]
    return told


def _public_title(code: str) -> str:
    entry: ErrorCode | None = CATALOGUE.get(code)
    return entry.title if entry is not None else _PUBLIC_TITLES.get(code, "The request is refused")


def _status(error: GatewayError, audience: Audience) -> int:
    if audience is Audience.PARTNER:
        entry = CATALOGUE.get(error.public_code, error.entry)
        # One public code has one status, else the status would tell apart what the code does not.
        if error.public_code == "envelope.rejected":
            return 400
        # 502 and 504 say that somebody behind us failed; here the partner who asks is the one who did.
        if isinstance(error, PeerError) and entry.status in {502, 504}:
            return 422
        return entry.status
    return error.entry.status
