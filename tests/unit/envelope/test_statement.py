"""A statement counts only as what it is, from whom it is, about what it names."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.ids import PartyId
from gateway.domain.statement import Problem, Receipt, Verdict
from gateway.envelope import (
    StatementType,
    sign_problem,
    sign_receipt,
    sign_statement,
    statement_type,
    verify_problem,
    verify_receipt,
    verify_statement,
)
from gateway.errors import CATALOGUE, EnvelopeError
from tests.keys import KeyRing
from tests.unit.envelope.samples import (
    CREATED,
    EAST,
    NORTH,
    OTHER_ID,
    PROBLEM,
    RECEIPT,
    RING,
    SOUTH,
    known_as,
    signed,
)

NOW = CREATED + timedelta(seconds=3)
TOKEN = sign_receipt(RECEIPT, SOUTH.signer)
REFUSAL = replace(RECEIPT, verdict=Verdict.REFUSED, code="schema.invalid")


def checked(
    token: str, *, ring: KeyRing = RING, now: datetime = NOW, issuer: PartyId = SOUTH.party, **expected: Any
) -> Receipt:
    about: dict[str, Any] = {
        "audience": NORTH.party,
        "message_id": RECEIPT.message_id,
        "digest": RECEIPT.digest,
    } | expected
    return verify_receipt(token, verification_key=ring.verification_key, issuer=issuer, now=now, **about)


def refused(token: str, **options: Any) -> EnvelopeError:
    with pytest.raises(EnvelopeError) as caught:
        checked(token, **options)
    return caught.value


@pytest.mark.parametrize("receipt", [RECEIPT, REFUSAL])
def test_what_was_stated_comes_out(receipt: Receipt) -> None:
    assert checked(sign_receipt(receipt, SOUTH.signer)) == receipt


def test_a_fraction_of_a_second_is_dropped() -> None:
    precise = replace(RECEIPT, issued_at=RECEIPT.issued_at + timedelta(microseconds=999_999))
    assert checked(sign_receipt(precise, SOUTH.signer)) == RECEIPT


@pytest.mark.parametrize(
    "expected",
    [{"message_id": OTHER_ID}, {"digest": "00" * 32}, {"audience": EAST.party}],
    ids=str,
)
def test_a_receipt_for_another_message_does_not_settle_this_one(expected: dict[str, Any]) -> None:
    assert refused(TOKEN, **expected).code == "receipt.not_bound"


def test_a_receipt_by_another_party_is_not_believed() -> None:
    assert refused(sign_receipt(RECEIPT, EAST.signer)).facts["cause"] == "envelope.sender_mismatch"
    assert refused(sign_receipt(replace(RECEIPT, issuer=EAST.party), SOUTH.signer)).code == "receipt.invalid"


def test_our_own_signature_is_no_receipt() -> None:
    assert refused(sign_receipt(replace(RECEIPT, issuer=NORTH.party), NORTH.signer)).code == "receipt.invalid"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"revoked": True}, "envelope.key_revoked"),
        ({"not_after": CREATED}, "envelope.key_not_valid"),
        ({"not_before": NOW}, "envelope.key_not_valid"),
    ],
    ids=str,
)
def test_a_receipt_by_a_key_out_of_use_is_not_believed(changes: dict[str, Any], cause: str) -> None:
    error = refused(TOKEN, ring=known_as(SOUTH, **changes))
    assert (error.code, error.facts["cause"]) == ("receipt.invalid", cause)


def test_a_receipt_by_an_unknown_key_asks_for_fresh_keys() -> None:
    assert refused(TOKEN, ring=KeyRing((NORTH,))).code == "envelope.key_unknown"


def test_a_receipt_from_the_future_is_not_believed_beyond_the_clock_skew() -> None:
    checked(TOKEN, now=RECEIPT.issued_at - timedelta(minutes=5))
    error = refused(TOKEN, now=RECEIPT.issued_at - timedelta(minutes=5, seconds=1))
    assert error.facts["cause"] == "envelope.created_in_future"


def test_a_receipt_stays_true_however_late_it_is_read() -> None:
    assert checked(TOKEN, now=NOW + timedelta(days=3650)) == RECEIPT


@given(position=st.integers(0, len(TOKEN) - 1), sign=st.characters(codec="ascii"))
@settings(max_examples=300, deadline=None)
def test_a_receipt_with_any_one_character_changed_is_not_believed(position: int, sign: str) -> None:
    changed = TOKEN[:position] + sign + TOKEN[position + 1 :]
    if changed != TOKEN:
        assert refused(changed).code in {"receipt.invalid", "envelope.key_unknown"}


@given(st.text(max_size=100))
@settings(deadline=None)
def test_no_text_crashes_the_reader(text: str) -> None:
    assert refused(text).code == "receipt.invalid"


def claims(**changes: Any) -> dict[str, object]:
    good: dict[str, object] = {
        "iss": "XB-SOUTH",
        "aud": "XA-NORTH",
        "iat": int(RECEIPT.issued_at.timestamp()),
        "jti": RECEIPT.statement_id,
        "message_id": RECEIPT.message_id,
        "digest": RECEIPT.digest,
        "verdict": "accepted",
        "code": "ok",
        "agreement_version": 3,
    }
    return {name: value for name, value in (good | changes).items() if value != "absent"}


def test_the_claims_above_are_a_right_receipt() -> None:
    assert checked(sign_statement(StatementType.RECEIPT, claims(), SOUTH.signer)) == RECEIPT


@pytest.mark.parametrize(
    "changes",
    [
        {"message_id": "absent"},
        {"message_id": RECEIPT.message_id.upper()},
        {"digest": "absent"},
        {"digest": "4D" * 32},
        {"digest": 4},
        {"verdict": "absent"},
        {"verdict": "ACCEPTED"},
        {"verdict": None},
        {"code": "absent"},
        {"code": "Schema.Invalid", "verdict": "refused"},
        {"code": "schema invalid", "verdict": "refused"},
        {"code": "schema..invalid", "verdict": "refused"},
        {"code": "a" * 65, "verdict": "refused"},
        {"code": "", "verdict": "refused"},
        {"code": "ok", "verdict": "refused"},
        {"code": "schema.invalid"},
        {"agreement_version": "absent"},
        {"agreement_version": 0},
        {"agreement_version": "3"},
        {"agreement_version": True},
        {"note": "more"},
    ],
    ids=str,
)
def test_a_receipt_has_exactly_its_members(changes: dict[str, Any]) -> None:
    token = sign_statement(StatementType.RECEIPT, claims(**changes), SOUTH.signer)
    error = refused(token)
    assert (error.code, error.facts["cause"]) == ("receipt.invalid", "envelope.malformed")
    assert "ACCEPTED" not in str(error)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "absent"},
        {"iss": "south"},
        {"aud": "absent"},
        {"aud": ["XA-NORTH"]},
        {"iat": "absent"},
        {"iat": -1},
        {"iat": 253_402_300_800},
        {"jti": "absent"},
        {"jti": "1"},
    ],
    ids=str,
)
def test_no_statement_is_signed_without_its_frame(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|iss"):
        sign_statement(StatementType.RECEIPT, claims(**changes), SOUTH.signer)


@pytest.mark.parametrize(
    "changes",
    [{"digest": "x"}, {"code": "schema.invalid"}, {"issued_at": RECEIPT.issued_at.replace(tzinfo=None)}],
    ids=str,
)
def test_a_receipt_that_could_not_be_read_is_not_signed(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        sign_receipt(replace(RECEIPT, **changes), SOUTH.signer)


def test_every_public_code_can_stand_in_a_receipt() -> None:
    for entry in CATALOGUE.values():
        assert checked(sign_receipt(replace(REFUSAL, code=entry.public_code), SOUTH.signer)).code == entry.public_code


# ── problems ──


def checked_problem(token: str, **expected: Any) -> Problem:
    about: dict[str, Any] = {"audience": NORTH.party, "envelope_sha256": PROBLEM.envelope_sha256} | expected
    return verify_problem(token, verification_key=RING.verification_key, issuer=SOUTH.party, now=NOW, **about)


def test_a_problem_is_bound_to_the_envelope() -> None:
    token = sign_problem(PROBLEM, SOUTH.signer)
    assert checked_problem(token) == PROBLEM
    for other in ({"envelope_sha256": "00" * 32}, {"audience": EAST.party}):
        with pytest.raises(EnvelopeError, match="not_bound"):
            checked_problem(token, **other)


def test_a_problem_and_a_receipt_never_pass_for_each_other() -> None:
    problem = sign_problem(PROBLEM, SOUTH.signer)
    assert refused(problem).facts["cause"] == "envelope.type_refused"
    with pytest.raises(EnvelopeError) as caught:
        checked_problem(TOKEN)
    assert caught.value.code == "receipt.invalid"


def test_a_problem_names_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="wrong"):
        sign_problem(replace(PROBLEM, code="ok"), SOUTH.signer)


def test_a_problem_has_exactly_its_members() -> None:
    frame = {name: claims()[name] for name in ("iss", "aud", "iat", "jti")}
    token = sign_statement(StatementType.PROBLEM, {**frame, "code": "envelope.rejected"}, SOUTH.signer)
    with pytest.raises(EnvelopeError, match=r"receipt\.invalid"):
        checked_problem(token)


# ── types, and statements of other kinds ──


def test_the_type_of_a_statement_is_told_without_trusting_it() -> None:
    assert statement_type(TOKEN) is StatementType.RECEIPT
    assert statement_type(sign_problem(PROBLEM, SOUTH.signer)) is StatementType.PROBLEM


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "envelope.malformed"),
        (signed().jws.decode(), "envelope.type_refused"),
        ("e30.e30.e30", "envelope.algorithm_refused"),
        (TOKEN + "A" * 20_000, "envelope.malformed"),
    ],
    ids=["empty", "message", "no header", "large"],
)
def test_what_is_no_statement_has_no_type(token: str, code: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        statement_type(token)
    assert (caught.value.code, caught.value.facts["cause"]) == ("receipt.invalid", code)


def test_capabilities_travel_in_the_same_frame() -> None:
    offered: dict[str, object] = {name: claims()[name] for name in ("iss", "aud", "iat", "jti")} | {"sequence": 7}
    token = sign_statement(StatementType.CAPABILITIES, offered, SOUTH.signer)
    found = verify_statement(
        token,
        kind=StatementType.CAPABILITIES,
        verification_key=RING.verification_key,
        issuer=SOUTH.party,
        now=NOW,
    )
    assert found == offered
    assert refused(token).code == "receipt.invalid"


def test_a_pong_is_the_bare_frame() -> None:
    frame = {name: claims()[name] for name in ("iss", "aud", "iat", "jti")}
    token = sign_statement(StatementType.PONG, frame, SOUTH.signer)
    assert statement_type(token) is StatementType.PONG
    options: dict[str, Any] = {"verification_key": RING.verification_key, "now": NOW}
    assert verify_statement(token, kind=StatementType.PONG, issuer=SOUTH.party, **options) == frame
    with pytest.raises(EnvelopeError) as caught:
        verify_statement(token, kind=StatementType.CAPABILITIES, issuer=SOUTH.party, **options)
    assert caught.value.code == "envelope.type_refused"
