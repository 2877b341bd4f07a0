"""What every store promises when things go wrong: one change in a group, the commit itself, the whole process."""

import asyncio
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import MessageId, PartyId, TransferId
from gateway.domain.lifecycle import (
    FINAL,
    TRANSITIONS,
    HandOverEvent,
    HandOverState,
    NoticeState,
    TransferEvent,
    TransferState,
)
from gateway.domain.records import Accepted, Replayed, TransferRow
from gateway.errors import StorageError, TransferError
from gateway.ports import Store
from tests.contract.store_cases import CommitFault, StoreCase
from tests.contract.store_steps import LATER
from tests.store_values import (
    HOME,
    LEASE,
    NOW,
    PARTNER,
    StoreValues,
    accepted_evidence,
    attempt_of,
    evidence,
    hand_over_evidence,
    message_evidence,
)


async def seqs(store: Store) -> list[int]:
    return [record.seq for record in await store.audit(limit=100_000)]


# ── one change in a group ────────────────────────────────────────────────────────────────────────────────────────────


async def test_of_two_hundred_changes_at_once_only_the_stale_ones_fail(store: Store, values: StoreValues) -> None:
    changes = [values.submission() for _ in range(200)]
    await asyncio.gather(*(store.accept(change, accepted_evidence(change)) for change in changes))
    claimed = await store.claim(PARTNER, limit=200, now=NOW, lease=LEASE)
    stale = {one.row.id for one in claimed[::7]}

    async def settle(number: int) -> TransferRow:
        one = claimed[number]
        row = replace(one.row, version=one.row.version - 1) if one.row.id in stale else one.row
        event = TransferEvent.ACCEPTED
        return await store.settle(row, event, audit=evidence(row, event), now=NOW, fence=one.fence)

    outcomes = await asyncio.gather(*map(settle, range(200)), return_exceptions=True)
    failed = {one.row.id for one, outcome in zip(claimed, outcomes, strict=True) if isinstance(outcome, TransferError)}
    assert failed == stale
    assert await store.counts() == {"transfer.DELIVERED": 200 - len(stale), "transfer.IN_FLIGHT": len(stale)}
    assert await seqs(store) == list(range(1, 200 + 200 + 200 - len(stale) + 1))


async def test_of_many_settles_of_one_row_exactly_one_wins(store: Store, values: StoreValues) -> None:
    change = values.submission()
    await store.accept(change, accepted_evidence(change))
    (one,) = await store.claim(PARTNER, limit=1, now=NOW, lease=LEASE)
    event = TransferEvent.FAILED
    outcomes = await asyncio.gather(
        *(store.settle(one.row, event, audit=evidence(one.row, event), now=NOW) for _ in range(40)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, TransferRow) for outcome in outcomes) == 1


async def test_a_change_that_fails_half_way_takes_its_audit_records_with_it(store: Store, values: StoreValues) -> None:
    def broken(number: int) -> list[AuditEntry]:
        good = accepted_evidence(changes[number])
        # The second entry is none: the change fails after its first record was made.
        return good if number % 2 else [*good, cast(Any, None)]

    changes = [values.submission() for _ in range(40)]
    outcomes = await asyncio.gather(
        *(store.accept(changes[number], broken(number)) for number in range(40)), return_exceptions=True
    )
    assert [isinstance(outcome, Accepted) for outcome in outcomes] == [bool(number % 2) for number in range(40)]
    assert await store.counts() == {"transfer.QUEUED": 20}
    assert await seqs(store) == list(range(1, 21))
    for number in range(0, 40, 2):
        assert await store.submission(changes[number].submission_id) is None


async def test_a_row_that_breaks_a_rule_fails_alone(store: Store, values: StoreValues) -> None:
    first, second = values.submission(), values.submission()
    await store.accept(first, accepted_evidence(first))
    doubled = replace(second, prepared=replace(second.prepared, transfers=first.prepared.transfers))
    doubled = replace(doubled, prepared=replace(doubled.prepared, transfers=(moved(doubled.prepared.transfers[0]),)))
    outcomes = await asyncio.gather(
        store.accept(doubled, []), store.accept(second, accepted_evidence(second)), return_exceptions=True
    )
    assert isinstance(outcomes[0], StorageError)
    assert outcomes[0].code == "storage.constraint"
    assert outcomes[1] == Accepted(submission_id=second.submission_id)


