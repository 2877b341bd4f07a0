"""Reads nodes of a YAML source into typed values and collects everything that is wrong on the way.

A `Reading` never stops at the first problem: a wrong value is noted with its line and key, a stand-in is returned, and
`finish` raises once with all of it. Stand-ins never leave: whoever reads must call `finish` before using the result.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.domain.ids import is_name
from gateway.errors import Finding
from gateway.policy.language.source import Fields, Items, Node, Word

__all__ = ["Reading", "nearest"]

_DURATION: Final = re.compile(r"([0-9]{1,9})(s|m|h|d)")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MAX_TEXT: Final = 2000


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word closest to `word`, or an empty string when none is close."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), "")


class Reading:
    """The reading of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []

    def note(self, line: int | None, key: str, problem: str, fix: str) -> None:
        """Remember one thing that is wrong."""
        self.findings.append(Finding(file=self.file, line=line, key=key, problem=problem, fix=fix))

    def ordered(self) -> tuple[Finding, ...]:
        """Return all findings, by line."""
        return tuple(sorted(self.findings, key=lambda one: (one.line or 0, one.key)))

    def fields(self, node: Node, key: str, *, required: Sequence[str], optional: Sequence[str] = ()) -> Fields:
        """Return `node` as a mapping that has the required keys and no unknown ones."""
        known = list(dict.fromkeys((*required, *optional)))
        if not isinstance(node, Fields):
            self.note(node.line, key, "is not a group of keys", f"Write keys such as {known[0]}: and a value")
            return Fields(line=node.line, fields={})
        for name, entry in node.fields.items():
            if name not in known:
                near = nearest(name, known)
                fix = f"Did you mean `{near}`?" if near else f"Use one of {', '.join(known)}"
                self.note(entry.line, _join(key, name), "is not a key of the language", fix)
        for name in required:
            if name not in node.fields:
                self.note(node.line, _join(key, name), "is missing", f"Add `{name}:`")
        return node

    def items(self, parent: Fields, name: str, key: str = "", *, empty: bool = False) -> tuple[Node, ...]:
        """Return the sequence under `name`; nothing when it is absent."""
        entry = parent.fields.get(name)
        if entry is None:
            return ()
        if not isinstance(entry.node, Items):
            self.note(entry.line, _join(key, name), "is not a list", "Write each entry on its own line after `- `")
            return ()
        if not entry.node.items and not empty:
            self.note(entry.line, _join(key, name), "is empty", "Add at least one entry")
        return entry.node.items

    def text(self, parent: Fields, name: str, key: str = "", default: str = "") -> str:
        """Return the text under `name`; `default` when it is absent."""
        entry = parent.fields.get(name)
        return default if entry is None else self.as_text(entry.node, _join(key, name))

    def as_text(self, node: Node, key: str) -> str:
        """Return one text, without blanks around it."""
        if not isinstance(node, Word) or not isinstance(node.value, str) or not node.value.strip():
            self.note(node.line, key, "is not a text", "Write a text; quote it if it looks like a number")
            return ""
        value = node.value.strip()
        # Control characters would let a file write into an officer's terminal; line ends of block texts are legal.
        if len(value) > MAX_TEXT or any(ord(char) < 32 and char != "\n" for char in value):
            self.note(node.line, key, f"is longer than {MAX_TEXT} characters or holds control characters", "Shorten it")
            return ""
        return value

    def name(self, parent: Fields, name: str, key: str = "") -> str:
        """Return the text under `name` if it can name an agreement, a policy or a schema set."""
        entry = parent.fields.get(name)
        if entry is None:
            return ""
        value = self.as_text(entry.node, _join(key, name))
        if value and not is_name(value):
            fix = "Use lower-case letters, digits, dots and hyphens, at most 64"
            self.note(entry.line, _join(key, name), "is not a name", fix)
        return value

    def number(
        self, parent: Fields, name: str, key: str = "", *, least: int, most: int, default: int | None = None
    ) -> int:
        """Return the whole number under `name`, between `least` and `most`."""
        entry = parent.fields.get(name)
        if entry is None:
            return least if default is None else default
        node = entry.node
        value = node.value if isinstance(node, Word) else None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            fix = f"Write a whole number from {least} to {most}"
            self.note(entry.line, _join(key, name), "is not a number that is possible here", fix)
            return least
        return value

    def truth(self, parent: Fields, name: str, key: str = "", *, default: bool) -> bool:
        """Return `true` or `false` under `name`."""
        entry = parent.fields.get(name)
        if entry is None:
            return default
        if not isinstance(entry.node, Word) or not isinstance(entry.node.value, bool):
            self.note(entry.line, _join(key, name), "is neither true nor false", "Write true or false")
            return default
        return entry.node.value

    def span(self, parent: Fields, name: str, key: str = "", *, default: timedelta) -> timedelta:
        """Return the length of time under `name`, such as `30s`, `10m`, `24h`, `90d`."""
        entry = parent.fields.get(name)
        if entry is None:
            return default
        value = entry.node.value if isinstance(entry.node, Word) else None
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
        # Ten years: longer is a slip of the pen, and keeps every sum of times within range.
        if not 0 < seconds <= 3660 * 86400:
            fix = "Write a number and a unit, such as 30s, 10m, 24h or 90d"
            self.note(entry.line, _join(key, name), "is not a length of time", fix)
            return default
        return timedelta(seconds=seconds)

    def day(self, parent: Fields, name: str, key: str = "") -> datetime:
        """Return the date under `name` (YYYY-MM-DD) as its first moment in UTC."""
        stand_in = datetime(1970, 1, 1, tzinfo=UTC)
        entry = parent.fields.get(name)
        if entry is None:
            return stand_in
        value = entry.node.value if isinstance(entry.node, Word) else None
        try:
            date = datetime.fromisoformat(value) if isinstance(value, str) and _DAY.fullmatch(value) else None
        except ValueError:
            date = None
        if date is None:
            self.note(entry.line, _join(key, name), "is not a date", "Write it as year-month-day, such as 2026-01-31")
            return stand_in
        return date.replace(tzinfo=UTC)

    def each(self, nodes: Sequence[Node], key: str, read: Callable[[Node, str], None]) -> None:
        """Call `read` for each entry of a list with its key, such as `rules[2]`, counted from 1."""
        for number, node in enumerate(nodes, start=1):
            read(node, f"{key}[{number}]")


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
