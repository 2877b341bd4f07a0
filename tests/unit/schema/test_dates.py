"""What `wcx:is-date` takes for a day: held against the calendar of the standard library, over all days of some years."""

import calendar

import pytest

from gateway.schema.rules.functions import is_date

YEARS = (1900, 2000, 2023, 2024)
TIMES = ("000000", "235959", "091500Z", "091500+00", "091500-14", "091500+14")
NO_TIMES = ("0", "240000", "006000", "000060", "091500+15", "091500 Z", "0915", "091500z", "\u0660" * 6)


@pytest.mark.parametrize("year", YEARS)
def test_the_days_of_the_calendar_and_no_others_are_dates(year: int) -> None:
    days = {month: calendar.monthrange(year, month)[1] for month in range(1, 13)}
    for month in range(14):
        for day in range(33):
            text = f"{year:04d}{month:02d}{day:02d}"
            assert is_date(text) is (1 <= day <= days.get(month, 0)), text


@pytest.mark.parametrize("day", ["20240228", "20240229", "20240131"])
def test_a_day_may_have_a_time_of_the_clock_and_a_zone(day: str) -> None:
    assert all(is_date(day + time) for time in TIMES)
    assert not any(is_date(day + time) for time in NO_TIMES)


def test_blanks_around_a_date_do_not_count_and_there_is_no_year_nought() -> None:
    assert is_date(" 20240228\n")
    assert not is_date("00000228")
    assert not is_date("20240228 091500")