def moved(transfer: Any) -> Any:
    """The same transfer id in another place."""
    return replace(transfer, slot=replace(transfer.slot, conversation="elsewhere"))


async def test_whoever_stops_waiting_stops_nobody_else(store: Store, values: StoreValues) -> None:
    changes = [values.submission() for _ in range(20)]
    tasks = [asyncio.ensure_future(store.accept(change, accepted_evidence(change))) for change in changes]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, Accepted) for outcome in outcomes[1::2])
    # Those were on their way already: nobody was told, and each happened as a whole.
    assert await store.counts() == {"transfer.QUEUED": 20}


# ── the commit itself ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", [CommitFault.NOT_DONE, CommitFault.DONE])
async def test_a_failed_commit_acknowledges_nobody_and_nothing_is_lost_or_doubled(
    case: StoreCase, store: Store, values: StoreValues, fault: CommitFault
) -> None:
    before = values.submission()
    await store.accept(before, accepted_evidence(before))
    changes = [values.submission() for _ in range(30)]
    case.fault = fault
    outcomes = await asyncio.gather(
        *(store.accept(change, accepted_evidence(change)) for change in changes), return_exceptions=True
    )
    unknown = [
        change
        for change, outcome in zip(changes, outcomes, strict=True)
        if isinstance(outcome, StorageError) and outcome.code == "storage.commit_unknown"
    ]
    acknowledged = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
    assert len(unknown) >= 1
    assert len(unknown) + len(acknowledged) == 30
    for change in unknown:
        replayed = Replayed(submission_id=change.submission_id)
        assert await store.find_submission(change.scope) == (replayed if fault is CommitFault.DONE else None)
    # The client asks again with the same keys, as it was told to.
    for change in unknown:
        again = await store.accept(change, accepted_evidence(change))
        assert again.submission_id == change.submission_id  # type: ignore[union-attr]  # accepted or replayed
    assert await store.counts() == {"transfer.QUEUED": 31}
    assert await seqs(store) == list(range(1, 32))


@pytest.mark.parametrize("fault", [CommitFault.NOT_DONE, CommitFault.DONE])
async def test_a_message_whose_commit_failed_is_stored_once_when_it_comes_again(
    case: StoreCase, store: Store, values: StoreValues, fault: CommitFault
) -> None:
    result = values.admitted()
    case.fault = fault
    with pytest.raises(StorageError) as caught:
        await store.admit(result, now=NOW, audit=message_evidence(result))
    assert caught.value.code == "storage.commit_unknown"
    again = values.refused(result)  # and meanwhile we would judge it otherwise
    answer = await store.admit(again, now=NOW, audit=message_evidence(again))
    assert answer.duplicate == (fault is CommitFault.DONE)
    assert answer.token == (result if fault is CommitFault.DONE else again).receipt_token


@pytest.mark.parametrize("fault", [CommitFault.NOT_DONE, CommitFault.DONE])
@pytest.mark.parametrize(
    "event", [TransferEvent.ACCEPTED, TransferEvent.FAILED, TransferEvent.GIVEN_BACK, TransferEvent.LEASE_LOST]
)
async def test_a_settle_whose_commit_failed_is_read_back_and_happens_once(
    case: StoreCase, store: Store, values: StoreValues, fault: CommitFault, event: TransferEvent
) -> None:
    change = values.submission()
    await store.accept(change, accepted_evidence(change))
    (claimed,) = await store.claim(PARTNER, limit=1, now=NOW, lease=LEASE)
    case.fault = fault
    settled = await store.settle(
        claimed.row,
        event,
        audit=evidence(claimed.row, event),
        now=NOW,
        fence=claimed.fence,
        attempt=attempt_of(claimed.row),
        receipt=values.receipt_for(claimed.row),
        code="ok",
    )
    found = await store.transfer(claimed.row.id)
    assert found is not None
    assert found.row == settled
    assert len(found.attempts) == 1
    assert len(await seqs(store)) == 3


