"""What a rule that changes a value may make of it, worked out a second time. Uses nothing of the gateway.

The answer is the one text that may stand in the view, None where the value must be withheld, or ANY_PSEUDONYM where
the judge was given no key: then only the form can be judged, and that equal values have equal pseudonyms.
"""

import hashlib
import hmac
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Final

from tests.oracle.policy_file import Rule
from tests.oracle.xsd_values import COLLAPSED, Value

ANY_PSEUDONYM: Final = "\x00any pseudonym\x00"
BLANKS = " \t\r\n"
DIGITS = frozenset("0123456789")
CAPITALS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def changed(rule: Rule, value: str, facts: Value, key: bytes | None = None) -> str | None:
    """Return what stands in the view for `value` under a rule that changes it."""
    if rule.action == "replace":
        return str(rule.what)
    text = value.strip(BLANKS)
    if facts.base in COLLAPSED:
        text = " ".join(one for one in text.replace("\t", " ").replace("\n", " ").replace("\r", " ").split(" ") if one)
    if not text:
        return "" if not value or facts.base in COLLAPSED else None
    if rule.action == "pseudonymise":
        return pseudonym(text, facts, key)
    if rule.action == "truncate":
        cut = text[: int(rule.what)].rstrip(BLANKS)
        return cut if len(cut) >= facts.least_length else None
    return generalised(rule, text)


def generalised(rule: Rule, text: str) -> str | None:
    """Return a value made coarser, or None when it is not of the kind that the rule takes it for."""
    match rule.how, rule.what:
        case "to", "year" | "month":
            return coarse(text, keeps_month=rule.what == "month")
        case "to", "country":
            return country(text)
        case "digits", number:
            code = text.replace(".", "").replace(" ", "")[: int(number)]
            return code if len(code) == int(number) and set(code) <= DIGITS else None
        case "prefix", number:
            ends = [at for at, one in enumerate(text, 1) if one not in BLANKS]
            return text[: ends[int(number) - 1]] if len(ends) >= int(number) else None
        case "bands", bands:
            return band([Decimal(str(one)) for one in bands], text)
        case _:
            raise AssertionError(rule.how)


# ── dates ────────────────────────────────────────────────────────────────────────────────────────────────────────


def coarse(text: str, *, keeps_month: bool) -> str | None:
    """Return the first moment of the month or year of a date, in the form it came in."""
    form = form_of(text)
    if form is None:
        return None
    out, day_parts = [], {"Y": "", "M": "", "D": ""}
    for sign, one in zip(form, text, strict=True):
        if sign in day_parts:
            day_parts[sign] += one
    try:
        date(int(day_parts["Y"]), int(day_parts["M"]), int(day_parts["D"] or "1"))
    except ValueError:
        return None
    first = {"M": iter(day_parts["M"] if keeps_month else "01"), "D": iter("01")}
    for sign, one in zip(form, text, strict=True):
        if sign in first:
            out.append(next(first[sign]))
        elif sign in "0+":
            out.append(sign)
        elif sign != "f":
            out.append(one)
    return "".join(out)


def form_of(text: str) -> str | None:
    """Return the form of a date, sign by sign: Y, M and D; 0 for a digit of time or zone; f for what goes."""
    for zone in ("", "Z", "+00"):
        for form in ("YYYYMMDD", "YYYYMMDD0000", "YYYYMMDD000000"):
            if has_form(text, form + zone):
                return form + zone
    for zone in ("", "Z", "+00:00"):
        for form in ("YYYY-MM", "YYYY-MM-DD", "YYYY-MM-DDT00:00:00"):
            if has_form(text, form + zone):
                return form + zone
        base = "YYYY-MM-DDT00:00:00"
        fraction = len(text) - len(base) - len(zone)
        if 2 <= fraction <= 13 and text[len(base)] == "." and has_form(text, base + "f" * fraction + zone):
            return base + "f" * fraction + zone
    return None


