"""What all listeners have in common: the table of routes, and the one middleware around every request.

A listener is a literal table ROUTES and nothing else: `build_app` adds each line and refuses any other way in. Deny by
default: a route names whom it admits, and the door asks before the handler sees the request. Around each request the
middleware gives it an id, bounds how much is in work at once, turns every failure into a problem, and writes one
canonical line. A handler is never cancelled for taking long: what it commits must be known to whoever asked.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from aiohttp import web

from gateway.domain.access import Caller, Role
from gateway.domain.ids import is_uuid
from gateway.errors import AccessError, GatewayError
from gateway.ports import Clock, Ids, Telemetry, Tokens
from gateway.web.language import language_of
from gateway.web.load import Load
from gateway.web.problem import Audience, defects_in, error_of_http, problem, told_of

__all__ = ["Admits", "Door", "Route", "admit_caller", "build_app", "note", "request_id"]

Parts = TypeVar("Parts")
Who = TypeVar("Who")
Parts_contra = TypeVar("Parts_contra", contravariant=True)

_REQUEST_ID: Final = web.RequestKey("request_id", str)
_CALLER: Final = web.RequestKey("caller", str)
_WEIGHT: Final = web.RequestKey("weight", int)
_NOTED: Final = web.RequestKey("noted", dict[str, str | int])

_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Admits(Enum):
    """Whom a route admits when it is not a matter of roles."""

    ANYONE = "anyone"
    PARTNER = "partner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What every listener is given. `name` stands in log lines.

    `in_work` and `in_work_bytes` bound the requests, and the bodies they declare, that are in work at once; more are
    answered 503 at once. One client, or one partner, may have half of either; more of its own are answered 429, so
    that others always find room. `body_timeout` bounds how long one body may take to come in.
    """

    name: str
    clock: Clock
    ids: Ids
    telemetry: Telemetry
    in_work: int = 256
    in_work_bytes: int = 256 * 1024 * 1024
    body_timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[Parts, Who]):
    """One line of a listener's table. `admits`: roles, any of which is enough, or whom else. `max_body_bytes`: where it
    is not that of the listener."""

    method: str
    path: str
    handler: Callable[[web.Request, Parts, Who], Awaitable[web.StreamResponse]]
    admits: frozenset[Role] | Admits
    max_body_bytes: int | None = None


Ask = Callable[[web.Request, frozenset[Role] | Admits], Awaitable[Who]]
"""Returns who is asking, or raises AccessError."""

Show = Callable[[web.Request, GatewayError], web.Response | None]
"""Renders an error in a listener's own way, or returns None for the usual problem."""


def build_app(
    door: Door,
    routes: Iterable[Route[Parts, Who]],
    parts: Parts,
    *,
    ask: Callable[[web.Request, frozenset[Role] | Admits], Awaitable[Who]],
    audience: Audience,
    max_body_bytes: int,
    show: Show | None = None,
) -> web.Application:
    """Return an application with exactly these routes, each guarded by `ask`."""
    load = Load(requests=door.in_work, size=door.in_work_bytes)
    routes = tuple(routes)
    sizes = {(one.method, one.path): one.max_body_bytes for one in routes if one.max_body_bytes is not None}

    def most(request: web.Request) -> int:
        resource = request.match_info.route.resource
        return max_body_bytes if resource is None else sizes.get((request.method, resource.canonical), max_body_bytes)

    app = web.Application(
        middlewares=[_around(door, load, audience, show or _no_own_way, most)],
        client_max_size=max([max_body_bytes, *sizes.values()]),
    )
    for route in routes:
        handle = _guarded(route, parts, ask, load)
        # What can be read can be asked about (RFC 9110 §9.1); aiohttp leaves out the body.
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            app.router.add_route(method, route.path, handle, expect_handler=_expect)
    app.on_response_prepare.append(_harden)
    return app


def request_id(request: web.Request) -> str:
    """Return the id of a request, as its problem and its log line name it."""
    return request[_REQUEST_ID]


def note(request: web.Request, **labels: str | int) -> None:
    """Have the log line of a request say more. Labels are ids, words and numbers, never what somebody wrote."""
    request[_NOTED] = labels


async def admit_caller(request: web.Request, admits: frozenset[Role] | Admits, tokens: Tokens) -> Caller:
    """Return the caller a bearer token names if it has one of the roles. Raises AccessError."""
    given = request.headers.getall("Authorization", [])
    if len(given) > 1:
        raise AccessError("access.token_invalid", "Send one Authorization header")
    return permitted(request, tokens.caller(given[0] if given else None), admits)