async def test_what_came_of_an_attempt_is_committed_once_the_store_can_write_again(
    case: StoreCase, store: Store, values: StoreValues
) -> None:
    change = values.submission()
    await store.accept(change, accepted_evidence(change))
    (claimed,) = await store.claim(PARTNER, limit=1, now=NOW, lease=LEASE)
    event = TransferEvent.ACCEPTED
    case.faults_to_come = 3
    row = await store.settle(claimed.row, event, audit=evidence(claimed.row, event), now=NOW, fence=claimed.fence)
    assert case.faults_to_come == 0
    assert row.state is TransferState.DELIVERED
    assert len(await seqs(store)) == 3


async def test_a_settle_whose_commit_failed_does_not_take_the_change_of_another_for_its_own(
    case: StoreCase, store: Store, values: StoreValues
) -> None:
    change = values.submission()
    await store.accept(change, accepted_evidence(change))
    (claimed,) = await store.claim(PARTNER, limit=1, now=NOW, lease=LEASE)
    lost, event = TransferEvent.LEASE_LOST, TransferEvent.FAILED
    await store.settle(claimed.row, lost, audit=evidence(claimed.row, lost), now=NOW)
    case.fault = CommitFault.NOT_DONE
    with pytest.raises(TransferError, match="lease_lost"):
        # Both leave it QUEUED and due at the same time; only the fence tells them apart.
        await store.settle(
            claimed.row, event, audit=evidence(claimed.row, event), now=NOW, fence=claimed.fence, sent=True
        )


@pytest.mark.parametrize("fault", [CommitFault.NOT_DONE, CommitFault.DONE])
async def test_a_hand_over_and_its_notice_whose_commits_failed_are_read_back_and_happen_once(
    case: StoreCase, store: Store, values: StoreValues, fault: CommitFault
) -> None:
    result = values.admitted()
    await store.admit(result, now=NOW, audit=message_evidence(result))
    (claimed,) = await store.claim_hand_overs([HOME], limit=1, now=NOW, lease=LEASE)
    done = HandOverEvent.ACKNOWLEDGED
    case.fault = fault
    row = await store.settle_hand_over(
        claimed.row, done, audit=hand_over_evidence(claimed.row, done), now=NOW, fence=claimed.fence
    )
    assert row.hand_over is HandOverState.HANDED_OVER
    (owed,) = await store.notices_owed(PARTNER, limit=9, now=NOW)
    entry = AuditEntry(event=AuditEvent.NOTICE_GIVEN, at=NOW, actor="system", message_id=owed.message_id)
    case.fault = fault
    assert await store.settle_notice(owed, NoticeState.GIVEN, now=NOW, audit=entry)
    assert not await store.settle_notice(owed, NoticeState.GIVEN, now=NOW, audit=entry)
    events = [record.entry.event for record in await store.audit()]
    assert [events.count(AuditEvent.HAND_OVER_ACKNOWLEDGED), events.count(AuditEvent.NOTICE_GIVEN)] == [1, 1]


async def test_a_change_that_failed_in_a_failed_commit_is_unknown_too(
    case: StoreCase, store: Store, values: StoreValues
) -> None:
    case.fault = CommitFault.NOT_DONE
    with pytest.raises(StorageError, match="commit_unknown"):
        await store.accept(values.submission(), [cast(Any, None)])


async def test_a_commit_that_fails_again_and_again_fails_everyone_and_then_works(
    case: StoreCase, store: Store, values: StoreValues
) -> None:
    for _ in range(5):
        case.fault = CommitFault.NOT_DONE
        with pytest.raises(StorageError, match="commit_unknown"):
            await store.ready()
    await store.ready()


@pytest.mark.parametrize("fault", [CommitFault.NOT_DONE, CommitFault.DONE])
async def test_a_lease_whose_commit_failed_keeps_nobody_waiting_for_its_end(
    case: StoreCase, store: Store, values: StoreValues, fault: CommitFault
) -> None:
    change = values.submission()
    await store.accept(change, accepted_evidence(change))
    case.fault = fault
    with pytest.raises(StorageError) as caught:
        await store.claim(PARTNER, limit=9, now=NOW, lease=LEASE)
    assert caught.value.code == "storage.commit_unknown"
    assert await store.due_at(PARTNER) is not None
    (again,) = await store.claim(PARTNER, limit=9, now=NOW, lease=LEASE)
    events = [record.entry.event for record in await store.audit()]
    assert (again.row.attempts, again.row.ever_sent) == (1, False), "it was as if it had not been claimed"
    assert events.count(AuditEvent.TRANSFER_GIVEN_BACK) == (1 if fault is CommitFault.DONE else 0)
    assert again.fence == (3 if fault is CommitFault.DONE else 1), "the fence rises with every claim and lost lease"


