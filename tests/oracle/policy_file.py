"""A policy as its YAML says it: rules one by one, what is included taken in, overrides done. Uses nothing of the gateway.

The file is read by ruamel.yaml with every scalar as the text it is written as. What the language forbids is not looked
for here: only policies that pass the check come to the judge.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from posixpath import dirname, join, normpath
from typing import Any

from ruamel.yaml import YAML

ACTIONS = ("keep", "drop", "generalise", "pseudonymise", "truncate", "replace")
CHANGES = ("to", "digits", "prefix", "bands", "length", "with")
BUILT_IN = {
    "kind": "",
    "type-code": "/MetaData/*/TypeCode",
    "procedure": "//GovernmentProcedure/CurrentCode",
    "country-of-destination": "//Destination/CountryCode",
    "country-of-export": "//ExportCountry/ID",
    "country-of-origin": "//Origin/CountryCode",
    "commodity": "//Commodity/Classification/ID",
    "party-role": "//RoleCode",
}
"""Criterion → the selector of its places; the kind of message has none."""


@dataclass(frozen=True)
class Asked:
    """One question: criterion, its selector, the values wanted (or not wanted: `unless`)."""

    criterion: str
    selector: str
    values: tuple[str, ...]
    negated: bool


@dataclass(frozen=True)
class Rule:
    """One rule about one selector. `selectors`: what it comes to once sets are written out, each as text."""

    action: str
    selector: str
    selectors: tuple[str, ...]
    attributes: tuple[str, ...] | str = ()
    how: str = ""
    what: Any = None
    asked: frozenset[Asked] = frozenset()


@dataclass(frozen=True)
class Demand:
    """One entry of `require` or `hold`."""

    asked: frozenset[Asked]
    reason: str


@dataclass
class PolicyFile:
    """Everything the judge needs of a policy."""

    rules: list[Rule] = field(default_factory=list)
    require: list[Demand] = field(default_factory=list)
    hold: list[Demand] = field(default_factory=list)
    consistency: dict[str, str] = field(default_factory=dict)
    overridden: int = 0
    """How many rules are overruled by a file that includes theirs."""


@dataclass
class _Names:
    sets: dict[str, list[str]] = field(default_factory=dict)
    criteria: dict[str, str] = field(default_factory=lambda: dict(BUILT_IN))


def read_policy_file(raw: bytes, included: Mapping[str, bytes] | None = None) -> PolicyFile:
    """Return what a policy says. `included`: files by their name as the first file calls them."""
    files = list(_files(raw, "", included or {}, set()))
    names = _Names()
    for content in files:
        names.sets |= {name: _texts(said) for name, said in content.get("paths", {}).items()}
        names.criteria |= {name: str(said) for name, said in content.get("criteria", {}).items()}
    found = PolicyFile()
    rules: dict[tuple[str, frozenset[Asked]], Rule] = {}
    for content in files:
        for one in content.get("rules") or []:
            for rule in _rules(one, names):
                found.overridden += (rule.selector, rule.asked) in rules
                rules[rule.selector, rule.asked] = rule
        found.require += [_demand(one, names) for one in content.get("require", [])]
        found.hold += [_demand(one, names) for one in content.get("hold", [])]
        found.consistency |= {name: str(word) for name, word in content.get("consistency", {}).items()}
    found.rules = list(rules.values())
    return found


def _files(raw: bytes, name: str, included: Mapping[str, bytes], seen: set[str]) -> Any:
    """Yield the contents of all files, what is included before what includes it, each once."""
    content = YAML(typ="safe", pure=True).load(BytesIO(raw))
    for other in _texts(content.get("include", [])):
        path = normpath(join(dirname(name), other))
        if path not in seen:
            seen.add(path)
            yield from _files(included[path], path, included, seen)
    yield content


def _texts(said: Any) -> list[str]:
    return [str(one) for one in said] if isinstance(said, list) else [str(said)]


def _rules(one: Mapping[str, Any], names: _Names) -> list[Rule]:
    action = next(word for word in ACTIONS if word in one)
    attributes = one.get("attributes", [])
    rule = Rule(
        action=action,
        selector="",
        selectors=(),
        attributes=attributes if isinstance(attributes, str) else tuple(attributes),
        how=next((word for word in CHANGES if word in one), ""),
        asked=_asked(one, names),
    )
    rule = replace(rule, what=one.get(rule.how)) if rule.how else rule
    return [replace(rule, selector=text, selectors=tuple(_written_out(text, names))) for text in _texts(one[action])]


def _written_out(text: str, names: _Names) -> list[str]:
    if not text.startswith("set:"):
        return [text]
    return [one for member in names.sets[text[4:]] for one in _written_out(member, names)]


def _asked(one: Mapping[str, Any], names: _Names) -> frozenset[Asked]:
    return frozenset(
        Asked(name, names.criteria[name], tuple(sorted(_texts(values))), word == "unless")
        for word in ("when", "unless")
        for name, values in one.get(word, {}).items()
    )


def _demand(one: Mapping[str, Any], names: _Names) -> Demand:
    return Demand(_asked(one, names), str(one["reason"]))
