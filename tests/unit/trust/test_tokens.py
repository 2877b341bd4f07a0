"""Bearer tokens: one issuer, one audience, one algorithm, and a time of our own."""

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.domain.ids import ClientId
from gateway.errors import AccessError, ConfigurationError
from gateway.trust import TokenHolder, TokenVerifier, create_issuer, issue_token, tokens

ISSUER, AUDIENCE = "https://issuer.example", "gateway"
CLIENT = ClientId("ncts")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_issuer(tmp_path / "issuer")
    return tmp_path / "issuer"


@pytest.fixture
def verifier(folder: Path) -> TokenVerifier:
    return TokenVerifier(jwks=folder / "jwks.json", issuer=ISSUER, audience=AUDIENCE)


@pytest.fixture
def token(folder: Path, now: datetime) -> str:
    return issue_token(folder, issuer=ISSUER, audience=AUDIENCE, client=CLIENT, roles=["submitter"], now=now)


def _key(folder: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key((folder / "issuer.key.pem").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _kid(folder: Path) -> str:
    return str(json.loads((folder / "jwks.json").read_bytes())["keys"][0]["kid"])


def _sign(folder: Path, now: datetime, *, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": CLIENT, "roles": [], "exp": int(now.timestamp()) + 60, **changes}
    left = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(left, _key(folder), algorithm="ES256", headers=headers or {"kid": _kid(folder)})


def _part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def expect_invalid(verifier: TokenVerifier, token: str, now: datetime) -> AccessError:
    with pytest.raises(AccessError) as caught:
        verifier.verify_token(token, now)
    assert caught.value.code == "access.token_invalid"
    assert token not in caught.value.detail
    return caught.value


def test_a_good_token_names_client_and_roles(verifier: TokenVerifier, token: str, now: datetime) -> None:
    expected = TokenHolder(client=CLIENT, roles=frozenset({"submitter"}))
    assert verifier.verify_token(token, now) == expected
    assert verifier.verify(f"Bearer {token}", now) == expected
    assert verifier.verify(f"bearer {token}", now) == expected


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Token x"])
def test_without_a_bearer_token_the_code_says_so(verifier: TokenVerifier, header: str | None, now: datetime) -> None:
    with pytest.raises(AccessError) as caught:
        verifier.verify(header, now)
    assert caught.value.code == "access.token_missing"


def test_time_comes_from_the_caller(verifier: TokenVerifier, token: str, now: datetime) -> None:
    verifier.verify_token(token, now + timedelta(hours=1, seconds=29))
    assert "expired" in expect_invalid(verifier, token, now + timedelta(hours=1, seconds=31)).detail
    verifier.verify_token(token, now - timedelta(seconds=29))
    assert "not valid yet" in expect_invalid(verifier, token, now - timedelta(seconds=31)).detail


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another"},
        {"aud": None},
        {"iss": "https://other.example"},
        {"iss": None},
        {"exp": None},
        {"exp": "soon"},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": True},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 129},
        {"sub": "a\nb"},
        {"roles": None},
        {"roles": "admin"},
        {"roles": [1]},
        {"roles": ["r"] * 33},
        {"nbf": 99999999999},
    ],
)
def test_a_signed_token_with_wrong_claims_is_invalid(
    verifier: TokenVerifier, folder: Path, now: datetime, changes: dict[str, Any]
) -> None:
    verifier.verify_token(_sign(folder, now), now)
    expect_invalid(verifier, _sign(folder, now, **changes), now)


def test_an_unsigned_token_is_invalid(verifier: TokenVerifier, folder: Path, token: str, now: datetime) -> None:
    for algorithm in ("none", "None", "NONE"):
        header = _part({"alg": algorithm, "kid": _kid(folder)})
        expect_invalid(verifier, f"{header}.{token.split('.')[1]}.", now)


def test_a_hmac_under_the_public_key_is_invalid(
    verifier: TokenVerifier, folder: Path, token: str, now: datetime
) -> None:
    public = _key(folder).public_key()
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ):
        head = f"{_part({'alg': 'HS256', 'kid': _kid(folder)})}.{token.split('.')[1]}"
        mac = urlsafe_b64encode(hmac.digest(secret, head.encode(), "sha256")).rstrip(b"=").decode()
        assert "ES256" in expect_invalid(verifier, f"{head}.{mac}", now).detail


