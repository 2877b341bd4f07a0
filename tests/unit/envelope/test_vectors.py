"""The published vectors are what the program makes, and the program opens or refuses each as published."""

import importlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pybase64
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.domain.ids import KeyId, MessageId, PartyId
from gateway.domain.statement import Verdict
from gateway.envelope import (
    VECTOR_KEY_IDS,
    OpenedMessage,
    Unwrapper,
    VerificationKey,
    check_times,
    open_envelope,
    public_key_from_jwk,
    thumbprint,
    verify_notice,
    verify_problem,
    verify_receipt,
)
from gateway.errors import EnvelopeError
from tests.keys import MemoryUnwrapper

VECTORS = Path(__file__).parents[3] / "docs" / "vectors"


def published(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text("ascii"))


KEYS = published("keys")["keys"]
MESSAGE = published("message")
STATEMENTS = published("statements")
NEGATIVE = published("negative")


def public(jwk: dict[str, str]) -> ec.EllipticCurvePublicKey:
    return public_key_from_jwk({name: value for name, value in jwk.items() if name != "d"})


def verification_key(key_id: KeyId) -> VerificationKey:
    for key in KEYS.values():
        if key["kid"] == key_id and key["use"] == "sign":
            return VerificationKey(
                key_id=key_id,
                party=PartyId(key["party"]),
                certificate_sha256=key["x5t#S256"],
                public_key=public(key["jwk"]),
                not_before=datetime.fromisoformat(key["not_before"]),
                not_after=datetime.fromisoformat(key["not_after"]),
                revoked=key["revoked"],
            )
    raise EnvelopeError("envelope.key_unknown")


def unwrapper(party: PartyId, key_id: KeyId) -> Unwrapper:
    for key in KEYS.values():
        if (key["kid"], key["party"], key["use"]) == (key_id, party, "decrypt"):
            d = int.from_bytes(pybase64.urlsafe_b64decode(key["jwk"]["d"] + "="), "big")
            return MemoryUnwrapper(private_key=ec.derive_private_key(d, ec.SECP256R1()), key_id=key_id)
    raise EnvelopeError("envelope.key_unknown")


def opened(token: str) -> OpenedMessage:
    return open_envelope(
        token,
        channel_party=PartyId(MESSAGE["sender"]),
        ours={PartyId(MESSAGE["recipient"])},
        unwrapper=unwrapper,
        verification_key=verification_key,
    )


def test_the_script_makes_exactly_the_files_that_are_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(VECTORS))
    for name, content in importlib.import_module("make_vectors").files().items():
        assert (VECTORS / name).read_text("ascii") == content, f"{name} is out of date: run make_vectors.py"


def test_the_message_opens() -> None:
    message = opened(MESSAGE["jwe"])
    check_times(message.header, now=datetime.fromisoformat(MESSAGE["now"]))
    assert message.payload.decode() == MESSAGE["view_utf8"]
    assert message.digest == MESSAGE["digest"]


@pytest.mark.parametrize("verdict", Verdict)
def test_the_receipts_verify(verdict: Verdict) -> None:
    receipt = verify_receipt(
        STATEMENTS["statements"][verdict]["token"],
        verification_key=verification_key,
        issuer=PartyId(STATEMENTS["issuer"]),
        audience=PartyId(STATEMENTS["audience"]),
        message_id=MessageId(STATEMENTS["message_id"]),
        digest=STATEMENTS["digest"],
        now=datetime.fromisoformat(STATEMENTS["now"]),
    )
    assert receipt.verdict is verdict


def test_the_notice_verifies() -> None:
    notice = verify_notice(
        STATEMENTS["statements"]["handed_over"]["token"],
        verification_key=verification_key,
        issuer=PartyId(STATEMENTS["issuer"]),
        audience=PartyId(STATEMENTS["audience"]),
        message_id=MessageId(STATEMENTS["message_id"]),
        digest=STATEMENTS["digest"],
        now=datetime.fromisoformat(STATEMENTS["now"]),
    )
    assert notice.handed_over == datetime(2026, 6, 1, 12, 0, 3, tzinfo=UTC)


def test_the_problem_verifies() -> None:
    problem = verify_problem(
        STATEMENTS["statements"]["problem"]["token"],
        verification_key=verification_key,
        issuer=PartyId(STATEMENTS["issuer"]),
        audience=PartyId(STATEMENTS["audience"]),
        envelope_sha256=STATEMENTS["envelope_sha256"],
        now=datetime.fromisoformat(STATEMENTS["now"]),
    )
    assert problem.code == "envelope.rejected"


@pytest.mark.parametrize("case", NEGATIVE["envelopes"] + NEGATIVE["messages"], ids=lambda case: case["name"])
def test_a_wrong_envelope_or_message_is_refused_with_its_code(case: dict[str, str]) -> None:
    with pytest.raises(EnvelopeError) as caught:
        opened(case["token"])
    assert (caught.value.code, caught.value.public_code) == (case["code"], case["public_code"])


@pytest.mark.parametrize("case", NEGATIVE["receipts"], ids=lambda case: case["name"])
def test_a_wrong_receipt_is_refused_with_its_code(case: dict[str, str]) -> None:
    with pytest.raises(EnvelopeError) as caught:
        verify_receipt(
            case["token"],
            verification_key=verification_key,
            issuer=PartyId(STATEMENTS["issuer"]),
            audience=PartyId(STATEMENTS["audience"]),
            message_id=MessageId(STATEMENTS["message_id"]),
            digest=STATEMENTS["digest"],
            now=datetime.fromisoformat(NEGATIVE["now"]),
        )
    assert (caught.value.code, caught.value.public_code) == (case["code"], case["public_code"])


@pytest.mark.parametrize("case", NEGATIVE["notices"], ids=lambda case: case["name"])
def test_a_wrong_notice_is_refused_with_its_code(case: dict[str, str]) -> None:
    with pytest.raises(EnvelopeError) as caught:
        verify_notice(
            case["token"],
            verification_key=verification_key,
            issuer=PartyId(STATEMENTS["issuer"]),
            audience=PartyId(STATEMENTS["audience"]),
            message_id=MessageId(STATEMENTS["message_id"]),
            digest=STATEMENTS["digest"],
            now=datetime.fromisoformat(NEGATIVE["now"]),
        )
    assert (caught.value.code, caught.value.public_code) == (case["code"], case["public_code"])


def test_every_code_of_an_envelope_before_its_times_has_a_negative_vector() -> None:
    shown = {case["code"] for case in NEGATIVE["envelopes"] + NEGATIVE["messages"]}
    assert shown == {
        "envelope.malformed",
        "envelope.algorithm_refused",
        "envelope.type_refused",
        "envelope.header_refused",
        "envelope.key_unknown",
        "envelope.key_revoked",
        "envelope.key_not_valid",
        "envelope.decryption_failed",
        "envelope.signature_invalid",
        "envelope.sender_mismatch",
        "envelope.recipient_mismatch",
    }


def test_every_published_private_key_is_on_the_list_that_trust_refuses() -> None:
    private = [key["jwk"] for key in KEYS.values()] + [MESSAGE["ephemeral_jwk"]]
    assert {thumbprint(public(jwk)) for jwk in private} < set(VECTOR_KEY_IDS)
    assert all(key["kid"] == thumbprint(public(key["jwk"])) for key in KEYS.values())
