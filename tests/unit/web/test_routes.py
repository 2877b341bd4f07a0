"""Every way in is a line of a table, and every line says whom it admits."""

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.access import Role
from gateway.web import operations, operations_app, partner, submission, submission_app
from gateway.web.door import Admits, Route
from tests.unit.web.listening import CALLERS, Node, ask, signed_in

AnyRoute = Route[Any, Any]

ROOT = Path(__file__).resolve().parents[3]
SOME_ID = "01950000-0000-7000-8000-000000000001"
ALL: list[tuple[str, AnyRoute]] = [
    *(("submission", route) for route in submission.ROUTES),
    *(("operations", route) for route in operations.ROUTES),
    *(("partner", route) for route in partner.ROUTES),
]
GUARDED = [(listener, route) for listener, route in ALL if isinstance(route.admits, frozenset)]


def _path(pattern: str) -> str:
    return pattern.replace("{id}", SOME_ID)


def _name(value: object) -> str | None:
    return re.sub(r"\W+", "-", f"{value.method}{value.path}") if isinstance(value, Route) else None


@pytest.mark.parametrize(("listener", "route"), GUARDED, ids=_name)
async def test_a_route_refuses_whoever_shows_no_token(
    listener: str, route: AnyRoute, submission: str, operations: str
) -> None:
    url = {"submission": submission, "operations": operations}[listener]
    answer = await ask(f"{url}{_path(route.path)}", route.method)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    if not route.path.startswith("/console"):
        assert answer.code == "access.token_missing"


@pytest.mark.parametrize(("listener", "route"), GUARDED, ids=_name)
async def test_a_route_refuses_every_role_it_does_not_name(
    listener: str, route: AnyRoute, submission: str, operations: str
) -> None:
    url = {"submission": submission, "operations": operations}[listener]
    assert isinstance(route.admits, frozenset)
    others = [name for name, caller in CALLERS.items() if not caller.roles & route.admits]
    assert "nobody" in others
    for word in others:
        if route.path.startswith("/console"):
            answer = await ask(f"{url}{_path(route.path)}", route.method, cookies=signed_in(url, word))
            assert answer.status == 403
        else:
            answer = await ask(f"{url}{_path(route.path)}", route.method, token=word)
            assert (answer.status, answer.code) == (403, "access.forbidden")


async def test_a_token_that_is_not_valid_is_refused_as_such(submission: str) -> None:
    answer = await ask(f"{submission}/v1/submissions", token="wrong")
    assert (answer.status, answer.code) == (401, "access.token_invalid")


async def test_two_authorization_headers_are_one_too_many(submission: str) -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        headers = [("Authorization", "Bearer submitter"), ("Authorization", "Bearer broker")]
        async with session.get(f"{submission}/v1/submissions", headers=headers) as response:
            assert response.status == 401


def test_only_liveness_and_signing_in_are_open_to_everybody() -> None:
    opened = {f"{route.method} {route.path}" for _, route in ALL if route.admits is Admits.ANYONE}
    assert opened == {
        "GET /healthz",
        "GET /",
        "GET /console/sign-in",
        "POST /console/sign-in",
        "POST /console/sign-out",
        "GET /console/static/console.css",
        "GET /console/static/icon.svg",
    }


def test_every_partner_route_asks_for_a_partner() -> None:
    assert {route.admits for route in partner.ROUTES} == {Admits.PARTNER}


async def test_an_application_has_the_routes_of_its_table_and_no_other(node: Node) -> None:
    apps = {"submission": submission_app(node.submission()), "operations": operations_app(node.operations())}
    for name, app in apps.items():
        built = sorted((route.method, route.resource.canonical) for route in app.router.routes() if route.resource)
        mine = [(route.method, route.path) for listener, route in ALL if listener == name]
        # Whatever answers GET answers HEAD, and nothing else is added.
        assert built == sorted([*mine, *(("HEAD", path) for method, path in mine if method == "GET")])


LOOKING = {"/console/transfers/{id}/documents"}
"""Looking at a document changes nothing, but states a reason and leaves a record, so it is a form and no link."""


TRYING = {"/console/policies"}
"""Holding a document of one's own against a policy changes nothing either; the form brings the document along."""


RELOADING = {"/v1/reload", "/v1/drain", "/v1/resume"}
"""The acts of an admin, who looks after the node: they take the files as they stand, or drain it; no message changes."""


def test_auditors_and_admins_change_nothing() -> None:
    for _, route in ALL:
        if (
            route.method != "GET"
            and route.path not in LOOKING | TRYING | RELOADING
            and isinstance(route.admits, frozenset)
        ):
            assert not route.admits & {Role.AUDITOR, Role.ADMIN, Role.SECURITY}


def test_only_admins_reload() -> None:
    assert {route.admits for _, route in ALL if route.path in RELOADING} == {frozenset({Role.ADMIN})}


def _admits(route: AnyRoute, role: Role) -> bool:
    return isinstance(route.admits, frozenset) and role in route.admits


def test_a_back_end_has_the_inbox_routes_to_itself_and_no_others() -> None:
    opened = {f"{route.method} {route.path}": route.admits for _, route in GUARDED if _admits(route, Role.BACKEND)}
    assert opened == {
        f"POST /v1/inbox/{act}": frozenset({Role.BACKEND})
        for act in ("leases", "acknowledgements", "{id}/acknowledgement", "{id}/postponement", "{id}/quarantine")
    }


def test_only_officers_and_auditors_look_at_documents() -> None:
    admitted = {route.path: route.admits for _, route in ALL if route.path in LOOKING}
    assert admitted == dict.fromkeys(LOOKING, frozenset({Role.OFFICER, Role.AUDITOR}))


async def test_what_is_not_in_a_table_is_a_problem(submission: str) -> None:
    missing = await ask(f"{submission}/v1/nothing", token="submitter")
    assert (missing.status, missing.code) == (404, "request.not_found")
    method = await ask(f"{submission}/v1/submissions", "DELETE", token="submitter")
    assert (method.status, method.code) == (405, "request.method_not_allowed")
    assert set(method.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}


async def test_what_can_be_read_answers_head_without_a_body(submission: str, operations: str) -> None:
    listed = await ask(f"{submission}/v1/submissions", "HEAD", token="submitter")
    assert (listed.status, listed.body) == (200, b"")
    page = await ask(f"{operations}/console", "HEAD", cookies=signed_in(operations, "operator"))
    assert (page.status, page.body, page.headers["Content-Type"]) == (200, b"", "text/html; charset=utf-8")
    assert (await ask(f"{submission}/v1/submissions", "HEAD")).status == 401


@pytest.mark.parametrize(("listener", "route"), ALL, ids=_name)
def test_every_route_is_in_the_docs(listener: str, route: AnyRoute) -> None:
    page = (ROOT / "docs" / ("protocol.md" if listener == "partner" else "api.md")).read_text("utf-8")
    path = re.escape(route.path).replace(re.escape("{id}"), r"\{[a-z ]*id\}")
    assert re.search(rf"`{route.method} {path}`", page)
