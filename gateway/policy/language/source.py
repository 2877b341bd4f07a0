"""YAML text as plain nodes that remember their lines. Used for policies and agreements alike.

A deliberately small YAML 1.2: mappings with text keys, sequences, and scalars that are text, whole numbers, `true`,
`false` or nothing. `NO` stays the text NO, a date stays text. Anchors, aliases, tags, merge keys, duplicate keys and
several documents in one file are refused: what an officer reads is what the program reads, and nothing can grow.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from gateway.errors import Finding
from gateway.policy.language.slips import slip

__all__ = [
    "MAX_BYTES",
    "MAX_VALUES",
    "Entry",
    "Fields",
    "Items",
    "Node",
    "SourceError",
    "Word",
    "read_source",
    "values_in",
]

MAX_BYTES: Final = 1024 * 1024
MAX_VALUES: Final = 50_000
"""What a file may hold of keys, values, lists and groups: each takes some 25 µs. 2,000 rules have 30,000."""
MAX_DEPTH: Final = 16
_LESS: Final = "Leave out what repeats; in a policy, write prefixes such as 93*, and classes instead of what is in them"
_LONG_ESCAPE: Final = re.compile(r"\\U([0-9A-Fa-f]{8})")
_WHOLE: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_PLAIN: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A scalar. `line` counts from 1."""

    line: int
    value: str | int | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A sequence."""

    line: int
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One value of a mapping; `line` is its key's."""

    line: int
    node: "Node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A mapping in the order of the file."""

    line: int
    fields: Mapping[str, Entry]


Node = Word | Items | Fields


class SourceError(Exception):
    """The text is not YAML as we read it. Holds the one finding; becomes a ConfigurationError in the callers.

    `values`: how many there were up to it.
    """

    def __init__(self, finding: Finding, values: int = 0) -> None:
        super().__init__(str(finding))
        self.finding = finding
        self.values = values


def read_source(raw: bytes, *, file: str) -> Node:
    """Return the YAML document in `raw`. Raises SourceError with file and line; `file` is for findings only."""
    try:
        return _read(raw)
    except SourceError as error:
        raise SourceError(replace(error.finding, file=file), error.values) from None


def values_in(node: Node) -> int:
    """Return how many keys, values, lists and groups a node holds, itself included."""
    count, todo = 0, [node]
    while todo:
        found = todo.pop()
        count += 1
        if isinstance(found, Items):
            todo += found.items
        elif isinstance(found, Fields):
            count += len(found.fields)
            todo += (entry.node for entry in found.fields.values())
    return count


# Parsing is most of what a start and a reload cost, and a reload finds nearly every file as it was.
@lru_cache(maxsize=64)
def _read(raw: bytes) -> Node:
    text, builder = _text(raw), _Builder()
    events: Iterator[Any] = YAML(typ="safe", pure=True).parse(text)
    try:
        return builder.build(events)
    except SourceError as error:
        finding = error.finding
    except MarkedYAMLError as error:
        finding = _found(*slip(error))
    except ReaderError as error:
        problem = f"holds a character that YAML does not allow (U+{error.character:04X})"
        fix = "Remove it; it may have come along when text was pasted"
        finding = _found(_line(text, error.position), problem, fix)
    except (ValueError, OverflowError):  # an escape such as \U00110000, which the parser does not look into
        starts = (one.start() for one in _LONG_ESCAPE.finditer(text) if int(one[1], 16) > sys.maxunicode)
        problem = "holds an escape that is no character (\\U and eight digits above 0010FFFF)"
        line = next((_line(text, start) for start in starts), None)
        finding = _found(line, problem, "Write the character itself")
    raise SourceError(finding, builder.values)


