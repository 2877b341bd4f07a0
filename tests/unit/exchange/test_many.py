"""An act on many: in their order, until time is up; what is refused is named, and a store that fails ends it."""

from datetime import UTC, datetime

import pytest

from gateway.domain.records import TransferRow
from gateway.errors import GatewayError, StorageError, TransferError
from gateway.exchange.many import act_on_many
from tests.store_values import StoreValues
from tests.unit.exchange.rows import row_of


class Running:
    """A clock that runs on by itself: each look takes so many seconds."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self._now = 0.0

    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        self._now += self._seconds
        return self._now


def rows(number: int) -> list[TransferRow]:
    values = StoreValues()
    return [row_of(values.submission().prepared.transfers[0]) for _ in range(number)]


async def done(row: TransferRow) -> TransferRow:
    return row


async def test_all_are_done_in_their_order() -> None:
    found = rows(3)
    came = await act_on_many(found, done, limit=9, clock=Running())
    assert (list(came.rows), came.refused, came.following) == (found, (), None)


async def test_where_there_may_be_more_it_says_where_to_go_on() -> None:
    found = rows(3)
    assert (await act_on_many(found, done, limit=3, clock=Running())).following == found[-1].id
    assert (await act_on_many([], done, limit=3, clock=Running())).following is None


async def test_after_ten_seconds_no_more_are_begun() -> None:
    found = rows(9)
    came = await act_on_many(found, done, limit=50, clock=Running(3.0))
    assert (list(came.rows), came.following) == (found[:3], found[2].id)


@pytest.mark.parametrize("error", [TransferError("transfer.stale", "moved"), StorageError("storage.corrupt", "moved")])
async def test_one_that_is_refused_is_named_and_the_others_go_on(error: GatewayError) -> None:
    found = rows(3)

    async def act(row: TransferRow) -> TransferRow:
        if row is found[1]:
            raise error
        return row

    came = await act_on_many(found, act, limit=9, clock=Running())
    assert list(came.rows) == [found[0], found[2]]
    assert [(one.id, one.code, one.detail) for one in came.refused] == [(found[1].id, error.code, "moved")]


async def test_a_store_that_fails_ends_it() -> None:
    async def act(row: TransferRow) -> TransferRow:
        raise StorageError("storage.unavailable")

    with pytest.raises(StorageError):
        await act_on_many(rows(2), act, limit=9, clock=Running())
