"""The pages about texts that were in force: which, by whom, why, and what each changed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.wording import Wording, WordingKind
from gateway.web.texts import Texts
from tests.store_values import NOW
from tests.unit.web.listening import Node, ask, signed_in
from tests.unit.web.test_console_forms import shown

PAGE = "/console/policies/history"
TEXTS = Texts.load("en")
OLD = Wording(kind=WordingKind.POLICY, id="customs", version=1, sha256="aa" * 32, text="policy: customs\nversion: 1\n")
NEW = replace(OLD, version=2, sha256="bb" * 32, text="policy: customs\nversion: 2\n# <b>narrower</b>\n")


@pytest.fixture
async def history(node: Node) -> None:
    await node.store.put_in_force([OLD], actor="system", now=NOW)
    later = NOW + timedelta(days=1)
    await node.store.put_in_force([NEW], actor="operator:eve", reason="article 5 ends", now=later)


async def opened(operations: str, path: str, role: str = "auditor") -> str:
    answer = await ask(f"{operations}{path}", cookies=signed_in(operations, role))
    assert answer.status == 200, answer.text
    return shown(answer.text)


@pytest.mark.usefixtures("history")
async def test_every_text_is_listed_with_who_brought_it_and_why(operations: str) -> None:
    page = await opened(operations, PAGE)
    assert page.index("customs, version 2") < page.index("customs, version 1")
    assert "operator:eve" in page
    assert "article 5 ends" in page
    assert TEXTS("history.none") in await opened(operations, f"{PAGE}?of=nothing")


@pytest.mark.usefixtures("history")
async def test_a_text_is_shown_with_what_it_changed_and_nothing_in_it_is_markup(operations: str) -> None:
    answer = await ask(f"{operations}{PAGE}/{NEW.text_sha256}", cookies=signed_in(operations, "operator"))
    assert "<b>" not in answer.text
    page = shown(answer.text)
    assert "gone version: 1" in page
    assert "new version: 2 new # <b>narrower</b>" in page
    assert NEW.sha256 in page
    assert TEXTS("history.first") in await opened(operations, f"{PAGE}/{OLD.text_sha256}")


async def test_a_text_that_was_never_in_force_is_not_found(operations: str) -> None:
    for unknown in ("0" * 64, "nothing", "..%2f..%2fetc"):
        assert (await ask(f"{operations}{PAGE}/{unknown}", cookies=signed_in(operations, "auditor"))).status == 404


@pytest.mark.usefixtures("history")
async def test_a_text_is_found_by_the_beginning_of_either_hash_and_by_nothing_else(operations: str) -> None:
    async def found(sha256: str) -> list[int]:
        answer = await ask(f"{operations}/v1/rules/history?sha256={sha256}", token="auditor")
        assert answer.status == 200, answer.text
        return [one["version"] for one in answer.json()["texts"]]

    assert await found(NEW.sha256[:6].upper()) == [2]
    assert await found(OLD.text_sha256[:10]) == [1]
    assert await found("0" * 12) == []
    answer = await ask(f"{operations}/v1/rules/history?sha256=%25", token="auditor")
    assert (answer.status, answer.json()["code"]) == (400, "request.malformed")
