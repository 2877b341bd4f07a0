"""Whoever takes a rule, a `require` or a `hold` out of an example policy sees it in a golden case.

Where another rule or default deny does the same at every place of the schema set, nothing can come of it but another
explanation: then some golden document is explained by that rule. A rule that shows in neither is of no use.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from gateway.document import read
from gateway.errors import Finding, GatewayError
from gateway.policy import Action, CompiledPolicy, Explained, Policy, apply_policy, compile_policy, explain
from gateway.policy.changing.pseudonyms import Pseudonyms
from gateway.policy.language.changes import Change
from gateway.policy.language.conditions import Condition
from gateway.policy.language.rules import Demand, Rule
from gateway.policy.language.selectors import Anchor
from gateway.policy.ruling.rulings import Ruling, rulings
from gateway.policy.telling.cases import VIEW, read_case
from gateway.policy.telling.diff import example_pseudonyms
from gateway.policy.views import compiled as compiling
from gateway.policy.views.compiled import demands
from gateway.policy.views.demands import check_required
from gateway.schema import SchemaTree, ValidDocument, validate
from tests.unit.policy.rules import POLICIES, ROOT, example, example_policy, reviewed
from tests.unit.schema.sets import LIMITS

Outcome = tuple[str, bytes, bool]
"""The code of a refusal or `view`, the view, whether a human must release it."""
Said = tuple[frozenset[Condition], Action, Change | None]
"""Under which conditions a rule speaks, and what becomes of a value then."""


@cache
def inputs(name: str) -> tuple[tuple[ValidDocument, Pseudonyms], ...]:
    """Return the golden documents of a policy, each with the pseudonyms of its year."""
    compiled = reviewed(example_policy(name).schema_set)
    found = []
    for file in sorted((ROOT / "config" / "cases" / name).glob("*/case.yaml")):
        case = read_case(file.read_bytes(), file=str(file))
        document = validate(read((file.parent / case.input).read_bytes(), LIMITS), compiled)
        found.append((document, example_pseudonyms(case.at.year)))
    return tuple(found)


def outcomes(name: str, how: CompiledPolicy) -> Iterator[Outcome]:
    for document, pseudonyms in inputs(name):
        try:
            demanded = demands(document, how)
            check_required(demanded, how.policy)
            view = apply_policy(document, how, reviewed(how.schema_set), pseudonyms=pseudonyms)
        except GatewayError as error:
            yield error.code, b"", False
        else:
            yield VIEW, view.xml, bool(demanded.held)


def explanations(name: str, how: CompiledPolicy) -> Iterator[list[Explained]]:
    yield from (explain(document, how) for document, _ in inputs(name))


def without(policy: Policy, entry: Rule | Demand) -> Policy:
    """Return a policy without one entry."""
    if isinstance(entry, Rule):
        return replace(policy, rules=tuple(one for one in policy.rules if one is not entry))
    require = tuple(one for one in policy.require if one is not entry)
    return replace(policy, require=require, hold=tuple(one for one in policy.hold if one is not entry))


def says(anchor: Anchor, ruling: Ruling, tree: SchemaTree) -> tuple[Said, ...]:
    """Return what becomes of a place, condition by condition, whichever rule says it; default deny drops."""
    said: list[Said] = []
    for at, rule in enumerate(ruling.candidates):
        action, change = rule.action, rule.change
        if anchor.attribute:
            action = ruling.attribute_action(at, tree.nodes[anchor.path].attributes[anchor.attribute])
            change = rule.change if at < ruling.own else None
        said.append((frozenset(rule.conditions), action, change))
    if not said or said[-1][0]:
        said.append((frozenset(), Action.DROP, None))
    while len(said) > 1 and said[-2][1:] == said[-1][1:]:
        del said[-2]
    return tuple(said)


def everywhere(policy: Policy, tree: SchemaTree) -> dict[Anchor, tuple[Said, ...]]:
    return {anchor: says(anchor, ruling, tree) for anchor, ruling in rulings(policy, tree).items()}


def no_finding(_policy: Policy, _compiled: object) -> tuple[Finding, ...]:
    """Stand for the static check, which what is left of a policy need not pass."""
    return ()


@pytest.mark.parametrize("name", [one.stem for one in POLICIES])
def test_what_is_taken_out_of_a_policy_is_missed_by_a_golden_case(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, compiled = example_policy(name), reviewed(example_policy(name).schema_set)
    golden, said = list(outcomes(name, example(name))), everywhere(policy, compiled.tree)
    monkeypatch.setattr(compiling, "check_policy", no_finding)
    entries: tuple[Rule | Demand, ...] = (*policy.rules, *policy.require, *policy.hold)
    for entry in entries:
        less = without(policy, entry)
        how = compile_policy(less, compiled)
        if any(one != other for one, other in zip(golden, outcomes(name, how), strict=True)):
            continue
        told = f"{policy.place(entry)} {entry.path if isinstance(entry, Rule) else entry.reason}"
        assert isinstance(entry, Rule), f"no golden case is refused or held by it: {told}"
        assert everywhere(less, compiled.tree) == said, f"no golden view is another without it: {told}"
        before, after = explanations(name, example(name)), explanations(name, how)
        assert any(one != other for one, other in zip(before, after, strict=True)), f"nothing is said by it: {told}"
