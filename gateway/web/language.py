"""In which language a request wants to be answered: `Accept-Language` (RFC 9110 §12.5.4), by what texts there are."""

import re
from typing import Final

from aiohttp import web

from gateway.schema.telling.texts import choose

__all__ = ["language_of"]

_RANGE: Final = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?)\s*)?")
_MAX_RANGES: Final = 16
"""More wishes than this are no person's; the rest is not looked at."""


def language_of(request: web.Request) -> str:
    """Return the language a request asks for among those there are; `en` for any other, and for what is no wish."""
    wishes: list[tuple[float, str]] = []
    for one in ",".join(request.headers.getall("Accept-Language", [])).split(",", _MAX_RANGES)[:_MAX_RANGES]:
        match = _RANGE.fullmatch(one)
        if match is not None and (quality := float(match[2] or 1)) > 0:
            wishes.append((quality, match[1]))
    return choose(tag for _, tag in sorted(wishes, key=lambda wish: -wish[0]))
