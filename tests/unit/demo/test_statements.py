"""The demo verifies statements by itself: it believes what the gateway's own code signs, and nothing else."""

from collections.abc import Mapping
from datetime import timedelta

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.demo.stage import FR, GB
from gateway.demo.statements import NOTICE, RECEIPT, forge_receipt, what_is_wrong
from gateway.domain.ids import MessageId
from gateway.envelope import certificate_thumbprint, thumbprint
from tests.unit.demo.played import NOON

MESSAGE = MessageId("0195c7a0-0000-7000-8000-000000000001")
ABOUT = {"message_id": MESSAGE, "digest": "d" * 64}
CLAIMS = {"iss": FR, "aud": GB, "iat": int(NOON.timestamp()), "jti": "j", "verdict": "accepted", **ABOUT}


def certified() -> tuple[EllipticCurvePrivateKey, x509.Certificate]:
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "partner")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.not_valid_before(NOON).not_valid_after(NOON + timedelta(days=1)).serial_number(7)
    return key, dated.sign(key, SHA256())


KEY, CERTIFICATE = certified()
OTHER_KEY, OTHER_CERTIFICATE = certified()
_X5T = jwt.get_unverified_header(
    forge_receipt(CERTIFICATE, issuer=FR, audience=GB, message=MESSAGE, digest="d" * 64, now=NOON)
)["x5t#S256"]


def signed(
    claims: Mapping[str, object] = CLAIMS, *, key: EllipticCurvePrivateKey = KEY, typ: str = RECEIPT, x5t: str = _X5T
) -> str:
    return jwt.encode(dict(claims), key, algorithm="ES256", headers={"typ": typ, "x5t#S256": x5t})


def wrong(token: str | None, *, about: Mapping[str, object] = ABOUT) -> str:
    return what_is_wrong(token, RECEIPT, [OTHER_CERTIFICATE, CERTIFICATE], issuer=FR, audience=GB, about=about)


def test_what_the_partner_signed_is_believed() -> None:
    assert wrong(signed()) == ""


@pytest.mark.parametrize(
    ("token", "told"),
    [
        (None, "there is none"),
        ("no token", "does not verify"),
        (signed(typ=NOTICE), "another type"),
        (signed(x5t="x" * 43), "not the partner's"),
        (signed(key=OTHER_KEY), "InvalidSignatureError"),
        (signed({**CLAIMS, "iss": "NL-DOUANE"}), "InvalidIssuerError"),
        (signed({**CLAIMS, "aud": "NL-DOUANE"}), "InvalidAudienceError"),
        (signed({**CLAIMS, "digest": "e" * 64}), "says otherwise about digest"),
        (signed({name: value for name, value in CLAIMS.items() if name != "message_id"}), "about message_id"),
    ],
    ids=["none", "garbage", "type", "certificate", "key", "issuer", "audience", "digest", "message"],
)
def test_what_the_partner_did_not_sign_is_not(token: str | None, told: str) -> None:
    assert told in wrong(token)


def test_a_forged_receipt_is_right_in_everything_but_its_key() -> None:
    token = forge_receipt(CERTIFICATE, issuer=FR, audience=GB, message=MESSAGE, digest="d" * 64, now=NOON)
    assert wrong(token) == "it does not verify: InvalidSignatureError"
    claims = jwt.decode(token, options={"verify_signature": False})
    assert wrong(signed(claims), about={**ABOUT, "verdict": "accepted", "code": "ok"}) == ""
    header = jwt.get_unverified_header(token)
    assert header == {
        "alg": "ES256",
        "typ": RECEIPT,
        "kid": thumbprint(KEY.public_key()),
        "x5t#S256": certificate_thumbprint(CERTIFICATE.public_bytes(Encoding.DER)),
    }
