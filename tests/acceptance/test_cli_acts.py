"""What an operator sees of every act on transfers, done and refused: text, JSON and exit code, word for word.

Each test is one session at a terminal; `transcripts` holds what it must look like.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.later import TakenEnvelope
from gateway.domain.lifecycle import TransferEvent
from gateway.domain.records import TransferRow
from gateway.errors import Violation
from gateway.system import SystemIds
from tests.acceptance.transcript import Transcript
from tests.store_values import (
    LEASE,
    NOW,
    OTHER,
    PARTNER,
    StoreValues,
    accepted_evidence,
    attempt_of,
    evidence,
    message_evidence,
)
from tests.unit.web.listening import Node, open_node, open_operations

NOBODY = "01950000-0000-7000-8000-00000000ffff"
JWS = b"e30.PE1ldGFEYXRhLz4.c2lnbmF0dXJl"
"""A compact form with a payload: the node of these tests seals nothing, and prepares whatever it is given."""

RULE = Violation(code="dms.seldom_seen", path="/MetaData/Declaration", message="Seldom seen")


class Numbered(SystemIds):
    """Ids that rise from the same one in every run: digests are made of them."""

    def __init__(self, values: StoreValues) -> None:
        self.uuid7 = values.uuid7  # type: ignore[method-assign]  # the only ones that show


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with open_node(tmp_path / "data") as opened:
        yield replace(opened, ids=Numbered(opened.values))


@pytest.fixture
async def session(node: Node, request: pytest.FixtureRequest) -> AsyncIterator[Transcript]:
    """A terminal at which an operator sits; its transcript has the test's name."""
    name = request.node.name.removeprefix("test_")
    async with open_operations(node.operations()) as url:
        yield Transcript(name=name, url=url, token="operator")


async def queued(node: Node, to: PartyId = PARTNER) -> TransferRow:
    change = node.values.submission(to)
    transfers = tuple(replace(one, sealed=JWS) for one in change.prepared.transfers)
    change = replace(change, prepared=replace(change.prepared, sealed_document=b"<MetaData/>", transfers=transfers))
    await node.store.accept(change, accepted_evidence(change))
    found = await node.store.transfer(change.prepared.transfers[0].slot.transfer_id)
    assert found is not None
    return found.row


async def dead_lettered(node: Node, *, sent: bool = False, to: PartyId = PARTNER) -> TransferRow:
    """Put one transfer into the store that was tried once, in vain."""
    row = await queued(node, to)
    (claimed,) = await node.store.claim(to, limit=1, now=NOW, lease=LEASE)
    assert claimed.row.id == row.id
    return await node.store.settle(
        claimed.row,
        TransferEvent.EXHAUSTED,
        audit=evidence(claimed.row, TransferEvent.EXHAUSTED),
        now=NOW,
        fence=claimed.fence,
        attempt=attempt_of(claimed.row, "failed", "channel.timeout" if sent else "channel.unreachable"),
        sent=sent,
        code="transfer.attempts_exhausted",
        detail="All attempts the agreement allows were made",
    )


async def test_list_and_show(node: Node, session: Transcript) -> None:
    await dead_lettered(node)
    row = await queued(node)
    await queued(node, OTHER)
    await session.run("transfer", "list")
    await session.run("transfer", "list", "--limit", 1, "--json")
    await session.run("transfer", "list", "--limit", 1)
    await session.run("transfer", "list", "--state", "DEAD_LETTERED", "--recipient", PARTNER)
    await session.run("transfer", "list", "--state", "HELD")
    await session.run("transfer", "list", "--state", "LOST")
    await session.run("transfer", "list", "--reference", "24GB0001")
    await session.run("transfer", "show", row.id)
    await session.run("transfer", "show", row.id, "--json")
    await session.run("transfer", "show", NOBODY)
    await session.run("transfer", "show", "not-an-id", "--json")
    await session.run("transfer", "show")
    await session.run("transfer", "list", token="submitter")
    session.check()


