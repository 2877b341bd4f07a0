"""Strict readers and writers of JSON members, shared by the message header and the statements.

A reader returns the value in its own type or raises ValueError that names the member and what it must be; never the
value it found. What is not listed is not accepted: no defaults, no conversions, no unknown members.
"""

import functools
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from unicodedata import category

from gateway.domain.ids import MessageId, PartyId, is_message_id, is_uuid, party_id
from gateway.envelope.compact import JsonObject, decode
from gateway.errors import EnvelopeError

Members = Mapping[str, object]

MAX_TEXT_CHARS: Final = 500
MAX_COUNT: Final = 2**53 - 1

_HEX_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")  # 32 bytes; the last 2 bits are unused
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z")
_KEPT_TIMES: Final = 64
_LATEST_SECONDS: Final = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that datetime can hold
# Control characters, surrogates, line and paragraph separators; and the signs that reorder text (Unicode TR 36 §2.5).
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def exact(value: object, name: str, required: frozenset[str], optional: frozenset[str] = frozenset()) -> Members:
    """Return `value` if it is an object with all `required` members and none beside these and `optional`."""
    if type(value) is not dict:
        raise ValueError(f"{name} must be an object")
    members: JsonObject = value
    names = members.keys()
    if names != required and not required <= names <= required | optional:
        raise ValueError(f"{name} must have exactly the members of its definition")
    return members


def string(value: object, name: str) -> str:
    """Return a string."""
    if type(value) is not str:
        raise ValueError(f"{name} must be a string")
    return value


def text(value: object, name: str) -> str:
    """Return 1 to MAX_TEXT_CHARS characters on one line, without control and reordering characters."""
    found = string(value, name)
    if not 1 <= len(found) <= MAX_TEXT_CHARS:
        raise ValueError(f"{name} must have 1 to {MAX_TEXT_CHARS} characters")
    if not (found.isascii() and found.isprintable()) and any(
        category(sign) in _REFUSED_CATEGORIES or sign in _REORDERING for sign in found
    ):
        raise ValueError(f"{name} must not hold control or reordering characters")
    return found


def integer(value: object, name: str, *, least: int) -> int:
    """Return an integer of at least `least`; the parser already bounds it above."""
    if type(value) is not int or not least <= value <= MAX_COUNT:  # True is an int in Python, not in JSON
        raise ValueError(f"{name} must be an integer of at least {least}")
    return value


def uuid(value: object, name: str) -> str:
    """Return a UUID in lower-case canonical form (RFC 9562 §4)."""
    found = string(value, name)
    if not is_uuid(found):
        raise ValueError(f"{name} must be a UUID in lower case")
    return found


def message_id(value: object, name: str) -> MessageId:
    """Return a UUIDv7 (RFC 9562 §5.7)."""
    found = string(value, name)
    if not is_message_id(found):
        raise ValueError(f"{name} must be a UUIDv7 in lower case")
    return MessageId(found)


def party(value: object, name: str) -> PartyId:
    """Return a party id such as `GB-HMRC`."""
    try:
        return party_id(string(value, name))
    except ValueError as error:
        raise ValueError(f"{name} must be a party id") from error


def sha256_hex(value: object, name: str) -> str:
    """Return a SHA-256 in 64 lower-case hex digits."""
    found = string(value, name)
    if not _HEX_SHA256.fullmatch(found):
        raise ValueError(f"{name} must be a SHA-256 in lower-case hex")
    return found


def octets(value: object, name: str, *, length: int) -> bytes:
    """Return `length` bytes from canonical base64url."""
    try:
        found = decode(string(value, name).encode("ascii"))
    except (EnvelopeError, UnicodeEncodeError) as error:
        raise ValueError(f"{name} must be base64url") from error
    if len(found) != length:
        raise ValueError(f"{name} must be {length} bytes in base64url")
    return found


def sha256_thumbprint(value: object, name: str) -> str:
    """Return a SHA-256 in base64url, as written (RFC 7638, RFC 7515 §4.1.8)."""
    found = string(value, name)
    if not _THUMBPRINT.fullmatch(found):
        raise ValueError(f"{name} must be a SHA-256 in base64url")
    return found


def time(value: object, name: str) -> datetime:
    """Return an aware UTC time from RFC 3339 in whole seconds with `Z`."""
    moment = _moment(string(value, name))
    if moment is None:
        raise ValueError(f"{name} must be a time such as 2026-01-31T12:00:00Z")
    return moment


# The messages of a batch were made in the same second, and so were their receipts.
@functools.lru_cache(_KEPT_TIMES)
def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if _TIME.fullmatch(text) else None


@functools.lru_cache(_KEPT_TIMES)
def written_time(moment: datetime) -> str:
    """Return RFC 3339 in whole seconds with `Z`. `moment` must be aware and whole; else ValueError."""
    if moment.tzinfo is None or moment.microsecond:
        raise ValueError("a time on the wire must be aware and in whole seconds")
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def numeric_date(value: object, name: str) -> datetime:
    """Return an aware UTC time from whole seconds since 1970 (RFC 7519 §2, without fractions)."""
    seconds = integer(value, name, least=0)
    if seconds > _LATEST_SECONDS:
        raise ValueError(f"{name} must be before the year 10000")
    return datetime.fromtimestamp(seconds, UTC)
