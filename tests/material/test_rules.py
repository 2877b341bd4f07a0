"""The bundled rules over every real message: which they break, and that both engines say the same of each."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from gateway.bundled import schema_folder
from gateway.document import read
from gateway.domain.ids import SchemaSetId
from gateway.domain.profile import Severity
from gateway.schema import RuleTarget, compile_rules, compile_set
from gateway.settings import load_catalogue
from gateway.settings.rule_file import read_rule_sets
from tests.material.conftest import Labelled
from tests.unit.schema.engines import BothEngines
from tests.unit.schema.sets import LIMITS


def test_no_rule_refuses_a_valid_message(published: list[Labelled], count: Callable[..., None]) -> None:
    hits, refused, messages = _hits(published)
    for (rule_set, rule, severity), number in sorted(hits.items()):
        count(f"{rule_set}: valid messages that break {rule} ({severity})", number)
    count("valid messages held against the bundled rules", messages)
    assert messages
    assert refused == set()


def test_the_rules_find_what_a_schema_set_lets_pass(mutants: list[Labelled], count: Callable[..., None]) -> None:
    hits, refused, messages = _hits(mutants)
    count("valid mutants held against the bundled rules", messages)
    count("valid mutants that a bundled rule refuses", len({file for file, _ in refused}))
    assert refused
    assert {rule for _, rule, _ in hits} >= {"amounts-not-negative", "dates-real", "items-counted"}


def test_both_engines_select_the_same_in_every_valid_message(
    published: list[Labelled], count: Callable[..., None]
) -> None:
    compared = 0
    for schema_set, rule_set in _rule_sets():
        both = BothEngines(schema_set)
        texts = sorted({text for rule in rule_set.rules for text in (rule.when, rule.selects) if text})
        pairs = [(both.parse(text), both.quick(text)) for text in texts if not both.parse(text).reading.foreign]
        for one in (one for one in published if one.valid and one.schema_set == schema_set.id):
            document = read(one.path.read_bytes(), LIMITS)
            for parsed, quick in pairs:
                first, second = both.by_libxml2(quick, document.body), both.by_elementpath(parsed, document.body)
                assert first == second, (one.path.name, parsed.text)
                compared += 1
    count("expressions on which both XPath engines agreed", compared)
    assert compared


def _rule_sets() -> list[tuple]:  # type: ignore[type-arg]
    catalogue = load_catalogue(schema_folder())
    sets, findings = read_rule_sets(None)
    assert not findings
    return [(compile_set(catalogue[one.schema_set]), one) for one in sets.values()]


def _hits(files: list[Labelled]) -> tuple[Counter[tuple[str, str, str]], set[tuple[str, str]], int]:
    today = datetime.now(UTC).date()
    rules = {schema_set.id: compile_rules(one.rules, schema_set) for schema_set, one in _rule_sets()}
    hits: Counter[tuple[str, str, str]] = Counter()
    refused: set[tuple[str, str]] = set()
    messages = 0
    for one in (one for one in files if one.valid):
        document = read(one.path.read_bytes(), LIMITS)
        compiled = rules[SchemaSetId(one.schema_set)]
        found = compiled.breaches(document.root, document.kind, RuleTarget.DOCUMENT, today)
        messages += 1
        hits.update({(one.schema_set, each.violation.rule, each.severity.value) for each in found})
        broken = {each.violation.rule for each in found if each.severity is Severity.REJECT}
        refused |= {("/".join(one.path.parts[-3:]), rule) for rule in broken}
    return hits, refused, messages
