"""The console in a real browser: a failed transfer is found and understood from the pages alone, without scripts."""

from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus

import pytest
import pytest_asyncio
from playwright.async_api import Page, Response

from gateway.audit import AuditEvent
from gateway.domain.access import Role
from tests.acceptance.commands import VALID
from tests.acceptance.console_world import Stage, open_stage, shoot, violations
from tests.integration.hostile_sending import Underway
from tests.integration.one_gateway import GB, NL, US

pytestmark = [pytest.mark.console, pytest.mark.asyncio(loop_scope="module")]

LOOKS: Mapping[str, Mapping[str, bool]] = {"light": {}, "dark": {"dark": True}, "phone": {"phone": True}}
SECRET_OF_THE_DOCUMENT = "Consignor"
"""A class that the view to GB lacks; its name stands in places of the original only."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path_factory.mktemp("console")) as opened:
        yield opened


async def _text(page: Page) -> str:
    """Return what a person can read, spaces made one."""
    return " ".join((await page.locator("main").inner_text()).split())


async def _open(page: Page, path: str, status: int = 200) -> None:
    response = await page.goto(path)
    assert isinstance(response, Response)
    assert response.status == status, path


async def _look(page: Page, reason: str, button: str = "Show the documents") -> None:
    await page.get_by_label("Why you need to see it").fill(reason)
    await page.get_by_role("button", name=button).click()
    await page.wait_for_url("**/documents")


# ── a failed transfer, from the first page to its reason ──


async def test_a_failed_transfer_is_found_and_understood_from_the_pages_alone(stage: Stage) -> None:
    async with stage.visit(Role.OPERATOR) as page:
        assert "Transfers the gateway has given up on" in await _text(page)
        await page.get_by_role("link", name="Needs attention").first.click()
        assert "Declaration" in await _text(page)
        await page.locator("tbody tr th a").click()
        await page.wait_for_url(f"**/{stage.refused}")
        told = await _text(page)
    for expected in (
        "Needs attention",
        "The gateway has stopped trying.",
        "The two sides hold different texts of the agreement. Compare the fingerprints.",
        "agreement.mismatch",
        "Nothing by itself. Should a valid receipt still come, it counts.",
        "When the cause is mended, send it again.",
        "It was sent, so the partner is asked first.",
        "The partner refused it with a signed receipt",
    ):
        assert expected in told


async def test_a_transfer_that_waits_for_a_partner_says_for_whom_why_and_until_when(stage: Stage) -> None:
    ((due,),) = stage.world.ask("SELECT not_before FROM partner_health WHERE partner = ?", GB)
    assert due
    async with stage.visit(Role.OPERATOR) as page:
        await _open(page, f"/console/transfers/{stage.waiting}")
        told = await _text(page)
        next_try = await page.locator(".outlook .next").inner_text()
        await _open(page, "/console/partners")
        partners = await _text(page)
    assert f"{GB} could not be reached." in told
    assert "did not accept each other's certificates" in told
    assert "certificate has expired" in told
    assert f"as soon as it hears from {GB}, and at the latest {next_try}" in told
    assert next_try.endswith("UTC")
    assert next_try in partners
    assert "Not reachable" in partners
    assert "In force" in partners


async def test_a_transfer_behind_another_of_its_conversation_leads_to_it(stage: Stage) -> None:
    async with stage.visit(Role.OPERATOR) as page:
        await _open(page, f"/console/transfers/{stage.behind}")
        assert "It waits for message 1 of the same conversation, which has come to rest" in await _text(page)
        await page.get_by_role("link", name="Show it").click()
        await page.wait_for_url(f"**/{stage.refused}")


async def test_transfers_are_found_by_state_partner_and_reference(stage: Stage) -> None:
    async with stage.visit(Role.OPERATOR) as page:
        await _open(page, "/console/transfers")
        await page.get_by_label("State").select_option("DELIVERED")
        await page.get_by_label("Partner").select_option(GB)
        await page.get_by_role("button", name="Show").click()
        assert await page.locator("tbody tr").count() == 1
        assert await page.locator("tbody .id").inner_text() == stage.delivered
        await page.get_by_role("link", name="Show all").click()
        assert await page.locator("tbody tr").count() == 4
        await page.get_by_label("Partner").select_option(NL)
        await page.get_by_role("button", name="Show").click()
        assert "No transfer fits." in await _text(page)
        await _open(page, "/console/transfers")
        await page.get_by_label("Reference").fill(f"lrn:{stage.lrn}")
        await page.get_by_role("button", name="Show").click()
        assert await page.locator("tbody .id").all_inner_texts() == [stage.delivered]


# ── what would leave ──


async def test_a_document_of_ones_own_is_held_against_an_agreement_and_forgotten(stage: Stage) -> None:
    before = stage.world.last_seq()
    document = b"<!-- -->" + VALID.read_bytes().partition(b"?>")[2].replace(b"Cocoa beans", b"CANARY beans")
    async with stage.visit(Role.AUDITOR, scripts=True) as page:
        await page.get_by_role("link", name="Policies").click()
        await page.get_by_label("Agreement and direction").select_option(index=0)
        chosen = await page.locator("#flow option:checked").inner_text()
        await page.get_by_label("Document (XML").set_input_files(
            {"name": "mine.xml", "mimeType": "text/xml", "buffer": document}
        )
        await page.get_by_role("button", name="Show what would leave").click()
        await page.get_by_role("status").wait_for()
        told = await _text(page)
        assert await page.locator("tr.withheld").count() > 0
        assert await page.locator("#flow option:checked").inner_text() == chosen
        await shoot(page, "policies-shown")
        assert await violations(page) == []
        others = await page.locator("#other option").all_inner_texts()
        for beside, shown in ((": response", "[role=alert]"), ("GB-HMRC to", "thead th:nth-child(4)")):
            await page.get_by_label("Beside it").select_option(label=next(one for one in others if beside in one))
            await page.get_by_label("Document (XML").set_input_files(
                {"name": "mine.xml", "mimeType": "text/xml", "buffer": document}
            )
            await page.get_by_label("Show only").check()
            await page.get_by_role("button", name="Show what would leave").click()
            await page.locator(shown).wait_for()
            told += await _text(page)
        heads = await page.locator("thead th").all_inner_texts()
        await shoot(page, "policies-side-by-side")
        assert await violations(page) == []
    assert [head.split(" would get ")[0] for head in heads[2:]] == ["What FR-DGDDI", "What FR-DGDDI"]
    assert "would leave" in told
    assert "different schema sets. Choose two of one set" in told
    assert "CANARY" in told
    assert "no rule keeps it" in told or "Contact data" in told
    assert stage.world.last_seq() == before


# ── documents ──


async def test_an_officer_sees_the_view_beside_the_original_and_is_on_record(stage: Stage) -> None:
    before = stage.world.last_seq()
    async with stage.visit(Role.OFFICER) as page:
        await _open(page, f"/console/transfers/{stage.delivered}")
        await _look(page, "asked for by the partner, case 12")
        told = await _text(page)
        await shoot(page, "documents-light")
        withheld = page.locator("tr.withheld")
        counted, marked = await withheld.count(), await withheld.locator(".mark").count()
        rules = await withheld.locator(".rule code").all_inner_texts()
        sent = await page.locator("tbody tr:not(.withheld)").all()
        pairs = [await row.locator("td").all_inner_texts() for row in sent]
    (row,) = [row for row in stage.world.events(after=before) if row.event == AuditEvent.DOCUMENT_SHOWN]
    assert (row.actor, row.transfer_id) == ("operator:officer", stage.delivered)
    assert row.facts["reason"] == "asked for by the partner, case 12"
    transfer = Underway(world=stage.world, id=stage.delivered).row()
    assert counted == marked >= transfer["withheld"] > 0
    assert len(pairs) >= transfer["kept"] > 0
    assert all(original == view for original, view in pairs)
    assert all(rule.startswith(("customs-cooperation.yaml", "never.yaml", "envelope.yaml")) for rule in rules)
    assert f"{stage.lrn}" in told
    assert "officer looked at these documents" in told
    assert "What left is not what this policy keeps" not in told


async def test_only_what_was_withheld_can_be_shown(stage: Stage) -> None:
    async with stage.visit(Role.AUDITOR) as page:
        await _open(page, f"/console/transfers/{stage.delivered}")
        await _look(page, "sample of the month", "Show only what was withheld")
        assert await page.locator("tbody tr").count() == await page.locator("tr.withheld").count() > 0


async def test_an_operator_sees_no_document_and_no_way_to_one(stage: Stage) -> None:
    before = stage.world.last_seq()
    async with stage.visit(Role.OPERATOR) as page:
        await _open(page, f"/console/transfers/{stage.delivered}")
        assert "Operators see no documents." in await _text(page)
        assert await page.get_by_label("Why you need to see it").count() == 0
        # The form of an officer, with this operator's own token in it: the role is what refuses.
        await _open(page, f"/console/transfers/{stage.refused}")
        token = await page.locator('input[name="form_token"]').first.get_attribute("value")
        assert token
        answer = await page.request.post(
            f"/console/transfers/{stage.delivered}/documents",
            form={"form_token": token, "reason": "curiosity", "show": "all"},
        )
        assert answer.status == HTTPStatus.FORBIDDEN
        assert SECRET_OF_THE_DOCUMENT not in await answer.text()
    assert not [row for row in stage.world.events(after=before) if row.event == AuditEvent.DOCUMENT_SHOWN]


# ── acts ──


async def test_a_transfer_is_cancelled_with_a_reason_that_stands_in_the_timeline(stage: Stage) -> None:
    async with stage.visit(Role.OPERATOR) as page:
        await _open(page, f"/console/transfers/{stage.behind}")
        await page.get_by_label("Why it is cancelled").fill("submitted by mistake")
        await page.get_by_role("button", name="Cancel the transfer").click()
        await page.wait_for_url("**?done=cancel")
        told = await _text(page)
    assert "It is cancelled." in told
    assert "submitted by mistake" in told
    assert "by operator:operator" in told
    assert Underway(world=stage.world, id=stage.behind).state == "CANCELLED"


async def test_a_receipt_can_be_kept_as_a_file(stage: Stage) -> None:
    async with stage.visit(Role.OPERATOR) as page:
        await _open(page, f"/console/transfers/{stage.delivered}")
        async with page.expect_download() as downloading:
            await page.get_by_role("link", name="Download the receipt").click()
        download = await downloading.value
        kept = (await download.path()).read_text("ascii")
    ((_verdict, token),) = Underway(world=stage.world, id=stage.delivered).receipts()
    assert kept == token
    assert download.suggested_filename.endswith(".jws")


async def test_signing_out_ends_the_session(stage: Stage) -> None:
    async with stage.visit(Role.OPERATOR) as page:
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url("**/console/sign-in")
        await _open(page, "/console/partners", HTTPStatus.UNAUTHORIZED)


# ── for everybody ──


async def test_every_page_works_without_scripts_and_says_which_node_it_is(stage: Stage) -> None:
    async with stage.visit(Role.OFFICER) as page:
        for path in stage.pages().values():
            await _open(page, path, 404 if path.endswith("nothing") else 200)
            assert await page.locator("h1").count() == 1
            assert (await page.title()).endswith(US.lower())
            assert await page.locator("script").count() == 0


@pytest.mark.parametrize("look", LOOKS)
async def test_axe_finds_no_violation_on_any_page(stage: Stage, look: str) -> None:
    found: dict[str, list[str]] = {}
    async with stage.visit(None, scripts=True, **LOOKS[look]) as page:
        await _open(page, "/console/sign-in")
        await shoot(page, f"sign-in-{look}")
        found["sign-in"] = await violations(page)
    async with stage.visit(Role.OFFICER, scripts=True, **LOOKS[look]) as page:
        for name, path in stage.pages().items():
            await page.goto(path)
            await shoot(page, f"{name}-{look}")
            found[name] = await violations(page)
            # Nothing but what scrolls by itself is wider than the screen.
            assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
        await _open(page, f"/console/transfers/{stage.delivered}")
        await _look(page, "a look at the page")
        await shoot(page, f"documents-{look}")
        found["documents"] = await violations(page)
    assert {name: broken for name, broken in found.items() if broken} == {}
    assert len(found) == len(stage.pages()) + 2


async def test_axe_would_find_a_violation(stage: Stage) -> None:
    async with stage.visit(Role.OFFICER, scripts=True) as page:
        await page.evaluate("document.querySelector('h1').outerHTML = '<img src=\"/console/static/icon.svg\">'")
        assert any(one.startswith("image-alt") for one in await violations(page))


async def test_the_timeline_can_be_printed(stage: Stage) -> None:
    async with stage.visit(Role.OFFICER) as page:
        await page.emulate_media(media="print")
        await _open(page, f"/console/transfers/{stage.refused}")
        await shoot(page, "transfer-refused-print")
        assert await page.locator(".timeline .event").first.is_visible()
        assert not await page.get_by_role("button", name="Sign out").is_visible()
