"""Hand-overs, and notices, that are settled together: each as it would be alone, in one commit."""

import pytest

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.lifecycle import HandOverEvent, HandOverState, NoticeState
from gateway.domain.records import ClaimedHandOver, InboxRow, OwedNotice
from gateway.errors import TransferError
from gateway.ports import HandOverSettlement, NoticeSettlement, Store
from tests.contract.store_cases import CommitFault, StoreCase
from tests.contract.store_steps import LATER, events
from tests.store_values import HOME, LEASE, NOW, PARTNER, StoreValues, hand_over_evidence, message_evidence

ACKNOWLEDGED = HandOverEvent.ACKNOWLEDGED


async def claimed(store: Store, values: StoreValues, count: int) -> list[ClaimedHandOver]:
    """Have so many messages admitted, each of a conversation of its own, and claim them."""
    for _ in range(count):
        message = values.admitted()
        await store.admit(message, now=NOW, audit=message_evidence(message))
    return await store.claim_hand_overs([HOME], limit=count, now=NOW, lease=LEASE)


def settlement(one: ClaimedHandOver, event: HandOverEvent = ACKNOWLEDGED) -> HandOverSettlement:
    failed = event is HandOverEvent.FAILED
    return HandOverSettlement(
        row=one.row,
        event=event,
        audit=hand_over_evidence(one.row, event),
        now=NOW,
        fence=one.fence,
        next_attempt_at=LATER if failed else None,
        code="channel.refused" if failed else "",
    )


def given(owed: OwedNotice) -> NoticeSettlement:
    audit = AuditEntry(event=AuditEvent.NOTICE_GIVEN, at=LATER, actor="system", message_id=owed.message_id)
    return NoticeSettlement(owed=owed, becomes=NoticeState.GIVEN, now=LATER, audit=audit)


async def test_each_hand_over_of_a_group_goes_its_own_way(store: Store, values: StoreValues) -> None:
    first, second, third = await claimed(store, values, 3)
    outcomes = await store.settle_hand_overs(
        [settlement(first), settlement(second, HandOverEvent.FAILED), settlement(third)]
    )
    states = [one.hand_over for one in outcomes if isinstance(one, InboxRow)]
    assert states == [HandOverState.HANDED_OVER, HandOverState.PENDING, HandOverState.HANDED_OVER]
    owed = {one.message_id for one in await store.notices_owed(PARTNER, limit=9, now=NOW)}
    assert owed == {first.row.message_id, third.row.message_id}


async def test_one_under_a_lost_lease_fails_alone_and_leaves_no_evidence(store: Store, values: StoreValues) -> None:
    first, second, third = await claimed(store, values, 3)
    await store.settle_hand_over(
        second.row, ACKNOWLEDGED, audit=hand_over_evidence(second.row, ACKNOWLEDGED), now=NOW, fence=second.fence
    )
    before = await events(store)
    outcomes = await store.settle_hand_overs([settlement(first), settlement(second), settlement(third)])
    assert isinstance(outcomes[1], TransferError)
    assert [isinstance(one, InboxRow) for one in outcomes] == [True, False, True]
    assert await events(store) == [*before, *[AuditEvent.HAND_OVER_ACKNOWLEDGED] * 2]


async def test_notices_are_settled_together_and_one_that_was_noted_before_writes_nothing(
    store: Store, values: StoreValues
) -> None:
    await store.settle_hand_overs([settlement(one) for one in await claimed(store, values, 3)])
    owed = await store.notices_owed(PARTNER, limit=9, now=NOW)
    assert await store.settle_notices([given(owed[1])]) == [True]
    before = await events(store)
    assert await store.settle_notices([given(one) for one in owed]) == [True, False, True]
    assert await events(store) == [*before, *[AuditEvent.NOTICE_GIVEN] * 2]
    assert await store.notices_owed(PARTNER, limit=9, now=LATER) == []


async def test_nothing_given_is_nothing_done(store: Store) -> None:
    assert await store.settle_hand_overs([]) == []
    assert await store.settle_notices([]) == []
    assert await store.audit() == []


@pytest.mark.parametrize("fault", [CommitFault.NOT_DONE, CommitFault.DONE])
async def test_a_group_whose_commit_failed_is_read_back_and_happens_once(
    case: StoreCase, store: Store, values: StoreValues, fault: CommitFault
) -> None:
    group = await claimed(store, values, 3)
    case.fault = fault
    outcomes = await store.settle_hand_overs([settlement(one) for one in group])
    assert all(isinstance(one, InboxRow) and one.hand_over is HandOverState.HANDED_OVER for one in outcomes)
    assert (await events(store)).count(AuditEvent.HAND_OVER_ACKNOWLEDGED) == 3
    owed = await store.notices_owed(PARTNER, limit=9, now=NOW)
    case.fault = fault
    assert await store.settle_notices([given(one) for one in owed]) == [True] * 3
    assert (await events(store)).count(AuditEvent.NOTICE_GIVEN) == 3
