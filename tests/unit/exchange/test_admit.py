from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.agreement import OverSharing
from gateway.domain.ids import PartyId
from gateway.domain.jobs import Admitted, Refused, Unopened
from gateway.domain.limits import DocumentLimits
from gateway.domain.statement import Verdict
from gateway.envelope import payload_of
from gateway.exchange.desk import inbox_row
from tests.unit.exchange.desks import (
    FR,
    GB,
    LATER,
    MESSAGE,
    NOW,
    STATEMENT,
    admitted,
    desks,
    envelope,
    prepared,
    sample,
    with_agreement,
)


def refused(result: object) -> Refused:
    assert isinstance(result, Refused), result
    return result


def unopened(result: object) -> Unopened:
    assert isinstance(result, Unopened), result
    return result


def test_a_genuine_message_is_admitted_with_a_receipt_bound_to_its_digest() -> None:
    submission = prepared()
    result = admitted(envelope(submission).jwe)
    assert isinstance(result, Admitted)
    assert result.digest == submission.transfers[0].digest == result.receipt.digest
    assert result.receipt.verdict is Verdict.ACCEPTED
    assert (result.receipt.issuer, result.receipt.audience, result.receipt.statement_id) == (FR, GB, STATEMENT)


def test_what_is_kept_is_the_signed_message_itself_sealed_to_its_row() -> None:
    result = admitted(envelope(prepared()).jwe)
    assert isinstance(result, Admitted)
    jws = desks()[FR].sealer.unseal(result.sealed_message, row=inbox_row(GB, MESSAGE))
    assert payload_of(jws).startswith(b"<?xml")


def test_references_of_a_received_message_can_be_found_by_their_keyed_hash() -> None:
    result = admitted(envelope(prepared()).jwe)
    assert isinstance(result, Admitted)
    values = {result.facts.lrn, result.facts.mrn, result.facts.ucr} - {None}
    indexes = {reference.index for reference in result.references}
    assert indexes == {
        desks()[FR].sealer.index(reference.kind, value)
        for reference in result.references
        for value in values
        if value and value == getattr(result.facts, reference.kind.value)
    }


def test_an_expired_message_is_refused_bound_to_its_digest() -> None:
    submission = prepared()
    result = refused(admitted(envelope(submission).jwe, now=NOW + LATER))
    assert result.error.code == "envelope.expired"
    assert result.receipt.digest == submission.transfers[0].digest
    assert result.receipt.verdict is Verdict.REFUSED


def test_a_message_from_the_future_gets_no_verdict_yet() -> None:
    ahead = NOW + timedelta(minutes=6)
    result = unopened(admitted(envelope(prepared(now=ahead), now=ahead).jwe))
    assert result.error.code == "envelope.created_in_future"
    assert result.problem is not None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sha256": "0" * 64}, "agreement.mismatch"),
        ({"version": 2}, "agreement.none"),
        ({"suspended": True}, "agreement.suspended"),
        ({"valid_until": NOW - timedelta(days=1)}, "agreement.not_in_force"),
        ({"flows": ()}, "agreement.kind_not_covered"),
        ({"max_document_bytes": 200}, "document.too_large"),
    ],
)
def test_a_message_outside_our_copy_of_the_agreement_is_refused(changes: dict[str, object], code: str) -> None:
    result = refused(admitted(envelope(prepared()).jwe, desk=with_agreement(desks()[FR], **changes)))
    assert result.error.code == code
    assert result.receipt.code == result.error.public_code


def test_terms_that_differ_from_the_agreement_are_refused() -> None:
    desk = desks()[FR]
    terms = desk.agreements.version(prepared().transfers[0].header.agreement.id, 1).terms
    changed = with_agreement(desk, terms=replace(terms, retention_days=1))
    assert refused(admitted(envelope(prepared()).jwe, desk=changed)).error.code == "envelope.header_disagrees"


def test_a_message_that_claims_a_longer_life_than_agreed_is_refused() -> None:
    changed = with_agreement(desks()[FR], message_lifetime=timedelta(days=1))
    assert refused(admitted(envelope(prepared()).jwe, desk=changed)).error.code == "envelope.header_disagrees"


def test_a_view_with_more_than_the_policy_keeps_is_refused() -> None:
    desk = desks()[FR]
    flow = desk.agreements.version(prepared().transfers[0].header.agreement.id, 1).flows[0]
    poorer = next(policy for sha256, policy in desk.policies.items() if sha256 != flow.policy_sha256)
    swapped = replace(desk, policies={**desk.policies, flow.policy_sha256: poorer})
    assert refused(admitted(envelope(prepared()).jwe, desk=swapped)).error.code == "policy.over_shared"


def test_a_view_with_more_than_the_policy_keeps_is_taken_with_an_alarm_where_the_agreement_says_so() -> None:
    desk = with_agreement(desks()[FR], over_shared=OverSharing.ACCEPT_AND_ALARM)
    within = admitted(envelope(prepared()).jwe, desk=desk)
    assert isinstance(within, Admitted)
    assert within.over_shared == ()
    flow = desk.agreements.version(prepared().transfers[0].header.agreement.id, 1).flows[0]
    poorer = next(policy for sha256, policy in desk.policies.items() if sha256 != flow.policy_sha256)
    swapped = replace(desk, policies={**desk.policies, flow.policy_sha256: poorer})
    beyond = admitted(envelope(prepared()).jwe, desk=swapped)
    assert isinstance(beyond, Admitted)
    assert beyond.receipt.verdict is Verdict.ACCEPTED
    assert beyond.over_shared
    assert any(path.startswith("/MetaData/Declaration/") for path in beyond.over_shared)


def test_limits_of_this_node_hold_for_what_partners_send() -> None:
    small = replace(desks()[FR], limits=DocumentLimits(elements=10))
    assert refused(admitted(envelope(prepared()).jwe, desk=small)).error.code == "document.too_many_elements"


def test_a_message_over_another_partys_channel_is_not_opened() -> None:
    result = unopened(admitted(envelope(prepared()).jwe, channel_party=PartyId("NL-DOUANE")))
    assert result.error.code == "envelope.sender_mismatch"
    assert result.error.public_code == "envelope.rejected"


def test_a_flipped_byte_anywhere_gives_one_public_code_and_a_problem_about_the_envelope() -> None:
    sealed = envelope(prepared())
    for place in (5, len(sealed.jwe) // 2, len(sealed.jwe) - 5):
        flipped = sealed.jwe[:place] + ("A" if sealed.jwe[place] != "A" else "B") + sealed.jwe[place + 1 :]
        result = unopened(admitted(flipped))
        assert result.error.public_code == "envelope.rejected"
        assert result.problem is not None
        assert result.problem.envelope_sha256 == result.envelope_sha256 != sealed.sha256


def test_a_node_of_several_parties_signs_nothing_about_bytes_that_could_be_for_any() -> None:
    both = replace(desks()[FR], own=frozenset({FR, PartyId("FR-OTHER")}))
    result = unopened(admitted("no envelope", desk=both))
    assert (result.problem, result.token) == (None, None)


def test_every_kind_of_sample_is_admitted() -> None:
    for name in ("amendment.xml", "arrival.xml", "response-accepted.xml", "transit-bare-declaration.xml"):
        assert sample(name)
        assert isinstance(admitted(envelope(prepared(name)).jwe), Admitted), name
