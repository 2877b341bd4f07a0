"""A notice counts only as a notice, from whom it is, about the very message it names."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.ids import PartyId
from gateway.domain.statement import Notice
from gateway.envelope import StatementType, sign_notice, sign_receipt, sign_statement, statement_type, verify_notice
from gateway.errors import EnvelopeError
from tests.keys import KeyRing
from tests.unit.envelope.samples import (
    CREATED,
    EAST,
    NORTH,
    NOTICE,
    OTHER_ID,
    RECEIPT,
    RING,
    SOUTH,
    known_as,
)

NOW = CREATED + timedelta(seconds=4)
TOKEN = sign_notice(NOTICE, SOUTH.signer)
CLAIMS: dict[str, object] = {
    "iss": "XB-SOUTH",
    "aud": "XA-NORTH",
    "iat": int(NOTICE.issued_at.timestamp()),
    "jti": NOTICE.statement_id,
    "message_id": NOTICE.message_id,
    "digest": NOTICE.digest,
    "handed_over": int(NOTICE.handed_over.timestamp()),
}


def checked(token: str, *, ring: KeyRing = RING, issuer: PartyId = SOUTH.party, **expected: Any) -> Notice:
    about: dict[str, Any] = {
        "audience": NORTH.party,
        "message_id": NOTICE.message_id,
        "digest": NOTICE.digest,
        "now": NOW,
    } | expected
    return verify_notice(token, verification_key=ring.verification_key, issuer=issuer, **about)


def refused(token: str, **options: Any) -> EnvelopeError:
    with pytest.raises(EnvelopeError) as caught:
        checked(token, **options)
    return caught.value


def test_what_was_stated_comes_out() -> None:
    assert checked(TOKEN) == NOTICE
    assert statement_type(TOKEN) is StatementType.HANDED_OVER
    assert checked(sign_statement(StatementType.HANDED_OVER, CLAIMS, SOUTH.signer)) == NOTICE


def test_fractions_of_a_second_are_dropped() -> None:
    precise = timedelta(microseconds=999_999)
    late = replace(NOTICE, handed_over=NOTICE.handed_over + precise, issued_at=NOTICE.issued_at + precise)
    assert checked(sign_notice(late, SOUTH.signer)) == NOTICE


@pytest.mark.parametrize(
    "expected", [{"message_id": OTHER_ID}, {"digest": "00" * 32}, {"audience": EAST.party}], ids=str
)
def test_a_notice_about_another_message_says_nothing_of_this_one(expected: dict[str, Any]) -> None:
    assert refused(TOKEN, **expected).code == "notice.not_bound"


def test_a_notice_by_another_party_is_not_believed() -> None:
    assert refused(sign_notice(NOTICE, EAST.signer)).facts["cause"] == "envelope.sender_mismatch"
    assert refused(sign_notice(replace(NOTICE, issuer=EAST.party), SOUTH.signer)).code == "notice.invalid"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"revoked": True}, "envelope.key_revoked"),
        ({"not_after": CREATED}, "envelope.key_not_valid"),
        ({"not_before": NOW}, "envelope.key_not_valid"),
    ],
    ids=str,
)
def test_a_notice_by_a_key_out_of_use_is_not_believed(changes: dict[str, Any], cause: str) -> None:
    error = refused(TOKEN, ring=known_as(SOUTH, **changes))
    assert (error.code, error.facts["cause"]) == ("notice.invalid", cause)


def test_a_notice_by_an_unknown_key_asks_for_fresh_keys() -> None:
    assert refused(TOKEN, ring=KeyRing((NORTH,))).code == "envelope.key_unknown"


def test_a_notice_from_the_future_is_not_believed_beyond_the_clock_skew() -> None:
    checked(TOKEN, now=NOTICE.issued_at - timedelta(minutes=5))
    error = refused(TOKEN, now=NOTICE.issued_at - timedelta(minutes=5, seconds=1))
    assert error.facts["cause"] == "envelope.created_in_future"


def test_a_notice_and_a_receipt_never_pass_for_each_other() -> None:
    assert refused(sign_receipt(RECEIPT, SOUTH.signer)).facts["cause"] == "envelope.type_refused"


@pytest.mark.parametrize(
    "changes",
    [
        {"message_id": None},
        {"digest": "4D" * 32},
        {"handed_over": None},
        {"handed_over": "1780315203"},
        {"handed_over": 1.5},
        {"handed_over": int(NOTICE.issued_at.timestamp()) + 1},
        {"verdict": "accepted"},
    ],
    ids=str,
)
def test_a_notice_has_exactly_its_members(changes: dict[str, Any]) -> None:
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    error = refused(sign_statement(StatementType.HANDED_OVER, claims, SOUTH.signer))
    assert (error.code, error.facts["cause"]) == ("notice.invalid", "envelope.malformed")


@pytest.mark.parametrize(
    "changes",
    [{"digest": "x"}, {"handed_over": NOTICE.issued_at + timedelta(seconds=1)}, {"message_id": "x"}],
    ids=str,
)
def test_a_notice_that_could_not_be_read_is_not_signed(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        sign_notice(replace(NOTICE, **changes), SOUTH.signer)
