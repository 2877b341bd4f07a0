"""When the other side asks us to come back: the Retry-After header (RFC 9110 §10.2.3), read strictly.

Two forms count: a number of seconds, and an HTTP-date as IMF-fixdate (the only form a sender may write). Everything
else is as if the header were absent: the agreement's own back-off then applies.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

LONGEST_WAIT: Final = timedelta(hours=1)
"""A partner can not silence us for longer than this with one header."""

_SECONDS: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE: Final = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (" + "|".join(_MONTHS) + r") ([0-9]{4}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT",
    re.ASCII,
)


def read_retry_after(text: str | None, *, now: datetime) -> timedelta | None:
    """Return how long the other side asks us to wait, from 0 to LONGEST_WAIT, or None if it does not say.

    `now` is aware; a date in the past gives 0.
    """
    if text is None:
        return None
    if _SECONDS.fullmatch(text):
        return min(timedelta(seconds=int(text)), LONGEST_WAIT)
    date = _imf_fixdate(text)
    return None if date is None else max(timedelta(0), min(date - now, LONGEST_WAIT))


def _imf_fixdate(text: str) -> datetime | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    day, month, year, hour, minute, second = match.groups()
    try:
        return datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:  # 31 Feb, 25 o'clock; a leap second too, which is worth no second way
        return None