async def test_hold_and_release(node: Node, session: Transcript) -> None:
    first, second = await queued(node), await queued(node)
    await session.run("transfer", "hold", first.id, "--reason", "to be looked at")
    await session.run("transfer", "hold", second.id, "--reason", "to be looked at", "--json")
    await session.run("transfer", "hold", first.id, "--reason", "once more")
    await session.run("transfer", "hold", first.id, "--reason", "once more", "--json")
    await session.run("transfer", "hold", first.id)
    await session.run("transfer", "hold", first.id, "--reason", " ")
    await session.run("transfer", "hold", NOBODY, "--reason", "to be looked at")
    await session.run("transfer", "release", first.id, "--reason", "it is in order")
    await session.run("transfer", "release", first.id, "--reason", "it is in order", token="officer")
    await session.run("transfer", "release", second.id, "--reason", "it is in order", "--json", token="officer")
    await session.run("transfer", "release", first.id, "--reason", "it is in order", token="officer")
    await session.run("transfer", "release", first.id, token="officer")
    await session.run("transfer", "release", NOBODY, "--reason", "it is in order", "--json", token="officer")
    session.check()


async def test_release_many(node: Node, session: Transcript) -> None:
    rows = [await queued(node), await queued(node, OTHER), await queued(node), await queued(node)]
    for row in rows:
        await session.run("transfer", "hold", row.id, "--reason", "to be looked at")
    asked = ("transfer", "release", "--recipient", PARTNER, "--reason", "it is in order")
    await session.run(*asked, token="officer")
    await session.run(*asked, "--json", token="officer")
    await session.run(*asked, "--up-to", 0, token="officer")
    await session.run(*asked, "--up-to", 4, "--limit", 2, token="officer")
    await session.run(*asked, "--after", rows[2].id, "--up-to", 4, "--json", token="officer")
    await session.run(*asked, token="officer")
    two = node.values.submission(OTHER, held_for=(RULE,), approvals=2)
    await node.store.accept(two, accepted_evidence(two))
    by_rule = ("transfer", "release", "--rule", RULE.code, "--reason", "it is in order")
    await session.run(*by_rule, "--up-to", 5, token="officer")
    await session.run(*by_rule, token="officer")
    await session.run(*by_rule, "--up-to", 5, token="officer")
    await session.run("transfer", "release", "--rule", "dms.none", "--reason", "it is in order", token="officer")
    await session.run("transfer", "release", "--code", "transfer.held", "--reason", "it is in order")
    await session.run("transfer", "release", rows[1].id, "--since", "2026-03-01", "--reason", "it is in order")
    await session.run("transfer", "release", "--reason", "it is in order", token="officer")
    session.check()


async def test_cancel(node: Node, session: Transcript) -> None:
    sent = await dead_lettered(node, sent=True)
    first, second = await queued(node), await queued(node)
    await session.run("transfer", "cancel", first.id, "--reason", "sent in error")
    await session.run("transfer", "cancel", second.id, "--reason", "sent in error", "--json")
    await session.run("transfer", "cancel", first.id, "--reason", "sent in error")
    await session.run("transfer", "cancel", sent.id, "--reason", "sent in error")
    await session.run("transfer", "cancel", sent.id, "--reason", "sent in error", "--json")
    await session.run("transfer", "cancel", sent.id)
    await session.run("transfer", "cancel", NOBODY, "--reason", "sent in error")
    session.check()


async def test_skip(node: Node, session: Transcript) -> None:
    sent = await dead_lettered(node, sent=True)
    first, second = await dead_lettered(node), await dead_lettered(node)
    third = await queued(node)
    await session.run("transfer", "skip", first.id, "--reason", "no longer wanted")
    await session.run("transfer", "skip", second.id, "--reason", "no longer wanted", "--json")
    await session.run("transfer", "skip", first.id, "--reason", "no longer wanted")
    await session.run("transfer", "skip", third.id, "--reason", "no longer wanted")
    await session.run("transfer", "skip", sent.id, "--reason", "no longer wanted")
    await session.run("transfer", "skip", first.id)
    await session.run("transfer", "skip", NOBODY, "--reason", "no longer wanted", "--json")
    await session.run("transfer", "show", first.id)
    session.check()


