"""Dates made coarser: to the month, or to the year, in the form they came in.

The forms are those of the WCO's DateTimeString (format codes 102, 203, 204, 303 and 304 of UN/EDIFACT 2379: a date, a
date with time, either with a time zone) and those of XML Schema (date, dateTime, gYearMonth). A form says itself which
it is, so the format code beside it stays true. What could be read in two ways, such as six digits, is no date here.

The result is the first day of the month or year, at midnight where there was a time. A time zone stays one, but always
the same: in March and October the difference to UTC tells on which side of a Sunday a date lies.
"""

import re
from collections.abc import Iterator
from datetime import date
from itertools import product
from typing import Final

from gateway.policy.changing.walks import Walk, positions
from gateway.policy.language.changes import ChangeKind

__all__ = ["coarse_date", "date_walks", "is_date"]

_DATE: Final = re.compile(
    r"(?P<year>[0-9]{4})(?P<dash>-?)(?P<month>[0-9]{2})"
    r"(?:(?P=dash)(?P<day>[0-9]{2})(?P<time>(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}|[0-9]{4}(?:[0-9]{2})?)?)"
    r"(?P<fraction>\.[0-9]{1,12})?)?(?P<zone>Z|[-+][0-9]{2}(?::[0-9]{2})?)?"
)
_HOURS: Final = re.compile("T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}")
_DIGITS: Final = "0123456789"
_ZONES: Final = ("", "Z", "+zz", "+zz:zz")
_WCO_FORMS: Final = tuple(product(("YYYYMMDD", "YYYYMMDDhhmm", "YYYYMMDDhhmmss"), ("", "Z", "+zz")))
_XSD_FORMS: Final = tuple(product(("YYYY-MM", "YYYY-MM-DD", "YYYY-MM-DDThh:mm:ss", "YYYY-MM-DDThh:mm:ss.f"), _ZONES))


def coarse_date(value: str, kind: ChangeKind) -> str | None:
    """Return a date made coarser to `kind`, `month` or `year`; None for what is not a date of the calendar."""
    found = _DATE.fullmatch(value)
    if found is None or not _is_one_form(found) or not _is_in_the_calendar(found):
        return None
    year, dash, month, day = found["year"], found["dash"], found["month"], found["day"]
    if kind is ChangeKind.YEAR:
        month = "01"
    coarse = f"{year}{dash}{month}" + (f"{dash}01" if day is not None else "")
    time = re.sub("[0-9]", "0", found["time"] or "")
    zone = re.sub("[0-9]", "0", found["zone"] or "").replace("-", "+")
    return f"{coarse}{time}{zone}"


def is_date(text: str, base: str) -> bool:
    """Tell whether a text is a date of the built-in type `base` of XML Schema."""
    found = _DATE.fullmatch(text)
    if found is None or not found["dash"] or not _is_one_form(found) or not _is_in_the_calendar(found):
        return False
    if base == "gYearMonth":
        return found["day"] is None
    has_time = bool(found["time"])
    if base == "date":
        return found["day"] is not None and not has_time
    zoned = bool(found["zone"]) or base == "dateTime"
    return has_time and zoned and _HOURS.fullmatch(found["time"]) is not None


def _is_one_form(found: re.Match[str]) -> bool:
    """Whether the parts belong together: dashes with colons, a fraction only after seconds of XML Schema."""
    in_schema_form = bool(found["dash"])
    if not in_schema_form:
        return found["day"] is not None and not found["fraction"] and ":" not in f"{found['time']}{found['zone']}"
    if found["fraction"] and not found["time"]:
        return False
    zone_in_schema_form = len(found["zone"] or "") != len("+hh")
    return zone_in_schema_form and (not found["time"] or found["time"].startswith("T"))


def _is_in_the_calendar(found: re.Match[str]) -> bool:
    try:
        date(int(found["year"]), int(found["month"]), int(found["day"] or 1))
    except ValueError:
        return False
    return True


def date_walks(kind: ChangeKind) -> Iterator[Walk]:
    """Yield how `coarse_date` goes through each form, for the static check."""
    for form, zone in (*_WCO_FORMS, *_XSD_FORMS):
        signs = list(_signs(form + zone, kind))
        fraction = frozenset({form.index("f")}) if "f" in form else frozenset()
        yield positions(signs, many=fraction)


def _signs(form: str, kind: ChangeKind) -> Iterator[tuple[str, str | None]]:
    written = {"M": "01" if kind is ChangeKind.YEAR else None, "D": "01"}
    for at, sign in enumerate(form):
        second = at > 0 and form[at - 1] == sign
        match sign:
            case "Y":
                yield _DIGITS, None
            case "M" | "D":
                whole = written[sign]
                yield _DIGITS, None if whole is None else whole[second]
            case "h" | "m" | "s" | "z":
                yield _DIGITS, "0"
            case "f":
                yield _DIGITS, ""
            case "+":
                yield "+-", "+"
            case ".":
                yield ".", ""
            case _:
                yield sign, sign
