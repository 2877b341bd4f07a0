"""What operators see of a message that holds more than was agreed, and was taken because the agreement says so."""

from dataclasses import replace
from datetime import timedelta

from gateway.audit import AuditEvent
from gateway.web.texts import Texts
from tests.store_values import NOW, message_evidence
from tests.unit.web.listening import Node, ask, signed_in
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
