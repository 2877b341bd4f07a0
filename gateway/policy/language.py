"""The policy language, first form: what a policy file says, as values. How it is applied stands in apply.py.

    policy: gb-fr-customs            # its name
    version: 1
    schema_set: dms-declaration      # the set its paths are resolved against
    rules:
      - keep: /MetaData/Declaration
        attributes: required         # or a list of names; without it no attribute is kept
        reason: what the partner needs it for
        legal: the article that permits it
      - drop: /MetaData/Declaration/GoodsShipment/Consignee/Contact

Default deny: what no rule keeps does not leave. A rule speaks for its path and everything below, until a rule on a
longer path speaks instead, so the order of rules means nothing; two rules on one path are an error. Further actions
(issue of a later release) are further words in the place of `keep`.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal

from gateway.domain.ids import SchemaSetId
from gateway.errors import ConfigurationError, Finding
from gateway.policy.reading import Reading
from gateway.policy.source import Fields, Items, Node, SourceError, Word, read_source

__all__ = ["Action", "Attributes", "Policy", "Rule", "policy_sha256", "read_policy"]

MAX_RULES: Final = 2000
# Local names, each with a prefix where two namespaces use one name side by side. Letters of the WCO model only.
_STEP: Final = r"(?:[a-z][a-z0-9]{0,15}:)?[A-Za-z_][A-Za-z0-9_.-]{0,127}"
_PATH: Final = re.compile(rf"(?:/{_STEP}){{1,64}}")
_ATTRIBUTE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")

Attributes = tuple[str, ...] | Literal["required"]


class Action(StrEnum):
    """What a rule does with what it speaks for."""

    KEEP = "keep"
    DROP = "drop"


_RULE_KEYS: Final = (*(action.value for action in Action), "attributes", "reason", "legal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `path` as written; `attributes` names those kept, or says `required`; `line` is where it stands."""

    action: Action
    path: str
    attributes: Attributes = ()
    reason: str = ""
    legal: str = ""
    line: int = 0

    @property
    def steps(self) -> tuple[str, ...]:
        """The names along the path, from the root."""
        return tuple(self.path.split("/")[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One version of a policy. `sha256` is over its meaning and its texts, not over layout or order of rules."""

    id: str
    version: int
    title: str
    schema_set: SchemaSetId
    rules: tuple[Rule, ...]
    file: str
    sha256: str

    def place(self, rule: Rule | None) -> str:
        """Return where a rule stands, as `file:line`; for default deny only the file."""
        return self.file if rule is None else f"{self.file}:{rule.line}"


def policy_sha256(*, policy_id: str, version: int, title: str, schema_set: str, rules: tuple[Rule, ...]) -> str:
    """Return the hash of a policy: SHA-256, hex, over JSON with sorted keys, rules by path, attributes by name."""
    content = {
        "policy": policy_id,
        "version": version,
        "title": title,
        "schema_set": schema_set,
        "rules": [_canonical(rule) for rule in sorted(rules, key=lambda one: one.path)],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(rule: Rule) -> Mapping[str, Any]:
    return {
        "action": rule.action.value,
        "path": rule.path,
        "attributes": rule.attributes if rule.attributes == "required" else sorted(rule.attributes),
        "reason": rule.reason,
        "legal": rule.legal,
    }


def read_policy(raw: bytes, *, file: str) -> Policy:
    """Return the policy written in `raw`; `file` names it in findings.

    Raises ConfigurationError `policy.invalid` with every finding that needs no schema set; `check_policy` has the rest.
    """
    policy, findings = draft_policy(raw, file=file)
    if findings or policy is None:
        raise ConfigurationError("policy.invalid", findings=findings)
    return policy


def draft_policy(raw: bytes, *, file: str) -> tuple[Policy | None, tuple[Finding, ...]]:
    """Return what could be read of a policy, and what is wrong with it so far. With findings, rules may be missing."""
    try:
        node = read_source(raw, file=file)
    except SourceError as error:
        return None, (error.finding,)
    reading = Reading(file)
    top = reading.fields(node, "", required=("policy", "version", "schema_set", "rules"), optional=("title",))
    rules: list[Rule] = []
    reading.each(reading.items(top, "rules"), "rules", lambda one, key: _add_rule(reading, rules, one, key))
    policy_id, title = reading.name(top, "policy"), reading.text(top, "title")
    version = reading.number(top, "version", least=1, most=1_000_000)
    schema_set = SchemaSetId(reading.name(top, "schema_set"))
    if len(rules) > MAX_RULES:
        reading.note(top.line, "rules", f"has more than {MAX_RULES} rules", "Keep or drop whole classes instead")
    digest = policy_sha256(policy_id=policy_id, version=version, title=title, schema_set=schema_set, rules=tuple(rules))
    policy = Policy(
        id=policy_id,
        version=version,
        title=title,
        schema_set=schema_set,
        rules=tuple(rules),
        file=file,
        sha256=digest,
    )
    return policy, reading.ordered()


def _add_rule(reading: Reading, rules: list[Rule], node: Node, key: str) -> None:
    actions = tuple(action.value for action in Action)
    fields = reading.fields(node, key, required=(), optional=_RULE_KEYS)
    named = [action for action in Action if action.value in fields.fields]
    if len(named) != 1:
        # A misspelt action was noted as an unknown key already.
        misspelt = not named and any(name not in _RULE_KEYS for name in fields.fields)
        if isinstance(node, Fields) and not misspelt:
            reading.note(node.line, key, "does not say one action", f"Write one of {', '.join(actions)} with a path")
        return
    action, entry = named[0], fields.fields[named[0].value]
    path = reading.as_text(entry.node, f"{key}.{action}")
    if path and not _PATH.fullmatch(path):
        fix = "Write it from the root, such as /MetaData/Declaration/GoodsShipment"
        reading.note(entry.line, f"{key}.{action}", "is not a path", fix)
    twin = next((rule for rule in rules if rule.path == path), None)
    if path and twin is not None:
        problem = f"speaks for the same path as line {twin.line}"
        reading.note(entry.line, f"{key}.{action}", problem, "Keep one of the two rules")
    rules.append(
        Rule(
            action=action,
            path=path,
            attributes=_attributes(reading, fields, key, action),
            reason=reading.text(fields, "reason", key),
            legal=reading.text(fields, "legal", key),
            line=entry.line,
        )
    )


def _attributes(reading: Reading, fields: Fields, key: str, action: Action) -> Attributes:
    entry = fields.fields.get("attributes")
    if entry is None:
        return ()
    where = f"{key}.attributes"
    if action is Action.DROP:
        reading.note(entry.line, where, "stands at a rule that drops", "Remove it; nothing below is kept")
        return ()
    if isinstance(entry.node, Word) and entry.node.value == "required":
        return "required"
    if not isinstance(entry.node, Items):
        reading.note(entry.line, where, "is not a list of names", "Write `required` or a list such as [unitCode]")
        return ()
    names = [reading.as_text(node, where) for node in entry.node.items]
    for name in names:
        if name and not _ATTRIBUTE.fullmatch(name):
            reading.note(entry.line, where, "holds what is not an attribute's name", "Write names such as unitCode")
    if len(set(names)) != len(names):
        reading.note(entry.line, where, "names an attribute twice", "Name it once")
    return tuple(names)
