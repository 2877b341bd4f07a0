"""A policy written out: what its hash is over, and the one file without includes that says the same.

Rules, demands, values and members of sets are sorted, so order and layout mean nothing; what is left out is left out
here too. docs/policy.md shows the form.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from gateway.policy.language.changes import Change, ChangeKind
from gateway.policy.language.conditions import BUILT_IN, Condition
from gateway.policy.language.rules import MENDING, REFUSE, Consistency, Demand, Policy, Rule
from gateway.policy.language.selectors import SelectorKind

__all__ = ["flatten", "policy_sha256"]

# Words that YAML, and source.py, read as themselves; everything else is quoted.
_PLAIN: Final = re.compile(r"[A-Za-z/](?:[A-Za-z0-9/_.@*-]|:(?=[A-Za-z0-9]))*")
_NOT_TEXT: Final = frozenset({"true", "false", "null"})


def policy_sha256(
    *,
    policy_id: str,
    version: int,
    title: str,
    schema_set: str,
    rules: tuple[Rule, ...],
    require: tuple[Demand, ...] = (),
    hold: tuple[Demand, ...] = (),
    consistency: Consistency | None = None,
) -> str:
    """Return the hash of a policy: SHA-256, hex, over JSON with sorted keys and everything in it in order."""
    content: dict[str, Any] = {
        "policy": policy_id,
        "version": version,
        "title": title,
        "schema_set": schema_set,
        "rules": [_rule(one) for one in _in_order(rules)],
        **_names(rules, (*require, *hold)),
    }
    if require:
        content["require"] = _sorted(_demand(one) for one in require)
    if hold:
        content["hold"] = _sorted(_demand(one) for one in hold)
    if mended := _mended(consistency):
        content["consistency"] = mended
    return hashlib.sha256(_json(content).encode()).hexdigest()


def _json(content: object) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _sorted(content: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(content, key=_json)


def _in_order(rules: tuple[Rule, ...]) -> list[Rule]:
    return sorted(rules, key=lambda one: (one.path, _json(_rule(one))))


def _rule(rule: Rule) -> dict[str, Any]:
    content = {
        "action": rule.action.value,
        "path": rule.path,
        "attributes": rule.attributes if rule.attributes == "required" else sorted(rule.attributes),
        "reason": rule.reason,
        "legal": rule.legal,
        **_conditions(rule.conditions),
    }
    return content if rule.change is None else {**content, "change": _change(rule.change)}


def _change(change: Change) -> dict[str, Any]:
    content: dict[str, Any] = {"kind": change.kind.value}
    if change.number:
        content["number"] = change.number
    if change.bands:
        content["bands"] = [_number(band) for band in change.bands]
    if change.text:
        content["text"] = change.text
    return content


def _number(band: Decimal) -> str:
    """Write a number in one way: 1000, 1000.0 and 1E3 are the same band."""
    return format(band.normalize(), "f") if band else "0"


def _demand(demand: Demand) -> dict[str, Any]:
    return {"reason": demand.reason, "legal": demand.legal, **_conditions(demand.conditions)}


def _conditions(conditions: tuple[Condition, ...]) -> dict[str, Any]:
    content: dict[str, dict[str, list[str]]] = {}
    for one in conditions:
        content.setdefault("unless" if one.negated else "when", {})[one.criterion.name] = sorted(set(one.values))
    return content


def _names(rules: tuple[Rule, ...], demands: tuple[Demand, ...]) -> dict[str, Any]:
    """Return the sets and criteria in use, by name."""
    sets = {one.selector.name: one.selector for one in rules if one.selector.kind is SelectorKind.SET}
    conditions = [entry.conditions for entry in rules] + [entry.conditions for entry in demands]
    asked = [one.criterion for some in conditions for one in some]
    criteria = {one.name: one.selector.text for one in asked if one.name not in BUILT_IN and one.selector is not None}
    content: dict[str, Any] = {}
    if sets:
        content["paths"] = {name: sorted(member.text for member in one.members) for name, one in sets.items()}
    if criteria:
        content["criteria"] = criteria
    return content


def _mended(consistency: Consistency | None) -> dict[str, str]:
    words = {name: getattr(consistency, name, REFUSE) for name in MENDING}
    return {name: word for name, word in words.items() if word != REFUSE}


# ── as a file ────────────────────────────────────────────────────────────────────────────────────────────────────────


def flatten(policy: Policy) -> str:
    """Return the policy as one YAML file without includes, one rule per selector; it has the same hash. What came from
    included files says `shared`, so that the check finds in it just what it finds in the policy."""
    lines = [f"policy: {policy.id}", f"version: {policy.version}"]
    lines += [f"title: {_text(policy.title)}"] if policy.title else []
    lines += [f"schema_set: {policy.schema_set}"]
    names = _names(policy.rules, (*policy.require, *policy.hold))
    for group in ("paths", "criteria"):
        if group in names:
            lines += ["", f"{group}:", *(f"  {name}: {_value(value)}" for name, value in sorted(names[group].items()))]
    lines += ["", "rules:", *(line for rule in _in_order(policy.rules) for line in _rule_lines(rule, policy))]
    for name, demands in (("require", policy.require), ("hold", policy.hold)):
        if demands:
            alike = sorted(demands, key=lambda one: _json(_demand(one)))
            written = (line for one in alike for line in _entry(_demand_keys(one, policy)))
            lines += ["", f"{name}:", *written]
    if mended := _mended(policy.consistency):
        lines += ["", f"consistency: {_value(mended)}"]
    return "\n".join([*lines, ""])


def _rule_lines(rule: Rule, policy: Policy) -> list[str]:
    content = _rule(rule)
    keys: dict[str, Any] = {content["action"]: content["path"]}
    if rule.change is not None:
        keys.update(_change_keys(rule.change))
    keys |= {name: content.get(name) for name in ("attributes", "when", "unless", "reason", "legal")}
    return _entry({**keys, "shared": not policy.is_own(rule)})


def _change_keys(change: Change) -> dict[str, Any]:
    match change.kind:
        case ChangeKind.YEAR | ChangeKind.MONTH | ChangeKind.COUNTRY:
            return {"to": change.kind.value}
        case ChangeKind.DIGITS | ChangeKind.PREFIX:
            return {change.kind.value: change.number}
        case ChangeKind.BANDS:
            return {"bands": [_number(band) for band in change.bands]}
        case ChangeKind.TRUNCATE:
            return {"length": change.number}
        case ChangeKind.REPLACE:
            return {"with": change.text}
        case ChangeKind.PSEUDONYM:
            return {}


def _demand_keys(demand: Demand, policy: Policy) -> dict[str, Any]:
    content = _demand(demand)
    keys = {name: content.get(name) for name in ("when", "unless", "reason", "legal")}
    return {**keys, "shared": not policy.is_own(demand)}


def _entry(keys: Mapping[str, Any]) -> list[str]:
    written = [f"{name}: {_value(value)}" for name, value in keys.items() if value]
    return [f"  {'- ' if index == 0 else '  '}{line}" for index, line in enumerate(written)]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_value(one)}' for name, one in value.items())}}}"
    return f"[{', '.join(map(_value, value))}]"


def _text(text: str) -> str:
    """Write a text so that it is read as the same: plain where that is sure, else quoted and escaped as in JSON."""
    if _PLAIN.fullmatch(text) and text not in _NOT_TEXT:
        return text
    return "".join(_escaped(char) for char in json.dumps(text, ensure_ascii=False))


def _escaped(char: str) -> str:
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
