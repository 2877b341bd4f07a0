"""Problems: every error has one shape, and each reader is told what is theirs to know."""

import json

import pytest

from gateway.domain.ids import PartyId
from gateway.errors import (
    CATALOGUE,
    AgreementError,
    DocumentError,
    EnvelopeError,
    GatewayError,
    PeerError,
    SchemaError,
    StorageError,
    TransferError,
    TrustError,
)
from gateway.exchange.submit import RecipientsRefusedError
from gateway.web.problem import Audience, problem, problem_members, public_problem
from tests.unit.web.listening import broken_schema

DETAIL = "something only insiders know"


@pytest.mark.parametrize("audience", Audience, ids=lambda one: one.name)
@pytest.mark.parametrize("code", CATALOGUE)
def test_every_error_code_makes_a_problem(code: str, audience: Audience) -> None:
    response = problem(GatewayError(code, DETAIL), audience=audience, instance="7")
    assert isinstance(response.body, bytes)
    members = json.loads(response.body)
    assert response.content_type == "application/problem+json"
    assert members["status"] == response.status
    assert 400 <= response.status < 600
    assert members["type"] == f"urn:wco-gateway:problem:{members['code']}"
    assert members["title"]
    assert members["instance"] == "urn:uuid:7"


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_partner_is_told_the_public_code_and_no_detail(code: str) -> None:
    members = problem_members(EnvelopeError(code, DETAIL, facts={"cause": DETAIL}), audience=Audience.PARTNER)
    assert members["code"] == CATALOGUE[code].public_code
    assert DETAIL not in json.dumps(members)


def test_all_failures_of_cryptography_look_the_same_to_a_partner() -> None:
    codes = [code for code, entry in CATALOGUE.items() if entry.public_code == "envelope.rejected"]
    seen = {json.dumps(problem_members(EnvelopeError(code), audience=Audience.PARTNER)) for code in codes}
    assert len(codes) > 5
    assert len(seen) == 1


def test_a_partner_is_never_told_that_somebody_behind_us_failed() -> None:
    for code in CATALOGUE:
        members = problem_members(PeerError(code), audience=Audience.PARTNER)
        assert members["status"] not in {502, 504}


def test_a_client_is_not_told_what_is_wrong_inside() -> None:
    error = TrustError("trust.key_unreadable", DETAIL)
    assert "detail" not in problem_members(error, audience=Audience.CLIENT)
    assert problem_members(error, audience=Audience.OPERATOR)["detail"] == DETAIL


def test_what_may_be_tried_again_says_when() -> None:
    for error, expected in (
        (StorageError("storage.unavailable"), "5"),
        (TransferError("transfer.stale"), "1"),
        (TransferError("transfer.illegal_transition"), None),
    ):
        response = problem(error, audience=Audience.CLIENT, instance="7")
        assert response.headers.get("Retry-After") == expected


def test_a_refused_submission_lists_each_recipient() -> None:
    problems: dict[PartyId | None, GatewayError] = {
        PartyId("FR-DGDDI"): AgreementError("agreement.none"),
        PartyId("NL-DOUANE"): broken_schema(),
    }
    members = problem_members(RecipientsRefusedError(problems), audience=Audience.CLIENT)
    assert (members["code"], members["status"]) == ("request.recipients_refused", 422)
    first, second = members["recipients"]
    assert (first["recipient"], first["code"]) == ("FR-DGDDI", "agreement.none")
    assert (second["recipient"], second["code"]) == ("NL-DOUANE", "schema.invalid")
    assert second["violations"][0]["line"] == 7


def test_a_refusal_of_the_document_itself_is_its_own_problem() -> None:
    refused = RecipientsRefusedError({None: DocumentError("document.doctype_refused")})
    assert problem_members(refused, audience=Audience.CLIENT)["code"] == "document.doctype_refused"
    broken = problem_members(RecipientsRefusedError({None: broken_schema()}), audience=Audience.CLIENT)
    assert broken["violations"][0]["path"] == "/MetaData/Declaration/*[2]"


def test_violations_are_told_as_they_are_in_the_catalogue() -> None:
    error = SchemaError("schema.invalid", violations=broken_schema().violations)
    told = problem_members(error, audience=Audience.CLIENT)["violations"]
    assert told == [one.as_json() for one in error.violations]


def test_facts_never_take_the_place_of_a_member() -> None:
    error = TransferError("transfer.illegal_transition", facts={"code": "ok", "status": 200, "state": "QUEUED"})
    members = problem_members(error, audience=Audience.CLIENT)
    assert (members["code"], members["status"], members["state"]) == ("transfer.illegal_transition", 409, "QUEUED")


def test_an_answer_without_a_statement_is_a_problem_with_its_public_code() -> None:
    response = public_problem("unavailable", 503, instance="7")
    assert (response.status, response.headers["Retry-After"]) == (503, "5")
