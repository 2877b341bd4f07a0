"""Many held transfers released by one officer's word, each as if it were released alone; both sides real but for HTTP."""

import pytest

from gateway.audit import AuditEvent
from gateway.domain.hold import HeldCount, HeldQuery
from gateway.domain.ids import TransferId
from gateway.domain.lifecycle import TransferState
from gateway.domain.records import ActedOnMany
from gateway.errors import GatewayError
from tests.held import REASON
from tests.integration.desk_pair import CLIENT, FR, Pair
from tests.integration.test_holds import agreement, detail, edit, held
from tests.integration.test_transfer import events_of, reaches, state

QUERY = HeldQuery(rule=REASON.code)
WHY = "the rule held too much"


async def many(pair: Pair, number: int) -> list[TransferId]:
    return [await held(pair, key=f"key-{one}", case=f"case-{one}") for one in range(number)]


async def release(
    pair: Pair, count: int, query: HeldQuery = QUERY, *, officer: str = "officer-1", limit: int = 50, why: str = WHY
) -> ActedOnMany:
    """Count, which gives so many, and release these."""
    found = await pair.gb.holds.count(query, officer=officer)
    assert found.fit == count
    return await pair.gb.holds.release_many(query, officer=officer, reason=why, up_to=found.up_to, limit=limit)


def codes(done: ActedOnMany) -> list[tuple[TransferId, str]]:
    return [(one.id, one.code) for one in done.refused]


async def test_they_go_one_by_one_each_with_its_own_record(pair: Pair) -> None:
    transfers = await many(pair, 3)
    assert await pair.gb.holds.count(QUERY, officer="officer-1") == HeldCount(fit=3, up_to=3)
    done = await release(pair, 3)
    assert ([row.id for row in done.rows], done.refused, done.following) == (transfers, (), None)
    async with pair.dispatching():
        for one in transfers:
            await reaches(pair, one, TransferState.DELIVERED)
    for one in transfers:
        released = (await pair.gb.store.audit(transfer_id=one))[2].entry
        assert (released.event, released.actor) == (AuditEvent.TRANSFER_RELEASED, "operator:officer-1")
        assert released.facts["reason"] == WHY


async def test_each_of_two_officers_approves_every_one(pair: Pair) -> None:
    edit(agreement(pair), "suspended: false", "release: four-eyes")
    await pair.reload()
    transfers = await many(pair, 2)
    first = await release(pair, 2)
    assert [row.state for row in first.rows] == [TransferState.HELD] * 2
    assert await pair.gb.holds.count(QUERY, officer="officer-1") == HeldCount(fit=2, approved=2, up_to=2)
    assert codes(await release(pair, 2)) == [(one, "transfer.approved_before") for one in transfers]
    second = await release(pair, 2, officer="officer-2")
    assert [row.state for row in second.rows] == [TransferState.QUEUED] * 2
    for one in transfers:
        assert (await events_of(pair, one))[2:] == [AuditEvent.TRANSFER_APPROVED, AuditEvent.TRANSFER_RELEASED]
        approvals = (await detail(pair, one)).holds[0].approvals
        assert [(given.officer, given.reason) for given in approvals] == [("officer-1", WHY), ("officer-2", WHY)]


async def test_whoever_handed_them_in_releases_none(pair: Pair) -> None:
    transfers = await many(pair, 2)
    assert await pair.gb.holds.count(QUERY, officer=CLIENT) == HeldCount(fit=2, own=2, up_to=2)
    done = await release(pair, 2, officer=CLIENT)
    assert codes(done) == [(one, "transfer.own_submission") for one in transfers]
    assert done.rows == ()
    assert [(await state(pair, one)).state for one in transfers] == [TransferState.HELD] * 2


async def test_under_a_suspended_agreement_each_is_named_with_why_and_stays(pair: Pair) -> None:
    transfers = await many(pair, 2)
    edit(agreement(pair), "suspended: false", "suspended: true")
    await pair.reload()
    assert codes(await release(pair, 2)) == [(one, "agreement.suspended") for one in transfers]
    edit(agreement(pair), "suspended: true", "suspended: false")
    await pair.reload()
    assert len((await release(pair, 2)).rows) == 2


async def test_a_limit_leaves_the_younger_ones_and_nothing_goes_without_a_reason(pair: Pair) -> None:
    transfers = await many(pair, 3)
    with pytest.raises(GatewayError) as caught:
        await release(pair, 3, why=" ")
    assert caught.value.code == "request.malformed"
    done = await release(pair, 3, limit=2)
    assert ([row.id for row in done.rows], done.following) == (transfers[:2], transfers[1])
    rest = await release(pair, 1, HeldQuery(recipient=FR, after=done.following), limit=2)
    assert ([row.id for row in rest.rows], rest.following) == (transfers[2:], None)


async def test_what_was_held_after_the_count_stays_though_as_many_fit_as_before(pair: Pair) -> None:
    """One that was counted goes alone, and is held anew; another is held for the first time."""
    transfers = await many(pair, 3)
    counted = await pair.gb.holds.count(QUERY, officer="officer-1")
    await pair.gb.holds.release(transfers[0], officer="officer-1", reason=WHY)
    await pair.gb.holds.hold(transfers[0], operator="operator-1", reason="a call from the port")
    another = await held(pair, key="key-later", case="case-later")
    query = HeldQuery(recipient=FR)
    done = await pair.gb.holds.release_many(query, officer="officer-1", reason=WHY, up_to=counted.up_to, limit=50)
    assert ([row.id for row in done.rows], done.refused) == (transfers[1:], ())
    assert [(await state(pair, one)).state for one in (transfers[0], another)] == [TransferState.HELD] * 2
