"""YAML text as plain nodes that remember their lines. Used for policies and agreements alike.

A deliberately small YAML 1.2: mappings with text keys, sequences, and scalars that are text, whole numbers, `true`,
`false` or nothing. `NO` stays the text NO, a date stays text. Anchors, aliases, tags, merge keys, duplicate keys and
several documents in one file are refused: what an officer reads is what the program reads, and nothing can grow.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from gateway.errors import Finding

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
    builder = _Builder()
    try:
        return builder.build(_events(raw))
    except SourceError as error:
        finding = error.finding
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else None
        problem = f"is not YAML: {error.problem or error.context}"
        finding = _found(line, problem, "Correct the line; indent with spaces, quote texts with : or #")
    except YAMLError:
        finding = _found(None, "holds a character that YAML does not allow", "Save it as plain UTF-8")
    except (ValueError, OverflowError):  # an escape such as \U00110000, which the parser does not look into
        finding = _found(None, "holds an escape that is no character (\\U and eight digits)", "Write it out")
    raise SourceError(finding, builder.values)


def _events(raw: bytes) -> Iterator[Any]:
    if len(raw) > MAX_BYTES:
        raise _refusal(None, "is larger than 1 MiB", "Split it")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refusal(None, "is not UTF-8", "Save it as UTF-8") from None
    events: Iterator[Any] = YAML(typ="safe", pure=True).parse(text)
    return events


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
                    raise _refusal(line, "starts a second document", "Keep one document per file")
            case AliasEvent():
                raise _refusal(line, "uses an alias (*)", "Write the value out")
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
            fix = "Write prefixes such as 93*, and name whole classes instead of what is in them"
            raise _refusal(line, f"holds more than {MAX_VALUES:,} keys and values", fix)
        if event.anchor is not None:
            raise _refusal(line, "uses an anchor (&)", "Write the value where it is needed")
        if event.tag is not None:
            raise _refusal(line, "uses a tag (!)", "Leave the tag out; quote the value if it is text")

    def open(self, line: int, *, is_fields: bool) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise _refusal(line, "is nested too deep", f"Keep to {MAX_DEPTH} levels")
        if self.stack and self.stack[-1].is_fields and self.stack[-1].key is None:
            raise _refusal(line, "has a key that is not text", "Use a plain word as key")
        self.stack.append(_Open(line, is_fields, [], {}))

    def scalar(self, event: Any, line: int) -> None:
        # Half a character, written as an escape: no text that could be saved or hashed.
        if any("\ud800" <= char <= "\udfff" for char in event.value):
            raise _refusal(line, "holds half a character (an escape such as \\ud800)", "Write it out")
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
