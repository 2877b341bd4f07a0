"""What every store promises about messages that partners never had: not seen, superseded, skipped."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.hold import HoldCause, HoldStart
from gateway.domain.ids import MessageId
from gateway.domain.jobs import PreparedTransfer
from gateway.domain.lifecycle import TransferEvent, TransferState
from gateway.domain.priority import Priority
from gateway.domain.records import TransferRow
from gateway.domain.statement import NotSeen, Verdict
from gateway.errors import TransferError
from gateway.ports import Store
from tests.contract.store_steps import LATER, accept, claim_one, events, row_of, settle
from tests.store_values import HOME, LEASE, NOW, PARTNER, StoreValues, evidence, held, message_evidence

CHANGED = HoldStart(cause=HoldCause.CHANGED, by="system", reason="another agreement")


def sworn(row: TransferRow, values: StoreValues) -> NotSeen:
    return NotSeen(message_id=row.message_id, issuer=PARTNER, audience=HOME, issued_at=NOW, statement_id=values.uuid4())


async def not_seen(store: Store, row: TransferRow, values: StoreValues) -> TransferRow:
    audit = evidence(row, TransferEvent.NOT_SEEN)
    return await store.note_not_seen(row, sworn(row, values), "not-seen.token", now=NOW, audit=audit)


def instead_of(row: TransferRow, values: StoreValues) -> PreparedTransfer:
    made = values.prepared(PARTNER, row.conversation, row.sequence, None, NOW, b"new jws", timedelta(hours=30), HOME)
    return replace(made, header=replace(made.header, supersedes=row.message_id))


async def supersede(
    store: Store, row: TransferRow, made: PreparedTransfer, start: HoldStart | None = None
) -> TransferRow:
    audit = evidence(row, TransferEvent.SUPERSEDED)
    return await store.supersede(row, made, start, audit=audit, now=NOW)


async def failed(store: Store, values: StoreValues) -> TransferRow:
    """A transfer that was sent once, and waits to be sent again."""
    await accept(store, values.submission())
    claimed = await claim_one(store)
    audit = evidence(claimed.row, TransferEvent.FAILED)
    return await store.settle(claimed.row, TransferEvent.FAILED, audit=audit, now=NOW, sent=True, next_attempt_at=NOW)


# ── not seen ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_the_partner_never_had_is_not_claimed_under_its_id_again(store: Store, values: StoreValues) -> None:
    row = await not_seen(store, await failed(store, values), values)
    assert (row.state, row.not_seen, row.outcome_known) == (TransferState.QUEUED, True, True)
    assert row == await row_of(store, row.id)
    assert await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE) == []
    assert await store.due_at(PARTNER) is None


async def test_a_refusal_because_the_id_was_given_up_is_the_same_proof(store: Store, values: StoreValues) -> None:
    await accept(store, values.submission())
    claimed = await claim_one(store)
    receipt, token = values.receipt_for(claimed.row, Verdict.REFUSED)
    refused = await store.settle(
        claimed.row,
        TransferEvent.REFUSED,
        audit=evidence(claimed.row, TransferEvent.REFUSED),
        now=NOW,
        receipt=(replace(receipt, code="message.not_seen"), token),
    )
    assert (refused.state, refused.ever_sent, refused.not_seen) == (TransferState.DEAD_LETTERED, True, True)


async def test_an_id_that_was_given_up_is_never_accepted(store: Store, values: StoreValues) -> None:
    message = values.admitted()
    statement = NotSeen(
        message_id=message.header.message_id, issuer=HOME, audience=PARTNER, issued_at=NOW, statement_id="s"
    )
    audit = AuditEntry(event=AuditEvent.MESSAGE_NOT_SEEN, at=NOW, actor="party:FR-DGDDI")
    assert await store.forswear(statement, "first", now=NOW, audit=audit) == "first"
    assert await store.forswear(statement, "second", now=LATER, audit=audit) == "first"
    stored = await store.admit(message, now=NOW, audit=message_evidence(message))
    assert (stored.tombstoned, stored.token, stored.code) == (True, "", "message.not_seen")
    refusal = values.refused(message, "message.not_seen")
    assert (await store.admit(refusal, now=NOW, audit=message_evidence(refusal))).verdict is Verdict.REFUSED
    assert await store.inbox(limit=9) == []
    assert await store.given_receipt(PARTNER, message.header.message_id) is None
    assert await events(store) == [AuditEvent.MESSAGE_NOT_SEEN, AuditEvent.MESSAGE_REFUSED]


async def test_a_message_that_was_accepted_can_not_be_forsworn(store: Store, values: StoreValues) -> None:
    message = values.admitted()
    await store.admit(message, now=NOW, audit=message_evidence(message))
    statement = NotSeen(
        message_id=message.header.message_id, issuer=HOME, audience=PARTNER, issued_at=NOW, statement_id="s"
    )
    audit = AuditEntry(event=AuditEvent.MESSAGE_NOT_SEEN, at=NOW, actor="party:FR-DGDDI")
    assert await store.forswear(statement, "never", now=NOW, audit=audit) == message.receipt_token
    assert await events(store) == [AuditEvent.MESSAGE_ACCEPTED]


# ── superseded ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_another_message_takes_the_place_of_one_that_never_arrived(store: Store, values: StoreValues) -> None:
    old = await not_seen(store, await failed(store, values), values)
    made = instead_of(old, values)
    row = await supersede(store, old, made)
    assert (row.id, row.message_id, row.supersedes) == (old.id, made.header.message_id, old.message_id)
    assert (row.ever_sent, row.not_seen, row.attempts, row.digest) == (False, False, 0, made.digest)
    assert row == await row_of(store, row.id)
    found = await store.transfer(row.id)
    assert found is not None
    assert [(one.message_id, one.digest, one.ever_sent) for one in found.superseded] == [
        (old.message_id, old.digest, True)
    ]
    assert await store.view(row.id) == made.sealed
    assert await store.transfer_by_message(old.message_id) == row == await store.transfer_by_message(row.message_id)
    assert (await claim_one(store)).row.message_id == made.header.message_id


async def test_nothing_takes_the_place_of_a_message_that_may_yet_be_accepted(store: Store, values: StoreValues) -> None:
    row = await failed(store, values)
    with pytest.raises(TransferError) as caught:
        await supersede(store, row, instead_of(row, values))
    assert caught.value.code == "transfer.outcome_unknown"
    assert await row_of(store, row.id) == row


async def test_a_message_prepared_for_another_place_is_not_taken(store: Store, values: StoreValues) -> None:
    row = await row_of(store, await accept(store, values.submission()))
    made = instead_of(row, values)
    elsewhere = replace(made, header=replace(made.header, sequence=row.sequence + 1))
    with pytest.raises(TransferError) as caught:
        await supersede(store, row, elsewhere)
    assert caught.value.code == "transfer.stale"


async def test_a_view_that_a_person_has_to_see_is_held_in_the_same_step(store: Store, values: StoreValues) -> None:
    row = await row_of(store, await accept(store, values.submission()))
    made = held(instead_of(row, values), ())
    waits = await supersede(store, row, made, CHANGED)
    assert (waits.state, waits.signed, waits.supersedes) == (TransferState.HELD, False, row.message_id)
    found = await store.transfer(row.id)
    assert found is not None
    assert found.unreleased is not None
    assert found.unreleased.start == CHANGED


async def test_a_dead_letter_is_queued_by_its_new_message(store: Store, values: StoreValues) -> None:
    await accept(store, values.submission())
    claimed = await claim_one(store)
    dead = await settle(store, claimed.row, TransferEvent.EXHAUSTED)
    row = await supersede(store, dead, instead_of(dead, values))
    assert row.state is TransferState.QUEUED


async def test_a_message_in_place_of_an_accepted_one_gets_the_receipt_of_that(
    store: Store, values: StoreValues
) -> None:
    first, second = values.admitted(), values.admitted()
    await store.admit(first, now=NOW, audit=message_evidence(first))
    instead = replace(second, header=replace(second.header, supersedes=first.header.message_id))
    stored = await store.admit(instead, now=NOW, audit=message_evidence(instead))
    assert (stored.superseded, stored.token) == (True, first.receipt_token)
    assert [row.message_id for row in await store.inbox(limit=9)] == [first.header.message_id]


async def test_a_message_that_another_took_the_place_of_comes_too_late(store: Store, values: StoreValues) -> None:
    first, second = values.admitted(), values.admitted()
    instead = replace(second, header=replace(second.header, supersedes=first.header.message_id))
    stored = await store.admit(instead, now=NOW, audit=message_evidence(instead))
    assert (stored.verdict, stored.superseded) == (Verdict.ACCEPTED, False)
    assert (await store.admit(first, now=NOW, audit=message_evidence(first))).tombstoned
    statement = NotSeen(
        message_id=first.header.message_id, issuer=HOME, audience=PARTNER, issued_at=NOW, statement_id="s"
    )
    audit = AuditEntry(event=AuditEvent.MESSAGE_NOT_SEEN, at=NOW, actor="party:FR-DGDDI")
    assert await store.forswear(statement, "sworn", now=NOW, audit=audit) == "sworn"
    assert await store.forswear(statement, "again", now=NOW, audit=audit) == "sworn"


# ── skipped ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("resting", [TransferState.HELD, TransferState.DEAD_LETTERED])
async def test_those_behind_one_that_was_skipped_go_and_it_never_does(
    store: Store, values: StoreValues, resting: TransferState
) -> None:
    first = await row_of(store, await accept(store, values.submission(conversation="one")))
    second = await accept(store, values.submission(conversation="one", sequence=2))
    if resting is TransferState.HELD:
        first = await settle(store, first, TransferEvent.HELD)
    else:
        first = await settle(store, (await claim_one(store)).row, TransferEvent.EXHAUSTED)
    assert await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE) == []
    skipped = await settle(store, first, TransferEvent.SKIPPED)
    assert (skipped.state, skipped.skipped) == (TransferState.DEAD_LETTERED, True)
    assert [one.row.id for one in await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE)] == [second]
    for event in (TransferEvent.REQUEUED, TransferEvent.HELD, TransferEvent.SUPERSEDED):
        with pytest.raises(TransferError) as caught:
            await settle(store, skipped, event)
        assert caught.value.code == "transfer.skipped"
    assert await store.dead_letters(limit=9) == []


async def test_a_receipt_that_comes_late_delivers_even_what_was_skipped(store: Store, values: StoreValues) -> None:
    await accept(store, values.submission())
    dead = await settle(store, (await claim_one(store)).row, TransferEvent.EXHAUSTED)
    skipped = await settle(store, dead, TransferEvent.SKIPPED)
    delivered = await settle(store, skipped, TransferEvent.ACCEPTED)
    assert (delivered.state, delivered.skipped) == (TransferState.DELIVERED, True)


async def test_dead_letters_are_found_by_partner_code_and_time_the_oldest_first(
    store: Store, values: StoreValues
) -> None:
    ids = []
    for code in ("channel.timeout", "channel.busy", "channel.timeout"):
        await accept(store, values.submission())
        (claimed,) = await store.claim(PARTNER, limit=1, now=NOW, lease=LEASE)
        audit = evidence(claimed.row, TransferEvent.EXHAUSTED)
        dead = await store.settle(claimed.row, TransferEvent.EXHAUSTED, audit=audit, now=NOW, code=code)
        ids.append(dead.id)
    timed_out = [ids[0], ids[2]]
    assert [row.id for row in await store.dead_letters(limit=9, code="channel.timeout")] == timed_out
    assert [row.id for row in await store.dead_letters(limit=9, recipient=PARTNER, after=ids[0])] == ids[1:]
    assert [row.id for row in await store.dead_letters(limit=1, recipient=PARTNER)] == ids[:1]
    assert await store.dead_letters(limit=9, recipient=HOME) == []
    assert await store.dead_letters(limit=9, since=LATER) == []
    assert await store.transfer_by_message(MessageId("nobody")) is None


# ── priority lanes ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_urgent_work_passes_a_backlog_and_no_lane_starves(store: Store, values: StoreValues) -> None:
    at = NOW - timedelta(minutes=10)
    old_bulk = await accept(store, replace(values.submission(now=at), priority=Priority.BULK))
    bulk = await accept(store, replace(values.submission(), priority=Priority.BULK))
    normal = await accept(store, values.submission())
    urgent = await accept(store, replace(values.submission(), priority=Priority.URGENT))
    order = []
    for _ in range(4):
        (claimed,) = await store.claim(PARTNER, limit=1, now=NOW, lease=LEASE)
        order.append(claimed.row.id)
    assert order == [old_bulk, urgent, normal, bulk]
    assert await store.due_at(PARTNER) is None


async def test_order_within_a_conversation_beats_priority(store: Store, values: StoreValues) -> None:
    first = await accept(store, replace(values.submission(conversation="one"), priority=Priority.BULK))
    second = values.submission(conversation="one", sequence=2)
    await accept(store, replace(second, priority=Priority.URGENT))
    assert [one.row.id for one in await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE)] == [first]
