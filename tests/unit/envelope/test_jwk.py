"""Keys are read strictly and named by RFC 7638."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwcrypto import jwk as oracle

from gateway.envelope import certificate_thumbprint, jwk_from_public_key, public_key_from_jwk, thumbprint

KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
JWK = jwk_from_public_key(KEY)


def test_a_key_survives_writing_and_reading() -> None:
    assert public_key_from_jwk(JWK) == KEY


def test_the_thumbprint_is_what_another_implementation_says() -> None:
    assert thumbprint(KEY) == oracle.JWK(**JWK).thumbprint()


def test_the_certificate_thumbprint_is_over_the_der() -> None:
    # SHA-256 of nothing, in base64url.
    assert certificate_thumbprint(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def test_a_key_on_another_curve_has_no_name_here() -> None:
    with pytest.raises(ValueError, match="P-256"):
        thumbprint(ec.generate_private_key(ec.SECP384R1()).public_key())


CASES = [
    "type",
    "curve",
    "curve as a list",
    "x exchanged",
    "x empty",
    "x a number",
    "x padded",
    "x too short",
    "y zero",
    "a private part",
    "a use",
]


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "OKP"},
        {"crv": "P-384"},
        {"crv": ["P-256"]},
        {"x": JWK["y"]},
        {"x": ""},
        {"x": 1},
        {"x": JWK["x"] + "="},
        {"x": "A" * 42},
        {"y": "A" * 43},
        {"d": JWK["x"]},
        {"use": "sig"},
    ],
    ids=CASES,
)
def test_any_other_form_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        public_key_from_jwk(JWK | changes)


@pytest.mark.parametrize("value", [None, [], "key", {}])
def test_what_is_no_key_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="key"):
        public_key_from_jwk(value)
