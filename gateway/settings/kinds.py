"""The kinds of value that stand in a settings file: how each is read, and what to write instead when it is wrong.

Each is an annotated type that pydantic applies. A wrong value raises `wrong(problem, fix)`, which becomes a Finding.
Paths are resolved against the folder of the file (validation context `folder`); without it they stay as they are.
"""

import os
import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from gateway.domain.ids import ClientId, PartyId, is_name, party_id

WRONG: Final = "gateway"
_DURATION: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_MILLISECONDS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# Longer is a slip of the pen, and keeps every sum of a time and a duration within what datetime can hold.
LONGEST: Final = timedelta(days=3660)
_PIN: Final = re.compile(r"[0-9a-f]{64}")
_CLIENT: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@-]{0,126}[A-Za-z0-9])?")


def wrong(problem: str, fix: str) -> PydanticCustomError:
    """Return the error that carries a problem and its fix to the finding."""
    return PydanticCustomError(WRONG, "{problem}", {"problem": problem, "fix": fix})


def duration(text: object) -> timedelta:
    """Return `30s`, `10m`, `24h`, `90d` or `500ms` as a timedelta."""
    if isinstance(text, timedelta):
        return text
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None or int(match[1]) == 0:
        raise wrong("is not a length of time", 'Write a number and a unit, such as "30s", "10m", "24h" or "90d"')
    if int(match[1]) * _MILLISECONDS[match[2]] > LONGEST // timedelta(milliseconds=1):
        raise wrong("is longer than ten years", 'Write a shorter time, such as "90d"')
    return timedelta(milliseconds=int(match[1]) * _MILLISECONDS[match[2]])


def between(least: str, most: str) -> AfterValidator:
    """Return the check that a length of time lies in these bounds, both written as in a file and both allowed."""
    low, high = duration(least), duration(most)

    def check(value: timedelta) -> timedelta:
        if value < low:
            raise wrong("is too short", f'Write at least "{least}"')
        if value > high:
            raise wrong("is too long", f'Write at most "{most}"')
        return value

    return AfterValidator(check)


def is_loopback(host: str) -> bool:
    """Tell whether `host` names this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def backend_kind(value: object) -> str | None:
    """Return the `kind` of a back end's table, `webhook` if it names none; None for what is no table."""
    if not isinstance(value, dict):
        kind = getattr(value, "kind", None)  # the value itself, where one is checked again
        return kind if isinstance(kind, str) else None
    kind = value.get("kind", "webhook")
    return kind if isinstance(kind, str) else ""


def default_workers() -> int:
    """Return one worker fewer than there are cores; 0 means the work is done in the main process."""
    return max(0, len(os.sched_getaffinity(0)) - 1) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) - 1


def _resolved(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    return path if folder is None else (folder / path).absolute()


def _looks(info: ValidationInfo) -> bool:
    """Tell whether what a file names must be there. It need not be for a command that only asks a node something."""
    context = info.context or {}
    return context.get("folder") is not None and bool(context.get("look", True))


def _existing_file(path: Path, info: ValidationInfo) -> Path:
    if _looks(info) and not path.is_file():
        raise wrong(f"names a file that does not exist ({path})", "Correct the path, or make the file")
    return path


def _existing_folder(path: Path, info: ValidationInfo) -> Path:
    if _looks(info) and not path.is_dir():
        raise wrong(f"names a folder that does not exist ({path})", "Correct the path, or make the folder")
    return path


def _party(text: str) -> str:
    try:
        return party_id(text)
    except ValueError as error:
        raise wrong("is not a party id", f"Remember: {error}") from None


def _name(text: str) -> str:
    if not is_name(text):
        raise wrong("is not a name", "Use lower-case letters, digits, dots and hyphens, at most 64")
    return text


def _client(text: str) -> str:
    if not _CLIENT.fullmatch(text):
        raise wrong("is not a client id", "Use letters, digits and . _ @ -, as in the token's `sub`")
    return text


def _pin(text: str) -> str:
    if not _PIN.fullmatch(text):
        raise wrong("is not a pin", "Write the SHA-256 of the SubjectPublicKeyInfo as 64 lower-case hex digits")
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        raise wrong("is not a web address", "Write it as https://host:port/path") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or not port_ok:
        raise wrong("is not a web address", "Write it as https://host:port/path")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise wrong("holds more than host, port and path", "Leave out user, password, query and fragment")
    return text


def _backend_url(text: str) -> str:
    parts = urlsplit(_url(text))
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise wrong("is plain HTTP to another machine", "Write https://; plain HTTP is for loopback only")
    return text


def _partner_url(text: str) -> str:
    if urlsplit(_url(text)).scheme != "https":
        raise wrong("is plain HTTP", "Write https://; partners meet over mutual TLS only")
    return text.rstrip("/")


Duration = Annotated[timedelta, BeforeValidator(duration)]
# A lease that is over before it is used, a loop that never looks, or looks without rest: slips of the pen, all of them.
Lease = Annotated[Duration, between("1s", "24h")]
Rhythm = Annotated[Duration, between("10ms", "5m")]
Timeout = Annotated[Duration, between("100ms", "10m")]
StopTime = Annotated[Duration, between("1s", "10m")]
PurgeRhythm = Annotated[Duration, between("1s", "7d")]
Flag = Annotated[bool, Field(strict=True)]
Port = Annotated[int, Field(strict=True, ge=0, le=65535)]
Folder = Annotated[Path, AfterValidator(_resolved)]
ExistingFile = Annotated[Path, AfterValidator(_resolved), AfterValidator(_existing_file)]
ExistingFolder = Annotated[Path, AfterValidator(_resolved), AfterValidator(_existing_folder)]
PartyName = Annotated[PartyId, AfterValidator(_party)]
NodeName = Annotated[str, AfterValidator(_name)]
ClientName = Annotated[ClientId, AfterValidator(_client)]
Pin = Annotated[str, AfterValidator(_pin)]
BackendUrl = Annotated[str, AfterValidator(_backend_url)]
PartnerUrl = Annotated[str, AfterValidator(_partner_url)]
