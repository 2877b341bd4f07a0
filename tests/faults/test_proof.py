"""The offline check of receipts used in fault runs passes what a gateway signed, and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from gateway.domain.ids import MessageId, PartyId
from gateway.domain.statement import Receipt, Verdict
from gateway.envelope import sign_receipt
from tests.faults.proof import why_not
from tests.keys import make_party_keys

FR_KEYS = make_party_keys("FR-DGDDI")
RECEIPT = Receipt(
    message_id=MessageId("01950000-0000-7000-8000-000000000001"),
    digest="ab" * 32,
    verdict=Verdict.ACCEPTED,
    code="ok",
    agreement_version=1,
    issuer=PartyId("FR-DGDDI"),
    audience=PartyId("GB-HMRC"),
    issued_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    statement_id="6f1c0c2e-0000-4000-8000-000000000001",
)


def verdict(token: str, key: EllipticCurvePublicKey = FR_KEYS.verification.public_key) -> str:
    return why_not(
        token, key, issuer="FR-DGDDI", audience="GB-HMRC", message_id=RECEIPT.message_id, digest=RECEIPT.digest
    )


def test_the_partners_receipt_for_this_message_passes() -> None:
    assert verdict(sign_receipt(RECEIPT, FR_KEYS.signer)) == ""


def test_a_receipt_by_another_key_does_not_pass() -> None:
    assert "signature" in verdict(sign_receipt(RECEIPT, make_party_keys("FR-DGDDI").signer))


def test_a_changed_receipt_does_not_pass() -> None:
    header, _, signature = sign_receipt(RECEIPT, FR_KEYS.signer).split(".")
    other = sign_receipt(replace(RECEIPT, digest="cd" * 32), FR_KEYS.signer).split(".")[1]
    assert "signature" in verdict(f"{header}.{other}.{signature}")


@pytest.mark.parametrize(
    "other",
    [
        replace(RECEIPT, digest="cd" * 32),
        replace(RECEIPT, message_id=MessageId("01950000-0000-7000-8000-000000000002")),
        replace(RECEIPT, audience=PartyId("NL-DOUANE")),
        replace(RECEIPT, verdict=Verdict.REFUSED, code="schema.invalid"),
    ],
    ids=["digest", "message", "audience", "verdict"],
)
def test_a_genuine_receipt_about_something_else_does_not_pass(other: Receipt) -> None:
    assert "it says" in verdict(sign_receipt(other, FR_KEYS.signer))
