"""The pages of signing in and out."""

import re
from typing import Final

from aiohttp import web

from gateway.domain.access import Caller
from gateway.errors import AccessError
from gateway.web.console.pages import page, redirect
from gateway.web.console.session import cookie_of, read_fields, refuse_other_sites
from gateway.web.door import Admits, Route, permitted
from gateway.web.operations_api import READERS, OperationsParts
from gateway.web.query import Query

__all__ = ["ROUTES"]

# RFC 6750 §2.1. Browsers keep cookies of up to 4096 bytes, name and attributes included (RFC 6265 §6.1).
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,3500}=*")


async def _show(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    Query(request, ())
    return page(request, parts, "sign_in.html", problem="")


async def _sign_in(request: web.Request, parts: OperationsParts, _caller: Caller) -> web.Response:
    refuse_other_sites(request)
    token = (await read_fields(request, parts)).get("token", "").strip()
    if not _TOKEN.fullmatch(token):
        raise AccessError("access.token_invalid")
    permitted(request, parts.tokens.caller(f"Bearer {token}"), READERS)
    response = redirect("/console")
    response.set_cookie(cookie_of(request), token, path="/", httponly=True, samesite="Strict", secure=request.secure)
    return response


async def _sign_out(request: web.Request, _parts: OperationsParts, _caller: Caller) -> web.Response:
    refuse_other_sites(request)
    response = redirect("/console/sign-in")
    response.del_cookie(cookie_of(request), path="/", httponly=True, samesite="Strict", secure=request.secure)
    return response


async def _front(_request: web.Request, _parts: OperationsParts, _caller: Caller) -> web.Response:
    return redirect("/console")


ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    Route(method="GET", path="/", handler=_front, admits=Admits.ANYONE),
    Route(method="GET", path="/console/sign-in", handler=_show, admits=Admits.ANYONE),
    Route(method="POST", path="/console/sign-in", handler=_sign_in, admits=Admits.ANYONE),
    Route(method="POST", path="/console/sign-out", handler=_sign_out, admits=Admits.ANYONE),
)
