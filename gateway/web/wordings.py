"""The operations API about texts that are or were in force: agreements and policies, from when to when, by whom."""

import re
from typing import Any, Final

from aiohttp import web

from gateway.domain.access import Caller, Role
from gateway.domain.wording import Followed
from gateway.errors import RequestError
from gateway.web.door import Route
from gateway.web.operations_api import READERS, OperationsParts
from gateway.web.query import Query
from gateway.web.shapes import json_response, timestamp

__all__ = ["ROUTES", "beginning_of_hash", "in_force_json"]

_QUERY: Final = frozenset({"of", "sha256", "limit"})
_HEX: Final = re.compile(r"[0-9a-f]{0,64}")


async def _history(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    query = Query(request, _QUERY)
    begins = beginning_of_hash(query)
    found = await parts.store.history(of=query.text("of") or "", begins=begins, limit=query.limit())
    return json_response({"texts": [in_force_json(one) for one in found]})


def beginning_of_hash(query: Query) -> str:
    """Return what a query gives as `sha256`, empty when nothing. Raises RequestError unless it is hexadecimal."""
    begins = (query.text("sha256") or "").lower()
    if not _HEX.fullmatch(begins):
        raise RequestError("request.malformed", "`sha256` is a hash in hexadecimal, or its beginning")
    return begins


def in_force_json(one: Followed) -> dict[str, Any]:
    """Return one time that a text was followed, without the text."""
    return {
        "kind": one.kind.value,
        "id": one.id,
        "version": one.version,
        "sha256": one.sha256,
        "text_sha256": one.text_sha256,
        "since": timestamp(one.since),
        "until": timestamp(one.until),
        "by": one.actor,
        "reason": one.reason,
    }


async def _text(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    Query(request, ())
    found = await parts.store.wording(request.match_info["id"])
    if found is None:
        raise RequestError("request.not_found", "No text with this hash was ever in force here")
    named = {"kind": found.kind.value, "id": found.id, "version": found.version, "sha256": found.sha256}
    return json_response({**named, "text_sha256": found.text_sha256, "text": found.text})


_ADMITS: Final = READERS | {Role.SECURITY, Role.ADMIN}

ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    Route(method="GET", path="/v1/rules/history", handler=_history, admits=_ADMITS),
    Route(method="GET", path="/v1/rules/texts/{id}", handler=_text, admits=_ADMITS),
)
