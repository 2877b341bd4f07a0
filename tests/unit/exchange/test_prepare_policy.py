"""What a policy demands of a message before it is signed, and the pseudonyms of its views."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.bundled import config_folder
from gateway.domain.agreement import PseudonymPeriod
from gateway.domain.ids import AgreementId, SchemaSetId
from gateway.domain.jobs import Approved, PreparedSubmission, PreparedTransfer, RefusedSubmission
from gateway.domain.message import AgreementRef
from gateway.envelope import payload_of
from gateway.exchange.desk import Desk, held_view_row, transfer_row
from gateway.exchange.prepare import prepare
from gateway.policy import compile_policy, read_policy
from tests.unit.exchange.desks import FR, GB, NOW, desks, prepare_job, sample, with_agreement

LRN = b"SAMPLE-IM-0001"
PSEUDONYM = "/MetaData/Declaration/FunctionalReferenceID"
RULE = f"  - pseudonymise: {PSEUDONYM}\n    reason: Cases are told apart, not found\n    legal: Article 4\n"
REQUIRE = """\
require:
  - when: {type-code: [IM*]}
    reason: Only imports are covered
    legal: Article 2
  - when: {kind: [declaration, amendment]}
    reason: Only whole declarations are covered
"""
HOLD = """\
hold:
  - when: {commodity: ["1801*"]}
    reason: Cocoa is looked at by hand
    legal: Article 9
  - when: {country-of-origin: [ZZ]}
    reason: An origin that nobody has
"""


def desk_under(more: str, **changes: object) -> Desk:
    """Return the desk of GB with more at the end of the policy for declarations, and its agreement changed."""
    desk = desks()[GB]
    file = config_folder() / "policies" / "customs-cooperation.yaml"
    compiled = desk.sets[SchemaSetId("dms-declaration")]
    raw = file.read_bytes() + more.encode()
    policy = read_policy(raw, file="/srv/policies/p.yaml", include=lambda part: (file.parent / part).read_bytes())
    found = compile_policy(policy, compiled)
    flows = tuple(
        replace(one, policy_sha256=found.sha256)
        if desk.policies[one.policy_sha256].policy.id == found.policy.id
        else one
        for one in desk.agreements.version(AgreementId("gb-fr"), 1).flows
    )
    policies = {**desk.policies, found.sha256: found}
    return replace(with_agreement(desk, flows=flows, **changes), policies=policies)


def transfer(desk: Desk, **changes: object) -> PreparedTransfer:
    result = prepare(replace(prepare_job(sample("import-two-items.xml")), **changes), desk)  # type: ignore[arg-type]
    assert isinstance(result, PreparedSubmission), result
    return result.transfers[0]


def view(found: PreparedTransfer) -> bytes:
    """Return the bytes of a transfer's view, signed or held."""
    sealer, name = desks()[GB].sealer, found.slot.transfer_id
    if not found.signed:
        return sealer.unseal(found.sealed, row=held_view_row(name))
    return payload_of(sealer.unseal(found.sealed, row=transfer_row(name)))


def pseudonym(found: PreparedTransfer) -> bytes:
    return view(found).split(b"<dec:FunctionalReferenceID>")[1].split(b"<")[0]


# ── require ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_message_that_meets_every_demand_is_signed() -> None:
    assert transfer(desk_under(REQUIRE)).signed


def test_a_message_that_fails_one_is_refused_with_its_reason_and_where_it_stands() -> None:
    found = prepare(prepare_job(sample("import-two-items.xml")), desk_under(REQUIRE.replace("IM*", "EX*")))
    assert isinstance(found, RefusedSubmission)
    error = found.problems[FR]
    assert error.code == "policy.not_permitted"
    assert "Only imports are covered (Article 2): policy customs-cooperation version 1, p.yaml:" in error.detail
    assert "/srv" not in error.detail
    assert "IMA" not in error.detail


# ── hold ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_message_that_the_policy_holds_waits_unsigned_with_the_reason() -> None:
    found = transfer(desk_under(HOLD, release_approvals=2))
    assert (found.signed, found.approvals, found.envelope) == (False, 2, None)
    (reason,) = found.held_for
    assert (reason.code, reason.message, reason.expected) == (
        "policy.hold",
        "Cocoa is looked at by hand (Article 9)",
        "Article 9",
    )
    assert reason.rule.startswith("customs-cooperation:")
    assert "commodity is 1801*" in reason.fix
    assert "18010000" not in str(reason)


def test_a_message_that_no_hold_speaks_of_is_signed() -> None:
    assert transfer(desk_under(HOLD.replace("1801*", "93*"))).signed


def test_a_condition_that_must_not_hold_holds_where_the_message_has_nothing_of_the_kind() -> None:
    assert not transfer(desk_under('hold:\n  - unless: {commodity: ["93*"]}\n    reason: All but arms\n')).signed


def test_what_officers_approved_is_signed_though_the_policy_holds_it() -> None:
    desk = desk_under(HOLD)
    held = transfer(desk)
    approved = Approved(agreement=held.header.agreement, sealed_view=held.sealed)
    released = transfer(desk, approved=approved, now=NOW + timedelta(hours=1), accepted=NOW)
    assert released.signed
    assert released.held_for == ()
    assert view(released) == view(held)


def test_what_another_agreement_would_send_waits_again_and_says_why() -> None:
    desk = desk_under(HOLD)
    held = transfer(desk)
    other = AgreementRef(id=held.header.agreement.id, version=9, sha256="0" * 64)
    again = transfer(desk, approved=Approved(agreement=other, sealed_view=held.sealed))
    assert [one.code for one in again.held_for] == ["policy.hold"]


# ── pseudonyms ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_view_shows_a_pseudonym_and_never_the_value() -> None:
    found = transfer(desk_under(RULE))
    assert LRN not in view(found)
    assert pseudonym(found) == pseudonym(transfer(desk_under(RULE)))
    assert len(pseudonym(found)) == 16


@pytest.mark.parametrize(
    ("changes", "same"),
    [({"pseudonym_period": PseudonymPeriod.NONE}, True), ({"pseudonym_period": PseudonymPeriod.MONTH}, False)],
)
def test_a_pseudonym_lasts_as_long_as_the_agreement_says(changes: dict[str, object], same: bool) -> None:
    desk = desk_under(RULE, **changes)
    now = transfer(desk)
    later = transfer(desk, accepted=NOW + timedelta(days=40))
    assert (pseudonym(now) == pseudonym(later)) is same


def test_a_release_in_the_next_period_signs_the_very_view_that_was_approved() -> None:
    desk = desk_under(RULE + HOLD, pseudonym_period=PseudonymPeriod.MONTH)
    held = transfer(desk, now=last_month(), accepted=None)
    approved = Approved(agreement=held.header.agreement, sealed_view=held.sealed)
    released = transfer(desk, approved=approved, accepted=last_month())
    assert released.signed
    assert pseudonym(released) == pseudonym(held)
    assert not transfer(desk, approved=approved).signed  # as if it had been accepted now


def last_month() -> datetime:
    return NOW.replace(day=1) - timedelta(days=1)


def test_another_agreement_gives_another_pseudonym() -> None:
    ours = transfer(desk_under(RULE))
    desk = desk_under(RULE)
    keys = desk.pseudonyms
    assert keys is not None
    assert keys.key(ours.header.agreement.id, "2026-Q4") != keys.key(AgreementId("another"), "2026-Q4")


def test_without_a_secret_the_value_is_withheld() -> None:
    found = transfer(replace(desk_under(RULE), pseudonyms=None))
    assert b"FunctionalReferenceID" not in view(found)
    assert LRN not in view(found)
