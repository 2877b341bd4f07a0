"""A gateway with a day's worth of trouble, and Debian's Chromium in front of its console.

FR-DGDDI is real (tests/integration/one_gateway.py); its partners are scripted. One transfer is delivered, one is refused
with a signed receipt and has another waiting behind it, one waits for a partner whose certificate has expired, and two
messages came in: one handed over, one that the back end, being down, has not taken.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright

from gateway.client import OperationsClient
from gateway.document import read
from gateway.domain.access import Role
from gateway.domain.ids import TransferId
from gateway.domain.limits import DocumentLimits
from gateway.domain.statement import Verdict
from gateway.trust import KeyFiles
from tests.integration.hostile_sending import Underway, new_document
from tests.integration.one_gateway import GB, OneGateway, one_gateway
from tests.integration.scripted_server import accepts, answering, eventually, listening_as, statement
from tests.pki import forge, uri

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",  # a container's root has no other way
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
DESK, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)


def chromium() -> str:
    """Return the path of the browser. Its absence is a failure, never a skip."""
    named = os.environ.get("GATEWAY_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise RuntimeError(
            "These tests need Chromium: `apt-get install chromium` (Debian), or GATEWAY_CHROMIUM=/path/to/chromium"
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What stands where. Each is a transfer but the two messages, which are message ids."""

    world: OneGateway
    browser: Browser = field(repr=False)
    delivered: TransferId
    lrn: str
    refused: TransferId
    behind: TransferId
    waiting: TransferId
    handed_over: str
    pending: str
    text: str

    @property
    def url(self) -> str:
        assert self.world.node is not None
        return self.world.node.listeners["operations"].url

    def pages(self) -> dict[str, str]:
        """Return the path of every page that can be opened by a link, by the name of its screenshot."""
        return {
            "overview": "/console",
            "transfers": "/console/transfers",
            "transfers-filtered": "/console/transfers?state=DEAD_LETTERED",
            "transfer-delivered": f"/console/transfers/{self.delivered}",
            "transfer-refused": f"/console/transfers/{self.refused}",
            "transfer-behind": f"/console/transfers/{self.behind}",
            "transfer-waiting": f"/console/transfers/{self.waiting}",
            "release": "/console/transfers/release?code=transfer.held",
            "inbox": "/console/inbox",
            "message-handed-over": f"/console/inbox/{self.handed_over}",
            "message-pending": f"/console/inbox/{self.pending}",
            "partners": "/console/partners",
            "schema-sets": "/console/schema-sets",
            "schema-set": "/console/schema-sets/dms-declaration",
            "schema-set-filtered": "/console/schema-sets/dms-declaration?class=credential",
            "schema-set-place": "/console/schema-sets/dms-declaration?path=499",
            "policies": "/console/policies",
            "history": "/console/policies/history",
            "history-text": f"/console/policies/history/{self.text}",
            "error": "/console/transfers/nothing",
        }

    @asynccontextmanager
    async def visit(
        self, role: Role | None, *, dark: bool = False, phone: bool = False, scripts: bool = False
    ) -> AsyncIterator[Page]:
        """Open a fresh browser profile and sign in as `role` through the form. Scripts are off unless asked for."""
        context: BrowserContext = await self.browser.new_context(
            base_url=self.url,
            viewport=PHONE if phone else DESK,
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        context.set_default_timeout(30_000)
        try:
            page = await context.new_page()
            if role is not None:
                await page.goto("/")
                await page.get_by_label("Bearer token").fill(self.world.tokens[role])
                await page.get_by_role("button", name="Sign in").click()
                await page.wait_for_url("**/console")
            yield page
        finally:
            await context.close()


@asynccontextmanager
async def open_stage(folder: Path) -> AsyncIterator[Stage]:
    """Open the world, let the day happen, and start the browser."""
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(one_gateway(folder / "world", poll="60s"))
        refuses = lambda partner, arrived: statement(  # noqa: E731
            partner.signed_receipt(arrived.opened, verdict=Verdict.REFUSED, code="agreement.mismatch")
        )
        async with answering(world.gb, world.ports[GB], accepts, refuses):
            document = new_document()
            lrn = read(document, DocumentLimits()).facts.lrn
            delivered = await _submit(world, document)
            await delivered.reaches("DELIVERED")
            refused = await _submit(world, conversation="case-7")
            await refused.reaches("DEAD_LETTERED")
        behind = await _submit(world, conversation="case-7")
        handed_over = world.gb.message()
        assert (await world.gb.post(handed_over)).code == "ok"
        await eventually(lambda: world.ask("SELECT 1 FROM hand_over WHERE state = 'HANDED_OVER'"))
        await world.backend.stop()
        pending = world.nl.message()
        assert (await world.nl.post(pending)).code == "ok"
        await eventually(lambda: world.ask("SELECT 1 FROM hand_over WHERE state = 'PENDING' AND last_code <> ''"))
        # Last, since hearing from a partner ends its back-off.
        await stack.enter_async_context(listening_as(_expired(world), world.ports[GB]))
        waiting = await _submit(world)
        await eventually(lambda: world.ask("SELECT 1 FROM partner_health WHERE partner = ? AND failures > 0", GB))
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        stack.push_async_callback(browser.close)
        yield Stage(
            world=world,
            browser=browser,
            delivered=delivered.id,
            lrn=lrn or "",
            refused=refused.id,
            behind=behind.id,
            waiting=waiting.id,
            handed_over=handed_over.message_id,
            pending=pending.message_id,
            text=await _other_wording(world),
        )


async def _other_wording(world: OneGateway) -> str:
    """Have the gateway take its agreement with GB in another wording; return the hash of that text."""
    file = world.agreements / "gb-fr.yaml"
    other = f"# Read anew by both sides.\n{file.read_text(encoding='utf-8')}"
    file.write_text(other, encoding="utf-8")
    assert world.node is not None
    url = world.node.listeners["operations"].url
    async with OperationsClient(url, world.tokens[Role.ADMIN]) as client:
        await client.reload(reason="A comment was missing")
    return hashlib.sha256(other.encode()).hexdigest()


def _expired(world: OneGateway) -> KeyFiles:
    """Return a TLS certificate of GB that is right in all but its end, an hour ago."""
    authority, folder = world.pki[GB].authority, world.folder / "expired"
    begins, ends = timedelta(days=-30), timedelta(hours=-1)
    return forge(authority, folder, datetime.now(UTC), uris=[uri(GB)], begins=begins, ends=ends)


async def _submit(world: OneGateway, document: bytes | None = None, *, conversation: str | None = None) -> Underway:
    document = document or new_document()
    async with world.submissions() as client:
        submission = await client.submit(document, to=[GB], conversation=conversation)
    return Underway(world=world, id=submission.transfers[0].id)


async def shoot(page: Page, name: str) -> None:
    """Keep a picture of the whole page."""
    await asyncio.to_thread(SCREENSHOTS.mkdir, parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


async def violations(page: Page) -> list[str]:
    """Return what axe finds wrong with a page: the rule and where it is broken."""
    found = (await Axe().run(page)).response["violations"]
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]
