"""Profile rules as values: what a rule file says, and the hash that agreements pin.

A rule selects, by an XPath 2.0 expression, the places that break it; docs/profile-rules.md defines the language. Here
is no engine and no file: settings reads the YAML, compiled.py runs the expressions, check.py holds them
against a schema set.

The hash is over what rules do: their ids, expressions, kinds, severities and the set they are for. Titles and other
words for people are left out, so that a better text does not make another rule set.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from gateway.domain.ids import RuleSetId, SchemaSetId
from gateway.domain.message import MessageKind
from gateway.domain.profile import Severity

__all__ = ["Rule", "RuleSet", "RuleTarget", "sealed_rule_set"]


class RuleTarget(StrEnum):
    """What a rule is held against: the document as it was handed in, or each view that would leave."""

    DOCUMENT = "document"
    VIEW = "view"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `selects` gives the elements that break it; `when`, if not empty, must hold for it to be asked.

    `title` says what is wrong, `expected` what would be right, `fix` what to do, `source` where that is written.
    `lines`: key of the rule → line in its file, from 1.
    """

    id: str
    title: str
    expected: str
    fix: str
    source: str
    severity: Severity
    target: RuleTarget
    kinds: frozenset[MessageKind]
    when: str
    selects: str
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    def line(self, key: str) -> int | None:
        """Return where `key` stands in the rule file."""
        return self.lines.get(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """The rules for one schema set. `sha256`: lower-case hex, as the head of this file says; `file` for findings."""

    id: RuleSetId
    version: int
    title: str
    schema_set: SchemaSetId
    rules: tuple[Rule, ...]
    sha256: str
    file: str = field(compare=False)

    def rule(self, rule_id: str) -> Rule | None:
        """Return one rule, or None."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)


def sealed_rule_set(rule_set: RuleSet) -> RuleSet:
    """Return the rule set with its hash."""
    content = {
        "rule_set": rule_set.id,
        "version": rule_set.version,
        "schema_set": rule_set.schema_set,
        "rules": [_content(rule) for rule in rule_set.rules],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return replace(rule_set, sha256=hashlib.sha256(text.encode()).hexdigest())


def _content(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "severity": rule.severity.value,
        "on": rule.target.value,
        "kinds": sorted(rule.kinds),
        # How an expression is laid out over lines is not part of it; blanks within a literal would be.
        "when": _on_one_line(rule.when),
        "selects": _on_one_line(rule.selects),
    }


def _on_one_line(expression: str) -> str:
    return " ".join(line.strip() for line in expression.splitlines())
