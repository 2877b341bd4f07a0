"""The open loop of the benchmark: every request at its time, and what it took counted from there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.benchmarks.crowded import short
from tests.benchmarks.load import submission
from tests.benchmarks.steady import acknowledgements, commits, p99

REQUESTS = [submission(b"<a/>", key=str(number), to="FR-DGDDI", token="t", port=1) for number in range(30)]


class Door:
    """Answers each submission with `status`, one at a time, and counts them."""

    def __init__(self) -> None:
        self.status = 202
        self.answered = 0
        self.turn = asyncio.Lock()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n<a/>")
                async with self.turn:
                    self.answered += 1
                    writer.write(b"HTTP/1.1 %d Answer\r\nContent-Length: 2\r\n\r\n{}" % self.status)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@pytest.fixture
async def door() -> Door:
    return Door()


@pytest.fixture
async def port(door: Door) -> AsyncIterator[int]:
    async with await asyncio.start_server(door.talk, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_every_request_is_answered_and_timed(door: Door, port: int) -> None:
    took = await acknowledgements(port, REQUESTS, rate=1_000, connections=4)
    assert (len(took), door.answered) == (30, 30)
    assert min(took) > 0


async def test_the_time_a_request_waits_for_its_turn_counts(door: Door, port: int) -> None:
    await door.turn.acquire()
    running = asyncio.ensure_future(acknowledgements(port, REQUESTS, rate=1_000, connections=1))
    asyncio.get_running_loop().call_later(0.2, door.turn.release)
    # The last was due 29 ms after the first, and nobody was answered for 200 ms.
    assert min(await running) > 0.15


async def test_another_answer_than_202_ends_the_measurement(door: Door, port: int) -> None:
    door.status = 503
    with pytest.raises(ExceptionGroup) as caught:
        await acknowledgements(port, REQUESTS, rate=1_000, connections=2)
    assert caught.group_contains(RuntimeError, match="not accepted")


def test_commits_are_timed_on_the_disk_of_the_folder_and_leave_nothing_there(tmp_path: Path) -> None:
    assert len(commits(tmp_path)) == 200
    assert not (tmp_path / "commits.db").exists()


def test_p99_and_short_names() -> None:
    assert p99([number / 1e6 for number in range(1, 1001)]) == pytest.approx(990.99)
    assert [short(number) for number in (1_000_000, 100_000, 2_000, 1_234)] == ["1m", "100k", "2k", "1234"]
