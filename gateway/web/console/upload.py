"""Reading a form with a file (RFC 7578). The file stays in memory, and nothing writes it anywhere."""

import re
from typing import Final

from aiohttp import web
from aiohttp.helpers import parse_mimetype

from gateway.errors import RequestError
from gateway.web.operations_api import OperationsParts
from gateway.web.query import read_body

__all__ = ["read_upload"]

_NAME: Final = re.compile(rb'(?i)^content-disposition:[^\r\n]*?[; ]name="([a-z_]{1,32})"', re.MULTILINE)
_MOST_PARTS: Final = 8


async def read_upload(request: web.Request, parts: OperationsParts, *, max_bytes: int) -> dict[str, bytes]:
    """Return the parts of a form by name, each once. Raises RequestError."""
    media = {"multipart/form-data"}
    body = await read_body(request, media_types=media, max_bytes=max_bytes, within=parts.door.body_timeout)
    boundary = parse_mimetype(request.headers["Content-Type"]).parameters.get("boundary", "")
    if not boundary or len(boundary) > 70 or not boundary.isascii():
        raise RequestError("request.malformed", "The form names no boundary")
    # What stands before the first boundary and after the last one is nobody's.
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:]
    if len(pieces) < 2 or len(pieces) > _MOST_PARTS or not pieces[-1].startswith(b"--"):
        raise RequestError("request.malformed", "The form is cut short, or has too many fields")
    found: dict[str, bytes] = {}
    for piece in pieces[:-1]:
        head, separator, content = piece.partition(b"\r\n\r\n")
        named = _NAME.search(head)
        if not separator or named is None or named[1].decode() in found:
            raise RequestError("request.malformed", "A field of the form has no name, or the name of another")
        found[named[1].decode()] = content
    return found
