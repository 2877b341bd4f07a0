"""Transfers that wait for a person, from the submission to the partner, both sides real but for HTTP."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.audit import AuditEvent
from gateway.domain.hold import HoldCause
from gateway.domain.ids import MessageId, TransferId
from gateway.domain.lifecycle import TransferState
from gateway.domain.outcome import TransientFailure
from gateway.domain.records import TransferDetail
from gateway.envelope import payload_of
from gateway.errors import AgreementError, TransferError
from gateway.exchange.beside import BesideJob, beside
from gateway.exchange.desk import held_view_row, transfer_row
from tests.held import REASON, marked
from tests.integration.desk_pair import CLIENT, FR, Pair, request, sample
from tests.integration.test_transfer import events_of, reaches, state

ONE_MORE_IS_DROPPED = """  - drop: /MetaData/Declaration/TotalGrossMassMeasure
    reason: Not needed
    legal: Mutual assistance agreement, article 5
  - drop: /MetaData/Declaration/Authentication"""


async def held(
    pair: Pair, name: str = "import-two-items.xml", key: str = "key-1", case: str | None = None
) -> TransferId:
    row, _ = await pair.gb.submit(request(marked(sample(name)), key=key, case=case))
    assert row.transfers[0].state is TransferState.HELD
    return row.transfers[0].id


async def detail(pair: Pair, transfer_id: TransferId) -> TransferDetail:
    found = await pair.gb.store.transfer(transfer_id)
    assert found is not None
    return found


async def released(pair: Pair, transfer_id: TransferId, officer: str = "officer-1") -> TransferState:
    row = await pair.gb.holds.release(transfer_id, officer=officer, reason="looked at it")
    return row.state


async def refused(pair: Pair, transfer_id: TransferId, officer: str = "officer-1") -> str:
    """Return the code with which a release is refused, having seen that nothing else changed but what it says."""
    with pytest.raises((TransferError, AgreementError)) as caught:
        await released(pair, transfer_id, officer)
    assert (await state(pair, transfer_id)).state is TransferState.HELD
    return caught.value.code


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def agreement(pair: Pair) -> Path:
    return pair.folder / "config" / "agreements" / "gb-fr.yaml"


def policy(pair: Pair) -> Path:
    return pair.folder / "config" / "policies" / "customs-cooperation.yaml"


async def unsigned_view(pair: Pair, transfer_id: TransferId) -> bytes:
    sealed = await pair.gb.store.view(transfer_id)
    assert sealed is not None
    return pair.gb.desk.sealer.unseal(sealed, row=held_view_row(transfer_id))


async def test_what_a_rule_holds_is_answered_as_held_and_never_signed(pair: Pair) -> None:
    transfer_id = await held(pair)
    found = await detail(pair, transfer_id)
    assert found.row.digest == ""
    assert found.holds[0].start.reasons == (REASON,)
    assert (await unsigned_view(pair, transfer_id)).startswith(b"<?xml")
    assert await events_of(pair, transfer_id) == [AuditEvent.TRANSFER_ACCEPTED, AuditEvent.TRANSFER_HELD]
    accepted, waits = (record.entry.facts for record in await pair.gb.store.audit(transfer_id=transfer_id))
    assert "digest" not in accepted
    assert dict(waits) == {"rule": REASON.code, "count": 1, "approvals": 1}
    again, replayed = await pair.gb.submit(request(marked(sample())))
    assert replayed
    assert again.holds[transfer_id].start.reasons == (REASON,)


async def test_a_released_view_arrives_byte_for_byte_as_the_officer_saw_it(pair: Pair) -> None:
    transfer_id = await held(pair)
    before, seen = await state(pair, transfer_id), await unsigned_view(pair, transfer_id)
    pair.clock.ahead += timedelta(days=2)  # longer than an attempt would be tried; the clock for that starts now
    async with pair.dispatching(), pair.handing_over():
        assert await released(pair, transfer_id) is TransferState.QUEUED
        row = await reaches(pair, transfer_id, TransferState.DELIVERED)
        async with asyncio.timeout(60):
            while not pair.handed_over:  # noqa: ASYNC110 - another task makes it come true
                await asyncio.sleep(0.01)
    (inbox, arrived) = pair.handed_over[0]
    assert arrived == seen
    assert (row.message_id, row.conversation, row.sequence) == (before.message_id, before.conversation, before.sequence)
    assert (inbox.message_id, inbox.expires) == (row.message_id, row.expires)
    assert row.expires - before.expires >= timedelta(days=2)  # made when it was signed, not when it was handed in
    assert row.deadline - pair.clock.now() > timedelta(hours=23)
    assert await events_of(pair, transfer_id) == [
        AuditEvent.TRANSFER_ACCEPTED,
        AuditEvent.TRANSFER_HELD,
        AuditEvent.TRANSFER_RELEASED,
        AuditEvent.TRANSFER_CLAIMED,
        AuditEvent.TRANSFER_DELIVERED,
    ]
    entry = (await pair.gb.store.audit(transfer_id=transfer_id))[2].entry
    assert (entry.actor, entry.facts["reason"], entry.facts["digest"]) == (
        "operator:officer-1",
        "looked at it",
        row.digest,
    )


async def test_nothing_overtakes_a_held_transfer_of_its_conversation(pair: Pair) -> None:
    first = await held(pair, case="case-7")
    behind, _ = await pair.gb.submit(request(sample("import-two-items.xml"), key="key-2", case="case-7"))
    aside, _ = await pair.gb.submit(request(sample("export-one-item.xml"), key="key-3", case="case-8"))
    async with pair.dispatching():
        await reaches(pair, aside.transfers[0].id, TransferState.DELIVERED)
        assert (await state(pair, behind.transfers[0].id)).state is TransferState.QUEUED
        await released(pair, first)
        await reaches(pair, behind.transfers[0].id, TransferState.DELIVERED)
    assert pair.sent == [aside.transfers[0].message_id, str(first), behind.transfers[0].message_id]


async def test_whoever_handed_it_in_does_not_release_it(pair: Pair) -> None:
    transfer_id = await held(pair)
    assert await refused(pair, transfer_id, officer=CLIENT) == "transfer.own_submission"


async def test_four_eyes_are_those_of_two_officers(pair: Pair) -> None:
    edit(agreement(pair), "suspended: false", "release: four-eyes")
    await pair.reload()
    transfer_id = await held(pair)
    assert await released(pair, transfer_id) is TransferState.HELD
    assert await refused(pair, transfer_id) == "transfer.approved_before"
    async with pair.dispatching():
        assert await released(pair, transfer_id, "officer-2") is TransferState.QUEUED
        await reaches(pair, transfer_id, TransferState.DELIVERED)
    assert [one.officer for one in (await detail(pair, transfer_id)).holds[0].approvals] == ["officer-1", "officer-2"]
    assert (await events_of(pair, transfer_id))[2:4] == [AuditEvent.TRANSFER_APPROVED, AuditEvent.TRANSFER_RELEASED]


async def test_a_changed_policy_is_prepared_again_and_asks_for_approval_again(pair: Pair) -> None:
    edit(agreement(pair), "suspended: false", "release: four-eyes")
    await pair.reload()
    transfer_id = await held(pair)
    assert await released(pair, transfer_id) is TransferState.HELD
    before, seen = await state(pair, transfer_id), await unsigned_view(pair, transfer_id)
    edit(policy(pair), "  - drop: /MetaData/Declaration/Authentication", ONE_MORE_IS_DROPPED)
    await pair.reload()
    assert await refused(pair, transfer_id, "officer-2") == "transfer.prepared_again"
    after, now = await state(pair, transfer_id), await unsigned_view(pair, transfer_id)
    assert (after.kept, after.digest) == (before.kept - 2, "")  # the value and its unit
    assert len(now) < len(seen)
    assert after.agreement != before.agreement
    hold = (await detail(pair, transfer_id)).unreleased
    assert hold is not None
    assert (hold.start.cause, hold.missing) == (HoldCause.CHANGED, 2)
    assert (await events_of(pair, transfer_id))[-1] is AuditEvent.TRANSFER_PREPARED_AGAIN
    async with pair.dispatching(), pair.handing_over():
        assert await released(pair, transfer_id) is TransferState.HELD
        assert await released(pair, transfer_id, "officer-2") is TransferState.QUEUED
        await reaches(pair, transfer_id, TransferState.DELIVERED)
    sealed = await pair.gb.store.view(transfer_id)
    assert sealed is not None
    jws = pair.gb.desk.sealer.unseal(sealed, row=transfer_row(transfer_id))
    assert payload_of(jws) == now


async def test_an_agreement_that_ended_releases_nothing_and_says_so(pair: Pair) -> None:
    transfer_id = await held(pair)
    edit(agreement(pair), "suspended: false", "suspended: true")
    await pair.reload()
    before = await detail(pair, transfer_id)
    assert await refused(pair, transfer_id) == "agreement.suspended"
    assert await detail(pair, transfer_id) == before
    edit(agreement(pair), "suspended: true", "suspended: false")
    await pair.reload()
    assert await released(pair, transfer_id) is TransferState.QUEUED


async def test_a_held_transfer_can_be_cancelled_since_nothing_left(pair: Pair) -> None:
    transfer_id = await held(pair)
    row = await pair.gb.operate.cancel(transfer_id, operator="operator-1", reason="withdrawn")
    assert row.state is TransferState.CANCELLED
    with pytest.raises(TransferError) as caught:
        await released(pair, transfer_id)
    assert caught.value.code == "transfer.illegal_transition"


async def test_what_was_sent_before_it_was_held_is_cancelled_only_if_the_partner_never_had_it(pair: Pair) -> None:
    row, _ = await pair.gb.submit(request())
    transfer_id = row.transfers[0].id
    (claimed,) = await pair.gb.store.claim(FR, limit=1, now=pair.clock.now(), lease=timedelta(seconds=1))
    assert await pair.gb.store.recover(now=pair.clock.now()) == 1  # nobody can say whether a byte of it left
    await pair.gb.holds.hold(claimed.row.id, operator="operator-1", reason="a call")
    pair.out_of_reach = TransientFailure(code="channel.unreachable", detail="", sent=False, connected=False)
    with pytest.raises(TransferError) as caught:
        await pair.gb.operate.cancel(transfer_id, operator="operator-1", reason="withdrawn")
    assert caught.value.code == "transfer.outcome_unknown"
    assert (await state(pair, transfer_id)).state is TransferState.HELD
    pair.out_of_reach = None
    cancelled = await pair.gb.operate.cancel(transfer_id, operator="operator-1", reason="withdrawn")
    assert (cancelled.state, cancelled.not_seen) == (TransferState.CANCELLED, True)


async def test_nobody_s_decision_is_a_dead_letter_that_still_waits_for_its_release(pair: Pair) -> None:
    edit(agreement(pair), "message_lifetime: 7d", "message_lifetime: 30h")
    await pair.reload()
    transfer_id = await held(pair)
    pair.clock.ahead += timedelta(hours=29)  # past the deadline for sending
    await pair.gb.sweep.once()
    assert (await state(pair, transfer_id)).state is TransferState.HELD
    pair.clock.ahead += timedelta(hours=1)
    await pair.gb.sweep.once()
    row = await state(pair, transfer_id)
    assert (row.state, row.last_code) == (TransferState.DEAD_LETTERED, "transfer.deadline")
    assert row.last_detail == "Nobody released it before the time for its message was over"
    again = await pair.gb.operate.requeue(transfer_id, operator="operator-1", reason="the officer is back")
    assert (again.state, again.digest) == (TransferState.HELD, "")
    assert timedelta(hours=29) < again.deadline - pair.clock.now() <= timedelta(hours=30)
    async with pair.dispatching():
        assert await released(pair, transfer_id) is TransferState.QUEUED
        await reaches(pair, transfer_id, TransferState.DELIVERED)
    assert len(pair.sent) == 1


async def test_an_operator_holds_what_waits_and_its_release_sends_the_same_message(pair: Pair) -> None:
    row, _ = await pair.gb.submit(request())
    transfer_id, digest = row.transfers[0].id, row.transfers[0].digest
    waiting = await pair.gb.holds.hold(transfer_id, operator="operator-1", reason="a call from the port")
    assert (waiting.state, waiting.digest, waiting.last_detail) == (TransferState.HELD, digest, "a call from the port")
    with pytest.raises(TransferError) as caught:
        await pair.gb.holds.hold(transfer_id, operator="operator-1", reason="again")
    assert caught.value.code == "transfer.illegal_transition"
    async with pair.dispatching():
        await released(pair, transfer_id)
        assert (await reaches(pair, transfer_id, TransferState.DELIVERED)).digest == digest


async def test_a_signed_message_goes_only_under_the_agreement_that_it_names(pair: Pair) -> None:
    row, _ = await pair.gb.submit(request())
    transfer_id = row.transfers[0].id
    await pair.gb.holds.hold(transfer_id, operator="operator-1", reason="a call from the port")
    edit(agreement(pair), "retention_days: 1095", "retention_days: 1096")
    await pair.reload()
    assert await refused(pair, transfer_id) == "transfer.prepared_again"
    again = await state(pair, transfer_id)
    assert (again.state, again.signed, again.supersedes) == (TransferState.HELD, False, MessageId(transfer_id))
    async with pair.dispatching():
        await released(pair, transfer_id)
        assert (await reaches(pair, transfer_id, TransferState.DELIVERED)).message_id == again.message_id


async def test_a_signed_message_that_expired_while_it_was_held_goes_under_a_new_id(pair: Pair) -> None:
    row, _ = await pair.gb.submit(request())
    transfer_id = row.transfers[0].id
    await pair.gb.holds.hold(transfer_id, operator="operator-1", reason="a call from the port")
    pair.clock.ahead += timedelta(days=8)
    assert await released(pair, transfer_id) is TransferState.QUEUED
    assert (await state(pair, transfer_id)).supersedes == MessageId(transfer_id)


async def test_what_waits_when_its_agreement_ends_is_held_and_not_sent(pair: Pair) -> None:
    row, _ = await pair.gb.submit(request())
    transfer_id = row.transfers[0].id
    edit(agreement(pair), "suspended: false", "suspended: true")
    await pair.reload()
    async with pair.dispatching():
        waiting = await reaches(pair, transfer_id, TransferState.HELD)
    assert (waiting.last_code, pair.sent) == ("agreement.not_in_force", [])
    assert await refused(pair, transfer_id) == "agreement.suspended"
    edit(agreement(pair), "suspended: true", "suspended: false")
    await pair.reload()
    async with pair.dispatching():
        await released(pair, transfer_id)
        await reaches(pair, transfer_id, TransferState.DELIVERED)


async def test_an_officer_sees_what_the_partner_would_get(pair: Pair) -> None:
    transfer_id = await held(pair)
    row = await state(pair, transfer_id)
    original, view = await pair.gb.store.original(row.submission_id), await pair.gb.store.view(transfer_id)
    shown = beside(BesideJob(row=row, original=original, view=view), pair.gb.desk)
    assert shown.agrees
    assert {leaf.sent is None for leaf in shown.leaves} == {True, False}
    assert shown.policy == "customs-cooperation.yaml"
