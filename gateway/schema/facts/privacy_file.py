"""A privacy file: which elements of a schema set are of which privacy class, and why, in a form that people review.

It is TOML: rules, each a class, a reason, and the elements it holds for. An element is written as its WCO id and the
last steps of its path (`R031 Exporter/Name`; `-` for no id), or as a whole path (`/MetaData/Declaration/ID`); `@name`
after it, or alone, means an attribute. `names` are patterns for what nobody has reviewed. The bytes of a file come in
here, and every problem in them is told at once, with its line.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway.errors import ConfigurationError, Finding
from gateway.schema.facts.nodes import Classed, PrivacyClass

_CLASSES: Final = frozenset(PrivacyClass)
_KEYS: Final = {"class", "reason", "elements", "names"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyEntry:
    """One element or attribute that a rule names. `wco_id` None: any; `steps` empty: an attribute of any element."""

    text: str
    line: int | None
    wco_id: str | None
    steps: tuple[str, ...]
    is_whole: bool
    attribute: str
    classed: Classed


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyFile:
    """One privacy file. `sets`: the ids it was reviewed for. `names`: patterns, each with what it is taken for."""

    file: str
    sets: tuple[str, ...]
    entries: tuple[PrivacyEntry, ...] = field(repr=False)
    names: tuple[tuple[str, Classed], ...] = field(repr=False)


def parse_privacy(raw: bytes, *, file: str) -> PrivacyFile:
    """Return a privacy file from its bytes. Raises ConfigurationError `config.invalid` with every finding."""
    try:
        text = raw.decode("utf-8-sig")
        content = tomllib.loads(text)
    except ValueError as error:
        raise invalid([Finding(file=file, problem=f"is not TOML: {error}", fix="Correct the line")]) from None
    reading = _Reading(file, text)
    rules = content.get("rule", [])
    if unknown := sorted(set(content) - {"sets", "rule"}):
        reading.note(unknown[0], "is not a key", "Use `sets` and [[rule]]")
    for rule in rules if isinstance(rules, list) else []:
        reading.rule(rule)
    sets = content.get("sets", [])
    if not _is_texts(sets):
        reading.note("sets", "is not a list of texts", 'Write sets = ["…"]')
    if reading.findings:
        raise invalid(reading.findings)
    return PrivacyFile(file=file, sets=tuple(sets), entries=tuple(reading.entries), names=tuple(reading.names))


class _Reading:
    def __init__(self, file: str, text: str) -> None:
        self.file, self.text, self.lines = file, text, text.splitlines()
        self.findings: list[Finding] = []
        self.entries: list[PrivacyEntry] = []
        self.names: list[tuple[str, Classed]] = []
        self._texts: set[str] = set()
        self._rule = 0

    def note(self, key: str, problem: str, fix: str, line: int | None = None) -> None:
        self.findings.append(Finding(file=self.file, line=line, key=key, problem=problem, fix=fix))

    def rule(self, rule: Any) -> None:
        """Take one rule; what is wrong is noted."""
        self._rule += 1
        key = f"rule[{self._rule}]"
        line = self._header(self._rule)
        if not isinstance(rule, dict) or set(rule) - _KEYS:
            self.note(key, "has a key that no rule has", f"Use {', '.join(sorted(_KEYS))}", line)
            return
        if rule.get("class") not in _CLASSES:
            self.note(f"{key}.class", "is no privacy class", f"Write {', '.join(PrivacyClass)}", line)
            return
        if not isinstance(rule.get("reason"), str) or not rule["reason"].strip():
            self.note(f"{key}.reason", "is missing", "Say why, in a sentence", line)
            return
        elements, names = rule.get("elements", []), rule.get("names", [])
        if not _is_texts(elements) or not _is_texts(names) or not [*elements, *names]:
            self.note(key, "names no element", 'Add `elements = ["…"]`', line)
            return
        classed = Classed(privacy=PrivacyClass(rule["class"]), reason=rule["reason"].strip(), guessed=False)
        for text in elements:
            self._entry(text, classed, f"{key}.elements")
        self.names += [(name, replace(classed, guessed=True)) for name in names]

    def _entry(self, text: str, classed: Classed, key: str) -> None:
        line = self._line(text)
        place, _, attribute = text.partition("@")
        wco_id, _, tail = place.rpartition(" ")
        is_whole = tail.startswith("/")
        steps = tuple(tail.removeprefix("/").split("/")) if tail else ()
        # Whole paths stand alone, tails have an id before them, and only an attribute may have neither.
        is_named = bool(steps) and "" not in steps and bool(wco_id) != is_whole
        if not is_named and (place or not attribute):
            fix = "Write a WCO id (or -) and the last steps, `R031 Exporter/Name`; or a whole path from /"
            self.note(key, f"holds `{text}`, which names no element", fix, line)
        elif text in self._texts:
            self.note(key, f"names {text} a second time", "Keep one of the two", line)
        else:
            self._texts.add(text)
            known = None if is_whole or not place else ("" if wco_id == "-" else wco_id)
            self.entries.append(
                PrivacyEntry(
                    text=text,
                    line=line,
                    wco_id=known,
                    steps=steps,
                    is_whole=is_whole,
                    attribute=attribute,
                    classed=classed,
                )
            )

    def _header(self, number: int) -> int | None:
        found = [index for index, line in enumerate(self.lines, start=1) if line.strip().startswith("[[rule]]")]
        return found[number - 1] if number <= len(found) else None

    def _line(self, text: str) -> int | None:
        """Return where a text stands: the last place, since an earlier one was taken by its first entry."""
        at = max(self.text.rfind(f'"{text}"'), self.text.rfind(f"'{text}'"))
        return self.text.count("\n", 0, at) + 1 if at >= 0 else None


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def invalid(findings: Iterable[Finding]) -> ConfigurationError:
    """Return the error that tells every finding, in the order of their lines."""
    ordered = tuple(sorted(findings, key=lambda one: (one.line or 0, one.key)))
    return ConfigurationError("config.invalid", findings=ordered)
