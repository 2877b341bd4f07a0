"""Laws that hold for every policy that passes the check and every valid document, over what Hypothesis draws.

Rules are put together at random, samples pruned and doubled; test_drawn_declarations.py and test_drawn_others.py hold
these laws and more over what is drawn from seeds. All laws judge one case, so that its view is made once.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

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
from tests.unit.policy.random_policies import BASE, SETS, compiled, documents, policies
from tests.unit.policy.rules import places, policy
from tests.unit.schema.sets import LIMITS, bundled


def view_or_code(document: ValidDocument, how: CompiledPolicy) -> View | str:
    """Return the view, or the code of the refusal."""
    try:
        return apply_policy(document, how, bundled(how.schema_set))
    except PolicyError as error:
        if error.code not in {"policy.view_invalid", "policy.nothing_kept", "policy.inconsistent"}:
            raise
        return error.code


def view_of(document: ValidDocument, how: CompiledPolicy) -> View | None:
    """Return the view, or None when the message is refused."""
    made = view_or_code(document, how)
    return None if isinstance(made, str) else made


def reread(view: View) -> ValidDocument:
    return validate(read(view.xml, LIMITS), bundled(view.schema_set))


def passes(document: ValidDocument, how: CompiledPolicy) -> bool:
    """Tell whether a receiver finds nothing over-shared."""
    try:
        inspect(document, how)
    except PolicyError:
        return False
    return True


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


def shuffled(found: Policy, chance: Random) -> Policy:
    """Return the policy with its rules in another order."""
    rules = tuple(chance.sample(found.rules, len(found.rules)))
    sha256 = policy_sha256(
        policy_id=found.id, version=found.version, title=found.title, schema_set=found.schema_set, rules=rules
    )
    return replace(found, rules=rules, sha256=sha256)


# ── the laws ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def broken(found: Policy, document: ValidDocument, chance: Random, met: Counter[str]) -> Iterator[str]:
    """Say in words which laws a case breaks, and note in `met` what it was."""
    how, other = compiled(found), shuffled(found, chance)
    made = view_or_code(document, how)
    view = None if isinstance(made, str) else made
    explained = explain(document, how)
    kept = [line for line in explained if line.kept and not line.is_empty]
    if other.sha256 != found.sha256:
        yield "the order of rules changes the hash"
    again = view_of(document, compiled(other))
    if (view and view.xml) != (again and again.xml):
        yield "the order of rules changes the view"
    if made == "policy.inconsistent":
        # It is explained as it would have been, with the places where that is not right.
        if not any(line.note.endswith("the message is refused") for line in explained):
            yield "it is not explained what `consistency` refuses"
    elif len(kept) != (view.kept if view else 0):
        yield "what is explained as kept is not what was kept"
    # The original passes inspection only if its view holds all of it.
    if not passes(document, how):
        met["documents that inspect refuses"] += 1
    elif view is None or view.withheld:
        yield "inspect lets pass what apply withholds"
    note(found, view, met)
    if view is not None:
        yield from broken_by(view, found, how, document)


def broken_by(view: View, found: Policy, how: CompiledPolicy, document: ValidDocument) -> Iterator[str]:
    """Say which laws a view breaks."""
    yield from judge_view(document.document.raw, yaml(found), view.xml, places(found.schema_set))
    sent = reread(view)
    again = view_of(sent, how)
    if again is None or (again.xml, again.kept, again.withheld) != (view.xml, view.kept, 0):
        yield "applying twice changes something"
    if not in_fixed_form(sent.document, bundled(found.schema_set).prefixes):
        yield "a view is not in the one fixed form"
    if not passes(sent, how):
        yield "the receiver finds something over-shared in a view"
    lines = explain(document, how)
    if sum(not line.kept and not line.is_empty for line in lines) != view.withheld:
        yield "what is explained as withheld is not what was withheld"
    ours, theirs = Counter(values(sent.root)), Counter(values(document.root))
    if not ours <= theirs:
        yield "a value in a view does not stand in the document"


def note(found: Policy, view: View | None, met: Counter[str]) -> None:
    """Note what a case was."""
    met["cases"] += 1
    met["views"] += view is not None
    met["policies with rules of their own"] += len(found.rules) > len(BASE[found.schema_set]) + 2


def values(root: etree._Element) -> list[tuple[object, str]]:
    leaves: list[tuple[object, str]] = [
        # White space alone is what stood around the elements that were taken out of a sample: no value.
        (element.tag, (element.text or "") if (element.text or "").strip() else "")
        for element in root.iter()
        if len(element) == 0
    ]
    return leaves + [(name, value) for element in root.iter() for name, value in element.items()]


@pytest.mark.parametrize("set_id", SETS)
def test_every_law_holds_for_what_is_drawn(set_id: str, count: Callable[..., None]) -> None:
    met = Counter[str]()

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(policies(set_id), documents(set_id), st.randoms())
    def hold(found: Policy, document: ValidDocument, chance: Random) -> None:
        assert list(broken(found, document, chance, met)) == []

    hold()
    for what, number in met.items():
        count(f"policy laws, drawn by Hypothesis: {what}", number)


@pytest.mark.parametrize("set_id", SETS)
def test_random_policies_do_keep_and_withhold(set_id: str) -> None:
    """The laws above would hold for empty policies too; these are not empty, and a law about views judges most of them."""
    met = Counter[str]()

    # The same draws every time, wherever this text stands: it is about what the strategies make, and luck no part of it.
    @seed(1)
    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(policies(set_id), documents(set_id))
    def look(found: Policy, document: ValidDocument) -> None:
        note(found, view_of(document, compiled(found)), met)

    look()
    assert met["policies with rules of their own"] >= 12, "a fifth of them"
    assert met["cases"] - met["views"] <= 45, "three quarters of them"


def test_yaml_written_for_the_oracle_means_the_same() -> None:
    text = "  - keep: /A\n    attributes: [x]\n  - drop: /A/B\n  - keep: /C\n    attributes: required\n"
    assert yaml(policy(text)) == (
        b"rules:\n  - {keep: /A, attributes: [x]}\n  - {drop: /A/B}\n  - {keep: /C, attributes: required}\n"
    )
