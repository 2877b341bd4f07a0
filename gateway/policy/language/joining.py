"""Puts a policy together from its own file and those it includes, and resolves the names in them.

Included files lie beside the file that includes them, or below. What they say comes in as if it stood here, but a file
that includes another overrides it: a rule with the same selector and the same conditions, a set of paths or a criterion
of the same name, a word of `consistency`. `require` and `hold` of all files count.
"""

import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from gateway.domain.ids import is_name
from gateway.domain.message import MessageKind
from gateway.errors import Finding
from gateway.policy.language.conditions import BUILT_IN, KIND, Condition, Criterion
from gateway.policy.language.parts import Asked, DraftDemand, DraftRule, Part, Written, read_part
from gateway.policy.language.reading import nearest
from gateway.policy.language.rules import Consistency, Demand, Rule
from gateway.policy.language.selectors import Selector, SelectorError, SelectorKind, parse_selector
from gateway.policy.language.source import MAX_BYTES, MAX_VALUES, Fields, SourceError, read_source, values_in

__all__ = ["Include", "Joined", "Parts", "join", "read_parts"]

MAX_FILES: Final = 50
MAX_SETS_IN_SETS: Final = 16
_ANSWERABLE: Final = (SelectorKind.PLAIN, SelectorKind.WILDCARD, SelectorKind.ANYWHERE, SelectorKind.WCO)

T = TypeVar("T")
Include = Callable[[str], bytes]
"""Gives the bytes of an included file by its path from the folder of the first file. Raises OSError."""


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Parts:
    """All files of one policy, the first one first. `reach`: name of a file → names of those it includes, near or far.

    `findings`: about files that could not be read at all.
    """

    def __init__(self, file: str, include: Include | None) -> None:
        self.folder = posixpath.dirname(file)
        self.include = include
        self.parts: dict[str, Part] = {}
        self.reach: dict[str, set[str]] = {}
        self.findings: list[Finding] = []
        self.size = 0
        self.values = 0

    def add(self, raw: bytes, name: str, above: tuple[str, ...]) -> None:
        """Read one file and what it includes; `above` are those on the way to it."""
        file = posixpath.join(self.folder, name)
        self.size += len(raw)
        if self.is_too_much():
            return
        try:
            node = read_source(raw, file=file)
        except SourceError as error:
            self.findings.append(error.finding)
            self.values += error.values
            return
        self.values += values_in(node)
        if self.is_too_much():
            return
        if isinstance(node, Fields) and "agreement" in node.fields and "policy" not in node.fields:
            wrong, fix = "is an agreement, not a policy", "Name one of the policies that stand in its flows"
            self.findings.append(Finding(file=file, line=node.line, key="agreement", problem=wrong, fix=fix))
            return
        part = self.parts[name] = read_part(node, file=file, name=name, is_included=bool(above))
        self.reach[name] = set()
        for written in part.includes:
            other = posixpath.join(posixpath.dirname(name), posixpath.normpath(written.text))
            problem = self.take(written, other, (*above, name))
            if problem is not None:
                part.reading.note(written.line, written.key, *problem)
            elif other in self.reach:
                self.reach[name] |= {other, *self.reach[other]}

    def is_too_much(self) -> bool:
        """Whether the files are more together than a policy may be."""
        return bool(self.parts) and (self.size > MAX_BYTES or self.values > MAX_VALUES)

    def take(self, written: Written, other: str, above: tuple[str, ...]) -> tuple[str, str] | None:
        """Read an included file, if it is new; return what is wrong with naming it, and the mend."""
        if written.text.startswith(("/", "\\")) or ".." in written.text.split("/"):
            return f"includes {written.text}, which is not beside this file or below", "Move the file there"
        if other in above:
            circle = " → ".join((*above[above.index(other) :], other))
            return f"includes itself: {circle}", "Remove one of these includes"
        if other in self.parts or self.is_too_much():
            return None
        if len(self.parts) >= MAX_FILES:
            return f"is one of more than {MAX_FILES} files", "Put some of the files together"
        try:
            if self.include is None:
                raise FileNotFoundError
            raw = self.include(other)
        except OSError:
            return f"includes {written.text}, which can not be read", "Correct the name, or put the file there"
        self.add(raw, other, above)
        if not self.is_too_much():
            return None
        most = f"{MAX_BYTES // 1024 // 1024} MiB, or {MAX_VALUES:,} keys and values, in all files"
        fix = "Include less, or name whole classes instead of what is in them"
        return f"makes the policy hold more than {most}", fix


