"""The console: pages that anyone can use and nobody can abuse."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from lxml import html

from gateway.audit import AuditEvent
from gateway.domain.lifecycle import TransferState
from gateway.domain.statement import Verdict
from gateway.errors import CATALOGUE
from gateway.web.console import _page
from gateway.web.texts import Texts
from tests.unit.web.listening import CALLERS, Node, ask
from tests.unit.web.test_operations import accepted, act, dead_lettered

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}</textarea></title>"
POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
ENGLISH = Texts.load("en")


async def sign_in(url: str, token: str, **headers: str) -> Any:
    """Send the sign-in form as a browser would."""
    return await ask(
        f"{url}/console/sign-in",
        "POST",
        headers={"Content-Type": "application/x-www-form-urlencoded", **headers},
        body=urlencode({"token": token}),
    )


def _elements(text: str) -> set[str]:
    return {str(element.tag) for element in html.fromstring(text).iter() if isinstance(element.tag, str)}


def _is_harmless(text: str) -> bool:
    """Tell whether a page has no script, no image, no frame and no handler of events in it."""
    page = html.fromstring(text)
    handlers = [name for element in page.iter() for name in element.attrib if str(name).lower().startswith("on")]
    return not handlers and not _elements(text) & {"script", "img", "iframe", "object", "embed", "svg", "style"}


# ── signing in ──


async def test_a_token_becomes_a_cookie_that_scripts_and_other_sites_can_not_use(operations: str) -> None:
    answer = await sign_in(operations, "operator")
    assert (answer.status, answer.headers["Location"]) == (303, "/console/transfers")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("gateway=operator;")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    page = await ask(f"{operations}/console/transfers", cookies={"gateway": "operator"})
    assert page.status == 200


@pytest.mark.parametrize("token", ["", "wrong", "submitter\r\nSet-Cookie: x=y", HOSTILE, "x" * 5000])
async def test_a_token_that_is_not_valid_shows_the_form_again_without_it(operations: str, token: str) -> None:
    answer = await sign_in(operations, token)
    assert answer.status == 401
    assert "Set-Cookie" not in answer.headers
    assert ENGLISH("sign_in.token_refused") in answer.text
    assert token == "" or token not in answer.text
    assert _is_harmless(answer.text)


async def test_a_submitter_can_not_sign_in(operations: str) -> None:
    answer = await sign_in(operations, "submitter")
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers


async def test_a_form_of_another_site_signs_nobody_in_or_out(operations: str) -> None:
    for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await sign_in(operations, "operator", **headers)).status == 403
        out = await ask(f"{operations}/console/sign-out", "POST", headers=headers)
        assert out.status == 403
    own = {"Origin": operations, "Sec-Fetch-Site": "same-origin"}
    assert (await sign_in(operations, "operator", **own)).status == 303


async def test_signing_out_takes_the_cookie_away(operations: str) -> None:
    answer = await ask(f"{operations}/console/sign-out", "POST", cookies={"gateway": "operator"})
    assert answer.status == 303
    assert "Max-Age=0" in answer.headers["Set-Cookie"]


async def test_the_front_door_leads_to_the_transfers(operations: str) -> None:
    answer = await ask(f"{operations}/")
    assert (answer.status, answer.headers["Location"]) == (303, "/console/transfers")


async def test_an_expired_cookie_leads_to_the_form(operations: str) -> None:
    answer = await ask(f"{operations}/console/transfers", cookies={"gateway": "expired"})
    assert answer.status == 401
    assert ENGLISH("sign_in.title") in answer.text


# ── pages ──


async def test_the_list_shows_transfers_and_filters_them(node: Node, operations: str) -> None:
    row = await accepted(node)
    cookies = {"gateway": "auditor"}
    page = await ask(f"{operations}/console/transfers?state=&recipient=", cookies=cookies)
    assert f"/console/transfers/{row.id}" in page.text
    assert ENGLISH("state.QUEUED") in page.text
    empty = await ask(f"{operations}/console/transfers?state=DELIVERED", cookies=cookies)
    assert row.id not in empty.text
    assert ENGLISH("transfers.none") in empty.text
    assert '<option value="DELIVERED" selected>' in empty.text


async def test_older_transfers_are_a_link_away(node: Node, operations: str) -> None:
    rows = [await accepted(node, f"24GB{number}") for number in range(3)]
    cookies = {"gateway": "auditor"}
    page = await ask(f"{operations}/console/transfers?limit=2&state=QUEUED", cookies=cookies)
    assert rows[0].id not in page.text
    link = re.search(r'href="(/console/transfers\?[^"]+)"', page.text)
    assert link is not None
    older = await ask(f"{operations}{link[1].replace('&amp;', '&')}", cookies=cookies)
    assert rows[0].id in older.text
    assert rows[2].id not in older.text


async def test_one_transfer_explains_its_attempts_in_plain_words(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    page = await ask(f"{operations}/console/transfers/{row.id}", cookies={"gateway": "operator"})
    assert page.status == 200
    shown = html.fromstring(page.text).text_content()
    for expected in (
        ENGLISH("meaning.DEAD_LETTERED"),
        ENGLISH.explain("channel.unreachable"),
        ENGLISH("event.transfer.exhausted"),
        "61 values kept",
        "32 values withheld",
        "gb-fr",
        ENGLISH("transfer.receipt_none"),
    ):
        assert expected in shown


async def test_an_unknown_transfer_is_a_page_with_its_code(operations: str) -> None:
    page = await ask(f"{operations}/console/transfers/nonsense", cookies={"gateway": "operator"})
    assert page.status == 404
    assert "transfer.not_found" in page.text
    assert page.headers["Content-Security-Policy"] == POLICY


async def test_pages_allow_one_style_sheet_and_nothing_else(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    for path in ("/console/sign-in", "/console/transfers", f"/console/transfers/{row.id}"):
        page = await ask(f"{operations}{path}", cookies={"gateway": "operator"})
        assert page.headers["Content-Security-Policy"] == POLICY
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        tree = html.fromstring(page.text)
        assert [link.get("href") for link in tree.iter("link")] == ["/console/static/console.css"]
        assert "style" not in {str(name) for element in tree.iter() for name in element.attrib}
        assert _is_harmless(page.text)
    style = await ask(f"{operations}/console/static/console.css")
    assert style.headers["Content-Type"] == "text/css; charset=utf-8"
    assert b"url(" not in style.body
    assert b"@import" not in style.body


async def test_pages_can_be_read_with_a_screen_reader(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    for path in ("/console/sign-in", "/console/transfers", f"/console/transfers/{row.id}"):
        page = await ask(f"{operations}{path}", cookies={"gateway": "operator"})
        tree = html.fromstring(page.text)
        assert tree.get("lang") == "en"
        assert len(list(tree.iter("main"))) == len(list(tree.iter("h1"))) == len(list(tree.iter("title"))) == 1
        ids = [element.get("id") for element in tree.iter() if element.get("id")]
        assert len(ids) == len(set(ids))
        for table in tree.iter("table"):
            assert table.find("caption") is not None
            assert all(cell.get("scope") in {"col", "row"} for cell in table.iter("th"))
        labelled = {label.get("for") for label in tree.iter("label")}
        fields = [one for tag in ("select", "textarea", "input") for one in tree.iter(tag)]
        assert {one.get("id") for one in fields} <= labelled


def _luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_colours_can_be_told_apart() -> None:
    from importlib.resources import files

    style = files("gateway.web").joinpath("static/console.css").read_text("utf-8")
    themes = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in style.split("@media", 2)[:2]]
    assert len(themes) == 2
    pairs = [
        (ink, paper) for ink in ("ink", "soft", "accent", "good", "warn", "bad", "calm") for paper in ("paper", "card")
    ]
    for theme in themes:
        for ink, paper in [*pairs, ("accent-ink", "accent")]:
            light, dark = sorted((_luminance(theme[ink]), _luminance(theme[paper])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{ink} on {paper}"


# ── what others can choose ──


async def test_an_operators_reason_is_shown_and_never_obeyed(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    assert (await act(operations, row.id, "requeue", HOSTILE))[0] == 200
    page = await ask(f"{operations}/console/transfers/{row.id}", cookies={"gateway": "operator"})
    assert _is_harmless(page.text)
    assert HOSTILE in html.fromstring(page.text).text_content()


def _hostile(value: Any, *, spared: frozenset[str]) -> Any:
    """Return `value` with every text replaced by a hostile one, but for members of closed catalogues."""
    if isinstance(value, dict):
        return {name: one if name in spared else _hostile(one, spared=spared) for name, one in value.items()} | (
            {HOSTILE: HOSTILE} if "reason" in value else {}
        )
    if isinstance(value, list):
        return [_hostile(one, spared=spared) for one in value]
    return HOSTILE if isinstance(value, str) else value


async def test_no_field_of_a_page_can_carry_markup(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    await act(operations, row.id, "requeue", "because")
    told = (await ask(f"{operations}/v1/transfers/{row.id}", token="auditor")).json()
    told["receipt"] = {"verdict": "refused", "code": HOSTILE, "partner": HOSTILE, "received": HOSTILE, "token": HOSTILE}
    spared = frozenset({"state", "outcome", "event", "verdict"})
    hostile = _hostile(told, spared=spared)
    caller = CALLERS["operator"]
    detail = _page("transfer.html", caller=caller, transfer=hostile).text
    states = [(state.value, 1) for state in TransferState]
    listing = _page(
        "transfers.html",
        caller=caller,
        transfers=[hostile],
        states=states,
        chosen={"recipient": HOSTILE},
        partners=[HOSTILE],
        older=f"?{urlencode({'before': HOSTILE})}",
        newest=False,
    ).text
    for text in (detail, listing):
        assert text is not None
        assert HOSTILE[:20] in html.fromstring(text).text_content()
        assert _is_harmless(text)
        assert "49" not in html.fromstring(text).text_content().replace(row.id, "")


# ── words ──


def test_there_are_words_for_everything_that_can_happen() -> None:
    needed = {f"state.{state}" for state in TransferState} | {f"meaning.{state}" for state in TransferState}
    needed |= {f"event.{event}" for event in AuditEvent} | {f"verdict.{verdict}" for verdict in Verdict}
    needed |= {f"outcome.{outcome}" for outcome in ("delivered", "refused", "taken", "failed")}
    assert needed <= ENGLISH.ids


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_error_code_has_an_explanation(code: str) -> None:
    assert ENGLISH.explain(code)


def test_every_explanation_is_about_a_code() -> None:
    explained = {text_id.removeprefix("explain.") for text_id in ENGLISH.ids if text_id.startswith("explain.")}
    public = {entry.public_code for entry in CATALOGUE.values()}
    assert explained <= set(CATALOGUE) | public | {"unknown"}


def test_a_code_nobody_knows_is_said_to_be_unknown() -> None:
    assert ENGLISH.explain("brand.new") == ENGLISH("explain.unknown")
    assert ENGLISH.explain("") == ""


def test_every_text_a_template_asks_for_exists() -> None:
    from importlib.resources import files

    folder = files("gateway.web").joinpath("templates")
    asked = {
        text_id
        for template in folder.iterdir()
        for text_id in re.findall(r'\bt\("([^"]+)"[,)]', template.read_text("utf-8"))
    }
    assert len(asked) > 40
    assert asked <= ENGLISH.ids
