"""Reads rule files: the YAML that docs/profile-rules.md describes, every problem at once.

A folder of rule files belongs to a folder of schema sets: `rules/*.yaml` beside the sets' own folders. The rule sets
that come with the program are there whatever folder a node names, since they are for the sets that come with it too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.bundled import schema_folder
from gateway.domain.ids import RuleSetId, SchemaSetId, is_name
from gateway.domain.message import MessageKind
from gateway.domain.profile import Severity
from gateway.errors import Finding
from gateway.policy.language.reading import Reading, nearest
from gateway.policy.language.source import Fields, Items, Node, SourceError, Word, read_source
from gateway.schema import Rule, RuleSet, RuleTarget, sealed_rule_set
from gateway.settings.plain import plain_bytes

__all__ = ["RuleSets", "draft_rule_set", "read_rule_sets"]

RuleSets = Mapping[RuleSetId, RuleSet]

MAX_RULES: Final = 500
_REQUIRED: Final = ("id", "title", "expected", "fix", "source", "severity", "kinds", "selects")
_OPTIONAL: Final = ("on", "when")


def read_rule_sets(folder: Path | None) -> tuple[RuleSets, tuple[Finding, ...]]:
    """Return the bundled rule sets and those of a catalogue `folder`, by id, and what is wrong with any file."""
    own = None if folder is None else folder / "rules"
    folders = [schema_folder() / "rules", *([own] if own is not None and own.is_dir() else [])]
    sets: dict[RuleSetId, RuleSet] = {}
    findings: list[Finding] = []
    for file in (file for one in dict.fromkeys(map(Path.resolve, folders)) for file in sorted(one.glob("*.yaml"))):
        try:
            rule_set, found = draft_rule_set(plain_bytes(file), file=str(file))
        except OSError as error:
            problem, fix = f"can not be read: {error.strerror}", "Make it readable, or remove it"
            findings.append(Finding(file=str(file), problem=problem, fix=fix))
            continue
        findings += found
        if rule_set is None or found:
            continue
        known = sets.setdefault(rule_set.id, rule_set)
        if known.sha256 != rule_set.sha256:
            problem = f"is another rule set with the id of {known.file}"
            findings.append(Finding(file=str(file), key="rule_set", problem=problem, fix="Give it an id of its own"))
    return sets, tuple(findings)


def draft_rule_set(raw: bytes, *, file: str) -> tuple[RuleSet | None, tuple[Finding, ...]]:
    """Return the rule set in `raw`, and what is wrong with it; its expressions are held against a schema set later."""
    try:
        node = read_source(raw, file=file)
    except SourceError as error:
        return None, (error.finding,)
    reading = _RuleReading(file)
    rule_set = reading.rule_set(node)
    return rule_set, reading.ordered()


class _RuleReading(Reading):
    def rule_set(self, node: Node) -> RuleSet:
        top = self.fields(node, "", required=("rule_set", "version", "title", "schema_set", "rules"))
        nodes = self.items(top, "rules")
        if len(nodes) > MAX_RULES:
            self.note(top.line, "rules", f"has more than {MAX_RULES} rules", "Split it by message kind")
        rules = [self.rule(one, f"rules[{number}]") for number, one in enumerate(nodes[:MAX_RULES], start=1)]
        seen: dict[str, Rule] = {}
        for rule in rules:
            if rule.id and seen.setdefault(rule.id, rule) is not rule:
                problem = f"has the id of line {seen[rule.id].line('id')}"
                self.note(rule.line("id"), f"{rule.id}.id", problem, "Give each rule an id of its own")
        return sealed_rule_set(
            RuleSet(
                id=RuleSetId(self.name(top, "rule_set")),
                version=self.number(top, "version", least=1, most=1_000_000),
                title=self.text(top, "title"),
                schema_set=SchemaSetId(self.name(top, "schema_set")),
                rules=tuple(rules),
                sha256="",
                file=self.file,
            )
        )

    def rule(self, node: Node, key: str) -> Rule:
        fields = self.fields(node, key, required=_REQUIRED, optional=_OPTIONAL)
        rule_id = self.text(fields, "id", key)
        if rule_id and not is_name(rule_id):
            fix = "Use lower-case letters, digits and hyphens, such as item-count"
            self.note(fields.fields["id"].line, f"{key}.id", "can not be an id", fix)
        return Rule(
            id=rule_id,
            title=self.text(fields, "title", key),
            expected=self.text(fields, "expected", key),
            fix=self.text(fields, "fix", key),
            source=self.text(fields, "source", key),
            severity=Severity(self._one_of(fields, "severity", key, tuple(Severity), Severity.REJECT)),
            target=RuleTarget(self._one_of(fields, "on", key, tuple(RuleTarget), RuleTarget.DOCUMENT)),
            kinds=self._kinds(fields, key),
            when=self.text(fields, "when", key),
            selects=self._expression(fields, "selects", key),
            lines={name: entry.line for name, entry in fields.fields.items()},
        )

    def _expression(self, fields: Fields, name: str, key: str) -> str:
        """Return one expression; of a list, the union of its expressions."""
        entry = fields.fields.get(name)
        if entry is None or not isinstance(entry.node, Items):
            return self.text(fields, name, key)
        return "\n| ".join(self.as_text(node, f"{key}.{name}") for node in self.items(fields, name, key))

    def _one_of(self, fields: Fields, name: str, key: str, known: Sequence[str], default: str) -> str:
        text = self.text(fields, name, key, default)
        if text in known:
            return text
        if text:
            near = nearest(text, known)
            fix = f"Did you mean `{near}`?" if near else f"Write one of {', '.join(known)}"
            self.note(fields.fields[name].line, f"{key}.{name}", "is not known", fix)
        return default

    def _kinds(self, fields: Fields, key: str) -> frozenset[MessageKind]:
        found: set[MessageKind] = set()
        for node in self.items(fields, "kinds", key):
            text = node.value if isinstance(node, Word) else None
            if text in frozenset(MessageKind):
                found.add(MessageKind(str(text)))
            else:
                fix = f"Write some of {', '.join(MessageKind)}"
                self.note(node.line, f"{key}.kinds", "holds what is not a message kind", fix)
        return frozenset(found)
