"""That a message was never seen counts only as such, from whom it is, about the very id it names."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.jobs import CheckAskedJob
from gateway.domain.statement import NotSeen, Receipt
from gateway.envelope import (
    StatementType,
    sign_not_seen,
    sign_receipt,
    sign_statement,
    statement_type,
    verify_not_seen,
)
from gateway.errors import EnvelopeError
from gateway.exchange.check import check_asked
from tests.keys import KeyRing
from tests.unit.envelope.samples import CREATED, EAST, NORTH, NOTICE, OTHER_ID, RECEIPT, RING, SOUTH
from tests.unit.exchange.desks import FR, GB, desks, prepared

NOW = CREATED + timedelta(seconds=4)
NOT_SEEN = NotSeen(
    message_id=NOTICE.message_id,
    issuer=SOUTH.party,
    audience=NORTH.party,
    issued_at=NOTICE.issued_at,
    statement_id=NOTICE.statement_id,
)
TOKEN = sign_not_seen(NOT_SEEN, SOUTH.signer)
CLAIMS: dict[str, object] = {
    "iss": "XB-SOUTH",
    "aud": "XA-NORTH",
    "iat": int(NOT_SEEN.issued_at.timestamp()),
    "jti": NOT_SEEN.statement_id,
    "message_id": NOT_SEEN.message_id,
}


def checked(token: str, *, ring: KeyRing = RING, **expected: Any) -> NotSeen:
    about: dict[str, Any] = {"audience": NORTH.party, "message_id": NOT_SEEN.message_id, "now": NOW} | expected
    return verify_not_seen(token, verification_key=ring.verification_key, issuer=SOUTH.party, **about)


def refused(token: str, **options: Any) -> EnvelopeError:
    with pytest.raises(EnvelopeError) as caught:
        checked(token, **options)
    return caught.value


def test_what_was_stated_comes_out() -> None:
    assert checked(TOKEN) == NOT_SEEN
    assert statement_type(TOKEN) is StatementType.NOT_SEEN
    assert checked(sign_statement(StatementType.NOT_SEEN, CLAIMS, SOUTH.signer)) == NOT_SEEN


@pytest.mark.parametrize("expected", [{"message_id": OTHER_ID}, {"audience": EAST.party}], ids=str)
def test_a_word_about_another_message_says_nothing_of_this_one(expected: dict[str, Any]) -> None:
    assert refused(TOKEN, **expected).code == "receipt.not_bound"


def test_a_word_of_another_party_is_not_believed() -> None:
    assert refused(sign_not_seen(NOT_SEEN, EAST.signer)).facts["cause"] == "envelope.sender_mismatch"
    assert refused(sign_not_seen(replace(NOT_SEEN, issuer=EAST.party), SOUTH.signer)).code == "receipt.invalid"


def test_a_receipt_is_no_word_that_nothing_was_seen() -> None:
    assert refused(sign_receipt(RECEIPT, SOUTH.signer)).facts["cause"] == "envelope.type_refused"


@pytest.mark.parametrize("changes", [{"message_id": None}, {"digest": "4d" * 32}, {"verdict": "refused"}], ids=str)
def test_the_statement_has_exactly_its_members(changes: dict[str, Any]) -> None:
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    error = refused(sign_statement(StatementType.NOT_SEEN, claims, SOUTH.signer))
    assert (error.code, error.facts["cause"]) == ("receipt.invalid", "envelope.malformed")


def test_a_question_is_answered_by_a_receipt_or_by_the_sworn_word_and_by_nothing_else() -> None:
    sent = prepared().transfers[0]
    trust = desks()[FR].trust
    job = CheckAskedJob(
        token="",
        message_id=sent.slot.message_id,
        digest=sent.digest,
        sender=GB,
        recipient=FR,
        now=sent.header.created,
    )
    mine = {"message_id": job.message_id, "issuer": FR, "audience": GB, "issued_at": job.now}
    signer = trust.signer(FR, job.now)
    sworn = replace(NOT_SEEN, **mine)  # type: ignore[arg-type]  # its members
    receipt = replace(RECEIPT, digest=sent.digest, **mine)  # type: ignore[arg-type]  # its members
    for token, kind in ((sign_not_seen(sworn, signer), NotSeen), (sign_receipt(receipt, signer), Receipt)):
        assert isinstance(check_asked(replace(job, token=token), desks()[GB]), kind)
    for token in ("a.b.c", sign_not_seen(replace(sworn, message_id=OTHER_ID), signer)):
        assert isinstance(check_asked(replace(job, token=token), desks()[GB]), EnvelopeError)
