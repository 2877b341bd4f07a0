"""What every store promises about transfers that wait for a person. One suite, run over every implementation."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.hold import Approval, HeldCount, HeldQuery, HoldCause, HoldStart
from gateway.domain.ids import TransferId
from gateway.domain.jobs import PreparedTransfer
from gateway.domain.lifecycle import TransferEvent, TransferState
from gateway.domain.message import AgreementRef
from gateway.domain.records import AcceptSubmission, TransferDetail, TransferRow
from gateway.errors import StorageError, TransferError, Violation
from gateway.ports import Store
from tests.contract.store_cases import CommitFault, StoreCase
from tests.contract.store_steps import LATER, accept, claim_one, events, row_of, settle
from tests.store_values import AGREEMENT, CLIENT, LEASE, NOW, OTHER, PARTNER, StoreValues, sha

REASONS = (
    Violation(code="dms.total_differs", path="/MetaData/Declaration/TotalPackageQuantity", message="Not the sum"),
    Violation(code="dms.seldom_seen", path="/MetaData/Declaration/TypeCode", message="Seldom seen", line=7),
)
BY_OPERATOR = HoldStart(cause=HoldCause.OPERATOR, by="operator:operator-1", reason="a call from the port")


def note(event: AuditEvent, row: TransferRow) -> AuditEntry:
    return AuditEntry(event=event, at=LATER, actor="operator:o", transfer_id=row.id, message_id=row.message_id)


def word(officer: str = "officer-1") -> Approval:
    return Approval(officer=officer, reason="looked at it", at=LATER)


def signed(change: AcceptSubmission) -> PreparedTransfer:
    """What a worker makes of the first transfer of a submission when it is released."""
    made = change.prepared.transfers[0]
    expires = LATER + timedelta(hours=48)
    return replace(
        made,
        digest=sha("released"),
        sealed=b"sealed jws",
        header=replace(made.header, created=LATER, expires=expires),
        held_for=(),
    )


async def detail(store: Store, transfer_id: TransferId) -> TransferDetail:
    found = await store.transfer(transfer_id)
    assert found is not None
    return found


async def release(
    store: Store, row: TransferRow, officer: str = "officer-1", made: PreparedTransfer | None = None
) -> TransferRow:
    audit = note(AuditEvent.TRANSFER_RELEASED, row)
    return await store.release(row, word(officer), made, audit=audit, until=LATER + timedelta(hours=24))


async def hold(store: Store, row: TransferRow) -> TransferRow:
    audit = note(AuditEvent.TRANSFER_HELD, row)
    return await store.hold(row, BY_OPERATOR, audit=audit, now=LATER, deadline=row.expires)


async def test_what_a_rule_holds_starts_held_with_its_reasons_and_no_message(store: Store, values: StoreValues) -> None:
    change = values.submission(held_for=REASONS, approvals=2)
    transfer_id = await accept(store, change)
    found = await detail(store, transfer_id)
    assert (found.row.state, found.row.digest, found.row.next_attempt_at) == (TransferState.HELD, "", None)
    assert (found.row.last_code, found.row.deadline) == ("transfer.held", change.prepared.transfers[0].header.expires)
    assert found.row.last_detail == "/MetaData/Declaration/TotalPackageQuantity: Not the sum (and 1 more)"
    (kept,) = found.holds
    assert kept == found.unreleased
    assert (kept.start.cause, kept.start.reasons, kept.start.approvals) == (HoldCause.RULES, REASONS, 2)
    assert (kept.since, kept.approvals, kept.missing) == (NOW, (), 2)
    assert await store.view(transfer_id) == change.prepared.transfers[0].sealed
    submission = await store.submission(change.submission_id)
    assert submission is not None
    assert submission.holds == {transfer_id: kept}
    assert await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE) == []


async def test_a_value_that_a_submitter_asked_to_be_told_is_not_kept(store: Store, values: StoreValues) -> None:
    told = replace(REASONS[0], value="SECRET-VALUE")
    transfer_id = await accept(store, values.submission(held_for=(told,)))
    assert (await detail(store, transfer_id)).holds[0].start.reasons == (REASONS[0],)


async def test_a_held_head_keeps_those_behind_it_waiting_until_it_was_delivered(
    store: Store, values: StoreValues
) -> None:
    change = values.submission(conversation="c-1", held_for=REASONS)
    first = await accept(store, change)
    # The place in a conversation is found by what is known of it; a reference would do the same.
    second = await accept(store, values.submission(conversation="c-1", sequence=2))
    assert await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE) == []
    await release(store, await row_of(store, first), made=signed(change))
    (claimed,) = await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE)
    assert claimed.row.id == first
    await settle(store, claimed.row, TransferEvent.ACCEPTED)
    (claimed,) = await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE)
    assert claimed.row.id == second


async def test_a_release_puts_the_message_in_place_of_the_view_and_lets_it_go_at_once(
    store: Store, values: StoreValues
) -> None:
    change = values.submission(held_for=REASONS)
    transfer_id = await accept(store, change)
    row, made = await row_of(store, transfer_id), signed(change)
    released = await release(store, row, made=made)
    found = await detail(store, transfer_id)
    assert found.row == released
    assert (released.state, released.digest, released.expires) == (
        TransferState.QUEUED,
        made.digest,
        made.header.expires,
    )
    assert (released.message_id, released.sequence, released.next_attempt_at) == (row.message_id, row.sequence, LATER)
    assert (released.deadline, released.last_code) == (LATER + timedelta(hours=24), "")
    assert found.unreleased is None
    assert (found.holds[0].released, found.holds[0].approvals) == (LATER, (word(),))
    (claimed,) = await store.claim(PARTNER, limit=1, now=LATER, lease=LEASE)
    assert claimed.sealed_jws == b"sealed jws"


async def test_no_release_sends_a_view_that_is_not_signed(store: Store, values: StoreValues) -> None:
    change = values.submission(held_for=REASONS)
    transfer_id = await accept(store, change)
    row, before = await row_of(store, transfer_id), await events(store)
    for made in (None, change.prepared.transfers[0]):
        with pytest.raises(TransferError) as caught:
            await release(store, row, made=made)
        assert caught.value.code == "transfer.illegal_transition"
    with pytest.raises(StorageError) as refused:
        await settle(store, row, TransferEvent.RELEASED)
    assert refused.value.code == "storage.constraint"
    assert (await row_of(store, transfer_id), await events(store)) == (row, before)


async def test_two_officers_release_what_takes_two_and_the_same_one_twice_is_refused(
    store: Store, values: StoreValues
) -> None:
    change = values.submission(held_for=REASONS, approvals=2)
    transfer_id = await accept(store, change)
    row = await row_of(store, transfer_id)
    touched = await store.approve(row, word(), audit=note(AuditEvent.TRANSFER_APPROVED, row))
    assert (touched.state, touched.version) == (TransferState.HELD, row.version + 1)
    assert touched == await row_of(store, transfer_id)
    for officer, code in (("officer-1", "transfer.approved_before"), (CLIENT, "transfer.own_submission")):
        with pytest.raises(TransferError) as caught:
            await release(store, touched, officer, signed(change))
        assert caught.value.code == code
    assert await row_of(store, transfer_id) == touched
    await release(store, touched, "officer-2", signed(change))
    found = await detail(store, transfer_id)
    assert [one.officer for one in found.holds[0].approvals] == ["officer-1", "officer-2"]
    assert found.row.state is TransferState.QUEUED


async def test_whoever_saw_an_older_version_changes_nothing(store: Store, values: StoreValues) -> None:
    change = values.submission(held_for=REASONS, approvals=2)
    transfer_id = await accept(store, change)
    seen = await row_of(store, transfer_id)
    now = await store.approve(seen, word(), audit=note(AuditEvent.TRANSFER_APPROVED, seen))
    before = await events(store)
    stale = replace(signed(change), sealed=b"another")
    with pytest.raises(TransferError) as caught:
        await release(store, seen, "officer-2", stale)
    assert caught.value.code == "transfer.stale"
    with pytest.raises(TransferError) as caught:
        await store.approve(seen, word("officer-2"), audit=note(AuditEvent.TRANSFER_APPROVED, seen))
    assert caught.value.code == "transfer.stale"
    found = await detail(store, transfer_id)
    assert (found.row, found.holds[0].approvals, await events(store)) == (now, (word(),), before)
    assert await store.view(transfer_id) == change.prepared.transfers[0].sealed


async def test_a_view_that_was_prepared_again_asks_for_every_approval_again(store: Store, values: StoreValues) -> None:
    change = values.submission(held_for=REASONS, approvals=2)
    transfer_id = await accept(store, change)
    row = await row_of(store, transfer_id)
    row = await store.approve(row, word(), audit=note(AuditEvent.TRANSFER_APPROVED, row))
    made = change.prepared.transfers[0]
    newer = AgreementRef(id=AGREEMENT.id, version=4, sha256="d" * 64)
    header = replace(made.header, agreement=newer, expires=LATER + timedelta(hours=48))
    again = replace(made, header=header, sealed=b"another view", kept=60, withheld=33, deadline=header.expires)
    start = HoldStart(cause=HoldCause.CHANGED, by="operator:officer-2", reason="prepared again", approvals=2)
    audit = note(AuditEvent.TRANSFER_PREPARED_AGAIN, row)
    held = await store.prepare_again(row, again, start, audit=audit, now=LATER)
    found = await detail(store, transfer_id)
    assert found.row == held
    assert (held.state, held.digest, held.agreement, held.kept) == (TransferState.HELD, "", newer, 60)
    assert (held.deadline, held.last_detail) == (header.expires, "prepared again")
    assert await store.view(transfer_id) == b"another view"
    assert [(one.start.cause, one.missing) for one in found.holds] == [(HoldCause.RULES, 1), (HoldCause.CHANGED, 2)]
    # The first officer looked at something else: that approval is of the hold before.
    held = await store.approve(held, word(), audit=note(AuditEvent.TRANSFER_APPROVED, held))
    assert (await detail(store, transfer_id)).holds[-1].missing == 1


async def test_a_message_is_never_prepared_again(store: Store, values: StoreValues) -> None:
    change = values.submission()
    transfer_id = await accept(store, change)
    held = await hold(store, await row_of(store, transfer_id))
    audit = note(AuditEvent.TRANSFER_PREPARED_AGAIN, held)
    with pytest.raises(TransferError) as caught:
        await store.prepare_again(held, change.prepared.transfers[0], BY_OPERATOR, audit=audit, now=LATER)
    assert caught.value.code == "transfer.illegal_transition"


async def test_an_operator_holds_a_message_that_waits_and_its_release_sends_the_same_one(
    store: Store, values: StoreValues
) -> None:
    change = values.submission()
    transfer_id = await accept(store, change)
    held = await hold(store, await row_of(store, transfer_id))
    assert (held.state, held.digest, held.deadline) == (
        TransferState.HELD,
        change.prepared.transfers[0].digest,
        held.expires,
    )
    assert held.last_detail == "a call from the port"
    assert await store.claim(PARTNER, limit=9, now=LATER, lease=LEASE) == []
    released = await release(store, held)
    assert (released.state, released.digest) == (TransferState.QUEUED, held.digest)
    (claimed,) = await store.claim(PARTNER, limit=1, now=LATER, lease=LEASE)
    assert claimed.sealed_jws == change.prepared.transfers[0].sealed


async def test_what_is_on_its_way_is_not_held(store: Store, values: StoreValues) -> None:
    await accept(store, values.submission())
    claimed = await claim_one(store)
    with pytest.raises(TransferError) as caught:
        await hold(store, claimed.row)
    assert caught.value.code == "transfer.illegal_transition"


async def test_a_held_transfer_is_overdue_at_its_deadline_and_may_be_held_again(
    store: Store, values: StoreValues
) -> None:
    change = values.submission(held_for=REASONS)
    transfer_id = await accept(store, change)
    row = await row_of(store, transfer_id)
    assert await store.overdue(now=row.deadline - timedelta(seconds=1), limit=9) == []
    assert await store.overdue(now=row.deadline, limit=9) == [row]
    dead = await settle(store, row, TransferEvent.DEADLINE)
    assert (await detail(store, transfer_id)).unreleased is not None
    until = dead.deadline + timedelta(hours=48)
    audit = note(AuditEvent.TRANSFER_HELD, dead)
    again = await store.hold(dead, BY_OPERATOR, audit=audit, now=LATER, deadline=until)
    assert (again.state, again.deadline, again.expires) == (TransferState.HELD, until, until)
    assert again == await row_of(store, transfer_id)


async def test_what_is_due_under_an_agreement_that_ended_is_held_instead_of_claimed(
    store: Store, values: StoreValues
) -> None:
    transfer_id = await accept(store, values.submission())
    assert await store.claim(PARTNER, limit=9, now=NOW, lease=LEASE, in_force={"0" * 64}) == []
    found = await detail(store, transfer_id)
    assert (found.row.state, found.row.last_code) == (TransferState.HELD, "agreement.not_in_force")
    assert (found.row.attempts, found.row.ever_sent, found.row.deadline) == (0, False, found.row.expires)
    assert (found.holds[0].start.cause, found.holds[0].start.by) == (HoldCause.AGREEMENT, "system")
    assert (await events(store))[-1] is AuditEvent.TRANSFER_HELD


async def test_one_ended_agreement_holds_up_nobody_else(store: Store, values: StoreValues) -> None:
    for _ in range(3):
        await accept(store, values.submission())
    other = values.submission()
    made = other.prepared.transfers[0]
    newer = replace(made.header, agreement=replace(AGREEMENT, version=4, sha256="d" * 64))
    kept = replace(other, prepared=replace(other.prepared, transfers=(replace(made, header=newer),)))
    transfer_id = await accept(store, kept)
    claimed = await store.claim(PARTNER, limit=2, now=NOW, lease=LEASE, in_force={"d" * 64})
    assert [one.row.id for one in claimed] == [transfer_id]
    assert await store.counts() == {"transfer.HELD": 3, "transfer.IN_FLIGHT": 1}


async def test_what_waits_under_an_agreement_that_ended_is_held_due_or_not(store: Store, values: StoreValues) -> None:
    first = await accept(store, values.submission())
    await store.claim(PARTNER, limit=1, now=NOW, lease=LEASE)
    waiting = [await accept(store, values.submission(to)) for to in (PARTNER, PARTNER, OTHER)]
    held = [await store.hold_ended({"0" * 64}, limit=2, now=NOW) for _ in range(3)]
    assert [len(rows) for rows in held] == [2, 1, 0]
    assert {row.id for rows in held for row in rows} == set(waiting)
    assert await store.counts() == {"transfer.HELD": 3, "transfer.IN_FLIGHT": 1}
    found = await detail(store, waiting[2])
    assert (found.row.state, found.row.last_code) == (TransferState.HELD, "agreement.not_in_force")
    assert found.holds[0].start.cause is HoldCause.AGREEMENT
    assert (await events(store))[-3:] == [AuditEvent.TRANSFER_HELD] * 3
    assert (await row_of(store, first)).state is TransferState.IN_FLIGHT


async def test_a_hold_says_why_nothing_goes_under_the_agreement(store: Store, values: StoreValues) -> None:
    told = {AGREEMENT.sha256: "It is suspended at this end"}
    claimed, waiting = await accept(store, values.submission()), await accept(store, values.submission(OTHER))
    assert await store.claim(PARTNER, limit=9, now=NOW, lease=LEASE, in_force=(), stopped=told) == []
    assert [row.last_detail for row in await store.hold_ended((), limit=9, now=NOW, stopped=told)] == [*told.values()]
    for one in (claimed, waiting):
        found = await detail(store, one)
        assert (found.row.last_code, found.row.last_detail) == ("agreement.not_in_force", told[AGREEMENT.sha256])
        assert found.holds[0].start.reason == told[AGREEMENT.sha256]
    gone = await accept(store, values.submission())
    await store.hold_ended((), limit=9, now=NOW, stopped={})
    assert "is not held here any more as it was signed" in (await row_of(store, gone)).last_detail


async def test_what_waits_under_an_agreement_in_force_is_left(store: Store, values: StoreValues) -> None:
    transfer_id = await accept(store, values.submission())
    assert await store.hold_ended({AGREEMENT.sha256}, limit=9, now=NOW) == []
    assert (await row_of(store, transfer_id)).state is TransferState.QUEUED


async def test_a_release_that_could_not_be_committed_leaves_a_held_unsigned_view(
    case: StoreCase, store: Store, values: StoreValues
) -> None:
    change = values.submission(held_for=REASONS)
    transfer_id = await accept(store, change)
    before = await detail(store, transfer_id)
    case.fault = CommitFault.NOT_DONE
    with pytest.raises(StorageError) as caught:
        await release(store, before.row, made=signed(change))
    assert caught.value.code == "storage.commit_unknown"
    assert await detail(store, transfer_id) == before
    assert await store.view(transfer_id) == change.prepared.transfers[0].sealed
    await release(store, before.row, made=signed(change))
    assert (await row_of(store, transfer_id)).state is TransferState.QUEUED


# ── by query ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def found(store: Store, limit: int = 50, **query: Any) -> list[TransferId]:
    return [row.id for row in await store.held(HeldQuery(**query), limit=limit)]


async def test_what_is_held_is_found_by_partner_code_rule_and_time_the_oldest_first(
    store: Store, values: StoreValues
) -> None:
    by_rule = await accept(store, values.submission(held_for=REASONS))
    other = await accept(store, values.submission(OTHER, held_for=REASONS[1:]))
    waiting = await row_of(store, await accept(store, values.submission()))
    await hold(store, waiting)
    await accept(store, values.submission())  # waits for nobody
    await store.hold_ended((), limit=1, now=LATER + timedelta(hours=1))
    assert len(await store.transfers(limit=9, state=TransferState.HELD)) == 4
    (ended,) = await found(store, code="agreement.not_in_force")
    assert await found(store) == sorted([by_rule, other, waiting.id, ended])
    assert await found(store, recipient=OTHER) == [other]
    assert await found(store, rule=REASONS[0].code) == [by_rule]
    assert await found(store, rule=REASONS[1].code) == [by_rule, other]
    assert await found(store, code="transfer.held", since=LATER) == [waiting.id]
    assert await found(store, recipient=PARTNER, limit=1) == [by_rule]
    assert await found(store, recipient=PARTNER, after=by_rule) == [waiting.id, ended]
    assert await found(store, since=LATER + timedelta(hours=2)) == []


@pytest.mark.parametrize("rule", ["dms.seldom", "dms%", "dms_seldom_seen", 'x","code":"dms.seldom_seen', "Seldom seen"])
async def test_a_rule_is_found_by_its_whole_code_only(store: Store, values: StoreValues, rule: str) -> None:
    await accept(store, values.submission(held_for=REASONS))
    assert await found(store, rule=rule) == []


async def test_only_the_newest_hold_counts(store: Store, values: StoreValues) -> None:
    change = values.submission(held_for=REASONS)
    row = await row_of(store, await accept(store, change))
    again = replace(change.prepared.transfers[0], held_for=REASONS[1:])
    start = HoldStart(cause=HoldCause.CHANGED, by="operator:officer-1", reasons=REASONS[1:])
    audit = note(AuditEvent.TRANSFER_PREPARED_AGAIN, row)
    await store.prepare_again(row, again, start, audit=audit, now=LATER)
    assert await found(store, rule=REASONS[0].code) == []
    assert await found(store, rule=REASONS[1].code, since=LATER) == [row.id]


async def test_the_count_tells_what_an_officer_can_not_release(store: Store, values: StoreValues) -> None:
    query, officer = HeldQuery(recipient=PARTNER), "officer-1"
    assert await store.count_held(query, officer=officer) == HeldCount(fit=0)
    rows = [
        await row_of(store, await accept(store, values.submission(held_for=REASONS, approvals=2))) for _ in range(3)
    ]
    await store.approve(rows[0], word(officer), audit=note(AuditEvent.TRANSFER_APPROVED, rows[0]))
    assert await store.count_held(query, officer=officer) == HeldCount(fit=3, approved=1, up_to=3)
    assert await store.count_held(query, officer="officer-2") == HeldCount(fit=3, up_to=3)
    assert await store.count_held(query, officer=CLIENT) == HeldCount(fit=3, own=3, up_to=3)
    assert await store.count_held(replace(query, after=rows[0].id), officer=officer) == HeldCount(fit=2, up_to=3)
    assert await found(store, recipient=PARTNER, up_to=2) == [row.id for row in rows[:2]]
    assert await store.count_held(replace(query, up_to=1), officer=officer) == HeldCount(fit=1, approved=1, up_to=1)
