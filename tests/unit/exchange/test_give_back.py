"""What was late on the fast path is given back under its fence; what the store does not take is left to its lease."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar, cast

from gateway.audit import AuditEvent
from gateway.domain.lifecycle import HandOverEvent, TransferEvent
from gateway.domain.records import ClaimedHandOver, ClaimedTransfer, InboxRow, TransferRow
from gateway.errors import GatewayError, TransferError
from gateway.exchange.arrivals import Arrivals
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.fast_path import FastPath, FastTransfer
from gateway.exchange.give_back import GiveBack
from gateway.exchange.receive import hand_over_bell
from gateway.ports import HandOverSettlement, Settlement, Store
from tests.store_values import HOME, NOW, PARTNER, StoreValues
from tests.unit.exchange.rows import claimed_of, hand_over_of

Work = TypeVar("Work")


class Standing:
    """A clock that stands still, a little after the transfers were accepted."""

    def now(self) -> datetime:
        return NOW + timedelta(seconds=12)

    def monotonic(self) -> float:
        return 0.0


class Late(Generic[Work]):
    """A queue in which these are late, once; `waiting` when they are set aside."""

    def __init__(self, *late: Work, waiting: Sequence[Work] = ()) -> None:
        self._late = list(late)
        self._waiting = list(waiting)

    def late(self) -> list[Work]:
        late, self._late = self._late, []
        return late

    def set_aside(self) -> None:
        self._late, self._waiting = [*self._late, *self._waiting], []


class Taking:
    """A store that answers what it was told to. `under_way`: what the bells said meanwhile."""

    def __init__(self, bells: Doorbells, *answers: TransferRow | GatewayError) -> None:
        self.bells = bells
        self.given: list[Settlement] = []
        self.hand_overs: list[HandOverSettlement] = []
        self.under_way = 0
        self._answers = answers

    async def settle_all(self, settlements: Sequence[Settlement]) -> list[TransferRow | GatewayError]:
        self.given += settlements
        self.under_way = self.bells.under_way
        return list(self._answers)

    async def settle_hand_overs(self, settlements: Sequence[HandOverSettlement]) -> list[InboxRow | GatewayError]:
        self.hand_overs += settlements
        self.under_way = self.bells.under_way
        return [one.row for one in settlements[1:]] + [TransferError("transfer.lease_lost")]


class Lines:
    """Keeps what is told: action and code."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def line(
        self, action: str, *, outcome: str, duration: timedelta | None = None, code: str = "", **labels: str | int
    ) -> None:
        of = {"transfer.give_back": {"partner", "transfer_id"}, "hand_over.give_back": {"message_id"}}
        assert (outcome, duration, set(labels)) == ("failure", None, of[action])
        self.told.append((action, code))


def giving_back(
    store: Taking,
    late: Sequence[ClaimedTransfer],
    lines: Lines,
    hand_overs: Sequence[ClaimedHandOver] = (),
    *,
    waiting: Sequence[ClaimedTransfer] = (),
    arrived: Sequence[ClaimedHandOver] = (),
) -> GiveBack:
    """`late` and `hand_overs` are late, `waiting` and `arrived` not yet."""
    transfers, not_yet = ([FastTransfer(claimed=one, envelope=None) for one in some] for some in (late, waiting))
    return GiveBack(
        store=cast(Store, store),
        fast_path=cast(FastPath, Late(*transfers, waiting=not_yet)),
        arrivals=cast(Arrivals, Late(*hand_overs, waiting=arrived)),
        clock=Standing(),
        bells=store.bells,
        telemetry=lines,
        every=timedelta(seconds=1),
    )


def some_claimed(number: int) -> list[ClaimedTransfer]:
    values = StoreValues()
    return [claimed_of(values.submission().prepared.transfers[0]) for _ in range(number)]


async def test_all_that_is_late_goes_back_in_one_change_each_under_its_fence() -> None:
    claimed = some_claimed(3)
    store, lines = Taking(Doorbells(), *(one.row for one in claimed)), Lines()
    give_back = giving_back(store, claimed, lines)
    await give_back.once()
    await give_back.once()  # nothing is late any more
    assert [one.row for one in store.given] == [one.row for one in claimed]
    assert {one.event for one in store.given} == {TransferEvent.GIVEN_BACK}
    assert {one.audit.event for one in store.given} == {AuditEvent.TRANSFER_GIVEN_BACK}
    assert {one.fence for one in store.given} == {1}
    assert {one.next_attempt_at for one in store.given} == {NOW}, "the time of its acceptance: it keeps its place"
    assert lines.told == []
    assert (store.under_way, store.bells.under_way) == (1, 0), "a drain waits for it"
    assert await store.bells.wait(PARTNER, 0.0) == 1


async def test_a_node_that_stops_gives_back_what_is_not_late_either() -> None:
    claimed = some_claimed(2)
    hand_over = hand_over_of(StoreValues().admitted())
    store = Taking(Doorbells(), *(one.row for one in claimed))
    await giving_back(store, claimed[:1], Lines(), waiting=claimed[1:], arrived=[hand_over]).all_of_it()
    assert [one.row for one in store.given] == [one.row for one in claimed]
    assert [one.row for one in store.hand_overs] == [hand_over.row]


async def test_after_a_clock_was_set_back_it_is_due_now() -> None:
    (claimed,) = some_claimed(1)
    ahead = replace(claimed, row=replace(claimed.row, created=NOW + timedelta(hours=1)))
    store = Taking(Doorbells(), ahead.row)
    await giving_back(store, [ahead], Lines()).once()
    assert store.given[0].next_attempt_at == NOW + timedelta(seconds=12)


async def test_what_the_store_does_not_take_is_told_and_left_to_its_lease() -> None:
    claimed = some_claimed(2)
    store, lines = Taking(Doorbells(), TransferError("transfer.lease_lost"), claimed[1].row), Lines()
    give_back = giving_back(store, claimed, lines)
    await give_back.once()
    assert lines.told == [("transfer.give_back", "transfer.lease_lost")]
    await give_back.once()
    assert len(store.given) == 2


async def test_hand_overs_that_nobody_began_go_back_too_and_keep_their_place() -> None:
    values = StoreValues()
    late = [hand_over_of(values.admitted()) for _ in range(2)]
    store, lines = Taking(Doorbells()), Lines()
    give_back = giving_back(store, (), lines, late)
    await give_back.once()
    await give_back.once()  # nothing is late any more
    assert [(one.row, one.fence) for one in store.hand_overs] == [(one.row, one.fence) for one in late]
    assert {(one.event, one.begun) for one in store.hand_overs} == {(HandOverEvent.LEASE_LOST, False)}
    assert [one.next_attempt_at for one in store.hand_overs] == [one.row.received for one in late]
    assert (store.under_way, store.bells.under_way) == (1, 0), "a drain waits for it"
    assert lines.told == [("hand_over.give_back", "transfer.lease_lost")]
    assert await store.bells.wait(hand_over_bell(HOME), 0.0) == 1