def has_form(text: str, form: str) -> bool:
    """Tell whether every sign of a text is what a form has there."""
    if len(text) != len(form):
        return False
    for at, (one, sign) in enumerate(zip(text, form, strict=True)):
        if sign in "YMD0":
            fits = one in DIGITS
        elif sign == "+":
            fits = one in "+-"
        elif sign == "f":
            fits = one in DIGITS or (one == "." and form[at - 1] != "f")
        else:
            fits = one == sign
        if not fits:
            return False
    return True


# ── countries, amounts ───────────────────────────────────────────────────────────────────────────────────────────


def country(text: str) -> str | None:
    """Return the country of a place: of two letters, a UN/LOCODE, a subdivision, or an id that begins with it."""
    head, tail = text[:2], text[2:]
    if len(text) == 2 and text.isascii() and text.isalpha():
        return text.upper()
    if not set(head) <= CAPITALS or len(head) < 2:
        return None
    code = CAPITALS | DIGITS
    locode = len(tail) == 3 and set(tail) <= code - {"0", "1"}
    subdivision = tail[:1] == "-" and 2 <= len(tail) <= 4 and set(tail[1:]) <= code
    identity = set(tail) <= code and bool(set(tail) & DIGITS)
    return head if locode or subdivision or identity else None


def band(bands: list[Decimal], text: str) -> str | None:
    """Return the lower bound of the band that an amount is in."""
    try:
        amount = Decimal(text) if set(text) <= DIGITS | set("+-.eE") else None
    except InvalidOperation:
        amount = None
    below = [bound for bound in bands if amount is not None and bound <= amount]
    if not below:
        return None
    found = format(max(below).normalize(), "f")
    return "0" if Decimal(found) == 0 else found


# ── pseudonyms ───────────────────────────────────────────────────────────────────────────────────────────────────

ALPHABETS = (
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16, 12, 4),
    ("0123456789", 24, 19, 6),
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 17, 13, 4),
    ("0123456789ABCDEF", 20, 15, 5),
    ("0123456789abcdef", 20, 15, 5),
    ("abcdefghijklmnopqrstuvwxyz234567", 16, 12, 4),
)
"""Letters, the usual length, the least (60 bits), how many of them are the check (18 bits)."""
LONGEST = 48


@cache
def pseudonym_form(facts: Value) -> tuple[str, int, int] | None:
    """Return letters, length and length of the check of pseudonyms in a type."""
    if facts.base not in ("string", "normalizedString", "token", "NMTOKEN") or facts.one_of:
        return None
    for letters, usual, least, check in ALPHABETS:
        most = min(LONGEST, LONGEST if facts.most_length is None else facts.most_length)
        for length in (usual, *range(usual - 1, least - 1, -1), *range(usual + 1, most + 1)):
            if max(least, facts.least_length) <= length <= most and all(map(facts.allows, _probes(letters, length))):
                return letters, length, check
    return None


def _probes(letters: str, length: int) -> Iterator[str]:
    for at, one in enumerate(letters):
        yield one * length
        yield (letters[at:] + letters[:at] + letters)[:length].ljust(length, one)


def pseudonym(text: str, facts: Value, key: bytes | None) -> str | None:
    """Return the pseudonym of a value; itself if it is one made with this key."""
    form = pseudonym_form(facts)
    if form is None:
        return None
    if key is None:
        return ANY_PSEUDONYM
    letters, length, check = form
    if is_pseudonym(text, facts) and text[-check:] == _letters(key, "check", text[:-check], letters, check):
        return text
    body = _letters(key, "body", text, letters, length - check)
    return body + _letters(key, "check", body, letters, check)


def is_pseudonym(text: str, facts: Value) -> bool:
    """Tell whether a text has the form of the pseudonyms of its type."""
    form = pseudonym_form(facts)
    return form is not None and len(text) == form[1] and set(text) <= set(form[0])


def _letters(key: bytes, purpose: str, text: str, letters: str, number: int) -> str:
    rest = int(hmac.new(key, purpose.encode() + b"\x00" + text.encode(), hashlib.sha256).hexdigest(), 16)
    return "".join(letters[rest // len(letters) ** at % len(letters)] for at in range(number))
