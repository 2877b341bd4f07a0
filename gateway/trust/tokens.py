"""Bearer tokens: who calls the submission and operations APIs (RFC 6750, claims as RFC 9068).

A token is a JWT signed with ES256 by the configured issuer, whose public keys stand in a JWKS file; the file is read
again when it changes, and if the new content can not be used, the keys known before stay. Signature, issuer and
audience are checked by PyJWT with one algorithm named; times are checked here, since PyJWT asks the system clock and
ours comes in as a value. A client sends the same token with every request, so what was verified is remembered, with a
bound, as long as the keys are the same; its times are checked every time. `create_issuer` and `issue_token` are for
development.
"""

import json
import math
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.domain.ids import ClientId
from gateway.envelope import jwk_from_public_key, public_key_from_jwk, thumbprint
from gateway.errors import AccessError, ConfigurationError, GatewayError
from gateway.trust.files import FileStamp, as_utc, make_private_folder, read_public, stamp, write_public, write_secret
from gateway.trust.keys import load_private_key

__all__ = ["TokenHolder", "TokenVerifier", "create_issuer", "issue_token"]

MAX_TOKEN_BYTES: Final = 8 * 1024
MAX_NAME_CHARS: Final = 128
MAX_ROLES: Final = 32
MAX_REMEMBERED: Final = 1_024
"""Verified tokens that are kept, the latest used: at most some MB."""
LEEWAY: Final = timedelta(seconds=30)
TOKEN_LIFETIME: Final = timedelta(hours=1)

