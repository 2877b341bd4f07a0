import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.domain.ids import PartyId
from gateway.domain.jobs import (
    Admitted,
    PreparedSubmission,
    PreparedTransfer,
    PrepareJob,
    ReferenceKind,
    RefusedSubmission,
)
from gateway.domain.message import MessageKind
from gateway.exchange.desk import inbox_row, reference_row, submission_row, transfer_row
from gateway.exchange.prepare import prepare
from tests.unit.exchange.desks import (
    FR,
    GB,
    LATER,
    NOW,
    SUBMISSION,
    admitted,
    desks,
    prepare_job,
    prepared,
    sample,
    with_agreement,
)

NL = PartyId("NL-DOUANE")


def prepare_transfer(*, at_once: frozenset[PartyId] = frozenset(), now: datetime = NOW) -> PreparedTransfer:
    job = replace(prepare_job(sample("import-two-items.xml"), now=now), at_once=at_once)
    result = prepare(job, desks()[GB])
    assert isinstance(result, PreparedSubmission)
    return result.transfers[0]


def refusal(job: PrepareJob) -> RefusedSubmission:
    result = prepare(job, desks()[GB])
    assert isinstance(result, RefusedSubmission)
    return result


def test_a_prepared_submission_keeps_the_original_sealed_to_its_row() -> None:
    body = sample("import-two-items.xml")
    submission = prepared()
    sealer = desks()[GB].sealer
    assert sealer.unseal(submission.sealed_document, row=submission_row(SUBMISSION)) == body
    assert body not in submission.sealed_document


def test_a_transfer_carries_the_terms_of_its_agreement_signed() -> None:
    transfer = prepared().transfers[0]
    header = transfer.header
    assert (header.sender, header.recipient, header.kind) == (GB, FR, MessageKind.DECLARATION)
    assert (header.agreement.id, header.agreement.version) == ("gb-fr", 1)
    assert header.terms.retention_days == 1095
    assert header.created == NOW.replace(microsecond=0)
    assert header.expires - header.created == timedelta(days=7)
    assert transfer.deadline == NOW + timedelta(hours=24)


def test_the_signed_view_is_sealed_to_its_transfer() -> None:
    transfer = prepared().transfers[0]
    jws = desks()[GB].sealer.unseal(transfer.sealed, row=transfer_row(transfer.slot.transfer_id))
    assert jws.count(b".") == 2


def test_a_transfer_with_nothing_ahead_leaves_prepare_in_an_envelope_of_the_very_message_that_is_stored() -> None:
    transfer = prepare_transfer(at_once=frozenset({FR}))
    assert transfer.envelope is not None
    assert hashlib.sha256(transfer.envelope.jwe.encode()).hexdigest() == transfer.envelope.sha256
    arrived = admitted(transfer.envelope.jwe)
    assert isinstance(arrived, Admitted)
    assert arrived.digest == transfer.digest
    assert desks()[FR].sealer.unseal(arrived.sealed_message, row=inbox_row(GB, arrived.header.message_id)) == desks()[
        GB
    ].sealer.unseal(transfer.sealed, row=transfer_row(transfer.slot.transfer_id))


def test_only_recipients_that_may_be_sent_to_at_once_get_an_envelope() -> None:
    assert prepare_transfer().envelope is None
    assert prepare_transfer(at_once=frozenset({NL})).envelope is None


def test_a_partner_whose_key_can_not_be_had_gets_its_transfer_queued_all_the_same() -> None:
    transfer = prepare_transfer(at_once=frozenset({FR}), now=NOW + LATER)  # the revocation lists are stale by then
    assert (transfer.signed, transfer.envelope) == (True, None)


def test_references_are_found_by_a_keyed_hash_and_shown_only_unsealed() -> None:
    submission = prepared()
    sealer = desks()[GB].sealer
    kinds = {reference.kind for reference in submission.references}
    assert ReferenceKind.LRN in kinds
    for reference in submission.references:
        value = sealer.unseal(reference.sealed, row=reference_row(SUBMISSION, reference.kind)).decode()
        assert reference.index == sealer.index(reference.kind, value)
        assert value.encode() not in reference.sealed
        assert value not in reference.index


def test_the_clients_own_case_reference_comes_first_and_is_scoped_to_the_client() -> None:
    body = sample("import-two-items.xml")
    one = prepare(prepare_job(body, conversation_key="case 7"), desks()[GB])
    other = prepare(replace(prepare_job(body, conversation_key="case 7"), client="another"), desks()[GB])
    assert isinstance(one, PreparedSubmission)
    assert isinstance(other, PreparedSubmission)
    assert one.references[0].kind is ReferenceKind.EXPLICIT
    assert one.references[0].index != other.references[0].index


def test_the_same_document_and_place_give_the_same_digest_and_another_nonce_another() -> None:
    first, second = prepared(), prepared()
    assert first.transfers[0].digest == second.transfers[0].digest
    job = prepare_job(sample("import-two-items.xml"))
    moved = replace(job, slots={FR: replace(job.slots[FR], nonce=bytes(16))})
    third = prepare(moved, desks()[GB])
    assert isinstance(third, PreparedSubmission)
    assert third.transfers[0].digest != first.transfers[0].digest


def test_a_broken_document_is_refused_for_everybody() -> None:
    refused = refusal(prepare_job(b"<a"))
    assert [error.code for error in refused.problems.values()] == ["document.not_well_formed"]
    assert set(refused.problems) == {None}


def test_a_document_that_breaks_its_schema_is_refused_with_violations() -> None:
    body = sample("import-two-items.xml").replace(b"GoodsItemQuantity", b"GoodsItemQuantities")
    refused = refusal(prepare_job(body))
    (error,) = refused.problems.values()
    assert error.code == "schema.invalid"


def test_one_recipient_without_agreement_refuses_all() -> None:
    refused = refusal(prepare_job(sample("import-two-items.xml"), recipients=(FR, NL)))
    assert {party: error.code for party, error in refused.problems.items()} == {NL: "agreement.none"}


def test_every_recipient_that_is_refused_is_named() -> None:
    job = prepare_job(sample("cancellation.xml"), recipients=(FR, NL))
    refused = prepare(job, with_agreement(desks()[GB], flows=()))
    assert isinstance(refused, RefusedSubmission)
    assert {party: error.code for party, error in refused.problems.items()} == {
        FR: "agreement.kind_not_covered",
        NL: "agreement.none",
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"suspended": True}, "agreement.suspended"),
        ({"valid_until": NOW}, "agreement.not_in_force"),
        ({"max_document_bytes": 100}, "document.too_large"),
    ],
)
def test_an_agreement_that_does_not_permit_it_refuses(changes: dict[str, object], code: str) -> None:
    result = prepare(prepare_job(sample("import-two-items.xml")), with_agreement(desks()[GB], **changes))
    assert isinstance(result, RefusedSubmission)
    assert [error.code for error in result.problems.values()] == [code]
