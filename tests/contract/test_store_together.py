"""What is given together ends as if each had come alone, whatever the ones have to do with the others.

Two stores are given the same: one everything at once, the other one after the other. Keys, references, conversations
and ids come from pools so small that most groups hold several that meet.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import MessageId
from gateway.domain.jobs import Admitted, Refused
from gateway.domain.lifecycle import HandOverEvent, TransferEvent
from gateway.domain.records import (
    Accepted,
    AcceptSubmission,
    AdmitStored,
    ClaimAtOnce,
    ClaimedTransfer,
    TransferRow,
)
from gateway.domain.statement import Notice, Verdict
from gateway.errors import GatewayError
from gateway.ports import HandOverSettlement, Settlement, Store
from tests.contract.store_cases import CASES
from tests.store_values import (
    HOME,
    LEASE,
    NOW,
    OTHER,
    PARTNER,
    StoreValues,
    accepted_evidence,
    attempt_of,
    evidence,
    hand_over_evidence,
    message_evidence,
    reference,
)

REFERENCES = [reference(name) for name in ("a", "b", "c", "d", "e", "f")]
PLACES = ("00000001-aaaa-4000-8000-000000000000", "00000002-aaaa-4000-8000-000000000000")


@pytest.fixture
async def other(case_name: str, tmp_path: Path) -> AsyncIterator[Store]:
    """Another open store of the same kind."""
    folder = tmp_path / "other"
    folder.mkdir(mode=0o700)
    case = CASES[case_name](folder)
    async with case.opened() as opened:
        yield opened
    assert [verdict.reason for verdict in case.verdicts() if not verdict.intact] == []


def submission(values: StoreValues, random: Random) -> AcceptSubmission:
    change = values.submission(
        *sorted(random.sample([PARTNER, OTHER], random.choice([1, 1, 2]))),  # as `prepare` gives them
        key=f"key {random.randrange(7)}",
        fingerprint=random.choice("fffe") * 64,
        conversation=random.choice([None, None, None, *PLACES]),
        sequence=random.choice([1, 1, 1, 2]),
        references=random.sample(REFERENCES, random.choice([0, 1, 1, 2])),
    )
    at_once = ClaimAtOnce(recipients=frozenset({PARTNER}), lease=LEASE)
    return replace(change, claim=random.choice([None, at_once, at_once]))


def settlements(values: StoreValues, random: Random, claimed: Sequence[ClaimedTransfer]) -> list[Settlement]:
    made: list[Settlement] = []
    for one in claimed:
        event = random.choice([TransferEvent.ACCEPTED, TransferEvent.ACCEPTED, TransferEvent.FAILED])
        receipt = values.receipt_for(one.row, Verdict.ACCEPTED) if event is TransferEvent.ACCEPTED else None
        settlement = Settlement(
            row=one.row,
            event=event,
            audit=evidence(one.row, event),
            now=NOW,
            fence=random.choice([one.fence, one.fence, one.fence, None, one.fence + 1]),
            attempt=attempt_of(one.row),
            receipt=receipt,
        )
        made += [settlement] * random.choice([1, 1, 1, 2])
    return made


def judged(values: StoreValues, random: Random) -> Admitted | Refused:
    number = random.randrange(6)
    message = values.admitted(
        message_id=f"01960000-0000-7000-8000-{number:012}",
        conversation=random.choice(PLACES),
        sequence=number + 1,
        content=random.choice(["one", "one", "another"]),
        references=random.sample(REFERENCES, random.choice([0, 1, 2])),
    )
    if random.randrange(6) == 0:
        instead_of = MessageId(f"01960000-0000-7000-8000-{random.randrange(6):012}")
        message = replace(message, header=replace(message.header, supersedes=instead_of))
    return values.refused(message) if random.randrange(5) == 0 else message


def notice(random: Random, row: TransferRow) -> Notice:
    handed_over = NOW.replace(minute=random.choice([40, 40, 50]))
    return Notice(
        message_id=row.message_id,
        digest=row.digest,
        handed_over=handed_over,
        issuer=row.recipient,
        audience=row.sender,
        issued_at=handed_over,
        statement_id="said",
    )


def told(outcomes: Sequence[object]) -> list[object]:
    """Outcomes that can be compared: of an error its code."""
    return [one.code if isinstance(one, GatewayError) else one for one in outcomes]


async def each(acts: Sequence[Coroutine[Any, Any, object]]) -> list[object]:
    """Do one after the other."""
    outcomes: list[object] = []
    for act in acts:
        outcomes += await asyncio.gather(act, return_exceptions=True)
    return told(outcomes)


async def state_of(store: Store) -> list[object]:
    """All that can be seen of a store."""
    transfers = await store.transfers(limit=100)
    return [
        transfers,
        [await store.transfer(row.id) for row in transfers],
        [await store.submission(row.submission_id) for row in transfers],
        await store.inbox(limit=100),
        await store.notices_owed(PARTNER, limit=100, now=NOW),
        [(one.partner, one.failures, one.last_success) for one in await store.partners()],
        [record.entry for record in await store.audit(limit=10_000)],
        await store.counts(),
    ]


@pytest.mark.parametrize("seed", range(8))
async def test_what_we_send(store: Store, other: Store, values: StoreValues, seed: int) -> None:
    random = Random(seed)
    changes = [(change, accepted_evidence(change)) for change in (submission(values, random) for _ in range(12))]
    accepted = await store.accept_all(changes)
    assert told(accepted) == await each([other.accept(*one) for one in changes])
    rows = [one.row for one in accepted if isinstance(one, Accepted) and one.row is not None]
    assert rows == [await store.submission(row.id) for row in rows], "what the commit tells is what a read finds"
    claimed = [one for outcome in accepted if isinstance(outcome, Accepted) for one in outcome.claimed]
    for partner in (PARTNER, OTHER):
        found = await store.claim(partner, limit=3, now=NOW, lease=LEASE)
        assert found == await other.claim(partner, limit=3, now=NOW, lease=LEASE)
        claimed += found
    given = settlements(values, random, claimed)
    settled = await store.settle_all(given)
    assert told(settled) == await each([_settle(other, one) for one in given])
    assert await state_of(store) == await state_of(other)

    notices = [notice(random, one.row) for one in claimed for _ in range(random.choice([1, 2]))]
    row_of = {one.row.message_id: one.row for one in claimed}
    together = await asyncio.gather(*(_take(store, row_of[one.message_id], one) for one in notices))
    assert together == await each([_take(other, row_of[one.message_id], one) for one in notices])
    assert await state_of(store) == await state_of(other)


@pytest.mark.parametrize("seed", range(8))
async def test_what_we_receive(store: Store, other: Store, values: StoreValues, seed: int) -> None:
    random = Random(seed)
    for _ in range(2):
        messages = [judged(values, random) for _ in range(10)]
        lease = random.choice([None, ClaimAtOnce(recipients=frozenset({HOME}), lease=LEASE)])
        together = await asyncio.gather(*(_admit(store, one, lease) for one in messages))
        assert together == await each([_admit(other, one, lease) for one in messages])
        claimed = await store.claim_hand_overs([HOME], limit=3, now=NOW, lease=LEASE)
        assert claimed == await other.claim_hand_overs([HOME], limit=3, now=NOW, lease=LEASE)
        claimed += [one.claimed for one in together if one.claimed is not None]
        given = [
            HandOverSettlement(
                row=one.row,
                event=event,
                audit=hand_over_evidence(one.row, event),
                now=NOW,
                fence=random.choice([one.fence, one.fence, None, one.fence + 1]),
            )
            for one in claimed
            for event in random.choice([[HandOverEvent.ACKNOWLEDGED], [HandOverEvent.ACKNOWLEDGED] * 2])
        ]
        assert told(await store.settle_hand_overs(given)) == await each([_hand_over(other, one) for one in given])
        assert await state_of(store) == await state_of(other)


def _settle(store: Store, one: Settlement) -> Coroutine[Any, Any, TransferRow]:
    return store.settle(
        one.row, one.event, audit=one.audit, now=one.now, fence=one.fence, attempt=one.attempt, receipt=one.receipt
    )


def _take(store: Store, row: TransferRow, given: Notice) -> Coroutine[Any, Any, object]:
    audit = AuditEntry(
        event=AuditEvent.TRANSFER_HANDED_OVER, at=NOW, actor="system", transfer_id=row.id, message_id=row.message_id
    )
    return store.take_notice(row, given, "token", now=NOW, audit=audit)


async def _admit(store: Store, message: Admitted | Refused, claim: ClaimAtOnce | None) -> AdmitStored:
    (stored,) = await store.admit_all([(message, message_evidence(message))], now=NOW, claim=claim)
    assert isinstance(stored, AdmitStored)
    return stored


def _hand_over(store: Store, one: HandOverSettlement) -> Coroutine[Any, Any, object]:
    return store.settle_hand_over(one.row, one.event, audit=one.audit, now=one.now, fence=one.fence)
