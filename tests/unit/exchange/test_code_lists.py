"""What an agreement makes of a code that is in none of its lists: refused, or taken with a warning."""

from gateway.domain.jobs import PreparedSubmission, RefusedSubmission
from gateway.domain.message import MessageKind
from gateway.errors import SchemaError
from gateway.exchange.prepare import prepare
from tests.unit.exchange.desks import FR, GB, NOW, desks, prepare_job, sample

BODY = sample("import-two-items.xml")


def with_text(old: str, new: str) -> bytes:
    assert old.encode() in BODY
    return BODY.replace(old.encode(), new.encode(), 1)


def refusal(body: bytes) -> SchemaError:
    result = prepare(prepare_job(body), desks()[GB])
    assert isinstance(result, RefusedSubmission)
    (problem,) = result.problems.values()
    assert isinstance(problem, SchemaError)
    return problem


def test_a_currency_that_does_not_exist_refuses_under_an_agreement_that_says_so() -> None:
    problem = refusal(with_text('currencyID="EUR"', 'currencyID="GPB"'))
    assert problem.code == "schema.profile_broken"
    (violation,) = problem.violations
    assert (violation.code, violation.rule) == ("codelist.unknown_code", "code_list:iso-4217")
    assert "GPB" not in str(problem) + str(violation)


def test_a_currency_that_was_withdrawn_refuses_too_and_is_told_apart() -> None:
    (violation,) = refusal(with_text('currencyID="EUR"', 'currencyID="HRK"')).violations
    assert violation.code == "codelist.expired_code"


def test_a_country_that_does_not_exist_is_taken_with_a_warning() -> None:
    result = prepare(prepare_job(with_text("<CountryCode>XA<", "<CountryCode>ZG<")), desks()[GB])
    assert isinstance(result, PreparedSubmission)
    (transfer,) = result.transfers
    assert [violation.rule for violation in transfer.warned] == ["code_list:iso-3166-1"]


def test_northern_ireland_is_a_country_where_the_agreement_adds_the_codes_of_customs() -> None:
    result = prepare(prepare_job(with_text("<CountryCode>XA<", "<CountryCode>XI<")), desks()[GB])
    assert isinstance(result, PreparedSubmission)
    assert result.transfers[0].warned == ()


def test_the_agreement_pins_the_lists_it_names() -> None:
    _, flow = desks()[GB].agreements.choose(sender=GB, recipient=FR, kind=MessageKind.DECLARATION, now=NOW)
    assert {"iso-3166-1", "iso-4217"} <= set(flow.profile.code_lists)
    assert set(flow.profile.code_lists_sha256) == set(flow.profile.code_lists)
    assert all(len(one) == 64 for one in flow.profile.code_lists_sha256.values())
