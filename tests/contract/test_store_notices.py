"""What every store promises about notices: those that partners give us, and those that we owe them."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.lifecycle import HandOverEvent, NoticeState, TransferEvent, TransferState
from gateway.domain.limits import DEDUPE_KEPT_AFTER_EXPIRY, NOTICE_OWED
from gateway.domain.records import InboxRow, NoticeStored, OwedNotice, TransferRow
from gateway.domain.statement import Notice
from gateway.errors import StorageError
from gateway.ports import NoticeSettlement, Store
from tests.contract.store_cases import CommitFault, StoreCase
from tests.contract.store_steps import LATER, accept, claim_one, events, row_of, settle
from tests.store_values import (
    HOME,
    LEASE,
    NOW,
    OTHER,
    PARTNER,
    StoreValues,
    hand_over_evidence,
    message_evidence,
)

HANDED_OVER = NOW + timedelta(minutes=3)
ACKNOWLEDGED = HandOverEvent.ACKNOWLEDGED


# ── a partner's about ours ───────────────────────────────────────────────────────────────────────────────────────────


def notice_about(row: TransferRow, *, handed_over: datetime = HANDED_OVER, said: str = "a") -> Notice:
    return Notice(
        message_id=row.message_id,
        digest=row.digest,
        handed_over=handed_over,
        issuer=row.recipient,
        audience=row.sender,
        issued_at=handed_over,
        statement_id=said,
    )


async def take(store: Store, row: TransferRow, notice: Notice, token: str = "token") -> NoticeStored:
    audit = AuditEntry(
        event=AuditEvent.TRANSFER_HANDED_OVER,
        at=LATER,
        actor=f"party:{row.recipient}",
        transfer_id=row.id,
        message_id=row.message_id,
    )
    return await store.take_notice(row, notice, token, now=LATER, audit=audit)


async def test_a_notice_is_kept_and_shows_and_moves_nothing_else(store: Store, values: StoreValues) -> None:
    transfer_id = await accept(store, values.submission())
    claimed = await claim_one(store)
    assert await take(store, claimed.row, notice_about(claimed.row)) is NoticeStored.NEW
    found = await store.transfer(transfer_id)
    assert found is not None
    assert found.row == replace(claimed.row, handed_over=HANDED_OVER)
    assert found.notice is not None
    assert (found.notice.token, found.notice.handed_over, found.notice.received) == ("token", HANDED_OVER, LATER)
    assert (await events(store))[-1] is AuditEvent.TRANSFER_HANDED_OVER
    # Whoever holds the lease settles as if nothing had come between.
    settled = await settle(store, claimed.row, TransferEvent.ACCEPTED, fence=claimed.fence)
    assert settled.state is TransferState.DELIVERED
    assert (await row_of(store, transfer_id)).handed_over == HANDED_OVER


async def test_the_first_notice_stays_whatever_comes_after_it(store: Store, values: StoreValues) -> None:
    row = await row_of(store, await accept(store, values.submission()))
    await take(store, row, notice_about(row), "first")
    before = await events(store)
    assert await take(store, row, notice_about(row, said="b"), "again") is NoticeStored.KNOWN
    assert await events(store) == before
    other = notice_about(row, handed_over=HANDED_OVER + timedelta(seconds=1))
    assert await take(store, row, other, "other") is NoticeStored.CONTRADICTS
    found = await store.transfer(row.id)
    assert found is not None
    assert found.notice is not None
    assert (found.notice.token, found.row.handed_over) == ("first", HANDED_OVER)
    (record,) = (await store.audit(transfer_id=row.id))[len(before) :]
    assert record.entry.event is AuditEvent.NOTICE_REJECTED
    assert (record.entry.facts["code"], record.entry.actor) == ("notice.contradicts", f"party:{PARTNER}")


# ── ours about a partner's ───────────────────────────────────────────────────────────────────────────────────────────


async def handed_over(store: Store, values: StoreValues, *, sender: PartyId = PARTNER, at: datetime = NOW) -> InboxRow:
    """Have a message admitted and handed over."""
    message = values.admitted(sender=sender)
    await store.admit(message, now=NOW, audit=message_evidence(message))
    (claimed,) = await store.claim_hand_overs([HOME], limit=9, now=at, lease=LEASE)
    audit = hand_over_evidence(claimed.row, ACKNOWLEDGED)
    return await store.settle_hand_over(claimed.row, ACKNOWLEDGED, audit=audit, now=at, fence=claimed.fence)


def given(owed: OwedNotice, event: AuditEvent = AuditEvent.NOTICE_GIVEN) -> AuditEntry:
    return AuditEntry(event=event, at=LATER, actor="system", message_id=owed.message_id)


async def test_a_hand_over_owes_its_sender_a_notice_from_the_same_commit_on(store: Store, values: StoreValues) -> None:
    row = await handed_over(store, values)
    (owed,) = await store.notices_owed(PARTNER, limit=9, now=NOW)
    assert owed == OwedNotice(
        sender=PARTNER,
        message_id=row.message_id,
        recipient=HOME,
        digest=row.digest,
        handed_over=NOW,
        state=NoticeState.OWED,
        attempts=0,
        next_attempt_at=NOW,
        deadline=row.expires + NOTICE_OWED,
        updated=NOW,
        last_code="",
        last_detail="",
    )
    assert await store.notice_owed(PARTNER, row.message_id) == owed
    assert await store.notices_owed(OTHER, limit=9, now=NOW) == []


async def test_nothing_is_owed_before_the_back_end_has_acknowledged(store: Store, values: StoreValues) -> None:
    message = values.admitted()
    await store.admit(message, now=NOW, audit=message_evidence(message))
    (claimed,) = await store.claim_hand_overs([HOME], limit=9, now=NOW, lease=LEASE)
    for event in (HandOverEvent.FAILED, HandOverEvent.CLAIMED, HandOverEvent.EXHAUSTED):
        assert await store.notice_owed(PARTNER, message.header.message_id) is None
        if event is HandOverEvent.CLAIMED:
            (claimed,) = await store.claim_hand_overs([HOME], limit=9, now=NOW, lease=LEASE)
        else:
            await store.settle_hand_over(
                claimed.row, event, audit=hand_over_evidence(claimed.row, event), now=NOW, fence=claimed.fence
            )
    assert await store.notice_owed(PARTNER, message.header.message_id) is None


async def test_a_hand_over_long_after_the_message_expired_is_still_told(store: Store, values: StoreValues) -> None:
    at = NOW + timedelta(days=30)
    row = await handed_over(store, values, at=at)
    owed = await store.notice_owed(PARTNER, row.message_id)
    assert owed is not None
    assert owed.deadline == at + NOTICE_OWED


async def test_what_failed_waits_for_its_time_and_what_was_given_is_owed_no_more(
    store: Store, values: StoreValues
) -> None:
    await handed_over(store, values)
    await store.partner_failed(PARTNER, now=NOW, not_before=NOW, code="channel.timeout")
    (owed,) = await store.notices_owed(PARTNER, limit=9, now=NOW)
    before = await events(store)
    again = {"next_attempt_at": LATER, "code": "channel.timeout", "detail": "No answer"}
    assert await store.settle_notice(owed, NoticeState.OWED, now=NOW, **again)  # type: ignore[arg-type]  # a mapping
    assert await events(store) == before
    assert await store.notices_owed(PARTNER, limit=9, now=NOW) == []
    (waiting,) = await store.notices_owed(PARTNER, limit=9, now=LATER)
    assert (waiting.attempts, waiting.last_code, waiting.last_detail) == (1, "channel.timeout", "No answer")
    assert await store.settle_notice(waiting, NoticeState.GIVEN, now=LATER, audit=given(waiting))
    told = await store.notice_owed(PARTNER, owed.message_id)
    assert told is not None
    assert (told.state, told.attempts, told.next_attempt_at, told.updated) == (NoticeState.GIVEN, 2, None, LATER)
    assert await events(store) == [*before, AuditEvent.NOTICE_GIVEN]
    (health,) = await store.partners()
    assert (health.failures, health.last_success) == (0, LATER)


async def test_of_two_attempts_at_once_only_the_first_is_noted(store: Store, values: StoreValues) -> None:
    await handed_over(store, values)
    (owed,) = await store.notices_owed(PARTNER, limit=9, now=NOW)
    assert await store.settle_notice(owed, NoticeState.GIVEN, now=NOW, audit=given(owed))
    before = await events(store)
    for becomes in NoticeState:
        assert not await store.settle_notice(owed, becomes, now=LATER, audit=given(owed), next_attempt_at=LATER)
    assert await events(store) == before


async def test_of_two_attempts_whose_commit_failed_only_the_first_is_noted(
    case: StoreCase, store: Store, values: StoreValues
) -> None:
    await handed_over(store, values)
    (owed,) = await store.notices_owed(PARTNER, limit=9, now=NOW)
    first = NoticeSettlement(owed=owed, becomes=NoticeState.GIVEN, now=NOW, audit=given(owed))
    second = replace(first, becomes=NoticeState.OWED, audit=None, next_attempt_at=LATER)
    case.fault = CommitFault.DONE
    assert await store.settle_notices([first, second]) == [True, False]
    assert await store.notices_owed(PARTNER, limit=9, now=LATER) == []


async def test_giving_up_is_final_and_leaves_evidence(store: Store, values: StoreValues) -> None:
    await handed_over(store, values)
    (owed,) = await store.notices_owed(PARTNER, limit=9, now=NOW)
    audit = given(owed, AuditEvent.NOTICE_GIVEN_UP)
    assert await store.settle_notice(owed, NoticeState.GIVEN_UP, now=NOW, audit=audit)
    assert (await events(store))[-1] is AuditEvent.NOTICE_GIVEN_UP
    assert await store.notices_owed(PARTNER, limit=9, now=LATER) == []


async def test_nothing_becomes_final_without_its_evidence(store: Store, values: StoreValues) -> None:
    await handed_over(store, values)
    (owed,) = await store.notices_owed(PARTNER, limit=9, now=NOW)
    with pytest.raises((ValueError, StorageError)):
        await store.settle_notice(owed, NoticeState.GIVEN, now=NOW)
    assert await store.notices_owed(PARTNER, limit=9, now=NOW) == [owed]


async def test_the_earliest_due_come_first_and_a_back_off_holds_them(store: Store, values: StoreValues) -> None:
    rows = [await handed_over(store, values, at=NOW + timedelta(seconds=number)) for number in range(3)]
    due = await store.notices_owed(PARTNER, limit=2, now=LATER)
    assert [one.message_id for one in due] == [row.message_id for row in rows[:2]]
    await store.partner_failed(PARTNER, now=NOW, not_before=LATER, code="channel.unreachable")
    assert await store.notices_owed(PARTNER, limit=9, now=LATER - timedelta(seconds=1)) == []
    assert len(await store.notices_owed(PARTNER, limit=9, now=LATER)) == 3


async def test_what_is_owed_outlives_a_kill(case: StoreCase, values: StoreValues) -> None:
    async with case.opened() as store:
        row = await handed_over(store, values)
        await accept(store, values.submission())
        sent = (await claim_one(store)).row
        await take(store, sent, notice_about(sent))
    async with case.opened() as store:
        await store.recover(now=LATER)
        assert [one.message_id for one in await store.notices_owed(PARTNER, limit=9, now=NOW)] == [row.message_id]
        assert (await row_of(store, sent.id)).handed_over == HANDED_OVER


async def test_a_notice_is_forgotten_long_after_its_time(store: Store, values: StoreValues) -> None:
    row = await handed_over(store, values)
    until = row.expires + NOTICE_OWED + DEDUPE_KEPT_AFTER_EXPIRY
    await store.purge(now=until)
    assert await store.notice_owed(PARTNER, row.message_id) is not None
    await store.purge(now=until + timedelta(seconds=1))
    assert await store.notice_owed(PARTNER, row.message_id) is None


async def test_a_message_that_nobody_sent_owes_nothing(store: Store) -> None:
    assert await store.notice_owed(PARTNER, MessageId("none")) is None
    assert await store.notices_owed(PARTNER, limit=9, now=LATER) == []
