"""The overview names agreements under which nothing is sent any more."""

from dataclasses import replace
from datetime import timedelta

from gateway.domain.agreement import Agreement
from gateway.domain.ids import AgreementId
from gateway.web.texts import Texts
from tests.store_values import NOW, PARTNER
from tests.unit.web.listening import Node, agreement_with, ask, open_operations, signed_in
from tests.unit.web.test_console_forms import shown

TEXTS = Texts.load("en")
RUNNING = replace(agreement_with(PARTNER), id=AgreementId("running"), version=2)


async def overview(node: Node, *agreements: Agreement) -> str:
    parts = replace(node.operations(), agreements=lambda: agreements)
    async with open_operations(parts) as url:
        return shown((await ask(f"{url}/console", cookies=signed_in(url, "operator"))).text)


async def test_what_is_suspended_or_has_ended_needs_a_person(node: Node) -> None:
    suspended = replace(RUNNING, id=AgreementId("stopped"), suspended=True)
    ended = replace(RUNNING, id=AgreementId("over"), valid_until=NOW - timedelta(days=1))
    page = await overview(node, RUNNING, suspended, ended)
    assert TEXTS("overview.stopped") in page
    assert f"stopped, version 2 {TEXTS('agreement_state.suspended')}" in page
    assert f"over, version 2 {TEXTS('agreement_state.ended')}" in page
    assert "running, version 2" not in page


async def test_a_version_that_another_took_the_place_of_needs_nobody(node: Node) -> None:
    before = replace(RUNNING, version=1, valid_until=NOW - timedelta(days=1))
    page = await overview(node, RUNNING, before)
    assert TEXTS("overview.stopped") not in page
    assert TEXTS("overview.nothing") in page
