"""The pages about schema sets show what stands where, and of which privacy class it is."""

from typing import Any
from urllib.parse import quote

import pytest
from lxml import html

from tests.unit.web.listening import ask, signed_in
from tests.unit.web.test_console import HOSTILE, is_harmless

PAGE = "/console/schema-sets/dms-cancellation"


async def rows(operations: str, query: str = "") -> list[list[str]]:
    answer = await ask(f"{operations}{PAGE}{query}", cookies=signed_in(operations, "auditor"))
    assert answer.status == 200, answer.text
    found = html.fromstring(answer.text).xpath("//tbody/tr")
    return [[" ".join(cell.text_content().split()) for cell in row] for row in found]


async def test_the_sets_that_agreements_name_are_listed_with_a_way_to_each(operations: str) -> None:
    page = html.fromstring(
        (await ask(f"{operations}/console/schema-sets", cookies=signed_in(operations, "operator"))).text
    )
    assert page.xpath("//tbody//th/a/@href") == [PAGE]


async def test_every_place_of_a_set_stands_once_with_its_facts(operations: str) -> None:
    found = await rows(operations)
    assert len(found) == 22
    assert found[7] == [
        "/MetaData/Declaration/FunctionCode", "017", "1", "Neutral", found[7][4],
    ]  # fmt: skip
    assert found[7][4].startswith("13")


async def test_the_classes_are_counted_and_lead_to_their_places(operations: str) -> None:
    answer = await ask(f"{operations}{PAGE}", cookies=signed_in(operations, "officer"))
    page: Any = html.fromstring(answer.text)
    counted = [" ".join(one.text_content().split()) for one in page.xpath("//section//li")]
    assert counted[0] == "Personal: 2 It tells of a person, or may."
    assert page.xpath("//section//li/a/@href")[0] == f"{PAGE}?class=personal"
    assert [row[1] for row in await rows(operations, "?class=personal")] == ["R059", "225"]


@pytest.mark.parametrize(
    ("asked", "wco_ids"),
    [
        ("D014", ["D014"]),
        ("Amendment", ["06A", "099"]),
        ("/MetaData/Declaration/Amendment[2]/ChangeReasonCode", ["099"]),
    ],
)
async def test_places_are_found_by_path_wco_id_and_name(operations: str, asked: str, wco_ids: list[str]) -> None:
    assert [row[1] for row in await rows(operations, f"?path={quote(asked)}&class=")] == wco_ids


async def test_one_place_alone_says_why_it_has_its_class(operations: str) -> None:
    (row,) = await rows(operations, "?path=R059")
    assert "Identifies a party" in row[4]
    assert "schemeAgencyID: text of at most 3 characters" in row[4]


async def test_what_nobody_can_find_is_said_and_shown_back_harmlessly(operations: str) -> None:
    answer = await ask(f"{operations}{PAGE}?path={quote(HOSTILE)}", cookies=signed_in(operations, "operator"))
    assert answer.status == 200
    assert is_harmless(answer.text)
    assert "The set has no such place." in answer.text


@pytest.mark.parametrize(("query", "status"), [("?class=secret", 400), ("?depth=2", 400), ("?path=a&path=b", 400)])
async def test_a_query_of_another_form_is_refused(operations: str, query: str, status: int) -> None:
    assert (await ask(f"{operations}{PAGE}{query}", cookies=signed_in(operations, "operator"))).status == status


async def test_a_set_that_no_agreement_names_is_not_shown(operations: str) -> None:
    answer = await ask(f"{operations}/console/schema-sets/dms-response", cookies=signed_in(operations, "operator"))
    assert answer.status == 422
    assert "dms-response" not in answer.text


@pytest.mark.parametrize("role", ["submitter", "backend"])
async def test_only_those_who_may_read_transfers_see_the_pages(operations: str, role: str) -> None:
    for path in ("/console/schema-sets", PAGE):
        assert (await ask(f"{operations}{path}", cookies=signed_in(operations, role))).status == 403
