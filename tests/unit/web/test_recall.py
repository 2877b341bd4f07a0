"""What an operator is told when the partner may have what was to be cancelled: why, what to do next, and a text for it."""

import json

from gateway.cli.target import explained
from gateway.client import ClientError
from gateway.web.texts import Texts
from tests.store_values import PARTNER
from tests.unit.web.listening import Node, ask, send_form
from tests.unit.web.test_console_forms import shown
from tests.unit.web.test_operations import dead_lettered

ENGLISH = Texts.load("en")


async def test_a_refused_cancel_brings_a_text_for_the_partners_people(node: Node, operations: str) -> None:
    row = await dead_lettered(node, sent=True)
    for verb in ("cancel", "skip"):
        answer = await ask(
            f"{operations}/v1/transfers/{row.id}/{verb}",
            "POST",
            token="operator",
            headers={"Content-Type": "application/json"},
            body=json.dumps({"reason": "sent in error"}),
        )
        told = answer.json()
        assert (answer.status, told["code"]) == (409, "transfer.outcome_unknown")
        assert told["recall"].startswith(f"To {PARTNER}: please disregard message {row.message_id}")
        error = ClientError(told["code"], told["detail"], status=answer.status, problem=told)
        assert explained(error)[-1] == told["recall"]
        assert "Try again when the partner answers" in explained(error)[-2]


async def test_the_page_of_a_refused_cancel_says_what_to_do_next(node: Node, operations: str) -> None:
    row = await dead_lettered(node, sent=True)
    page = await send_form(operations, f"/console/transfers/{row.id}/cancel", "operator", reason="sent in error")
    assert page.status == 409
    assert ENGLISH("explain.transfer.outcome_unknown") in shown(page.text)
    assert ENGLISH("error.recall") in shown(page.text)
    assert f"please disregard message {row.message_id}" in shown(page.text)


async def test_another_refusal_offers_no_recall(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    page = await send_form(operations, f"/console/transfers/{row.id}/hold", "operator", reason="look at it")
    assert page.status == 409
    assert ENGLISH("error.recall") not in shown(page.text)
