"""The console: pages that anyone can use and nobody can abuse."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from lxml import html

from gateway.errors import CATALOGUE
from gateway.web.texts import Texts
from tests.unit.web.listening import Node, ask, signed_in
from tests.unit.web.test_operations import accepted, dead_lettered

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}</textarea></title>"
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
ENGLISH = Texts.load("en")
PAGES = (
    "/console/sign-in",
    "/console",
    "/console/transfers",
    "/console/inbox",
    "/console/partners",
    "/console/schema-sets",
)


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


def is_harmless(text: str) -> bool:
    """Tell whether a page has no script, no image, no frame and no handler of events in it."""
    page = html.fromstring(text)
    handlers = [name for element in page.iter() for name in element.attrib if str(name).lower().startswith("on")]
    return not handlers and not _elements(text) & {"script", "img", "iframe", "object", "embed", "svg", "style"}


# ── signing in ──


async def test_a_token_becomes_a_cookie_that_scripts_and_other_sites_can_not_use(operations: str) -> None:
    answer = await sign_in(operations, "operator")
    assert (answer.status, answer.headers["Location"]) == (303, "/console")
    cookie = answer.headers["Set-Cookie"]
    ((name, value),) = signed_in(operations, "operator").items()
    assert cookie.startswith(f"{name}={value};")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    page = await ask(f"{operations}/console/transfers", cookies=signed_in(operations, "operator"))
    assert page.status == 200


@pytest.mark.parametrize("token", ["", "wrong", "submitter\r\nSet-Cookie: x=y", HOSTILE, "x" * 5000])
async def test_a_token_that_is_not_valid_shows_the_form_again_without_it(operations: str, token: str) -> None:
    answer = await sign_in(operations, token)
    assert answer.status == 401
    assert "Set-Cookie" not in answer.headers
    assert ENGLISH("sign_in.token_refused") in answer.text
    assert token == "" or token not in answer.text
    assert is_harmless(answer.text)


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
    answer = await ask(f"{operations}/console/sign-out", "POST", cookies=signed_in(operations, "operator"))
    assert answer.status == 303
    assert "Max-Age=0" in answer.headers["Set-Cookie"]


async def test_the_front_door_leads_to_the_overview(operations: str) -> None:
    answer = await ask(f"{operations}/")
    assert (answer.status, answer.headers["Location"]) == (303, "/console")


async def test_an_expired_cookie_leads_to_the_form(operations: str) -> None:
    answer = await ask(f"{operations}/console/transfers", cookies=signed_in(operations, "expired"))
    assert answer.status == 401
    assert ENGLISH("sign_in.title") in answer.text


# ── pages ──


async def test_the_list_shows_transfers_and_filters_them(node: Node, operations: str) -> None:
    row = await accepted(node)
    cookies = signed_in(operations, "auditor")
    page = await ask(f"{operations}/console/transfers?state=&recipient=", cookies=cookies)
    assert f"/console/transfers/{row.id}" in page.text
    assert ENGLISH("state.QUEUED") in page.text
    empty = await ask(f"{operations}/console/transfers?state=DELIVERED", cookies=cookies)
    assert row.id not in empty.text
    assert ENGLISH("transfers.none") in empty.text
    assert '<option value="DELIVERED" selected>' in empty.text


async def test_older_transfers_are_a_link_away(node: Node, operations: str) -> None:
    rows = [await accepted(node, f"24GB{number}") for number in range(3)]
    cookies = signed_in(operations, "auditor")
    page = await ask(f"{operations}/console/transfers?limit=2&state=QUEUED", cookies=cookies)
    assert rows[0].id not in page.text
    link = re.search(r'href="(/console/transfers\?[^"]+)"', page.text)
    assert link is not None
    older = await ask(f"{operations}{link[1].replace('&amp;', '&')}", cookies=cookies)
    assert rows[0].id in older.text
    assert rows[2].id not in older.text


async def test_one_transfer_explains_its_attempts_in_plain_words(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    page = await ask(f"{operations}/console/transfers/{row.id}", cookies=signed_in(operations, "operator"))
    assert page.status == 200
    shown = html.fromstring(page.text).text_content()
    for expected in (
        ENGLISH("meaning.DEAD_LETTERED"),
        ENGLISH.explain("channel.unreachable"),
        ENGLISH("event.transfer.exhausted"),
        "61 values sent",
        "32 values withheld",
        "gb-fr",
        ENGLISH("transfer.receipt_none"),
    ):
        assert expected in shown


async def test_an_unknown_transfer_is_a_page_with_its_code(operations: str) -> None:
    page = await ask(f"{operations}/console/transfers/nonsense", cookies=signed_in(operations, "operator"))
    assert page.status == 404
    assert "transfer.not_found" in page.text
    assert page.headers["Content-Security-Policy"] == POLICY


async def test_pages_allow_one_style_sheet_and_nothing_else(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    for path in (*PAGES, f"/console/transfers/{row.id}"):
        page = await ask(f"{operations}{path}", cookies=signed_in(operations, "operator"))
        assert page.headers["Content-Security-Policy"] == POLICY
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        tree = html.fromstring(page.text)
        links = [link.get("href") for link in tree.iter("link")]
        assert links == ["/console/static/console.css", "/console/static/icon.svg"]
        assert "style" not in {str(name) for element in tree.iter() for name in element.attrib}
        assert is_harmless(page.text)
    style = await ask(f"{operations}/console/static/console.css")
    assert style.headers["Content-Type"] == "text/css; charset=utf-8"
    assert b"url(" not in style.body
    assert b"@import" not in style.body


async def test_pages_can_be_read_with_a_screen_reader(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    for path in (*PAGES, f"/console/transfers/{row.id}"):
        page = await ask(f"{operations}{path}", cookies=signed_in(operations, "operator"))
        tree = html.fromstring(page.text)
        assert tree.get("lang") == "en"
        assert len(list(tree.iter("main"))) == len(list(tree.iter("h1"))) == len(list(tree.iter("title"))) == 1
        ids = [element.get("id") for element in tree.iter() if element.get("id")]
        assert len(ids) == len(set(ids))
        for table in tree.iter("table"):
            assert table.find("caption") is not None
            assert all(cell.get("scope") in {"col", "row"} for cell in table.iter("th"))
        labelled = {label.get("for") for label in tree.iter("label")}
        fields = [
            one for tag in ("select", "textarea", "input") for one in tree.iter(tag) if one.get("type") != "hidden"
        ]
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
    pairs += [(ink, f"{wash}-wash") for wash in ("good", "warn", "bad", "calm") for ink in ("ink", "soft", wash)]
    for theme in themes:
        for ink, paper in [*pairs, ("accent-ink", "accent")]:
            light, dark = sorted((_luminance(theme[ink]), _luminance(theme[paper])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{ink} on {paper}"


# ── words ──


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_error_code_has_an_explanation(code: str) -> None:
    assert ENGLISH.explain(code)


def test_a_code_nobody_knows_is_said_to_be_unknown() -> None:
    assert ENGLISH.explain("brand.new") == ENGLISH("explain.unknown")
    assert ENGLISH.explain("") == ""


def test_a_difficulty_of_a_hand_over_is_not_blamed_on_the_partner() -> None:
    assert "partner" in ENGLISH.explain("channel.unreachable")
    assert "back end" in ENGLISH.explain("channel.unreachable", of_hand_over=True)
    assert ENGLISH.explain("transfer.lease_lost", of_hand_over=True) == ENGLISH.explain("transfer.lease_lost")
