"""Frames over a pair of pipes: whole, in order, of any length, and an end that shows."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.workers.wire import Wire


@pytest.fixture
def ends() -> Iterator[tuple[Wire, Wire]]:
    here, there = Wire.pair(multiprocessing.get_context("spawn"))
    yield here, there
    here.close()
    there.close()


@pytest.mark.parametrize("size", [0, 1, 8, 4_096, 65_536, 1024 * 1024, 5 * 1024 * 1024 + 1])
def test_a_frame_arrives_whole_whatever_its_length(ends: tuple[Wire, Wire], size: int) -> None:
    here, there = ends
    frame = bytes(number % 251 for number in range(size))
    with ThreadPoolExecutor(1) as beside:
        sending = beside.submit(here.send, frame)
        assert bytes(there.receive()) == frame
        sending.result()


def test_frames_stay_apart_and_in_order_both_ways(ends: tuple[Wire, Wire]) -> None:
    here, there = ends
    for frame in (b"first", b"", b"a longer one after a shorter one", b"x"):
        here.send(frame)
        there.send(frame[::-1])
    assert [bytes(there.receive()) for _ in range(4)] == [b"first", b"", b"a longer one after a shorter one", b"x"]
    assert bytes(here.receive()) == b"tsrif"


def test_a_short_frame_after_a_long_one_shows_nothing_of_it(ends: tuple[Wire, Wire]) -> None:
    here, there = ends
    here.send(b"secret" * 1000)
    here.send(b"short")
    assert bytes(there.receive()) == b"secret" * 1000
    assert bytes(there.receive()) == b"short"


def test_who_waits_for_a_frame_learns_that_the_other_end_is_gone(ends: tuple[Wire, Wire]) -> None:
    here, there = ends
    there.close()
    with pytest.raises(EOFError):
        here.receive()


def test_who_sends_a_frame_learns_in_the_middle_that_the_other_end_is_gone(ends: tuple[Wire, Wire]) -> None:
    here, there = ends
    with ThreadPoolExecutor(1) as beside:
        sending = beside.submit(there.send, bytes(8 * 1024 * 1024))
        here.close()
        with pytest.raises(BrokenPipeError):
            sending.result()


def test_who_sends_to_nobody_is_told(ends: tuple[Wire, Wire]) -> None:
    here, there = ends
    there.close()
    with pytest.raises(BrokenPipeError):
        here.send(b"anybody?")
