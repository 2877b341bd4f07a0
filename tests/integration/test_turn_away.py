"""Connections that were turned away: each counted, none able to fill the audit."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.audit import AuditEntry, AuditEvent
from gateway.errors import AccessError, ChannelError, StorageError
from gateway.exchange.turn_away import TurnAway, TurnAwayLimits
from gateway.storage import SqliteStore
from tests.integration.desk_pair import QuietTelemetry, SteeredClock
from tests.integration.one_gateway import one_gateway

MISSING = AccessError("access.certificate_missing")
OLD = ChannelError("channel.tls_refused")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(tmp_path / "gateway.db", chain="test")
    yield opened
    await opened.close()


def turn_away_with(store: SqliteStore, telemetry: QuietTelemetry | None = None) -> TurnAway:
    limits = TurnAwayLimits(single=3, period=timedelta(milliseconds=20))
    return TurnAway(store=store, clock=SteeredClock(), telemetry=telemetry or QuietTelemetry(), limits=limits)


async def facts(store: SqliteStore) -> list[tuple[object, object]]:
    """Return code and count of each record; 1 where none is written."""
    records = await store.audit()
    assert {record.entry.event for record in records} <= {AuditEvent.CHANNEL_REFUSED}
    return [(record.entry.facts["code"], record.entry.facts.get("count", 1)) for record in records]


async def test_the_first_have_records_of_their_own_and_the_rest_are_counted_by_code(store: SqliteStore) -> None:
    turn_away = turn_away_with(store)
    for number in range(10):
        await turn_away(MISSING if number % 2 else OLD)
    singles = [(OLD.code, 1), (MISSING.code, 1), (OLD.code, 1)]
    assert await facts(store) == singles
    await turn_away.close_period()
    assert await facts(store) == [*singles, (MISSING.code, 4), (OLD.code, 3)]


async def test_the_next_period_has_records_again_and_an_idle_one_writes_nothing(store: SqliteStore) -> None:
    turn_away = turn_away_with(store)
    await turn_away.close_period()
    assert await facts(store) == []
    for _ in range(4):
        await turn_away(MISSING)
    await turn_away.close_period()
    await turn_away(MISSING)
    assert await facts(store) == [(MISSING.code, 1)] * 5


async def test_periods_close_by_themselves(store: SqliteStore) -> None:
    turn_away = turn_away_with(store)
    for _ in range(5):
        await turn_away(MISSING)
    serving = asyncio.create_task(turn_away.serve())
    async with asyncio.timeout(60):
        while len(await facts(store)) < 4:  # noqa: ASYNC110  a database rings no bell
            await asyncio.sleep(0)
    serving.cancel()
    assert (await facts(store))[-1] == (MISSING.code, 2)


async def test_what_can_not_be_written_stays_counted(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_entry: AuditEntry) -> None:
        raise StorageError("storage.unavailable")

    telemetry = QuietTelemetry()
    turn_away = turn_away_with(store, telemetry)
    with monkeypatch.context() as patch:
        patch.setattr(store, "record", refuse)
        for _ in range(5):
            await turn_away(MISSING)
        await turn_away.close_period()
    assert {(line["action"], line["code"]) for line in telemetry.lines} == {("channel.refused", "storage.unavailable")}
    assert await facts(store) == []
    await turn_away.close_period()
    assert await facts(store) == [(MISSING.code, 5)]


async def test_a_flood_of_handshakes_without_certificates_leaves_few_records_that_count_them_all(
    tmp_path: Path,
) -> None:
    """On a real listener; what was still to be counted when the node stops is written before its last record."""
    async with one_gateway(tmp_path / "world") as world:

        async def knock() -> None:
            assert (await world.gb.post(world.gb.message(), over="nothing")).status == 0

        await asyncio.gather(*(knock() for _ in range(50)))
        await world.stop()
        events = [event for event in world.events() if event.event == AuditEvent.CHANNEL_REFUSED]
        assert {event.code for event in events} == {"access.certificate_missing"}
        assert [event.facts.get("count", 1) for event in events] == [1] * 30 + [20]
        assert world.events()[-1].event == AuditEvent.NODE_STOPPED
