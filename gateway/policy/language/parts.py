"""Reads one policy file by itself, before its includes and names are known.

Selectors, sets and criteria are still texts here, each with its line; joining.py puts the files together.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Final

from gateway.policy.language.changes import Change, ChangeKind
from gateway.policy.language.reading import Reading
from gateway.policy.language.rules import MENDING, REFUSE, Action, Attributes
from gateway.policy.language.source import Fields, Items, Node, Word

__all__ = ["Asked", "DraftDemand", "DraftRule", "Part", "Written", "read_part"]

_ATTRIBUTE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
# With a short exponent: 1e999999 would be a number of a million digits.
_DECIMAL: Final = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")
_CHANGE_KEYS: Final = {
    "to": Action.GENERALISE,
    "digits": Action.GENERALISE,
    "prefix": Action.GENERALISE,
    "bands": Action.GENERALISE,
    "length": Action.TRUNCATE,
    "with": Action.REPLACE,
}
_TO: Final = (ChangeKind.YEAR, ChangeKind.MONTH, ChangeKind.COUNTRY)
_DIGITS: Final = (2, 4, 6)
_ASKED: Final = "with criteria and their values, such as {kind: [declaration]}"
MAX_NAMES: Final = 500
"""Sets, and criteria, that one file may name."""
MOST_CHARACTERS: Final = 10_000
_DEMAND_KEYS: Final = ("when", "unless", "reason", "legal", "shared")
_RULE_KEYS: Final = (*(action.value for action in Action), "attributes", *_DEMAND_KEYS, *_CHANGE_KEYS)
_HEAD: Final = ("policy", "version", "schema_set")
_TOP_KEYS: Final = ("title", "include", "shared", "paths", "criteria", "rules", "require", "hold", "consistency")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A text of a file that is resolved later, with where it stands."""

    text: str
    line: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One line of `when` or `unless`."""

    criterion: Written
    values: tuple[str, ...]
    negated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRule:
    """One rule about one selector, as written."""

    action: Action
    selector: Written
    attributes: Attributes
    change: Change | None
    asked: tuple[Asked, ...]
    reason: str
    legal: str
    shared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftDemand:
    """One entry of `require` or `hold`, as written."""

    asked: tuple[Asked, ...]
    reason: str
    legal: str
    shared: bool
    line: int


@dataclass(slots=True, kw_only=True)
class Part:
    """What one file says. `name`: how includes call it, from the folder of the first file; `reading`: its findings.

    `shared`: it is included, and says that it is made for several schema sets, so all its rules are.
    """

    name: str
    reading: Reading
    policy: str = ""
    version: int = 0
    title: str = ""
    schema_set: str = ""
    schema_set_line: int = 0
    shared: bool = False
    includes: list[Written] = field(default_factory=list)
    sets: dict[str, list[Written]] = field(default_factory=dict)
    set_lines: dict[str, int] = field(default_factory=dict)
    criteria: dict[str, Written] = field(default_factory=dict)
    rules: list[DraftRule] = field(default_factory=list)
    require: list[DraftDemand] = field(default_factory=list)
    hold: list[DraftDemand] = field(default_factory=list)
    consistency: dict[str, Written] = field(default_factory=dict)


def read_part(node: Node, *, file: str, name: str, is_included: bool) -> Part:
    """Return what a file says; what is wrong is noted in its `reading`. An included file needs no head and no rules."""
    reading = Reading(file)
    has_include = isinstance(node, Fields) and "include" in node.fields
    required = [] if is_included else [*_HEAD, *([] if has_include else ["rules"])]
    top = reading.fields(node, "", required=required, optional=[*_HEAD, *_TOP_KEYS])
    part = Part(name=name, reading=reading)
    reader = _PartReader(reading, part)
    reader.head(top)
    part.shared = reading.truth(top, "shared", default=False) and is_included
    reader.names(top)
    reading.each(reading.items(top, "rules", empty=is_included), "rules", reader.rule)
    reading.each(reading.items(top, "require"), "require", lambda one, key: reader.demand(one, key, part.require))
    reading.each(reading.items(top, "hold"), "hold", lambda one, key: reader.demand(one, key, part.hold))
    reader.consistency(top)
    return part


class _PartReader:
    def __init__(self, reading: Reading, part: Part) -> None:
        self.reading = reading
        self.part = part

    def head(self, top: Fields) -> None:
        reading, part = self.reading, self.part
        part.policy, part.title = reading.name(top, "policy"), reading.text(top, "title")
        part.version = reading.number(top, "version", least=1, most=1_000_000)
        part.schema_set = reading.name(top, "schema_set")
        part.schema_set_line = top.fields["schema_set"].line if "schema_set" in top.fields else top.line
        if "include" in top.fields:
            part.includes = self.texts(top.fields["include"].node, "include")

    def names(self, top: Fields) -> None:
        """Read `paths` and `criteria`."""
        for name, node, line in self.group(top, "paths"):
            self.part.sets[name] = self.texts(node, f"paths.{name}")
            self.part.set_lines[name] = line
        for name, node, line in self.group(top, "criteria"):
            key = f"criteria.{name}"
            self.part.criteria[name] = Written(text=self.reading.as_text(node, key), line=line, key=key)

    def group(self, top: Fields, key: str) -> list[tuple[str, Node, int]]:
        entry = top.fields.get(key)
        if entry is None:
            return []
        if not isinstance(entry.node, Fields):
            fix = "Write each name on a line of its own, with a colon and what it stands for"
            self.reading.note(entry.line, key, "is not a group of names", fix)
            return []
        if len(entry.node.fields) > MAX_NAMES:
            fix = "Put some of them together, or write what is used once where it is used"
            self.reading.note(entry.line, key, f"has more than {MAX_NAMES} names", fix)
            return []
        return [(name, one.node, one.line) for name, one in entry.node.fields.items()]

    def texts(self, node: Node, key: str) -> list[Written]:
        """Read one text, or a list of them."""
        nodes = node.items if isinstance(node, Items) else (node,)
        if not nodes:
            self.reading.note(node.line, key, "is empty", "Add at least one entry")
        found = [Written(text=self.reading.as_text(one, key), line=one.line, key=key) for one in nodes]
        return [one for one in found if one.text]

    # ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────

    def rule(self, node: Node, key: str) -> None:
        fields = self.reading.fields(node, key, required=(), optional=_RULE_KEYS)
        action = self.action(node, fields, key)
        if action is None:
            return
        entry = fields.fields[action]
        attributes = self.attributes(fields, key, action)
        change = self.change(fields, key, action)
        asked, reason, legal = self.when(fields, key), *self.why(fields, key)
        for selector in self.texts(entry.node, f"{key}.{action}"):
            self.part.rules.append(
                DraftRule(
                    action=action,
                    selector=selector if isinstance(entry.node, Items) else _at(selector, entry.line),
                    attributes=attributes,
                    change=change,
                    asked=asked,
                    reason=reason,
                    legal=legal,
                    shared=self.reading.truth(fields, "shared", key, default=self.part.shared),
                )
            )

    def action(self, node: Node, fields: Fields, key: str) -> Action | None:
        named = [action for action in Action if action.value in fields.fields]
        if len(named) == 1:
            return named[0]
        words = ", ".join(action.value for action in named or Action)
        if named:
            fix = "Keep one of them, and write a rule of its own for each other"
            self.reading.note(node.line, key, f"says more than one action: {words}", fix)
        # A misspelt action was noted as an unknown key already.
        elif isinstance(node, Fields) and all(name in _RULE_KEYS for name in fields.fields):
            self.reading.note(node.line, key, "does not say what to do", f"Write one of {words} with a path")
        return None

    def why(self, fields: Fields, key: str) -> tuple[str, str]:
        return self.reading.text(fields, "reason", key), self.reading.text(fields, "legal", key)

    def attributes(self, fields: Fields, key: str, action: Action) -> Attributes:
        entry = fields.fields.get("attributes")
        if entry is None:
            return ()
        where = f"{key}.attributes"
        if action is Action.DROP:
            fix = "Remove it; what is dropped takes its attributes along"
            self.reading.note(entry.line, where, "stands at a rule that drops", fix)
            return ()
        if isinstance(entry.node, Word) and entry.node.value == "required":
            return "required"
        if not isinstance(entry.node, Items):
            fix = "Write `required` or a list such as [unitCode]"
            self.reading.note(entry.line, where, "is not a list of names", fix)
            return ()
        names = [self.reading.as_text(node, where) for node in entry.node.items]
        for name in names:
            if name and not _ATTRIBUTE.fullmatch(name):
                problem = f"names `{name}`, which can not be an attribute's name"
                self.reading.note(entry.line, where, problem, "Write the bare name, such as unitCode")
        twice = next((name for at, name in enumerate(names) if name and name in names[:at]), None)
        if twice is not None:
            self.reading.note(entry.line, where, f"names the attribute `{twice}` twice", "Name it once")
        return tuple(names)

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────

    def change(self, fields: Fields, key: str, action: Action) -> Change | None:
        given = [name for name in _CHANGE_KEYS if name in fields.fields]
        for name in given:
            owner = _CHANGE_KEYS[name]
            if owner is not action:
                problem, fix = f"belongs to `{owner}`, not to `{action}`", f"Remove it, or write `{owner}:` instead"
                self.reading.note(fields.fields[name].line, f"{key}.{name}", problem, fix)
        wanted = [name for name, owner in _CHANGE_KEYS.items() if owner is action]
        own = [name for name in given if name in wanted]
        if wanted and len(own) != 1:
            problem, fix = f"does not say how to {action}", f"Write `{':` or `'.join(wanted)}:` below it"
            if own:
                problem, fix = f"says more than one way to {action}: {', '.join(own)}", "Keep one of them"
            self.reading.note(fields.fields[action].line, f"{key}.{action}", problem, fix)
            return None
        if action is Action.PSEUDONYMISE:
            return Change(kind=ChangeKind.PSEUDONYM)
        return self.one_change(own[0], fields, key) if own else None

    def one_change(self, name: str, fields: Fields, key: str) -> Change | None:
        match name:
            case "to":
                return self.to(fields, key)
            case "digits":
                return self.digits(fields, key)
            case "bands":
                return self.bands(fields, key)
            case "with":
                return Change(kind=ChangeKind.REPLACE, text=self.reading.text(fields, "with", key))
            case _:
                kind = ChangeKind.PREFIX if name == "prefix" else ChangeKind.TRUNCATE
                number = self.reading.number(fields, name, key, least=1, most=MOST_CHARACTERS)
                return Change(kind=kind, number=number)

    def to(self, fields: Fields, key: str) -> Change | None:
        word = self.reading.text(fields, "to", key)
        if word in _TO:
            return Change(kind=ChangeKind(word))
        if word:
            fix = "Write year, month or country; for codes and numbers write `digits:`, `prefix:` or `bands:` instead"
            self.reading.note(fields.fields["to"].line, f"{key}.to", f"can not be `{word}`", fix)
        return None

    def digits(self, fields: Fields, key: str) -> Change | None:
        entry = fields.fields["digits"]
        for number in _DIGITS:
            if isinstance(entry.node, Word) and entry.node.value == number:
                return Change(kind=ChangeKind.DIGITS, number=number)
        problem = "is not a length to which commodity codes are cut"
        self.reading.note(entry.line, f"{key}.digits", problem, "Write 2, 4 or 6")
        return None

    def bands(self, fields: Fields, key: str) -> Change | None:
        entry = fields.fields["bands"]
        nodes = entry.node.items if isinstance(entry.node, Items) else ()
        bands = [_decimal(node) for node in nodes]
        found = tuple(band for band in bands if band is not None)
        if not found or len(found) != len(bands) or any(a >= b for a, b in pairwise(found)):
            fix = "Write where each band begins, the lowest first, such as [0, 1000, 10000]"
            self.reading.note(entry.line, f"{key}.bands", "is not a list of rising numbers", fix)
            return None
        return Change(kind=ChangeKind.BANDS, bands=found)

    # ── conditions, demands, consistency ─────────────────────────────────────────────────────────────────────────

    def when(self, fields: Fields, key: str) -> tuple[Asked, ...]:
        found: list[Asked] = []
        for word in ("when", "unless"):
            entry = fields.fields.get(word)
            if entry is None:
                continue
            where = f"{key}.{word}"
            if not isinstance(entry.node, Fields) or not entry.node.fields:
                self.reading.note(entry.line, where, "asks nothing", f"Write it {_ASKED}")
                continue
            for name, one in entry.node.fields.items():
                criterion = Written(text=name, line=one.line, key=f"{where}.{name}")
                values = self.values(one.node, criterion)
                found.append(Asked(criterion=criterion, values=values, negated=word == "unless"))
        return tuple(found)

    def values(self, node: Node, criterion: Written) -> tuple[str, ...]:
        nodes = node.items if isinstance(node, Items) else (node,)
        if not nodes:
            self.reading.note(node.line, criterion.key, "is empty", "Add at least one value")
        values = [_code(one) or self.reading.as_text(one, criterion.key) for one in nodes]
        starred = next((value for value in values if "*" in value[:-1]), None)
        if starred is not None:
            problem = f"asks for `{starred}`, in which a `*` is not at the end"
            self.reading.note(node.line, criterion.key, problem, "Write how the values begin and one `*`, such as 93*")
        return tuple(value for value in values if value)

    def demand(self, node: Node, key: str, found: list[DraftDemand]) -> None:
        fields = self.reading.fields(node, key, required=("reason",), optional=_DEMAND_KEYS)
        asked, (reason, legal) = self.when(fields, key), self.why(fields, key)
        if isinstance(node, Fields) and not {"when", "unless"} & set(node.fields):
            self.reading.note(node.line, key, "asks nothing", f"Add `when:` {_ASKED}")
        shared = self.reading.truth(fields, "shared", key, default=self.part.shared)
        found.append(DraftDemand(asked=asked, reason=reason, legal=legal, shared=shared, line=node.line))

    def consistency(self, top: Fields) -> None:
        entry = top.fields.get("consistency")
        if entry is None:
            return
        fields = self.reading.fields(entry.node, "consistency", required=(), optional=tuple(MENDING))
        for name, word in MENDING.items():
            if name not in fields.fields:
                continue
            text = self.reading.text(fields, name, "consistency")
            key, line = f"consistency.{name}", fields.fields[name].line
            if text in (word, REFUSE):
                self.part.consistency[name] = Written(text=text, line=line, key=key)
            elif text:
                self.reading.note(line, key, f"can not be `{text}`", f"Write {word} or {REFUSE}")


def _at(written: Written, line: int) -> Written:
    return Written(text=written.text, line=line, key=written.key)


def _code(node: Node) -> str:
    """A code of digits alone is a number for YAML; it is the same text."""
    is_number = isinstance(node, Word) and isinstance(node.value, int) and not isinstance(node.value, bool)
    return str(node.value) if is_number and isinstance(node, Word) and str(node.value).isdigit() else ""


def _decimal(node: Node) -> Decimal | None:
    value = node.value if isinstance(node, Word) else None
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return Decimal(value) if _DECIMAL.fullmatch(str(value)) else None