_ALGORITHM: Final = "ES256"
_REQUIRED: Final = ("iss", "aud", "exp", "sub", "roles")
_PRIVATE_MEMBERS: Final = frozenset({"d", "k", "p", "q"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHolder:
    """Who holds a valid token, and the roles the issuer gave. What they may do here is for the settings to say."""

    client: ClientId
    roles: frozenset[str]


class TokenVerifier:
    """Checks bearer tokens of one issuer for one audience."""

    def __init__(self, *, jwks: Path, issuer: str, audience: str) -> None:
        """Read the keys of `jwks`. Raises ConfigurationError `config.not_found` or `config.invalid`."""
        self._path = jwks
        self._issuer = issuer
        self._audience = audience
        self._stamp: FileStamp = stamp(jwks)
        self._keys = _read_jwks(jwks)
        self._verified: OrderedDict[bytes, Mapping[str, Any]] = OrderedDict()
        self.problem: str | None = None
        """Why the file as it is now is not used, for the operator; None when all is well."""

    def verify(self, authorization: str | None, now: datetime) -> TokenHolder:
        """Return who calls, from the value of the Authorization header.

        Raises AccessError `access.token_missing` without a bearer token, `access.token_invalid` for any flaw in it.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise AccessError("access.token_missing")
        return self.verify_token(token.strip(), now)

    def verify_token(self, token: str, now: datetime) -> TokenHolder:
        """Return who holds `token` (compact form). Raises AccessError `access.token_invalid`."""
        self._refresh()
        if len(token) > MAX_TOKEN_BYTES or not token.isascii():
            raise AccessError("access.token_invalid", "the token is too long or not ASCII")
        # By its hash: what lies in memory for long should not be what a client shows at the door.
        name = sha256(token.encode("ascii")).digest()
        claims = self._verified.get(name)
        if claims is None:
            claims = self._verified[name] = self._claims(token)
            if len(self._verified) > MAX_REMEMBERED:
                self._verified.popitem(last=False)
        else:
            self._verified.move_to_end(name)
        _check_times(claims, now)
        return TokenHolder(client=ClientId(_name(claims["sub"])), roles=_roles(claims["roles"]))

    def _claims(self, token: str) -> Mapping[str, Any]:
        """Return what the issuer says of the holder, whatever the time."""
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token,
                self._key_of(token),
                algorithms=[_ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": list(_REQUIRED), "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            raise AccessError("access.token_invalid", _why(error)) from error
        return claims

    def _key_of(self, token: str) -> EllipticCurvePublicKey:
        key = self._keys.get(str(jwt.get_unverified_header(token).get("kid", "")))
        if key is None:
            raise AccessError("access.token_invalid", "the token's kid is missing or not in the issuer's key set")
        return key

    def _refresh(self) -> None:
        current = stamp(self._path)
        if current == self._stamp:
            return
        self._stamp = current
        try:
            self._keys = _read_jwks(self._path)
        except ConfigurationError as error:
            self.problem = error.detail
        else:
            self._verified.clear()
            self.problem = None


def create_issuer(folder: Path) -> Path:
    """Make a development issuer, `issuer.key.pem` and `jwks.json`, in `folder`; return the JWKS file.

    Raises ConfigurationError when a file exists.
    """
    key = generate_private_key(SECP256R1())
    make_private_folder(folder)
    write_secret(folder / "issuer.key.pem", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key()
    jwk = {**jwk_from_public_key(public), "kid": thumbprint(public), "use": "sig", "alg": _ALGORITHM}
    jwks = folder / "jwks.json"
    write_public(jwks, json.dumps({"keys": [jwk]}, indent=2, sort_keys=True).encode() + b"\n")
    return jwks


def issue_token(
    folder: Path,
    *,
    issuer: str,
    audience: str,
    client: ClientId,
    roles: Iterable[str],
    now: datetime,
    lifetime: timedelta = TOKEN_LIFETIME,
) -> str:
    """Return a token of the development issuer in `folder`. Raises TrustError for its key."""
    key = load_private_key(folder / "issuer.key.pem")
    begin = int(as_utc(now).timestamp())
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": audience,
        "sub": client,
        "roles": sorted(set(roles)),
        "iat": begin,
        "exp": begin + int(lifetime.total_seconds()),
        "jti": os.urandom(16).hex(),
    }
    header = {"kid": thumbprint(key.public_key()), "typ": "at+jwt"}
    return jwt.encode(claims, key, algorithm=_ALGORITHM, headers=header)


def _read_jwks(path: Path) -> Mapping[str, EllipticCurvePublicKey]:
    """Return the ES256 keys of a JWKS file by kid; keys for other algorithms are left out."""
    content = read_public(path)
    try:
        entries = json.loads(content)["keys"]
        private = any(_PRIVATE_MEMBERS & one.keys() for one in entries)
        found = [_entry(one) for one in entries if _is_es256(one)]
    except (ValueError, KeyError, TypeError, AttributeError, GatewayError):
        # Not chained: what was read might hold a private key by mistake.
        raise ConfigurationError(
            "config.invalid", f"{path} is not a JWKS (RFC 7517 §5) with kid in every key"
        ) from None
    if private:
        raise ConfigurationError("config.invalid", f"{path} holds a private or secret key; give the public keys only")
    keys = dict(found)
    if not keys or len(keys) != len(found):
        raise ConfigurationError("config.invalid", f"{path} needs at least one P-256 key, and no kid twice")
    return MappingProxyType(keys)


def _is_es256(jwk: Mapping[str, Any]) -> bool:
    return (
        jwk.get("kty") == "EC"
        and jwk.get("crv") == "P-256"
        and jwk.get("alg", _ALGORITHM) == _ALGORITHM
        and jwk.get("use", "sig") == "sig"
    )


def _entry(jwk: Mapping[str, Any]) -> tuple[str, EllipticCurvePublicKey]:
    kid = jwk["kid"]
    if not isinstance(kid, str) or not kid:
        raise ValueError("kid")
    return kid, public_key_from_jwk({name: jwk[name] for name in ("kty", "crv", "x", "y")})


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    moment = now.timestamp()
    leeway = LEEWAY.total_seconds()
    if moment >= _number(claims["exp"]) + leeway:
        raise AccessError("access.token_invalid", "the token has expired")
    for name in ("nbf", "iat"):
        if name in claims and moment < _number(claims[name]) - leeway:
            raise AccessError("access.token_invalid", "the token is not valid yet")


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise AccessError("access.token_invalid", "a time of the token is not a number")
    return float(value)


def _name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_CHARS or not value.isprintable():
        raise AccessError("access.token_invalid", "the token's sub is not a client id")
    return value


def _roles(value: object) -> frozenset[str]:
    if not isinstance(value, list) or len(value) > MAX_ROLES or not all(isinstance(one, str) for one in value):
        raise AccessError("access.token_invalid", "the token's roles are not a list of names")
    return frozenset(value)


def _why(error: jwt.InvalidTokenError) -> str:
    match error:
        case jwt.InvalidSignatureError():
            return "the token's signature is not valid"
        case jwt.InvalidAudienceError():
            return "the token is for another audience"
        case jwt.InvalidIssuerError():
            return "the token is of another issuer"
        case jwt.MissingRequiredClaimError():
            return f"the token lacks {error.claim}"
        case jwt.InvalidAlgorithmError():
            return f"the token is not signed with {_ALGORITHM}"
        case _:
            return "the token can not be read"
