"""The page about policies shows what would leave of a document, and keeps nothing of it."""

import io
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from lxml import html

from tests.store_values import PARTNER
from tests.unit.policy.rules import declaration, sample
from tests.unit.web.listening import Answer, Node, ask, signed_in

PAGE = "/console/policies"
SECRET = "CANARY-OF-AN-UPLOAD"
DOCUMENT = declaration(f"<Declarant><Name>{SECRET}</Name></Declarant>").encode()


async def opened(operations: str, role: str = "officer") -> Any:
    answer = await ask(f"{operations}{PAGE}", cookies=signed_in(operations, role))
    assert answer.status == 200, answer.text
    return html.fromstring(answer.text)


async def upload(
    operations: str, document: bytes, *, token: str | None = None, flow: str | None = None, **more: str
) -> Answer:
    page = await opened(operations)
    form = aiohttp.FormData()
    form.add_field("form_token", page.xpath("//main//input[@name='form_token']/@value")[0] if token is None else token)
    form.add_field("flow", page.xpath("//option/@value")[0] if flow is None else flow)
    form.add_field("document", io.BytesIO(document), filename="mine.xml", content_type="text/xml")
    for name, value in more.items():
        form.add_field(name, value)
    return await ask(f"{operations}{PAGE}", "POST", body=form, cookies=signed_in(operations, "officer"))


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_every_direction_of_every_agreement_can_be_chosen(operations: str) -> None:
    page = await opened(operations, "auditor")
    assert [PARTNER in one.text for one in page.xpath("//select[@name='flow']/option")] == [True]
    others = page.xpath("//select[@name='other']/option")
    assert [(one.get("value") != "", PARTNER in one.text) for one in others] == [(False, False), (True, True)]


async def test_a_document_is_shown_beside_what_would_leave_and_why(operations: str) -> None:
    answer = await upload(operations, DOCUMENT)
    assert answer.status == 200, answer.text
    rows = [" ".join(row.text_content().split()) for row in html.fromstring(answer.text).xpath("//tbody/tr")]
    (named,) = (row for row in rows if SECRET in row)
    assert "withheld" in named
    assert "no rule keeps it" in named
    assert any("FunctionCode 9 9" in row for row in rows)


async def test_only_what_does_not_leave_can_be_asked_for(operations: str) -> None:
    every, some = await upload(operations, DOCUMENT), await upload(operations, DOCUMENT, only="yes")
    counts = [len(html.fromstring(one.text).xpath("//tbody/tr")) for one in (every, some)]
    assert counts[0] > counts[1] > 0


async def test_two_directions_are_shown_side_by_side(operations: str) -> None:
    flow = (await opened(operations)).xpath("//select[@name='flow']/option/@value")[0]
    answer = await upload(operations, DOCUMENT, other=flow)
    assert answer.status == 200, answer.text
    page = html.fromstring(answer.text)
    heads = [" ".join(one.text_content().split()) for one in page.xpath("//thead//th")]
    assert [head.partition(" under ")[2] for head in heads[2:]] == ["safety-and-security 1", "customs-cooperation 1"]
    assert len(page.xpath("//p[@role='status']")) == 2
    told = {tuple(one.text_content().split()) for one in page.xpath("//tbody/tr/td[2]")}
    other = {tuple(one.text_content().split()) for one in page.xpath("//tbody/tr/td[3]")}
    assert told != other
    assert {len(row.xpath("td")) for row in page.xpath("//tbody/tr")} == {3}
    assert page.xpath("//select[@name='other']/option[@selected]/@value") == [flow]


async def test_nothing_of_an_upload_is_stored_or_logged(operations: str, node: Node, tmp_path: Path) -> None:
    before = await node.store.audit()
    await upload(operations, DOCUMENT)
    assert await node.store.audit() == before
    assert SECRET not in str(node.lines.kept)
    assert not [path.name for path in files_below(tmp_path) if SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("document", "code"),
    [(b"<!DOCTYPE a []><a/>", "document.doctype_refused"), (b"", "document.empty"), (b"<a/>", "")],
)
async def test_what_is_no_valid_document_is_refused_beside_the_form(
    operations: str, document: bytes, code: str
) -> None:
    answer = await upload(operations, document)
    assert 400 <= answer.status < 500
    page = html.fromstring(answer.text)
    assert page.xpath("//form//input[@type='file']")
    (alarm,) = page.xpath("//p[@role='alert']")
    assert code in alarm.text_content()


async def test_a_form_of_another_session_or_for_no_direction_is_refused(operations: str) -> None:
    assert (await upload(operations, DOCUMENT, token="0" * 64)).status == 403
    assert (await upload(operations, DOCUMENT, flow="nothing:1:0")).status == 404
    assert (await upload(operations, DOCUMENT, other="nothing:1:0")).status == 404
    assert (await upload(operations, DOCUMENT, more="x")).status == 400


async def test_a_file_beyond_two_mebibytes_is_refused(operations: str) -> None:
    assert (await upload(operations, b"<a>" + b" " * (2 * 1024 * 1024 + 20_000))).status == 413


async def test_a_line_that_looks_like_a_boundary_stays_in_the_document(operations: str) -> None:
    raw = sample("import-two-items").replace(b"<md:MetaData", b"<?note\r\n--boundary\r\n--?>\r\n<md:MetaData", 1)
    assert b"--boundary" in raw
    assert (await upload(operations, raw)).status == 200
