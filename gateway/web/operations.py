"""The operations listener: the API for tools and the console for people, each with its own way to say who one is.

The API takes a bearer token from the `Authorization` header only, the console from its cookie only: a page of another
site that makes a browser send the cookie can reach nothing that changes a transfer.
"""

from typing import Final

from aiohttp import web

from gateway.domain.access import Caller, Role
from gateway.domain.ids import ClientId
from gateway.web import console, operations_api, wordings
from gateway.web.door import Admits, Route, admit_caller, build_app, permitted
from gateway.web.operations_api import OperationsParts
from gateway.web.problem import Audience

__all__ = ["ROUTES", "OperationsParts", "operations_app"]

ANONYMOUS: Final = Caller(client=ClientId("anonymous"), roles=frozenset())
_MAX_BODY_BYTES: Final = 16 * 1024

ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = operations_api.ROUTES + wordings.ROUTES + console.ROUTES


def operations_app(parts: OperationsParts) -> web.Application:
    """Return the listener as an application, ready for `serve`."""

    async def ask(request: web.Request, admits: frozenset[Role] | Admits) -> Caller:
        if admits is Admits.ANYONE:
            return ANONYMOUS
        if console.is_console(request):
            return permitted(request, parts.tokens.caller(console.authorization(request)), admits)
        return await admit_caller(request, admits, parts.tokens)

    return build_app(
        parts.door,
        ROUTES,
        parts,
        ask=ask,
        audience=Audience.OPERATOR,
        max_body_bytes=_MAX_BODY_BYTES,
        show=lambda request, error: console.show_error(request, error, parts),
    )
