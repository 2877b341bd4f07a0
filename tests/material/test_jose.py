"""Public JOSE vectors: Wycheproof's JWS set and the examples of RFC 7520.

None of these tokens is one of ours, so every one is refused by the doors a partner can reach, and none crashes them.
Below the doors, where only form, algorithm and signature count, a valid ES256 token verifies and an invalid one does not.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.domain.ids import MessageId
from gateway.envelope import (
    DecryptedEnvelope,
    Routing,
    StatementType,
    decrypt_envelope,
    es256,
    public_key_from_jwk,
    sign_statement,
    statement_type,
    verify_message,
    verify_statement,
)
from gateway.envelope.compact import parse_jws
from gateway.errors import EnvelopeError
from tests.keys import make_party_keys

NORTH, SOUTH = make_party_keys("XA-NORTH"), make_party_keys("XB-SOUTH")
ROUTING = Routing(
    message_id=MessageId("019e8325-8800-7000-8000-00000000a001"), sender=NORTH.party, recipient=SOUTH.party
)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
MAX_BYTES = 1_000_000
Case = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def suites() -> Path:
    """Return the folder of third-party suites; its absence is a failure, not a skip."""
    folder = Path(os.environ.get("GATEWAY_MATERIAL", "")) / "suites"
    if not os.environ.get("GATEWAY_MATERIAL") or not folder.is_dir():
        pytest.fail("GATEWAY_MATERIAL must name the folder that holds suites/")
    return folder


def doors() -> dict[str, Callable[[str], object]]:
    """Return every way in for a token, each with keys that are known and would fit if anything did."""

    def decrypted(token: str) -> object:
        return decrypt_envelope(token, ours={SOUTH.party}, unwrapper=lambda *_: SOUTH.unwrapper)

    def message(token: str) -> object:
        inside = DecryptedEnvelope(jws=token.encode(), routing=ROUTING)
        return verify_message(inside, channel_party=NORTH.party, verification_key=lambda _: NORTH.verification)

    def statement(kind: StatementType) -> Callable[[str], object]:
        return lambda token: verify_statement(
            token, kind=kind, verification_key=lambda _: NORTH.verification, issuer=NORTH.party, now=NOW
        )

    kinds = {kind.value: statement(kind) for kind in StatementType}
    return {"envelope": decrypted, "message": message, "type": statement_type, **kinds}


def refused_by_every_door(token: str) -> Counter[str]:
    codes: Counter[str] = Counter()
    for name, door in doors().items():
        with pytest.raises(EnvelopeError) as caught:
            door(token)
        codes[f"{name}: {caught.value.code}"] += 1
    return codes


def wycheproof(suites: Path) -> Iterator[Case]:
    for group in json.loads((suites / "wycheproof-jws.json").read_text("utf-8"))["testGroups"]:
        for test in group["tests"]:
            yield group.get("public") or group["private"], test


def as_text(token: object) -> str:
    return token if isinstance(token, str) else json.dumps(token)


def es256_key(jwk: dict[str, Any]) -> ec.EllipticCurvePublicKey:
    """Return the key of a JWK that is meant for ES256 signatures; anything else is no key for us."""
    meant_for = {"alg": "ES256", "use": "sig"}
    bare = {name: value for name, value in jwk.items() if name != "kid" and meant_for.get(name) != value}
    try:
        return public_key_from_jwk(bare)
    except ValueError as error:
        raise EnvelopeError("envelope.key_unknown") from error


def verify_below_the_doors(token: str, jwk: dict[str, Any]) -> None:
    parsed = parse_jws(token, max_bytes=MAX_BYTES)
    if parsed.header.get("alg") != es256.SIGNATURE_ALGORITHM:
        raise EnvelopeError("envelope.algorithm_refused")
    signature = es256.read_signature(parsed.signature)
    es256.verify(es256_key(jwk), hashlib.sha256(parsed.signing_input).digest(), signature)


def test_no_wycheproof_token_passes_a_door(suites: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codes: Counter[str] = Counter()
    count = 0
    for _, test in wycheproof(suites):
        codes += refused_by_every_door(as_text(test["jws"]))
        count += 1
    assert count == 200
    with capsys.disabled():
        print(f"\nWycheproof JWS at the doors: {count} tokens, {codes.total()} refusals, 0 accepted, 0 crashes")


def test_wycheproof_signatures_get_their_verdict(suites: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdicts: Counter[str] = Counter()
    wrong: list[int] = []
    for jwk, test in wycheproof(suites):
        expected = test["result"] == "valid" and jwk.get("alg") == "ES256"
        try:
            verify_below_the_doors(as_text(test["jws"]), jwk)
        except EnvelopeError as error:
            found = False
            verdicts[f"{test['result']}, refused as {error.code}"] += 1
        else:
            found = True
            verdicts[f"{test['result']}, accepted"] += 1
        if found is not expected:
            wrong.append(test["tcId"])
    with capsys.disabled():
        print("\nWycheproof JWS, form, algorithm and signature:")
        for verdict, count in sorted(verdicts.items()):
            print(f"  {count:4} {verdict}")
    assert wrong == []
    assert verdicts["valid, accepted"] == 2
    assert sum(verdicts.values()) == 200


def cookbook(suites: Path) -> Iterator[tuple[str, str]]:
    """Yield every serialised token of RFC 7520 and RFC 8037, by file."""
    for path in sorted((suites / "jose-cookbook").rglob("*.json")):
        output = _outputs(json.loads(path.read_text("utf-8")))
        for token in output:
            yield path.name, token


def _outputs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in {"compact", "json", "json_flat"}:
                yield as_text(inner)
            else:
                yield from _outputs(inner)


def test_no_example_of_the_cookbook_is_of_our_profile(suites: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files: set[str] = set()
    count = 0
    for name, token in cookbook(suites):
        refused_by_every_door(token)
        files.add(name)
        count += 1
    with capsys.disabled():
        print(f"\nJOSE cookbook: {count} tokens of {len(files)} files, all refused as not allowed, 0 crashes")
    assert len(files) >= 20
    assert count >= 40


def test_the_doors_would_open_for_a_token_of_ours() -> None:
    # Else the refusals above would prove nothing about the doors.
    claims = {"iss": NORTH.party, "aud": SOUTH.party, "iat": int(NOW.timestamp()), "jti": str(ROUTING.message_id)}
    token = sign_statement(StatementType.PONG, claims, NORTH.signer)
    assert doors()["wcx-pong+jws"](token) == claims
    assert doors()["type"](token) is StatementType.PONG
