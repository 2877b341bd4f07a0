"""Laws that hold for every policy that passes the check and every valid document."""

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.document import in_fixed_form, read
from gateway.domain.message import View
from gateway.errors import PolicyError
from gateway.policy import CompiledPolicy, Policy, apply_policy, explain, inspect, policy_sha256
from gateway.schema import ValidDocument, validate
from tests.oracle.oracle import judge_view
from tests.unit.policy.random_policies import BASE, compiled, documents, policies
from tests.unit.policy.rules import places, policy
from tests.unit.schema.sets import LIMITS, bundled

SETS = ("dms-declaration", "dms-response", "dms-cancellation")
LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Case = tuple[Policy, ValidDocument]

cases = st.sampled_from(SETS).flatmap(lambda set_id: st.tuples(policies(set_id), documents(set_id)))


def view_of(document: ValidDocument, how: CompiledPolicy) -> View | None:
    """Return the view, or None when the message is refused."""
    try:
        return apply_policy(document, how, bundled(how.schema_set))
    except PolicyError as error:
        if error.code not in {"policy.view_invalid", "policy.nothing_kept", "policy.inconsistent"}:
            raise
        return None


def reread(view: View) -> ValidDocument:
    return validate(read(view.xml, LIMITS), bundled(view.schema_set))


def yaml(found: Policy) -> bytes:
    """Write the rules of a policy, as the oracle reads them."""
    lines = [
        f"  - {{{rule.action}: {rule.path}"
        + (f", attributes: {_attributes(rule.attributes)}" if rule.attributes else "")
        + "}\n"
        for rule in found.rules
    ]
    return ("rules:\n" + "".join(lines)).encode()


def _attributes(named: tuple[str, ...] | str) -> str:
    return named if isinstance(named, str) else f"[{', '.join(named)}]"


@LAW
@given(cases)
def test_the_independent_oracle_agrees_on_every_view(case: Case) -> None:
    found, document = case
    view = view_of(document, compiled(found))
    if view is not None:
        assert judge_view(document.document.raw, yaml(found), view.xml, places(found.schema_set)) == []


@LAW
@given(cases)
def test_applying_twice_changes_nothing(case: Case) -> None:
    found, document = case
    how = compiled(found)
    view = view_of(document, how)
    if view is not None:
        again = view_of(reread(view), how)
        assert again is not None
        assert (again.xml, again.kept, again.withheld) == (view.xml, view.kept, 0)


@LAW
@given(cases, st.randoms())
def test_the_order_of_rules_means_nothing(case: Case, chance: object) -> None:
    found, document = case
    rules = list(found.rules)
    chance.shuffle(rules)  # type: ignore[attr-defined]  # a random.Random
    other = Policy(
        id=found.id,
        version=found.version,
        title=found.title,
        schema_set=found.schema_set,
        rules=tuple(rules),
        file=found.file,
        sha256=policy_sha256(
            policy_id=found.id,
            version=found.version,
            title=found.title,
            schema_set=found.schema_set,
            rules=tuple(rules),
        ),
    )
    assert other.sha256 == found.sha256
    one, two = view_of(document, compiled(found)), view_of(document, compiled(other))
    assert (one and one.xml) == (two and two.xml)


@LAW
@given(cases)
def test_a_view_is_in_the_one_fixed_form(case: Case) -> None:
    found, document = case
    view = view_of(document, compiled(found))
    if view is not None:
        assert in_fixed_form(read(view.xml, LIMITS), bundled(found.schema_set).prefixes)


@LAW
@given(cases)
def test_the_receiver_finds_nothing_over_shared_in_a_view(case: Case) -> None:
    found, document = case
    how = compiled(found)
    view = view_of(document, how)
    if view is not None:
        inspect(reread(view), how)


@LAW
@given(cases)
def test_explain_and_apply_agree(case: Case) -> None:
    found, document = case
    how = compiled(found)
    view, lines = view_of(document, how), explain(document, how)
    kept = [one for one in lines if one.kept and not one.is_empty]
    assert len(kept) == (view.kept if view is not None else 0)
    if view is not None:
        assert len(lines) - len(kept) - sum(one.is_empty for one in lines) == view.withheld


@LAW
@given(cases)
def test_everything_inspect_refuses_is_what_apply_withholds(case: Case) -> None:
    """The original passes inspection only if its view holds all of it."""
    found, document = case
    how = compiled(found)
    try:
        inspect(document, how)
    except PolicyError:
        return
    view = view_of(document, how)
    assert view is not None
    assert view.withheld == 0


@LAW
@given(cases)
def test_every_value_in_a_view_stands_in_the_document(case: Case) -> None:
    found, document = case
    view = view_of(document, compiled(found))
    if view is not None:
        ours, theirs = values(reread(view).root), values(document.root)
        assert all(ours.count(one) <= theirs.count(one) for one in set(ours))


def values(root: etree._Element) -> list[tuple[object, str]]:
    leaves: list[tuple[object, str]] = [
        # White space alone is what stood around the elements that were taken out of a sample: no value.
        (element.tag, (element.text or "") if (element.text or "").strip() else "")
        for element in root.iter()
        if len(element) == 0
    ]
    return leaves + [(name, value) for element in root.iter() for name, value in element.items()]


@pytest.mark.parametrize("set_id", SETS)
def test_random_policies_do_keep_and_withhold(set_id: str) -> None:
    """The laws above would hold for empty policies too; these are not empty."""
    rules, refused = [0], [0]

    # The same draws every time, wherever this text stands: it is about what the strategies make, and luck no part of it.
    @seed(1)
    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(policies(set_id), documents(set_id))
    def look(found: Policy, document: ValidDocument) -> None:
        view = view_of(document, compiled(found))
        rules[0] += len(found.rules) > len(BASE[set_id]) + 2
        refused[0] += view is None

    look()
    assert rules[0] >= 12, "a fifth of them"
    assert refused[0] <= 45, "three quarters of them"


def test_yaml_written_for_the_oracle_means_the_same() -> None:
    text = "  - keep: /A\n    attributes: [x]\n  - drop: /A/B\n  - keep: /C\n    attributes: required\n"
    assert yaml(policy(text)) == (
        b"rules:\n  - {keep: /A, attributes: [x]}\n  - {drop: /A/B}\n  - {keep: /C, attributes: required}\n"
    )