async def test_requeue(node: Node, session: Transcript) -> None:
    rows = [await dead_lettered(node) for _ in range(4)]
    await session.run("transfer", "requeue", rows[0].id, "--reason", "it works again")
    await session.run("transfer", "requeue", rows[1].id, "--reason", "it works again", "--json")
    await session.run("transfer", "requeue", rows[0].id, "--reason", "it works again")
    await session.run("transfer", "requeue", NOBODY, "--reason", "it works again", "--json")
    await session.run("transfer", "requeue", rows[2].id)
    await session.run("transfer", "requeue", "--reason", "it works again")
    await session.run("transfer", "requeue", rows[2].id, "--recipient", PARTNER, "--reason", "it works again")
    await session.run("transfer", "requeue", "--recipient", PARTNER, "--limit", 1, "--reason", "it works again")
    await session.run("transfer", "requeue", "--since", "2026-03-01", "--reason", "it works again", "--json")
    await session.run("transfer", "requeue", "--code", "channel.timeout", "--reason", "it works again")
    session.check()


async def test_supersede(node: Node, session: Transcript) -> None:
    """A requeue of what has expired puts another message in its place, if it is certain that the partner has none."""
    kept, sent, other = await dead_lettered(node), await dead_lettered(node, sent=True), await dead_lettered(node)
    node.clock.move(timedelta(hours=49))
    await session.run("transfer", "requeue", kept.id, "--reason", "it works again")
    await session.run("transfer", "requeue", other.id, "--reason", "it works again", "--json")
    await session.run("transfer", "requeue", sent.id, "--reason", "it works again")
    await session.run("transfer", "requeue", "--recipient", PARTNER, "--reason", "it works again")
    await session.run("transfer", "requeue", "--recipient", PARTNER, "--reason", "it works again", "--json")
    await session.run("transfer", "show", kept.id)
    session.check()


async def test_drain(node: Node, session: Transcript) -> None:
    node.bells.begun()
    await session.run("drain", "--reason", "upgrade", token="admin")
    node.bells.ended()
    await session.run("drain", "--reason", "upgrade", "--json", token="admin")
    await session.run("drain", "--end", "--reason", "done", token="admin")
    await session.run("drain", "--end", "--reason", "done", "--json", token="admin")
    await session.run("drain", token="admin")
    await session.run("drain", "--reason", "", token="admin")
    await session.run("drain", "--reason", "upgrade")
    session.check()


async def test_unjudged(node: Node, session: Transcript) -> None:
    await session.run("inbox", "unjudged")
    await session.run("inbox", "unjudged", "--json")
    one = TakenEnvelope(
        sender=PARTNER, message_id=MessageId(NOBODY), jwe="a.b.c.d.e", received=NOW, until=NOW + timedelta(hours=1)
    )
    await node.store.take_envelope(one, audit=AuditEntry(event=AuditEvent.MESSAGE_TAKEN, at=NOW, actor="system"))
    await session.run("inbox", "unjudged")
    await session.run("inbox", "unjudged", "--json")
    await session.run("inbox", "unjudged", token="submitter")
    session.check()


async def test_acknowledge_alarm(node: Node, session: Transcript) -> None:
    """A message that holds more than was agreed, and one that does not."""
    for over_shared in ((), ("/MetaData/Declaration/Declarant/Name",)):
        result = replace(node.values.admitted(), over_shared=over_shared)
        await node.store.admit(result, now=NOW, audit=message_evidence(result))
    alarming, fine = [row.message_id for row in await node.store.inbox(limit=2)]
    await session.run("inbox", "list", "--over-shared")
    await session.run("inbox", "acknowledge-alarm", alarming, "--reason", "spoke to the sender", token="auditor")
    await session.run("inbox", "acknowledge-alarm", alarming, "--reason", "spoke to the sender")
    await session.run("inbox", "acknowledge-alarm", alarming, "--reason", "once more", "--json")
    await session.run("inbox", "acknowledge-alarm", fine, "--reason", "spoke to the sender")
    await session.run("inbox", "acknowledge-alarm", alarming)
    await session.run("inbox", "acknowledge-alarm", NOBODY, "--reason", "spoke to the sender")
    await session.run("inbox", "show", alarming)
    session.check()