def _text(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise _refusal(None, f"is larger than {MAX_BYTES // 1024 // 1024} MiB", _LESS)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        fix = "Save the file anew with the encoding UTF-8"
        raise _refusal(line, "holds a character that is not UTF-8", fix) from None


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _refusal(line: int | None, problem: str, fix: str) -> SourceError:
    return SourceError(_found(line, problem, fix))


def _found(line: int | None, problem: str, fix: str) -> Finding:
    return Finding(file="", line=line, problem=problem, fix=fix)


@dataclass(slots=True)
class _Open:
    """A collection whose end was not seen yet. `key` is the key that waits for its value."""

    line: int
    is_fields: bool
    items: list[Node]
    fields: dict[str, Entry]
    key: tuple[str, int] | None = None

    def closed(self) -> Node:
        if self.is_fields:
            return Fields(line=self.line, fields=MappingProxyType(self.fields))
        return Items(line=self.line, items=tuple(self.items))


class _Builder:
    """Turns parser events into nodes without recursion, so depth can not exhaust the stack."""

    def __init__(self) -> None:
        self.stack: list[_Open] = []
        self.root: Node | None = None
        self.documents = 0
        self.values = 0

    def build(self, events: Iterator[Any]) -> Node:
        for event in events:
            self.take(event, event.start_mark.line + 1)
        if self.root is None:
            raise _refusal(None, "is empty", "Write its content; the folder config/ has examples")
        return self.root

    def take(self, event: Any, line: int) -> None:
        match event:
            case DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    fix = "Remove the line --- or ... above it, or put what follows into a file of its own"
                    raise _refusal(line, "starts a second document", fix)
            case AliasEvent():
                problem = "starts a value with *, which is an alias in YAML"
                raise _refusal(line, problem, "Put quotes around the value, or write out what the alias stands for")
            case MappingStartEvent() | SequenceStartEvent():
                self.check_plain(event, line)
                self.open(line, is_fields=isinstance(event, MappingStartEvent))
            case MappingEndEvent() | SequenceEndEvent():
                self.put(self.stack.pop().closed(), line)
            case ScalarEvent():
                self.check_plain(event, line)
                self.scalar(event, line)
            case _:
                pass

    def check_plain(self, event: Any, line: int) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            raise _refusal(line, f"holds more than {MAX_VALUES:,} keys and values", _LESS)
        if event.anchor is not None:
            fix = "Put quotes around the value, or remove the anchor and write the value wherever it is needed"
            raise _refusal(line, "starts a value with &, which is an anchor in YAML", fix)
        if event.tag is not None:
            fix = "Put quotes around the value, or remove the tag"
            raise _refusal(line, "starts a value with !, which is a tag in YAML", fix)

    def open(self, line: int, *, is_fields: bool) -> None:
        if len(self.stack) >= MAX_DEPTH:
            fix = "Write it with fewer lists and groups within each other"
            raise _refusal(line, f"is nested more than {MAX_DEPTH} levels deep", fix)
        if self.stack and self.stack[-1].is_fields and self.stack[-1].key is None:
            fix = "Write a word before the colon, and the list or the group after it"
            raise _refusal(line, "has a list or a group where a key is to stand", fix)
        self.stack.append(_Open(line, is_fields, [], {}))

    def scalar(self, event: Any, line: int) -> None:
        # Half a character, written as an escape: no text that could be saved or hashed.
        if any("\ud800" <= char <= "\udfff" for char in event.value):
            problem = "holds half a character (an escape such as \\ud800)"
            raise _refusal(line, problem, "Write the character itself")
        top = self.stack[-1] if self.stack else None
        if top is None or not top.is_fields or top.key is not None:
            plain = event.implicit[0]
            self.put(Word(line=line, value=_plain_value(event.value) if plain else event.value), line)
        elif event.value in top.fields:
            first = top.fields[event.value].line
            problem = f"repeats the key `{event.value}` of line {first}"
            raise _refusal(line, problem, "Keep one of them")
        else:
            top.key = (event.value, line)

    def put(self, node: Node, line: int) -> None:
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        if not top.is_fields:
            top.items.append(node)
            return
        name, key_line = top.key or ("", line)
        top.fields[name] = Entry(line=key_line, node=node)
        top.key = None


def _plain_value(text: str) -> str | int | bool | None:
    if text in _PLAIN:
        return _PLAIN[text]
    return int(text) if _WHOLE.fullmatch(text) else text
