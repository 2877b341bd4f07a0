"""Reading what a request brings, strictly: query parameters, bodies, JSON members.

What is unknown, repeated or out of form is refused, so that a misspelt parameter never means "all". Bodies are refused
by their declared length before a byte is read, and bounded while they are read.
"""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Self, TypeVar

import orjson
from aiohttp import web

from gateway.domain.ids import PartyId, is_uuid, party_id
from gateway.errors import GatewayError, RequestError

__all__ = ["Query", "idempotency_key", "key_of", "path_id", "read_body", "read_json", "too_large"]

Choice = TypeVar("Choice", bound=StrEnum)

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
_FEW_SECONDS: Final = timedelta(seconds=5)
_SLOW_LINE_BYTES_PER_SECOND: Final = 128 * 1024
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_CASE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,200}")


class Query:
    """The query of one request. Raises RequestError `request.malformed` for what is not in `known`.

    `form`: the query comes from a form of a page, which sends the fields that were left empty too.
    """

    def __init__(self, request: web.Request, known: Collection[str], *, form: bool = False) -> None:
        given = [(name, value) for name, value in request.query.items() if value or not form]
        self._values = dict(given)
        if set(self._values) - set(known):
            allowed = ", ".join(sorted(known)) or "none"
            raise RequestError("request.malformed", f"The query has an unknown parameter; known here: {allowed}")
        if len(self._values) != len(given):
            raise RequestError("request.malformed", "Give each parameter once")

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Self:
        """Return parameters that came another way and are known to be known."""
        query = cls.__new__(cls)
        query._values = dict(values)
        return query

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str | None:
        """Return a parameter of 1 to 200 characters without controls, or None."""
        value = self._values.get(name)
        if value is not None and not _CASE.fullmatch(value):
            raise RequestError("request.malformed", f"`{name}` needs 1 to 200 characters, none of them a control")
        return value

    def uuid(self, name: str) -> str | None:
        """Return a parameter that is an id, or None."""
        value = self._values.get(name)
        if value is not None and not is_uuid(value):
            raise RequestError("request.malformed", f"`{name}` is not an id of this gateway (a lower-case UUID)")
        return value

    def party(self, name: str) -> PartyId | None:
        """Return a parameter that is a party id, or None."""
        value = self._values.get(name)
        return None if value is None else _party(name, value)

    def parties(self, name: str) -> tuple[PartyId, ...]:
        """Return the party ids of a comma-separated parameter; empty when it is absent."""
        value = self._values.get(name)
        return () if value is None else tuple(_party(name, one) for one in value.split(","))

    def choice(self, name: str, kind: type[Choice]) -> Choice | None:
        """Return a parameter that is one of the words of `kind`, or None."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            return kind(value)
        except ValueError:
            raise RequestError("request.malformed", f"`{name}` is one of {', '.join(kind)}") from None

    def wanted(self, name: str) -> bool:
        """Tell whether a parameter that can only be `yes` was given."""
        value = self._values.get(name, "yes")
        if value != "yes":
            raise RequestError("request.malformed", f"`{name}` is yes, or left out")
        return name in self._values

    def time(self, name: str) -> datetime | None:
        """Return a parameter that is a time with its offset (RFC 3339), or None."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            # A plus sign of an offset that nobody encoded comes as a blank.
            at = datetime.fromisoformat(value.replace(" ", "+"))
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            raise RequestError("request.malformed", f"`{name}` is a time such as 2026-03-01T12:00:00Z")
        return at

    def number(self, name: str) -> int:
        """Return a parameter that is a number and must be given."""
        value = self._values.get(name, "")
        if not re.fullmatch(r"[0-9]{1,18}", value):
            raise RequestError("request.malformed", f"`{name}` is a number, and must be given")
        return int(value)

    def limit(self, *, default: int = DEFAULT_LIMIT, most: int = MAX_LIMIT) -> int:
        """Return how many rows are asked for, 1 to `most`."""
        value = self._values.get("limit", str(default))
        if not re.fullmatch(r"[0-9]{1,3}", value) or not 1 <= int(value) <= most:
            raise RequestError("request.malformed", f"`limit` is a number from 1 to {most}")
        return int(value)


def idempotency_key(request: web.Request) -> str:
    """Return the request's Idempotency-Key: 1 to 255 visible ASCII characters."""
    return key_of(request.headers.getall("Idempotency-Key", []))


def key_of(given: Sequence[str]) -> str:
    """Return the one Idempotency-Key there must be. Raises RequestError."""
    if not given:
        raise RequestError("request.idempotency_key_missing")
    if len(given) > 1 or not _IDEMPOTENCY_KEY.fullmatch(given[0]):
        raise RequestError("request.malformed", "Idempotency-Key needs 1 to 255 visible ASCII characters, once")
    return given[0]


def path_id(request: web.Request, missing: str = "request.not_found") -> str:
    """Return `{id}` of the path. Whatever is not an id can not name anything: GatewayError `missing`."""
    value = request.match_info["id"]
    if not is_uuid(value):
        raise GatewayError(missing)
    return value


async def read_body(request: web.Request, *, media_types: Collection[str], max_bytes: int, within: timedelta) -> bytes:
    """Return the body. Raises RequestError `request.media_type`, `.too_large`, or `.malformed` when it is cut short or
    takes longer than `within`; a body that declares its length has no longer than its size needs (`_time_for`)."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise RequestError("request.media_type", "Send the body without a Content-Encoding")
    if request.content_type not in media_types or request.headers.get("Content-Type") is None:
        raise RequestError("request.media_type", f"Send the body as {' or '.join(sorted(media_types))}")
    if request.content_length is not None and request.content_length > max_bytes:
        raise too_large(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(_time_for(request.content_length, within).total_seconds()):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise too_large(max_bytes)
    except TimeoutError:
        raise RequestError("request.malformed", "The body did not come in time") from None
    except (web.RequestPayloadError, ConnectionError) as error:
        raise RequestError("request.malformed", "The body ended early") from error
    return bytes(body)


async def read_json(request: web.Request, *, members: Collection[str], within: timedelta) -> dict[str, str]:
    """Return a JSON object with exactly these members, each a text. At most 16 KiB."""
    body = await read_body(request, media_types={"application/json"}, max_bytes=16 * 1024, within=within)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError("request.malformed", "The body is not JSON") from error
    if not isinstance(value, dict) or set(value) != set(members):
        raise RequestError("request.malformed", f"The body is a JSON object with {', '.join(sorted(members))}")
    if not all(isinstance(one, str) for one in value.values()):
        raise RequestError("request.malformed", "Every member of the body is a text")
    return value


def _party(name: str, value: str) -> PartyId:
    try:
        return party_id(value)
    except ValueError as error:
        raise RequestError("request.malformed", f"`{name}`: {error}") from None


def _time_for(declared: int | None, within: timedelta) -> timedelta:
    """Return how long a body may take: a few seconds and what a slow line needs for its bytes, at most `within`. So
    a small body that trickles in holds its place for seconds only."""
    if declared is None:
        return within
    return min(within, _FEW_SECONDS + timedelta(seconds=declared / _SLOW_LINE_BYTES_PER_SECOND))


def too_large(max_bytes: int) -> RequestError:
    """Return the refusal of a body, or a document, that is larger than that."""
    return RequestError("request.too_large", f"A body here has at most {max_bytes} bytes")
