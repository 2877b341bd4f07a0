"""What a node laid out at its start is walked by the collector no more, and is still freed when a reload replaced it."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from gateway.app.memory import set_aside, set_aside_anew


class _Laid:
    """Something in a cycle, as rules and routes are."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def _walked(thing: object) -> bool:
    return any(one is thing for one in gc.get_objects())


def test_what_is_laid_out_is_walked_no_more() -> None:
    laid = _Laid()
    assert _walked(laid)
    set_aside()
    assert not _walked(laid)


def test_what_comes_later_is_still_walked() -> None:
    set_aside()
    assert _walked(_Laid())


def test_what_messages_make_is_walked_less_often_than_python_would() -> None:
    gc.set_threshold(700)
    set_aside()
    gc.collect()
    before = gc.get_stats()[0]["collections"]
    kept = [[number] for number in range(2_000)]
    assert (len(kept), gc.get_stats()[0]["collections"]) == (2_000, before)


def test_what_a_reload_replaced_is_freed() -> None:
    laid = _Laid()
    gone = weakref.ref(laid)
    set_aside()
    del laid
    gc.collect()
    assert gone() is not None, "a collection alone does not reach what was set aside"
    set_aside_anew()
    assert gone() is None


def test_where_nothing_was_set_aside_a_reload_sets_nothing_aside() -> None:
    gc.unfreeze()
    set_aside_anew()
    assert gc.get_freeze_count() == 0
