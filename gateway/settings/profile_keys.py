"""Reads the `profile` of a flow in an agreement file: which rules, how hard each, and which code lists."""

from collections.abc import Callable, Mapping

from gateway.domain.ids import CodeListId, RuleSetId, SchemaSetId
from gateway.domain.profile import NO_PROFILE, ProfileTerms, Severity, sealed_profile
from gateway.errors import Finding
from gateway.policy.language.reading import Reading, nearest
from gateway.policy.language.source import Fields, Word
from gateway.schema import CodeCatalogue, RuleSet

__all__ = ["CheckLists", "read_profile"]

CheckLists = Callable[[Mapping[CodeListId, Severity], SchemaSetId | None, Finding], tuple[Finding, ...]]
"""(code lists by severity, schema set, the place to tell of) → what is wrong with choosing them."""

_KEYS = ("rules", "rules_sha256", "severities", "without", "code_lists")


def read_profile(
    reading: Reading,
    flow: Fields,
    key: str,
    rules_in: Callable[[RuleSetId, SchemaSetId | None], RuleSet | str],
    code_lists: CodeCatalogue,
    check_lists: CheckLists,
) -> ProfileTerms:
    """Return the profile of a flow; the empty one when it names none.

    `rules_in` returns the rule set of an id, checked against the flow's schema set, or what is wrong with it.
    `check_lists` returns what is wrong with code lists for that set.
    """
    entry = flow.fields.get("profile")
    if entry is None:
        return NO_PROFILE
    where = f"{key}.profile"
    fields = reading.fields(entry.node, where, required=(), optional=_KEYS)
    named = reading.name(fields, "rules", where)
    rule_set = _rule_set(reading, fields, where, named, rules_in, _set_of(flow)) if named else None
    severities = _severities(reading, fields, "severities", where)
    without = frozenset(reading.as_text(node, f"{where}.without") for node in reading.items(fields, "without", where))
    if rule_set is not None:
        _check_ids(reading, fields, where, rule_set, severities, without)
    elif not named and (severities or without):
        reading.note(fields.line, where, "changes rules and names no rule set", "Add `rules:`")
    chosen = {CodeListId(one): word for one, word in _severities(reading, fields, "code_lists", where).items()}
    if chosen:
        line = fields.fields["code_lists"].line
        place = Finding(file=reading.file, line=line, key=f"{where}.code_lists", problem="", fix="")
        reading.findings += check_lists(chosen, _set_of(flow), place)
    terms = ProfileTerms(
        rules=None if rule_set is None else rule_set.id,
        rules_sha256="" if rule_set is None else rule_set.sha256,
        severities=severities,
        without=without,
        code_lists=chosen,
        code_lists_sha256={one: code_lists.pin(one) for one in chosen if one in code_lists.lists},
    )
    return sealed_profile(terms)


def _set_of(flow: Fields) -> SchemaSetId | None:
    entry = flow.fields.get("schema_set")
    value = entry.node.value if entry is not None and isinstance(entry.node, Word) else None
    return SchemaSetId(value) if isinstance(value, str) else None


def _rule_set(
    reading: Reading,
    fields: Fields,
    where: str,
    named: str,
    rules_in: Callable[[RuleSetId, SchemaSetId | None], RuleSet | str],
    schema_set: SchemaSetId | None,
) -> RuleSet | None:
    line = fields.fields["rules"].line
    found = rules_in(RuleSetId(named), schema_set)
    if isinstance(found, str):
        reading.note(line, f"{where}.rules", found, "Name a rule set: gateway rule list")
        return None
    pinned = reading.text(fields, "rules_sha256", where)
    if pinned and pinned != found.sha256:
        problem = f"is not the hash of {found.id}, whose rules here have another"
        fix = "Get the rules that were agreed, or agree on these: gateway rule list shows the hash"
        reading.note(fields.fields["rules_sha256"].line, f"{where}.rules_sha256", problem, fix)
    return found


def _severities(reading: Reading, fields: Fields, name: str, where: str) -> dict[str, Severity]:
    entry = fields.fields.get(name)
    if entry is None:
        return {}
    if not isinstance(entry.node, Fields):
        reading.note(entry.line, f"{where}.{name}", "is not a group of keys", "Write an id and a severity on each line")
        return {}
    found: dict[str, Severity] = {}
    for key, one in entry.node.fields.items():
        text = one.node.value if isinstance(one.node, Word) else None
        if text in frozenset(Severity):
            found[key] = Severity(str(text))
        else:
            fix = f"Write one of {', '.join(Severity)}"
            reading.note(one.line, f"{where}.{name}.{key}", "is not a severity", fix)
    return found


def _check_ids(
    reading: Reading,
    fields: Fields,
    where: str,
    rule_set: RuleSet,
    severities: dict[str, Severity],
    without: frozenset[str],
) -> None:
    known = [rule.id for rule in rule_set.rules]
    for name, ids in (("severities", frozenset(severities)), ("without", without)):
        for unknown in sorted(ids - set(known) - {""}):
            near = nearest(unknown, known)
            fix = f"Did you mean `{near}`?" if near else f"See its rules: gateway rule list --rules {rule_set.id}"
            problem = f"names {unknown}, which is no rule of {rule_set.id}"
            reading.note(fields.fields[name].line, f"{where}.{name}", problem, fix)
    for both in sorted(without & set(severities)):
        problem = f"leaves out {both} and gives it a severity"
        reading.note(fields.fields["without"].line, f"{where}.without", problem, "Do one of the two")
