"""The console: pages for people, rendered here, without a line of JavaScript. Read-only so far.

A page is what the API shows, put into words of one catalogue (`texts/`). Everything a partner or a client can choose is
escaped by the template engine, and the content security policy lets a page load one style sheet of ours and nothing
else. Signing in puts the bearer token into a cookie that scripts and other sites can not use.
"""

import re
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import jinja2
from aiohttp import web

from gateway.domain.access import Caller
from gateway.domain.ids import TransferId
from gateway.domain.lifecycle import TransferState
from gateway.errors import AccessError, GatewayError
from gateway.web.door import Admits, Route, permitted, request_id
from gateway.web.operations_api import READERS, TRANSFER_QUERY, OperationsParts, find_transfers, read_transfer
from gateway.web.query import Query, path_id, read_body
from gateway.web.shapes import transfer_of_operator_json
from gateway.web.texts import Texts

__all__ = ["ROUTES", "authorization", "is_console", "show_error"]

_POLICY: Final = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
# RFC 6750 §2.1. Browsers keep cookies of up to 4096 bytes, name and attributes included (RFC 6265 §6.1).
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,3500}=*")

_TEXTS: Final = Texts.load("en")
_STYLE: Final = files("gateway.web").joinpath("static/console.css").read_bytes()
_PAGES: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("gateway.web"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.globals.update(t=_TEXTS, explain=_TEXTS.explain, when=_TEXTS.when)


def is_console(request: web.Request) -> bool:
    """Tell whether a request is for a page rather than for the API."""
    return request.path.startswith("/console")


def authorization(request: web.Request) -> str | None:
    """Return what the cookie says as the value of an Authorization header, or None without a cookie."""
    token = request.cookies.get(_cookie_name(request))
    return f"Bearer {token}" if token else None


def show_error(request: web.Request, error: GatewayError) -> web.Response | None:
    """Render an error as a page where a page was asked for. Who is not signed in sees the sign-in page, with 401."""
    if not is_console(request):
        return None
    if error.entry.status == HTTPStatus.UNAUTHORIZED:
        missing = error.code == "access.token_missing"
        return _sign_in_page(status=401, problem="" if missing else "sign_in.token_refused")
    return _page("error.html", status=error.entry.status, error=error, instance=request_id(request))


# ── signing in and out ───────────────────────────────────────────────────────────────────────────────────────────


async def _show_sign_in(request: web.Request, _parts: OperationsParts, _caller: Caller) -> web.Response:
    Query(request, ())
    return _sign_in_page(status=200)


async def _sign_in(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    _refuse_other_sites(request)
    form = await read_body(
        request,
        media_types={"application/x-www-form-urlencoded"},
        max_bytes=16 * 1024,
        within=parts.door.body_timeout,
    )
    token = parse_qs(form.decode("ascii", "replace")).get("token", [""])[0].strip()
    if not _TOKEN.fullmatch(token):
        raise AccessError("access.token_invalid")
    permitted(request, parts.tokens.caller(f"Bearer {token}"), READERS)
    response = _redirect("/console/transfers")
    response.set_cookie(_cookie_name(request), token, path="/", httponly=True, samesite="Strict", secure=request.secure)
    return response


async def _sign_out(request: web.Request, _parts: OperationsParts, _caller: Caller) -> web.Response:
    _refuse_other_sites(request)
    response = _redirect("/console/sign-in")
    response.del_cookie(_cookie_name(request), path="/", httponly=True, samesite="Strict", secure=request.secure)
    return response


def _sign_in_page(*, status: int, problem: str = "") -> web.Response:
    response = _page("sign_in.html", status=status, problem=problem)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _refuse_other_sites(request: web.Request) -> None:
    """Refuse a form that a page of another site sent. Browsers say where a form comes from; tools need not."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    if site not in {"same-origin", "none"} or (origin is not None and urlsplit(origin).netloc != request.host):
        raise AccessError("access.forbidden", "The form was sent from another site")


def _cookie_name(request: web.Request) -> str:
    # The prefix makes browsers insist on Secure and this very host; over plain loopback it can not be used.
    return "__Host-gateway" if request.secure else "gateway"


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _front(_request: web.Request, _parts: OperationsParts, _caller: Caller) -> web.Response:
    return _redirect("/console/transfers")


async def _style(_request: web.Request, _parts: OperationsParts, _caller: Caller) -> web.Response:
    return web.Response(body=_STYLE, content_type="text/css", charset="utf-8")


async def _transfers(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    query = Query(request, TRANSFER_QUERY, form=True)
    rows, following = await find_transfers(query, parts)
    counts = await parts.store.counts()
    chosen = {name: request.query[name] for name in ("state", "recipient") if name in query}
    return _page(
        "transfers.html",
        caller=caller,
        transfers=[transfer_of_operator_json(row) for row in rows],
        states=[(state.value, counts.get(f"transfer.{state.value}", 0)) for state in TransferState],
        chosen=chosen,
        partners=sorted(parts.partners()),
        older=None if following is None else f"?{urlencode({**chosen, 'before': following})}",
        newest="before" not in query,
    )


async def _transfer(request: web.Request, parts: OperationsParts, caller: Caller) -> web.Response:
    Query(request, ())
    transfer = await read_transfer(TransferId(path_id(request, "transfer.not_found")), parts)
    return _page("transfer.html", caller=caller, transfer=transfer)


def _page(template: str, *, status: int = 200, **values: Any) -> web.Response:
    values.setdefault("caller", None)
    text = _PAGES.get_template(template).render(**values)
    return web.Response(
        status=status, text=text, content_type="text/html", headers={"Content-Security-Policy": _POLICY}
    )


def _redirect(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})


ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    Route(method="GET", path="/", handler=_front, admits=Admits.ANYONE),
    Route(method="GET", path="/console/sign-in", handler=_show_sign_in, admits=Admits.ANYONE),
    Route(method="POST", path="/console/sign-in", handler=_sign_in, admits=Admits.ANYONE),
    Route(method="POST", path="/console/sign-out", handler=_sign_out, admits=Admits.ANYONE),
    Route(method="GET", path="/console/static/console.css", handler=_style, admits=Admits.ANYONE),
    Route(method="GET", path="/console/transfers", handler=_transfers, admits=READERS),
    Route(method="GET", path="/console/transfers/{id}", handler=_transfer, admits=READERS),
)
