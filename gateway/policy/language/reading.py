"""Reads nodes of a YAML source into typed values and collects everything that is wrong on the way.

A `Reading` never stops at the first problem: a wrong value is noted with its line and key, a stand-in is returned, and
`finish` raises once with all of it. Stand-ins never leave: whoever reads must call `finish` before using the result.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from gateway.domain.ids import is_name
from gateway.errors import Finding
from gateway.policy.language.source import Fields, Items, Node, Word

__all__ = ["Reading", "nearest"]

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
            fix = f"Write keys with values here, such as `{known[0]}:` and its value"
            self.note(node.line, key, "is not a group of keys", fix)
            return Fields(line=node.line, fields={})
        for name, entry in node.fields.items():
            if name not in known:
                near = nearest(name, known)
                fix = f"Did you mean `{near}`?" if near else f"Use one of {', '.join(known)}"
                self.note(entry.line, _join(key, name), "is not a key that can stand here", fix)
        for name in required:
            if name not in node.fields:
                self.note(node.line, _join(key, name), "is missing", f"Add `{name}:` and its value")
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
            fix = "Write a text; put it in quotes if it is a number, or true, false or null"
            self.note(node.line, key, "is not a text", fix)
            return ""
        value = node.value.strip()
        if len(value) > MAX_TEXT:
            self.note(node.line, key, f"is longer than {MAX_TEXT} characters", "Shorten it")
            return ""
        # They would let a file write into an officer's terminal; line ends of block texts are legal.
        if any(ord(char) < 32 and char != "\n" for char in value):
            self.note(node.line, key, "holds a control character, such as a tab", "Write a blank instead, or remove it")
            return ""
        return value

    def name(self, parent: Fields, name: str, key: str = "") -> str:
        """Return the text under `name` if it can name an agreement, a policy or a schema set."""
        entry = parent.fields.get(name)
        if entry is None:
            return ""
        value = self.as_text(entry.node, _join(key, name))
        if value and not is_name(value):
            self.note_name(entry.line, _join(key, name))
        return value

    def note_name(self, line: int, key: str) -> None:
        """Remember that something can not name anything."""
        fix = "Use lower-case letters, digits, dots and hyphens, at most 64, with a letter or digit at both ends"
        self.note(line, key, "is not a name", fix)

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
            self.note(entry.line, _join(key, name), "is not a number that can stand here", fix)
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

    def each(self, nodes: Sequence[Node], key: str, read: Callable[[Node, str], None]) -> None:
        """Call `read` for each entry of a list with its key, such as `rules[2]`, counted from 1."""
        for number, node in enumerate(nodes, start=1):
            read(node, f"{key}[{number}]")


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
