"""What passes the check without a warning gives valid views under sets of another maker too: choices, groups, xs:all,
substitution groups, values that may be nil, keys. Sets, documents and policies are drawn from seeds."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from lxml import etree

from gateway.document import read, wco_path
from gateway.errors import Finding, GatewayError, PolicyError
from gateway.policy import CompiledPolicy, Policy, apply_policy, check_policy, compile_policy
from gateway.schema import CompiledSet, ValidDocument, validate
from tests.unit.policy.foreign_drawn import Drawn, drawn_set, written_policy
from tests.unit.policy.rules import PSEUDONYMS
from tests.unit.schema.sets import LIMITS

TURNS = 8


def grown(drawn: Drawn, compiled: CompiledSet, most: int) -> Iterator[ValidDocument]:
    for number in range(most):
        try:
            yield validate(read(drawn.document(number), LIMITS), compiled)
        except GatewayError:
            continue  # values that should tell apart and do not


def passing(drawn: Drawn, compiled: CompiledSet, seed: int) -> tuple[Policy, list[Finding]] | None:
    """Return the policy of a seed without the rules that the check refuses, and what it warns of beside personal data."""
    head, rules = drawn.policy_text(seed)
    first = head.count("\n") + 2
    for _ in range(TURNS):
        policy = written_policy(head, rules)
        if policy is None:
            return None
        found = check_policy(policy, compiled)
        wrong = {one.line for one in found if one.is_error}
        if not wrong:
            return policy, [one for one in found if "personal data" not in one.problem]
        rules = [rule for at, rule in enumerate(rules) if at == 0 or at + first not in wrong]
    return None


def is_emptied(document: ValidDocument, compiled: CompiledSet, how: CompiledPolicy) -> bool:
    """Tell whether a class that the schema requires holds nothing of what the policy keeps: the one refusal that is not
    warned of, for such a message is nothing to this partner."""
    kept = {
        anchor.path
        for anchor, ruling in how.deciding.rulings.items()
        if not anchor.attribute and any(rule.is_keeping for rule in ruling.candidates)
    }
    for element in document.root.iter(etree.Element):
        node = compiled.tree.nodes[wco_path(element)]
        inside = (one for one in element.iter(etree.Element) if compiled.tree.nodes[wco_path(one)].is_leaf)
        goes = len(element) > 0 or node.path not in kept  # an empty one that a rule keeps is written
        if node.least and not node.is_leaf and goes and not any(wco_path(one) in kept for one in inside):
            return True
    return False


def refused(document: ValidDocument, how: CompiledPolicy, compiled: CompiledSet) -> PolicyError | None:
    try:
        apply_policy(document, how, compiled, pseudonyms=PSEUDONYMS)
    except PolicyError as error:
        return error
    return None


def run(seeds: range, policies: int, documents: int) -> Counter[str]:
    told: Counter[str] = Counter()
    for seed in seeds:
        found = drawn_set(seed)
        if found is None:
            continue
        drawn, compiled = found
        valid = list(grown(drawn, compiled, documents))
        for number in range(policies):
            passed = passing(drawn, compiled, number)
            if passed is None:
                continue
            policy, warnings = passed
            how = compile_policy(policy, compiled)
            told["policies with warnings" if warnings else "policies without a warning"] += 1
            for document in valid:
                case = f"set {seed}, policy {number}"
                error = refused(document, how, compiled)
                if error is None:
                    told["views"] += 1
                    continue
                is_told = bool(warnings) or error.code == "policy.nothing_kept" or is_emptied(document, compiled, how)
                assert is_told, f"{case}: {error.code} {error.detail} {error.facts}\n{document.document.raw.decode()}"
                told["refused, and warned of" if warnings else "refused, for nothing is left"] += 1
    return told


def test_what_passes_without_a_warning_gives_valid_views(count: Callable[..., None]) -> None:
    told = run(range(7), policies=4, documents=6)
    assert told["policies without a warning"] >= 5
    assert told["views"] >= 50
    assert told["refused, and warned of"] >= 5
    for name, number in told.items():
        count(f"under drawn sets of another maker: {name}", number)


@pytest.mark.long
@pytest.mark.parametrize("block", range(1, 21))
def test_what_passes_without_a_warning_gives_valid_views_in_many_more(block: int) -> None:
    assert run(range(block * 100, block * 100 + 100), policies=12, documents=20)["views"] > 1000
