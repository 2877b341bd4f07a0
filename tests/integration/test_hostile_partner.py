"""What a hostile, broken or badly configured partner can send us, and that none of it leaves more than evidence.

Each row is one request over real mutual TLS. It says what comes back (HTTP status, in which form, and the public code,
which in a signed statement must be genuine and bound to what was sent) and what stays here: one audit record with the
local code, and no other row of any table. Two tables are left out of that comparison besides the audit itself:
`partner_health`, which may note when a partner was last heard, and `refusal`, in which a refused message that could be
opened leaves exactly its own row and everything else none.

The gateway is FR-DGDDI, and its database is not empty: it accepted and handed over messages of two partners, and a
transfer of its own waits for a receipt. The rows stand in hostile_envelopes.py (what can not be believed),
hostile_messages.py (genuine, and refused), hostile_clients.py (who may not speak at all).
"""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from gateway.audit import AuditEvent
from gateway.trust.pki import refresh_crls
from tests.integration import hostile_clients, hostile_envelopes, hostile_messages
from tests.integration.hostile_stage import Row, Stage, stage_in
from tests.integration.one_gateway import GB, US, Event, changed_tables
from tests.integration.scripted_partner import Sealed, now
from tests.integration.scripted_server import eventually

ROWS = [*hostile_envelopes.ROWS, *hostile_messages.ROWS, *hostile_clients.ROWS]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with stage_in(tmp_path_factory.mktemp("hostile") / "world") as opened:
        yield opened


async def test_an_honest_message_changes_what_the_rows_must_not(stage: Stage) -> None:
    world = stage.world
    before = world.rows()
    assert all(before[name] for name in ("transfer", "payload", "inbox", "inbox_payload", "hand_over", "dedupe"))
    assert (await stage.gb.post(stage.gb.message())).said == "receipt accepted"
    await eventually(lambda: not world.ask("SELECT 1 FROM hand_over WHERE state <> 'HANDED_OVER'"))
    changed = changed_tables(before, world.rows())
    assert changed == {"conversation", "dedupe", "hand_over", "inbox", "inbox_payload", "reference"}


@pytest.mark.parametrize("row", ROWS, ids=[row.name.replace(" ", "-") for row in ROWS])
async def test_it_is_refused_with_its_code_and_leaves_one_record(stage: Stage, row: Row) -> None:
    world = stage.world
    rows, seq = world.rows(), world.last_seq()
    sent = await row.send(stage)
    reply = sent.reply
    assert (reply.status, reply.said, reply.code) == (row.status, row.said, row.public)
    assert (await stage.knock()).token == stage.known.receipt
    record, fence = world.events(after=seq)
    assert fence.event == AuditEvent.MESSAGE_DUPLICATE
    assert (record.event, record.code, record.actor) == (row.event, row.code, row.actor)
    assert record.transfer_id is None
    if sent.sealed is not None:
        _bound(record, sent.sealed)
    if row.status == 403:
        assert len(str(record.facts["certificate"])) == 64
    after = world.rows()
    refusals = after["refusal"] - rows["refusal"]
    assert changed_tables(rows, after) == ({"refusal"} if row.event is AuditEvent.MESSAGE_REFUSED else set())
    assert len(refusals) == len(after["refusal"]) - len(rows["refusal"])
    if refusals and sent.sealed is not None:
        ((sender, message_id, digest, recipient, code, token, *_),) = refusals
        assert (sender, message_id, digest) == (GB, sent.sealed.message_id, sent.sealed.digest)
        assert (recipient, code, token) == (US, row.code, reply.token)


async def test_without_a_fresh_revocation_list_a_partner_is_told_to_come_back(stage: Stage) -> None:
    world, authority = stage.world, stage.gb.node.authority.folder
    rows, seq = world.rows(), world.last_seq()
    refresh_crls(authority, now=now() - timedelta(days=30))
    try:
        reply = await stage.knock()
    finally:
        refresh_crls(authority, now=now())
    assert (reply.status, reply.said, reply.code) == (503, "unsigned", "unavailable")
    assert int(reply.headers["Retry-After"]) > 0
    assert (await stage.knock()).token == stage.known.receipt
    record, _ = world.events(after=seq)
    assert (record.event, record.code) == (AuditEvent.CHANNEL_REFUSED, "trust.crl_stale")
    assert changed_tables(rows, world.rows()) == set()


def _bound(record: Event, sealed: Sealed) -> None:
    """Hold the evidence against the bytes that were sent."""
    if record.event == AuditEvent.MESSAGE_UNOPENED:
        # Nothing inside an envelope that is not believed becomes a fact.
        assert dict(record.facts) == {"code": record.code, "envelope_sha256": sealed.sha256}
        assert record.message_id is None
    else:
        assert (record.message_id, record.facts["digest"]) == (sealed.message_id, sealed.digest)
