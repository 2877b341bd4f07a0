"""Rendering: one function that every page goes through, its headers, and errors as pages."""

from datetime import datetime, timedelta
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final

import jinja2
from aiohttp import web

from gateway.domain.access import Caller
from gateway.errors import GatewayError
from gateway.web.console.session import authorization, form_token
from gateway.web.door import Admits, Route, request_id
from gateway.web.operations_api import OperationsParts
from gateway.web.texts import Texts

__all__ = ["ASSETS", "TEXTS", "is_console", "page", "redirect", "show_error"]

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    # Not `no-referrer`: with that, browsers say `Origin: null` of our own forms, and we could not tell them apart.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

TEXTS: Final = Texts.load("en")
_STYLE: Final = files("gateway.web").joinpath("static/console.css").read_bytes()
_ICON: Final = files("gateway.web").joinpath("static/icon.svg").read_bytes()
_PAGES: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("gateway.web"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.globals.update(t=TEXTS, explain=TEXTS.explain, when=TEXTS.when)


def is_console(request: web.Request) -> bool:
    """Tell whether a request is for a page rather than for the API."""
    return request.path == "/console" or request.path.startswith("/console/")


def page(
    request: web.Request,
    parts: OperationsParts,
    template: str,
    *,
    caller: Caller | None = None,
    status: int = 200,
    **values: Any,
) -> web.Response:
    """Return a page. A caller gets the navigation and the token that forms of this session carry."""
    now = parts.door.clock.now()
    text = _PAGES.get_template(template).render(
        node=parts.node,
        caller=caller,
        here=request.path,
        form_token=form_token(request) if caller is not None else "",
        distance=lambda at: _distance(at, now),
        **values,
    )
    return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS)


def redirect(path: str) -> web.Response:
    """Return `303 See Other`, which makes a browser ask for a page after it has sent a form."""
    return web.Response(status=303, headers={"Location": path})


def show_error(request: web.Request, error: GatewayError, parts: OperationsParts) -> web.Response | None:
    """Render an error as a page where a page was asked for. Who is not signed in sees the sign-in page, with 401."""
    if not is_console(request):
        return None
    if error.entry.status == HTTPStatus.UNAUTHORIZED:
        missing = error.code == "access.token_missing"
        problem = "" if missing else "sign_in.token_refused"
        response = page(request, parts, "sign_in.html", status=401, problem=problem)
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    return page(
        request,
        parts,
        "error.html",
        caller=_signed_in(request, parts),
        status=error.entry.status,
        error=error,
        instance=request_id(request),
    )


def _signed_in(request: web.Request, parts: OperationsParts) -> Caller | None:
    try:
        return parts.tokens.caller(authorization(request))
    except GatewayError:
        return None


def _distance(at: str | None, now: datetime) -> str:
    """Return how far an RFC 3339 time is from `now`, in the largest unit that fits, such as `in 40 s`."""
    if at is None:
        return ""
    apart = datetime.fromisoformat(at) - now
    word = "time.ahead" if apart > timedelta() else "time.ago"
    seconds = int(abs(apart).total_seconds())
    for unit, size in (("time.days", 86_400), ("time.hours", 3600), ("time.minutes", 60)):
        if seconds >= 2 * size:
            return TEXTS(word, span=TEXTS(unit, count=seconds // size))
    return TEXTS(word, span=TEXTS("time.seconds", count=seconds))


async def _style(_request: web.Request, _parts: OperationsParts, _caller: Caller) -> web.Response:
    return web.Response(body=_STYLE, content_type="text/css", charset="utf-8")


async def _icon(_request: web.Request, _parts: OperationsParts, _caller: Caller) -> web.Response:
    return web.Response(body=_ICON, content_type="image/svg+xml")


ASSETS: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    Route(method="GET", path="/console/static/console.css", handler=_style, admits=Admits.ANYONE),
    Route(method="GET", path="/console/static/icon.svg", handler=_icon, admits=Admits.ANYONE),
)
