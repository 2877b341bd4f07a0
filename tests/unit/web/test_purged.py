"""What operators see of a transfer whose payload was deleted at the end of its retention."""

from datetime import timedelta

import pytest

from gateway.audit import AuditEvent
from gateway.client.results import read_transfer
from gateway.domain.lifecycle import HandOverEvent, TransferEvent
from gateway.web.shapes import timestamp
from gateway.web.texts import Texts
from tests.store_values import HOME, LEASE, NOW, TERMS, evidence, hand_over_evidence, message_evidence
from tests.unit.web.listening import Node, ask, send_form, signed_in
from tests.unit.web.test_console_forms import shown
from tests.unit.web.test_operations import accepted

WORDS = Texts.load("en")("transfer.payload_purged")
OVER = NOW + timedelta(days=TERMS.retention_days, seconds=1)


async def purge(node: Node) -> None:
    while await node.store.purge(now=OVER):
        pass


@pytest.mark.parametrize("word", ["officer", "operator"])
async def test_a_payload_that_was_purged_is_said_to_be(node: Node, operations: str, word: str) -> None:
    row = await accepted(node)
    await node.store.settle(row, TransferEvent.CANCELLED, audit=evidence(row, TransferEvent.CANCELLED), now=NOW)
    await purge(node)
    page = await ask(f"{operations}/console/transfers/{row.id}", cookies=signed_in(operations, word))
    assert WORDS in shown(page.text)
    assert f"/console/transfers/{row.id}/documents" not in page.text
    told = (await ask(f"{operations}/v1/transfers/{row.id}", token="auditor")).json()
    assert (told["purged"], told["timeline"][-1]["event"]) == (timestamp(OVER), AuditEvent.TRANSFER_PURGED)
    assert read_transfer(told).purged == OVER


async def test_nobody_can_look_at_what_was_purged_and_no_record_says_that_somebody_did(
    node: Node, operations: str
) -> None:
    row = await accepted(node)
    await node.store.settle(row, TransferEvent.CANCELLED, audit=evidence(row, TransferEvent.CANCELLED), now=NOW)
    await purge(node)
    path = f"/console/transfers/{row.id}/documents"
    refused = await send_form(operations, path, "officer", reason="asked", show="all")
    assert refused.status == 410
    assert "transfer.purged" in refused.text
    events = [record.entry.event for record in await node.store.audit(transfer_id=row.id)]
    assert AuditEvent.DOCUMENT_SHOWN not in events


async def test_a_message_that_was_handed_over_long_ago_is_said_to_be_purged(node: Node, operations: str) -> None:
    result = node.values.admitted()
    await node.store.admit(result, now=NOW, audit=message_evidence(result))
    (claimed,) = await node.store.claim_hand_overs([HOME], limit=1, now=NOW, lease=LEASE)
    audit = hand_over_evidence(claimed.row, HandOverEvent.ACKNOWLEDGED)
    event, fence = HandOverEvent.ACKNOWLEDGED, claimed.fence
    await node.store.settle_hand_over(claimed.row, event, audit=audit, now=NOW, fence=fence)
    await purge(node)
    name = result.header.message_id
    page = await ask(f"{operations}/console/inbox/{name}", cookies=signed_in(operations, "operator"))
    assert WORDS in shown(page.text)
    told = (await ask(f"{operations}/v1/inbox/{name}", token="auditor")).json()
    assert told["purged"] == timestamp(OVER)
    assert told["timeline"][-1]["event"] == AuditEvent.MESSAGE_PURGED