# ── order, whatever happens ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(4))
async def test_after_any_history_exactly_the_heads_that_are_due_can_be_claimed(
    store: Store, values: StoreValues, seed: int
) -> None:
    chance = random.Random(seed)
    lengths = {"one": 0, "two": 0, "three": 0}
    leased: dict[TransferId, int] = {}
    for _ in range(150):
        rows = await store.transfers(limit=1000)
        match chance.choice(["accept", "claim", "settle", "settle", "settle"]):
            case "accept":
                conversation = chance.choice(list(lengths))
                lengths[conversation] += 1
                change = values.submission(conversation=conversation, sequence=lengths[conversation])
                assert isinstance(await store.accept(change, accepted_evidence(change)), Accepted)
            case "claim":
                expected = claimable(rows)
                claims = await store.claim(PARTNER, limit=1000, now=LATER, lease=LEASE)
                assert {one.row.id for one in claims} == expected
                leased.update({one.row.id: one.fence for one in claims})
            case _:
                open_rows = [row for row in rows if row.state not in FINAL]
                if open_rows:
                    await settle_somehow(store, chance, chance.choice(open_rows))
    assert (await store.due_at(PARTNER) is not None) == bool(claimable(await store.transfers(limit=1000)))


def claimable(rows: list[TransferRow]) -> set[TransferId]:
    """What docs/architecture.md says of order, worked out from all rows."""
    heads: dict[str, TransferRow] = {}
    for row in sorted(rows, key=lambda one: one.sequence):
        if row.state not in FINAL and not row.skipped:
            heads.setdefault(row.conversation, row)
    return {row.id for row in heads.values() if row.state is TransferState.QUEUED and not row.not_seen}


async def settle_somehow(store: Store, chance: random.Random, row: TransferRow) -> None:
    event = chance.choice([event for event in TransferEvent if event is not TransferEvent.CLAIMED])
    goes = TRANSITIONS.get((row.state, event))
    if goes is not None and not (row.skipped and goes not in FINAL | {TransferState.DEAD_LETTERED}):
        await store.settle(row, event, audit=evidence(row, event), now=NOW)


# ── the whole process ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.faults
async def test_a_process_killed_while_writing_loses_nothing_it_acknowledged(
    case_name: str, case: StoreCase, tmp_path: Path
) -> None:
    chance = random.Random(7)
    said: list[tuple[str, str]] = []
    for round_number in range(4):
        said += write_until_killed(case_name, tmp_path, 1 + round_number * 1_000_000, lines=chance.randint(50, 400))
    assert {what for what, _ in said} == {"accepted", "admitted", "delivered"}
    assert [verdict.reason for verdict in case.verdicts() if not verdict.intact] == []
    async with case.opened() as store:
        for what, message_id in said:
            await check_acknowledged(store, what, MessageId(message_id))
        records = await store.audit(limit=1_000_000)
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        accepted = [one.entry.message_id for one in records if one.entry.event is AuditEvent.TRANSFER_ACCEPTED]
        assert (
            len(accepted)
            == len(set(accepted))
            == sum(number for state, number in (await store.counts()).items() if state.startswith("transfer."))
        )


def write_until_killed(name: str, folder: Path, first: int, *, lines: int) -> list[tuple[str, str]]:
    """Return what was acknowledged before SIGKILL, which comes right after the given number of acknowledgements."""
    command = [sys.executable, "-m", "tests.contract.store_killed", name, str(folder), str(first)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        heard = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        # What was printed before the kill was acknowledged too; the last line may be torn.
        heard += process.stdout.read().splitlines(keepends=True)
    assert process.returncode == -9
    return [(line.split()[0], line.split()[1]) for line in heard if line.endswith("\n")]


async def check_acknowledged(store: Store, what: str, message_id: MessageId) -> None:
    if what == "admitted":
        assert await store.inbox_message(message_id) is not None
        assert await store.given_receipt(PartyId(PARTNER), message_id) is not None
        return
    row = await store.transfer_by_message(message_id)
    assert row is not None
    if what == "delivered":
        assert row.state is TransferState.DELIVERED
        assert await store.receipt(message_id) is not None