def read_parts(raw: bytes, *, file: str, include: Include | None) -> Parts:
    """Return a policy's file and all it includes, each read by itself."""
    parts = Parts(file, include)
    parts.add(raw, posixpath.basename(file), ())
    return parts


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What all files of a policy say together."""

    rules: tuple[Rule, ...]
    require: tuple[Demand, ...]
    hold: tuple[Demand, ...]
    consistency: Consistency


def join(parts: Parts) -> Joined:
    """Return what the files say together; what is wrong is noted in the reading of the file where it stands."""
    names = _Names(parts)
    rules = [(part, rule) for part in parts.parts.values() for rule in _rules(part, names)]
    everything = [(part, names.demand(part, one)) for part in parts.parts.values() for one in part.require]
    held = [(part, names.demand(part, one)) for part in parts.parts.values() for one in part.hold]
    words = names.chosen({part.name: part.consistency for part in parts.parts.values()}, lambda one: one.text)
    return Joined(
        rules=tuple(_not_overridden(rules, parts)),
        require=tuple(one for _, one in everything),
        hold=tuple(one for _, one in held),
        consistency=Consistency(**{name: word.text for name, (_, word) in words.items()}),
    )


def _rules(part: Part, names: "_Names") -> Iterable[Rule]:
    seen: dict[object, Rule] = {}
    for draft in part.rules:
        rule = names.rule(part, draft)
        if rule is None:
            continue
        twin = seen.setdefault(_twin_key(rule), rule)
        if twin is not rule:
            problem = f"speaks for the same path as line {twin.line}, {rule.path}"
            part.reading.note(rule.line, draft.selector.key, problem, "Keep one of the two rules")
        yield rule


def _twin_key(rule: Rule) -> tuple[str, frozenset[tuple[str, bool, frozenset[str]]]]:
    asked = ((one.criterion.name, one.negated, frozenset(one.values)) for one in rule.conditions)
    return rule.selector.text, frozenset(asked)


def _not_overridden(rules: list[tuple[Part, Rule]], parts: Parts) -> Iterable[Rule]:
    """Leave out every rule that a file above it says anew; two files of which neither includes the other clash."""
    by_key: dict[object, list[tuple[Part, Rule]]] = {}
    for part, rule in rules:
        by_key.setdefault(_twin_key(rule), []).append((part, rule))
    for part, rule in rules:
        others = [(p, r) for p, r in by_key[_twin_key(rule)] if p is not part]
        if any(part.name in parts.reach[other.name] for other, _ in others):
            continue
        clash = next(((p, r) for p, r in others if p.name not in parts.reach[part.name]), None)
        if clash is not None and clash[1].file < rule.file:
            problem = f"speaks for the same path as {clash[1].file}:{clash[1].line}, {rule.path}"
            part.reading.note(
                rule.line, rule.action, problem, "Keep one of the two rules, or say it in the policy itself"
            )
        yield rule


class _Names:
    """Sets of paths and criteria of all files, resolved once."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        every = parts.parts.values()
        self.sets = self.chosen({part.name: part.sets for part in every}, _same_texts)
        self.criteria = dict(BUILT_IN)
        self.members: dict[str, tuple[Selector, ...]] = {}
        for name, (part, _) in self.sets.items():
            if not is_name(name):
                part.reading.note_name(part.set_lines[name], f"paths.{name}")
        for name in self.sets:
            self.resolve(name, ())
        own = self.chosen({part.name: part.criteria for part in every}, lambda one: one.text)
        for name, (part, written) in own.items():
            self.add_criterion(name, part, written)

    def chosen(self, by_part: Mapping[str, Mapping[str, T]], key: Callable[[T], Any]) -> dict[str, tuple[Part, T]]:
        """Return for each name what the file says that no other file overrides."""
        found: dict[str, tuple[Part, T]] = {}
        for name, part in self.parts.parts.items():
            for word, value in by_part[name].items():
                over = any(word in by_part[other] and name in reach for other, reach in self.parts.reach.items())
                if over:
                    continue
                there = found.setdefault(word, (part, value))
                if key(there[1]) != key(value):
                    line = value.line if isinstance(value, Written) else part.set_lines[word]
                    problem = f"says `{word}` otherwise than {there[0].reading.file}"
                    part.reading.note(line, word, problem, "Say it in the policy itself, which then counts")
        return found

    def resolve(self, name: str, above: tuple[str, ...]) -> tuple[Selector, ...]:
        """Return the selectors that a set stands for, those of sets in it too."""
        if name in self.members:
            return self.members[name]
        part, written = self.sets[name]
        found: list[Selector] = []
        for one in written:
            selector = self.plain(part, one)
            if selector is None:
                continue
            if selector.kind is not SelectorKind.SET:
                found.append(selector)
            elif len(above) >= MAX_SETS_IN_SETS:
                problem = f"is the {MAX_SETS_IN_SETS + 1}th set within a set"
                part.reading.note(one.line, one.key, problem, "Name the paths themselves here")
            elif selector.name in (*above, name):
                circle = " → ".join((*above, name, selector.name))
                part.reading.note(one.line, one.key, f"names itself: {circle}", "Remove one of these names")
            elif self.is_set(part, one, selector.name):
                found += self.resolve(selector.name, (*above, name))
        self.members[name] = tuple({one.text: one for one in found}.values())
        return self.members[name]

    def is_set(self, part: Part, written: Written, name: str) -> bool:
        if name in self.sets:
            return True
        near = nearest(name, self.sets)
        fix = f"Did you mean `set:{near}`?" if near else f"Add `{name}` under `paths`"
        part.reading.note(written.line, written.key, f"names the unknown set {name}", fix)
        return False

    def plain(self, part: Part, written: Written) -> Selector | None:
        try:
            return parse_selector(written.text)
        except SelectorError as error:
            part.reading.note(written.line, written.key, f"holds `{written.text}`, which is not a path", str(error))
            return None

    def selector(self, part: Part, written: Written) -> Selector | None:
        selector = self.plain(part, written)
        if selector is None or selector.kind is not SelectorKind.SET:
            return selector
        if not self.is_set(part, written, selector.name):
            return None
        return replace(selector, members=self.members[selector.name])

    def add_criterion(self, name: str, part: Part, written: Written) -> None:
        if not is_name(name):
            part.reading.note_name(written.line, written.key)
        if name in BUILT_IN:
            problem = "is a question that can be asked without being named"
            part.reading.note(written.line, written.key, problem, "Remove it, or give it another name")
            return
        selector = self.plain(part, written) if written.text else None
        if selector is not None and selector.kind not in _ANSWERABLE:
            problem = f"asks `{selector.text}`, which is a group of places and has no answer of its own"
            fix = "Write a path, //Name, or wco: and an id, such as wco:R037"
            part.reading.note(written.line, written.key, problem, fix)
        # Without a place it stands in for itself, so that rules which ask it are not found wrong as well.
        self.criteria[name] = Criterion(name=name, selector=selector)

    def conditions(self, part: Part, asked: Iterable[Asked]) -> tuple[Condition, ...]:
        return tuple(found for one in asked if (found := self.condition(part, one)) is not None)

    def condition(self, part: Part, asked: Asked) -> Condition | None:
        written = asked.criterion
        criterion = self.criteria.get(written.text)
        if criterion is None:
            near = nearest(written.text, self.criteria)
            fix = (
                f"Did you mean `{near}`?" if near else f"Use one of {', '.join(self.criteria)}, or add it to `criteria`"
            )
            part.reading.note(written.line, written.key, "is not a criterion", fix)
            return None
        if criterion.name == KIND:
            for value in asked.values:
                if not any(kind.startswith(value[:-1]) if value[-1] == "*" else kind == value for kind in MessageKind):
                    fix = f"Write some of {', '.join(MessageKind)}"
                    part.reading.note(written.line, written.key, f"names the unknown kind {value}", fix)
        return Condition(criterion=criterion, values=asked.values, negated=asked.negated)

    def rule(self, part: Part, draft: DraftRule) -> Rule | None:
        conditions = self.conditions(part, draft.asked)
        selector = self.selector(part, draft.selector)
        if selector is None or len(conditions) != len(draft.asked):
            return None
        if draft.action.is_changing and draft.change is None:
            return None
        return Rule(
            action=draft.action,
            selector=selector,
            attributes=draft.attributes,
            change=draft.change,
            conditions=conditions,
            reason=draft.reason,
            legal=draft.legal,
            shared=draft.shared,
            file=part.reading.file,
            line=draft.selector.line,
        )

    def demand(self, part: Part, draft: DraftDemand) -> Demand:
        return Demand(
            conditions=self.conditions(part, draft.asked),
            reason=draft.reason,
            legal=draft.legal,
            shared=draft.shared,
            file=part.reading.file,
            line=draft.line,
        )


def _same_texts(written: list[Written]) -> list[str]:
    return sorted(one.text for one in written)
