"""What a broken rule does to the transfers that are prepared: refused, held or told."""

from dataclasses import replace

import pytest

from gateway.bundled import schema_folder
from gateway.domain.ids import PartyId, RuleSetId
from gateway.domain.jobs import PreparedSubmission, PrepareResult, RefusedSubmission
from gateway.domain.profile import ProfileTerms, Severity, sealed_profile
from gateway.exchange.desk import Desk
from gateway.exchange.prepare import prepare
from gateway.schema import compile_profile
from gateway.settings.rule_file import read_rule_sets
from tests.unit.exchange.desks import FR, GB, desks, prepare_job, sample

RULES = RuleSetId("dms-declaration")


def desk(**severities: Severity) -> Desk:
    """Return the desk of GB, every profile of which gives these rules (`_` for `-`) these severities."""
    own = desks()[GB]
    terms = sealed_profile(
        ProfileTerms(rules=RULES, severities={name.replace("_", "-"): word for name, word in severities.items()})
    )
    rule_set = read_rule_sets(None)[0][RULES]
    profiles = {
        key: compile_profile(terms, own.sets[key[0]], rule_set) if key[0] == "dms-declaration" else profile
        for key, profile in own.profiles.items()
    }
    return replace(own, profiles=profiles)


def bad(rule: str, *, at_once: frozenset[PartyId] = frozenset(), **severities: Severity) -> PrepareResult:
    raw = (schema_folder() / "rules" / RULES / f"{rule}.bad.xml").read_bytes()
    return prepare(replace(prepare_job(raw), at_once=at_once), desk(**severities))


def test_a_rule_that_holds_leaves_the_view_unsigned_and_names_itself() -> None:
    result = bad("packages-counted", packages_counted=Severity.HOLD)
    assert isinstance(result, PreparedSubmission)
    (transfer,) = result.transfers
    assert [one.rule for one in transfer.held_for] == ["packages-counted"]
    assert (transfer.digest, transfer.warned) == ("", ())


def test_what_is_held_has_no_envelope_even_where_it_could_leave_at_once() -> None:
    held = bad("packages-counted", at_once=frozenset({FR}), packages_counted=Severity.HOLD)
    warned = bad("items-counted", at_once=frozenset({FR}), items_counted=Severity.WARN)
    assert isinstance(held, PreparedSubmission)
    assert isinstance(warned, PreparedSubmission)
    assert held.transfers[0].envelope is None
    assert warned.transfers[0].envelope is not None


def test_a_rule_that_warns_lets_the_view_go_signed() -> None:
    result = bad("items-counted", items_counted=Severity.WARN)
    assert isinstance(result, PreparedSubmission)
    (transfer,) = result.transfers
    assert [one.rule for one in transfer.warned] == ["items-counted"]
    assert (transfer.held_for, len(transfer.digest)) == ((), 64)


def test_a_rule_that_rejects_refuses_whatever_others_would_only_hold() -> None:
    result = bad("items-counted", items_counted=Severity.REJECT)
    assert isinstance(result, RefusedSubmission)
    assert result.problems[FR].code == "schema.profile_broken"


def test_a_view_rule_judges_what_would_leave_and_not_what_was_handed_in() -> None:
    """The sample has a credential; the policy of the agreement drops it, so the view is in order."""
    raw = sample("import-two-items.xml")
    assert b"AccessCode" in raw
    result = prepare(prepare_job(raw), desk())
    assert isinstance(result, PreparedSubmission)
    assert result.transfers[0].warned == ()


def test_a_credential_that_a_policy_lets_through_does_not_leave() -> None:
    """With a rule that watches views for what the policy keeps, the view itself is refused."""
    own = desk()
    rule_set = read_rule_sets(None)[0][RULES]
    watching = tuple(
        replace(rule, selects="dec:FunctionalReferenceID") if rule.id == "credentials-stay" else rule
        for rule in rule_set.rules
    )
    profiles = {
        key: compile_profile(ProfileTerms(rules=RULES), own.sets[key[0]], replace(rule_set, rules=watching))
        for key in own.profiles
        if key[0] == "dms-declaration"
    }
    result = prepare(prepare_job(sample("import-two-items.xml")), replace(own, profiles=profiles))
    assert isinstance(result, RefusedSubmission)
    assert result.problems[FR].code == "schema.profile_broken"


@pytest.mark.parametrize("name", ["import-two-items.xml", "amendment.xml", "arrival.xml", "cancellation.xml"])
def test_the_samples_are_in_order_under_the_profile_of_their_agreement(name: str) -> None:
    result = prepare(prepare_job(sample(name)), desks()[GB])
    assert isinstance(result, PreparedSubmission)
    assert [transfer.warned for transfer in result.transfers] == [()]
