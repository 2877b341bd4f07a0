"""What operators see of a message that holds more than was agreed, and was taken because the agreement says so."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from gateway.audit import AuditEvent
from gateway.web.texts import Texts
from tests.store_values import NOW, message_evidence
from tests.unit.web.listening import Node, ask, send_form, signed_in
from tests.unit.web.test_console_forms import shown

PLACE = "/MetaData/Declaration/GoodsShipment/Importer/Name"
TEXTS = Texts.load("en")


async def test_the_alarm_stands_on_the_page_of_the_message_and_in_its_timeline(node: Node, operations: str) -> None:
    result = replace(node.values.admitted(), over_shared=(PLACE,))
    await node.store.admit(result, now=NOW, audit=message_evidence(result))
    path = f"{operations}/console/inbox/{result.header.message_id}"
    page = shown((await ask(path, cookies=signed_in(operations, "operator"))).text)
    assert TEXTS("message.over_shared") in page
    assert TEXTS("event.message.over_shared") in page
    assert PLACE in page
    told = (await ask(f"{operations}/v1/inbox/{result.header.message_id}", token="auditor")).json()
    assert (told["over_shared"], told["policy_sha256"]) == ([PLACE], result.header.policy_sha256)
    (alarm,) = [one for one in told["timeline"] if one["event"] == AuditEvent.MESSAGE_OVER_SHARED]
    assert (alarm["facts"]["code"], alarm["facts"]["count"]) == ("policy.over_shared", 1)


async def test_the_overview_and_the_inbox_show_it_before_anybody_looks(node: Node, operations: str) -> None:
    result = replace(node.values.admitted(), over_shared=(PLACE, f"{PLACE}[2]"))
    fine = node.values.admitted()
    cookies = signed_in(operations, "operator")
    for one in (fine, result):
        await node.store.admit(one, now=NOW, audit=message_evidence(one))
    overview = shown((await ask(f"{operations}/console", cookies=cookies)).text)
    assert f"{TEXTS('overview.over_shared')}" in overview
    assert f"{PLACE} {TEXTS('overview.more_places', count=1)}" in overview
    assert TEXTS("overview.nothing") not in overview
    some = (await ask(f"{operations}/console/inbox?over_shared=yes&state=", cookies=cookies)).text
    assert result.header.message_id in some
    assert fine.header.message_id not in some
    assert (await ask(f"{operations}/v1/inbox?over_shared=no", token="auditor")).status == 400
    found = (await ask(f"{operations}/v1/inbox?over_shared=yes", token="auditor")).json()["messages"]
    assert [one["over_shared"] for one in found] == [[PLACE, f"{PLACE}[2]"]]


def act(reason: str, token: str) -> dict[str, Any]:
    said = {"Content-Type": "application/json"}
    return {"method": "POST", "token": token, "headers": said, "body": json.dumps({"reason": reason})}


async def test_somebody_acknowledges_it_with_a_reason_and_it_leaves_the_overview_and_stays_in_history(
    node: Node, operations: str
) -> None:
    alarming, fine = replace(node.values.admitted(), over_shared=(PLACE,)), node.values.admitted()
    for one in (alarming, fine):
        await node.store.admit(one, now=NOW, audit=message_evidence(one))
    url, why = f"{operations}/v1/inbox/{alarming.header.message_id}", "the sender mended its policy"
    assert (await ask(f"{url}/acknowledge", **act(why, "auditor"))).status == 403
    assert (await ask(f"{url}/acknowledge", **act(" ", "operator"))).status == 400
    assert (await ask(f"{url}/acknowledge", **act(why, "operator"))).status == 200
    again = await ask(f"{url}/acknowledge", **act(why, "officer"))
    none = await ask(f"{operations}/v1/inbox/{fine.header.message_id}/acknowledge", **act(why, "operator"))
    for refused in (again, none):
        assert (refused.status, refused.json()["code"]) == (409, "transfer.illegal_transition")
    cookies = signed_in(operations, "operator")
    overview = shown((await ask(f"{operations}/console", cookies=cookies)).text)
    assert TEXTS("overview.over_shared") not in overview
    page = shown((await ask(f"{operations}/console/inbox/{alarming.header.message_id}", cookies=cookies)).text)
    for told in (TEXTS("message.seen_to"), TEXTS("event.message.acknowledged"), why, "operator:operator-1"):
        assert told in page
    assert TEXTS("act.acknowledge.button") not in page
    timeline = (await ask(url, token="auditor")).json()["timeline"]
    (noted,) = [one for one in timeline if one["event"] == AuditEvent.MESSAGE_ACKNOWLEDGED]
    assert noted["facts"]["reason"] == why
    still = (await ask(f"{operations}/v1/inbox?over_shared=yes", token="auditor")).json()["messages"]
    assert [one["message_id"] for one in still] == [alarming.header.message_id]


async def test_the_page_of_the_message_has_the_form_until_then(node: Node, operations: str) -> None:
    result = replace(node.values.admitted(), over_shared=(PLACE,))
    await node.store.admit(result, now=NOW, audit=message_evidence(result))
    path, given = f"/console/inbox/{result.header.message_id}", {"sender": result.header.sender}
    page = await ask(f"{operations}{path}", cookies=signed_in(operations, "operator"))
    assert TEXTS("act.acknowledge.button") in shown(page.text)
    done = await send_form(operations, f"{path}/acknowledge", "operator", reason="spoke to them", **given)
    assert (done.status, done.headers["Location"]) == (303, f"{path}?done=acknowledge")
    page = await ask(f"{operations}{path}?done=acknowledge", cookies=signed_in(operations, "operator"))
    assert TEXTS("done.acknowledge") in shown(page.text)


async def test_after_a_week_the_overview_leaves_it_to_the_inbox(node: Node, operations: str) -> None:
    result = replace(node.values.admitted(), over_shared=(PLACE,))
    await node.store.admit(result, now=NOW - timedelta(days=8), audit=message_evidence(result))
    overview = shown((await ask(f"{operations}/console", cookies=signed_in(operations, "operator"))).text)
    assert TEXTS("overview.over_shared") not in overview


async def test_a_message_within_the_agreement_has_no_alarm(node: Node, operations: str) -> None:
    result = node.values.admitted()
    await node.store.admit(result, now=NOW, audit=message_evidence(result))
    path = f"{operations}/console/inbox/{result.header.message_id}"
    page = shown((await ask(path, cookies=signed_in(operations, "operator"))).text)
    assert TEXTS("message.over_shared") not in page
