"""Retry-After is read strictly, and can not silence us for long."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.retry_after import LONGEST_WAIT, read_retry_after

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@given(st.integers(min_value=0, max_value=10**10 - 1))
def test_seconds_count_up_to_an_hour(seconds: int) -> None:
    assert read_retry_after(str(seconds), now=NOW) == min(timedelta(seconds=seconds), LONGEST_WAIT)


@given(st.integers(min_value=0, max_value=7_226_582_400))
def test_a_date_counts_from_now_up_to_an_hour_and_never_backwards(second: int) -> None:
    date = datetime.fromtimestamp(second, tz=UTC)
    expected = min(max(date - NOW, timedelta(0)), LONGEST_WAIT)
    assert read_retry_after(format_datetime(date, usegmt=True), now=NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+5",
        " 5",
        "5 ",
        "1.5",
        "1e3",
        "99999999999",
        "٥",
        "Sun, 01 Mar 2026 12:05:00 +0100",
        "Sunday, 01-Mar-26 12:05:00 GMT",
        "Sun Mar  1 12:05:00 2026",
        "Sun, 31 Feb 2026 12:05:00 GMT",
        "Sun, 01 Mar 2026 25:05:00 GMT",
        "soon",
    ],
)
def test_anything_else_is_as_if_the_header_were_absent(text: str) -> None:
    assert read_retry_after(text, now=NOW) is None


@given(st.text())
def test_no_text_makes_it_raise_or_wait_longer_than_an_hour(text: str) -> None:
    wait = read_retry_after(text, now=NOW)
    assert wait is None or timedelta(0) <= wait <= LONGEST_WAIT


def test_an_absent_header_says_nothing() -> None:
    assert read_retry_after(None, now=NOW) is None