@pytest.mark.parametrize("headers", [{"kid": "another"}, {"kid": ""}, {"typ": "JWT"}])
def test_a_token_without_a_known_kid_is_invalid(
    verifier: TokenVerifier, folder: Path, now: datetime, headers: dict[str, Any]
) -> None:
    assert "kid" in expect_invalid(verifier, _sign(folder, now, headers=headers), now).detail


def test_a_token_by_another_key_is_invalid(
    verifier: TokenVerifier, folder: Path, tmp_path: Path, now: datetime
) -> None:
    create_issuer(tmp_path / "other")
    forged = _sign(tmp_path / "other", now, headers={"kid": _kid(folder)})
    assert "signature" in expect_invalid(verifier, forged, now).detail


@pytest.mark.parametrize("token", ["x", "a.b.c", "....", "\udcff.a.b", "é" * 10, "a" * 9000, '{"kid": 1}.a.b'])
def test_what_is_no_token_is_invalid(verifier: TokenVerifier, token: str, now: datetime) -> None:
    expect_invalid(verifier, token, now)


def test_a_changed_key_set_counts_at_once_and_a_broken_one_changes_nothing(
    verifier: TokenVerifier, folder: Path, token: str, tmp_path: Path, now: datetime
) -> None:
    jwks = folder / "jwks.json"
    good = jwks.read_bytes()
    jwks.write_bytes(b"{")
    verifier.verify_token(token, now)
    assert "JWKS" in str(verifier.problem)
    other = create_issuer(tmp_path / "other").read_bytes()
    jwks.write_bytes(other)
    expect_invalid(verifier, token, now)
    assert str(verifier.problem) == "None"
    jwks.write_bytes(json.dumps({"keys": json.loads(good)["keys"] + json.loads(other)["keys"]}).encode())
    verifier.verify_token(token, now)


def test_a_key_set_with_a_private_key_is_refused_and_not_shown(folder: Path) -> None:
    jwks = folder / "jwks.json"
    members = json.loads(jwks.read_bytes())
    members["keys"][0]["d"] = "c2VjcmV0"
    jwks.write_text(json.dumps(members))
    with pytest.raises(ConfigurationError, match="private") as caught:
        TokenVerifier(jwks=jwks, issuer=ISSUER, audience=AUDIENCE)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda _: [],
        lambda keys: keys * 2,
        lambda keys: [{**keys[0], "kid": None}],
        lambda keys: [{**keys[0], "alg": "HS256"}],
        lambda keys: [{**keys[0], "use": "enc"}],
        lambda keys: [{**keys[0], "x": keys[0]["y"]}],
        lambda _: ["text"],
        lambda _: {"a": 1},
    ],
)
def test_a_key_set_without_a_usable_key_is_refused(folder: Path, change: Any) -> None:
    jwks = folder / "jwks.json"
    jwks.write_text(json.dumps({"keys": change(json.loads(jwks.read_bytes())["keys"])}))
    with pytest.raises(ConfigurationError) as caught:
        TokenVerifier(jwks=jwks, issuer=ISSUER, audience=AUDIENCE)
    assert caught.value.code == "config.invalid"


def test_the_issuers_key_is_private(folder: Path) -> None:
    assert (folder / "issuer.key.pem").stat().st_mode & 0o777 == 0o600


def test_a_token_that_was_valid_before_still_expires(verifier: TokenVerifier, token: str, now: datetime) -> None:
    verifier.verify_token(token, now)
    expect_invalid(verifier, token, now + timedelta(hours=2))
    assert verifier.verify_token(token, now).client == CLIENT


def test_a_remembered_token_lends_nothing_to_one_that_differs(
    verifier: TokenVerifier, token: str, now: datetime
) -> None:
    verifier.verify_token(token, now)
    head, claims, signature = token.split(".")
    for other in (f"{head}.{claims}.{signature[:-4]}AAAA", f"{head}.{claims}x.{signature}", f" {token}", token[:-1]):
        expect_invalid(verifier, other, now)


def test_only_so_many_tokens_are_remembered_and_none_that_is_invalid(
    verifier: TokenVerifier, folder: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_REMEMBERED", 3)
    made = [_sign(folder, now, jti=str(number)) for number in range(6)]
    for one in made:
        verifier.verify_token(one, now)
        expect_invalid(verifier, f"{one}x", now)
    assert len(verifier._verified) == 3
    for one in made:
        verifier.verify_token(one, now)
