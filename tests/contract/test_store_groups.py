"""What every store promises of changes that are given to it together: what each alone would have done, in one commit."""

from datetime import datetime

import pytest

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.lifecycle import TransferEvent, TransferState
from gateway.domain.records import (
    Accepted,
    AcceptSubmission,
    AdmitStored,
    KeyReused,
    NoticeStored,
    Replayed,
    TransferRow,
)
from gateway.domain.statement import Notice
from gateway.errors import StorageError, TransferError
from gateway.ports import Settlement, Store, TakenNotice
from tests.contract.store_cases import CommitFault, StoreCase
from tests.contract.store_steps import accept, row_of
from tests.store_values import LEASE, NOW, PARTNER, StoreValues, accepted_evidence, evidence, message_evidence


def given(*changes: AcceptSubmission) -> list[tuple[AcceptSubmission, list[AuditEntry]]]:
    return [(change, accepted_evidence(change)) for change in changes]


def settlement(row: TransferRow, event: TransferEvent, *, fence: int | None = None) -> Settlement:
    return Settlement(row=row, event=event, audit=evidence(row, event), now=NOW, fence=fence)


def _notice(row: TransferRow, handed_over: datetime) -> TakenNotice:
    notice = Notice(
        message_id=row.message_id,
        digest=row.digest,
        handed_over=handed_over,
        issuer=row.recipient,
        audience=row.sender,
        issued_at=handed_over,
        statement_id="said",
    )
    return TakenNotice(row, notice, "token", NOW, evidence(row, TransferEvent.ACCEPTED))


async def test_submissions_given_together_are_each_accepted(store: Store, values: StoreValues) -> None:
    changes = [values.submission(), values.submission(), values.submission()]
    outcomes = await store.accept_all(given(*changes))
    assert outcomes == [Accepted(submission_id=change.submission_id) for change in changes]
    for change in changes:
        assert (await row_of(store, change.prepared.transfers[0].slot.transfer_id)).state is TransferState.QUEUED


async def test_each_is_told_what_it_alone_would_be_told(store: Store, values: StoreValues) -> None:
    first, again = values.submission(key="one"), values.submission(key="one")
    other = values.submission(key="one", fingerprint="0" * 64)
    outcomes = await store.accept_all(given(first, again, other))
    told = [Accepted(submission_id=first.submission_id), Replayed(submission_id=first.submission_id), KeyReused()]
    assert outcomes == told
    assert len(await store.transfers(limit=10)) == 1


async def test_messages_given_together_are_each_answered_as_it_alone_would_be(
    store: Store, values: StoreValues
) -> None:
    first, other = values.admitted(), values.admitted()
    known = first.header.message_id
    reused = values.admitted(message_id=known, conversation=first.header.conversation, content="another")
    messages = [first, other, first, reused]
    stored = await store.admit_all([(one, message_evidence(one)) for one in messages], now=NOW)
    answers = [one for one in stored if isinstance(one, AdmitStored)]
    assert [one.token for one in answers] == [first.receipt_token, other.receipt_token, first.receipt_token, ""]
    assert [(one.duplicate, one.conflict) for one in answers] == [
        (False, False),
        (False, False),
        (True, False),
        (False, True),
    ]
    assert len(await store.inbox(limit=10)) == 2


async def test_notices_given_together_are_each_kept_and_the_first_stays(store: Store, values: StoreValues) -> None:
    rows = [await row_of(store, await accept(store, values.submission())) for _ in range(2)]
    given = [_notice(rows[0], NOW), _notice(rows[1], NOW), _notice(rows[0], NOW), _notice(rows[1], NOW + LEASE)]
    new, known, against = NoticeStored.NEW, NoticeStored.KNOWN, NoticeStored.CONTRADICTS
    assert await store.take_notices(given) == [new, new, known, against]
    assert [(await row_of(store, row.id)).handed_over for row in rows] == [NOW, NOW]


async def test_nothing_given_is_nothing_done(store: Store) -> None:
    assert await store.admit_all([], now=NOW) == []
    assert await store.take_notices([]) == []
    assert await store.accept_all([]) == []
    assert await store.settle_all([]) == []
    assert await store.audit() == []


async def test_transfers_settled_together_are_each_moved_and_a_stale_one_fails_alone(
    store: Store, values: StoreValues
) -> None:
    for _ in range(3):
        await accept(store, values.submission())
    claimed = await store.claim(PARTNER, limit=3, now=NOW, lease=LEASE)
    stale = await store.settle(
        claimed[1].row,
        TransferEvent.ACCEPTED,
        audit=evidence(claimed[1].row, TransferEvent.ACCEPTED),
        now=NOW,
        fence=claimed[1].fence,
    )
    outcomes = await store.settle_all([settlement(one.row, TransferEvent.ACCEPTED, fence=one.fence) for one in claimed])
    assert isinstance(outcomes[1], TransferError)
    assert outcomes[1].code == "transfer.stale"
    for outcome, one in zip(outcomes, claimed, strict=True):
        row = await row_of(store, one.row.id)
        assert row.state is TransferState.DELIVERED
        assert row == (stale if isinstance(outcome, TransferError) else outcome)
    delivered = [record for record in await store.audit() if record.entry.event is AuditEvent.TRANSFER_DELIVERED]
    assert len(delivered) == 3, "the one that failed left no evidence"


@pytest.mark.parametrize("fault", [CommitFault.NOT_DONE, CommitFault.DONE])
async def test_a_commit_that_fails_is_told_to_each_and_was_one_for_all(
    case: StoreCase, store: Store, values: StoreValues, fault: CommitFault
) -> None:
    changes = [values.submission() for _ in range(3)]
    case.fault = fault
    outcomes = await store.accept_all(given(*changes))
    assert [one.code for one in outcomes if isinstance(one, StorageError)] == ["storage.commit_unknown"] * 3
    assert await store.counts() == ({"transfer.QUEUED": 3} if fault is CommitFault.DONE else {})


@pytest.mark.parametrize("fault", [CommitFault.NOT_DONE, CommitFault.DONE])
async def test_settlements_whose_commit_failed_are_read_back_and_happen_once(
    case: StoreCase, store: Store, values: StoreValues, fault: CommitFault
) -> None:
    for _ in range(3):
        await accept(store, values.submission())
    claimed = await store.claim(PARTNER, limit=3, now=NOW, lease=LEASE)
    case.fault = fault
    outcomes = await store.settle_all([settlement(one.row, TransferEvent.ACCEPTED, fence=one.fence) for one in claimed])
    assert outcomes == [await row_of(store, one.row.id) for one in claimed]
    delivered = [record for record in await store.audit() if record.entry.event is AuditEvent.TRANSFER_DELIVERED]
    assert len(delivered) == 3