def permitted(request: web.Request, caller: Caller, admits: frozenset[Role] | Admits) -> Caller:
    """Return `caller` if it has one of the roles. Raises AccessError `access.forbidden`."""
    request[_CALLER] = caller.client
    if not isinstance(admits, frozenset) or not admits & caller.roles:
        raise AccessError("access.forbidden", "The token's client has no role that may do this")
    return caller


def _guarded(
    route: Route[Parts, Who],
    parts: Parts,
    ask: Callable[[web.Request, frozenset[Role] | Admits], Awaitable[Who]],
    load: Load,
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        who = await ask(request, route.admits)
        # Before the body is read: whoever sends slowly uses up places of its own only.
        with load.share_of(_name(who), request[_WEIGHT]):
            return await route.handler(request, parts, who)

    return handle


def _name(who: object) -> str:
    return str(who.client if isinstance(who, Caller) else who)


def _around(door: Door, load: Load, audience: Audience, show: Show, most: Callable[[web.Request], int]) -> Any:
    @web.middleware
    async def around(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        started = door.clock.monotonic()
        request[_REQUEST_ID] = door.ids.uuid4()
        code, labels = "", {}
        weight = request[_WEIGHT] = _weight(request, most(request))
        load.enter(weight)
        try:
            load.check(weight)
            response = await handler(request)
        except GatewayError as error:
            code, response = told_of(error).code, _shown(request, error, audience, show)
            labels = {"detail": "; ".join(details)} if (details := defects_in(error)) else {}
        except web.HTTPException as error:
            told = error_of_http(error)
            code, response = told.code, _shown(request, told, audience, show)
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except Exception as error:  # noqa: BLE001  the outermost boundary of a request
            code, response = "internal", _shown(request, GatewayError("internal"), audience, show)
            labels = {"error": type(error).__name__, "place": _place(error)}
        finally:
            load.leave(weight)
        _line(door, request, response, code, timedelta(seconds=door.clock.monotonic() - started), labels)
        return response

    return around


def _weight(request: web.Request, max_body_bytes: int) -> int:
    if not request.can_read_body:
        return 0
    declared = request.content_length
    return max_body_bytes if declared is None else min(declared, max_body_bytes)


def _shown(request: web.Request, error: GatewayError, audience: Audience, show: Show) -> web.Response:
    return show(request, error) or problem(
        error, audience=audience, instance=request_id(request), language=language_of(request)
    )


def _no_own_way(_request: web.Request, _error: GatewayError) -> None:
    return None


def _line(
    door: Door,
    request: web.Request,
    response: web.StreamResponse,
    code: str,
    duration: timedelta,
    more: Mapping[str, str],
) -> None:
    # The pattern of the route, never the raw path or the query: either may hold what a person typed.
    resource = request.match_info.route.resource
    labels: dict[str, str | int] = {
        "listener": door.name,
        "method": request.method if request.method.isalpha() else "?",
        "path": resource.canonical if resource is not None else "-",
        "status": response.status,
        "request_id": request_id(request),
        "request_bytes": request.content_length or 0,
        "response_bytes": response.content_length or 0,
        "client_address": request.remote or "",
        **request.get(_NOTED, {}),
        **more,
    }
    if (caller := request.get(_CALLER)) is not None:
        labels["client_id"] = caller
    # Only what is an id: people also type references, which are personal, where an id belongs.
    if is_uuid(resource_id := request.match_info.get("id", "")):
        labels["resource_id"] = resource_id
    outcome = "success" if response.status < 400 else "failure"
    door.telemetry.line("http.request", outcome=outcome, duration=duration, code=code, **labels)


def _place(error: BaseException) -> str:
    """Return where an unexpected error came from, as `module:line`; neither its text nor any value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"


async def _expect(request: web.Request) -> web.StreamResponse | None:
    # RFC 9110 §10.1.1: an expectation we do not know may be ignored; aiohttp would answer 417 outside the middleware.
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None


async def _harden(request: web.Request, response: web.StreamResponse) -> None:
    headers = response.headers
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if request.secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    if (given := request.get(_REQUEST_ID)) is not None:
        headers["X-Request-Id"] = given
    headers.popall("Server", None)
