"""The console: pages for people, rendered here, without a line of JavaScript.

A page is what the API shows, put into words of one catalogue (`texts/`). Everything a partner or a client can choose is
escaped by the template engine, and the content security policy lets a page load one style sheet and one icon of ours
and nothing else. Signing in puts the bearer token into a cookie that scripts and other sites can not use (session.py).
"""

from typing import Final

from gateway.domain.access import Caller
from gateway.web.console import history, inbox, overview, partners, policies, releases, schema_sets, sign_in, transfers
from gateway.web.console.pages import ASSETS, is_console, show_error
from gateway.web.console.session import authorization
from gateway.web.door import Route
from gateway.web.operations_api import OperationsParts

__all__ = ["ROUTES", "authorization", "is_console", "show_error"]

ROUTES: Final[tuple[Route[OperationsParts, Caller], ...]] = (
    *sign_in.ROUTES,
    *ASSETS,
    *overview.ROUTES,
    *releases.ROUTES,
    *transfers.ROUTES,
    *inbox.ROUTES,
    *partners.ROUTES,
    *schema_sets.ROUTES,
    *policies.ROUTES,
    *history.ROUTES,
)
