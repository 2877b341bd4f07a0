"""What operators see of a message that holds more than was agreed, and was taken because the agreement says so."""

from dataclasses import replace

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
    (alarm,) = [one for one in told["timeline"] if one["event"] == AuditEvent.MESSAGE_OVER_SHARED]
    assert (alarm["facts"]["code"], alarm["facts"]["count"]) == ("policy.over_shared", 1)


async def test_a_message_within_the_agreement_has_no_alarm(node: Node, operations: str) -> None:
    result = node.values.admitted()
    await node.store.admit(result, now=NOW, audit=message_evidence(result))
    path = f"{operations}/console/inbox/{result.header.message_id}"
    page = shown((await ask(path, cookies=signed_in(operations, "operator"))).text)
    assert TEXTS("message.over_shared") not in page
