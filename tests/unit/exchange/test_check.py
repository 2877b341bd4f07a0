import hashlib
from dataclasses import replace
from functools import cache

from gateway.domain.ids import MessageId
from gateway.domain.jobs import Admitted, CheckJob, PreparedSubmission, Refused, SealedEnvelope, Unopened
from gateway.domain.statement import Problem, Receipt, Verdict
from gateway.errors import EnvelopeError
from gateway.exchange.check import check
from tests.unit.exchange.desks import FR, GB, LATER, MESSAGE, NOW, admitted, desks, envelope, prepared


@cache
def sent() -> PreparedSubmission:
    return prepared()


def job(token: str, sealed: SealedEnvelope | None = None) -> CheckJob:
    transfer = sent().transfers[0]
    return CheckJob(
        token=token,
        message_id=MESSAGE,
        digest=transfer.digest,
        envelope_sha256=None if sealed is None else sealed.sha256,
        sender=GB,
        recipient=FR,
        agreement=transfer.header.agreement,
        now=NOW,
    )


def checked(given: CheckJob) -> object:
    return check(given, desks()[GB])


def accepted_token() -> str:
    result = admitted(envelope(sent()).jwe)
    assert isinstance(result, Admitted)
    return result.receipt_token


def test_an_accepted_receipt_for_this_message_is_believed() -> None:
    receipt = checked(job(accepted_token()))
    assert isinstance(receipt, Receipt)
    assert receipt.verdict is Verdict.ACCEPTED


def test_a_signed_refusal_for_this_message_is_believed() -> None:
    result = admitted(envelope(sent()).jwe, now=NOW + LATER)
    assert isinstance(result, Refused)
    receipt = checked(replace(job(result.receipt_token), now=NOW + LATER))
    assert isinstance(receipt, Receipt)
    assert receipt.code == "envelope.expired"


def test_a_receipt_for_another_digest_is_not_bound() -> None:
    error = checked(replace(job(accepted_token()), digest="0" * 64))
    assert isinstance(error, EnvelopeError)
    assert error.code == "receipt.not_bound"


def test_a_receipt_for_another_message_is_not_bound() -> None:
    error = checked(replace(job(accepted_token()), message_id=MessageId("01990000-0000-7000-8000-00000000ffff")))
    assert isinstance(error, EnvelopeError)
    assert error.code == "receipt.not_bound"


def test_a_receipt_signed_by_ourselves_is_invalid() -> None:
    token = accepted_token()
    error = check(replace(job(token), recipient=GB, sender=FR), desks()[GB])
    assert isinstance(error, EnvelopeError)
    assert error.code == "receipt.invalid"


def test_a_changed_receipt_is_invalid() -> None:
    token = accepted_token()
    header, payload, signature = token.split(".")
    swapped = ("B" if signature[10] != "B" else "C").join((signature[:10], signature[11:]))
    error = checked(job(f"{header}.{payload}.{swapped}"))
    assert isinstance(error, EnvelopeError)
    assert error.code == "receipt.invalid"


def test_a_problem_counts_only_for_the_envelope_that_was_sent() -> None:
    sealed = envelope(sent())
    broken = replace(sealed, jwe=sealed.jwe[:-4] + "AAAA")
    result = admitted(broken.jwe)
    assert isinstance(result, Unopened)
    assert result.token is not None
    assert broken.sha256 == hashlib.sha256(broken.jwe.encode()).hexdigest() == result.envelope_sha256
    assert isinstance(checked(job(result.token, broken)), Problem)
    for elsewhere in (sealed, None):
        error = checked(job(result.token, elsewhere))
        assert isinstance(error, EnvelopeError)
        assert error.code == "receipt.not_bound"


def test_a_message_is_no_statement() -> None:
    error = checked(job("a.b.c"))
    assert isinstance(error, EnvelopeError)
