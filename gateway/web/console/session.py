"""Signing in and out, and what keeps other sites from using a session.

A session is the bearer token in a cookie: HttpOnly, SameSite=Strict, for this console alone. Cookies know no ports, so
the name carries a mark of the address; two nodes on one host do not overwrite each other. A form that changes or shows
anything carries a token only this session's pages hold (a keyed hash under the bearer token itself, so nothing needs to
be stored), and comes from a page of ours. Signing in always sets the cookie anew: nobody can be given a session.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from gateway.errors import AccessError, RequestError
from gateway.web.operations_api import OperationsParts
from gateway.web.query import Query, read_body

__all__ = [
    "authorization",
    "cookie_name",
    "cookie_of",
    "form_token",
    "read_fields",
    "read_form",
    "refuse_other_sites",
]

_FORM_TOKEN: Final = "form_token"  # noqa: S105  the name of a field, not a secret
_MAX_FORM_BYTES: Final = 16 * 1024


def authorization(request: web.Request) -> str | None:
    """Return what the cookie says as the value of an Authorization header, or None without a cookie."""
    token = _session(request)
    return f"Bearer {token}" if token else None


def cookie_name(host: str, *, secure: bool) -> str:
    """Return the name of the cookie under an address, `host` being host and port as the browser asks for them."""
    mark = hashlib.sha256(host.lower().encode()).hexdigest()[:12]
    # The prefix makes browsers insist on Secure and this very host; over plain loopback it can not be used.
    return f"__Host-gateway-{mark}" if secure else f"gateway-{mark}"


def form_token(request: web.Request) -> str:
    """Return what every form of this session must carry; empty without a session."""
    token = _session(request)
    return hmac.digest(token.encode(), b"wco-gateway console form 1", "sha256").hex() if token else ""


async def read_form(request: web.Request, parts: OperationsParts, *fields: str) -> Mapping[str, str]:
    """Return the fields of a form that a page of this session sent. Raises AccessError `access.forbidden` for others.

    Raises RequestError for a form with other fields than `fields`.
    """
    refuse_other_sites(request)
    Query(request, ())
    given = await read_fields(request, parts)
    known = form_token(request)
    if not known or not hmac.compare_digest(given.pop(_FORM_TOKEN, "").encode(), known.encode()):
        raise AccessError("access.forbidden", "The form was not made for this session. Open the page again")
    if given.keys() != set(fields):
        raise RequestError("request.malformed", f"The form has the fields {', '.join(fields)}")
    return given


def _session(request: web.Request) -> str:
    return request.cookies.get(cookie_of(request), "")


def cookie_of(request: web.Request) -> str:
    """Return the name of the cookie that this request would bring."""
    return cookie_name(request.host, secure=request.secure)


async def read_fields(request: web.Request, parts: OperationsParts) -> dict[str, str]:
    """Return the fields of a form, whoever sent it. Raises RequestError."""
    form = await read_body(
        request,
        media_types={"application/x-www-form-urlencoded"},
        max_bytes=_MAX_FORM_BYTES,
        within=parts.door.body_timeout,
    )
    try:
        return dict(parse_qsl(form.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=16))
    except ValueError:
        raise RequestError("request.malformed", "The form has too many fields") from None


def refuse_other_sites(request: web.Request) -> None:
    """Refuse a form that a page of another site sent. Browsers say where a form comes from; tools need not."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    if site not in {"same-origin", "none"} or (origin is not None and urlsplit(origin).netloc != request.host):
        raise AccessError("access.forbidden", "The form was sent from another site")
