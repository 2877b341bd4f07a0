"""A client that knows only docs/protocol.md, the vectors and jwcrypto opens our message and verifies our receipt.

Nothing of the gateway is imported here, and the last test sees to that.
"""

import ast
import hashlib
import json
import shutil
import subprocess
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509 import load_der_x509_certificate
from jwcrypto.common import JWSEHeaderParameter
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

VECTORS = Path(__file__).parents[3] / "docs" / "vectors"
KEYS, MESSAGE, STATEMENTS = (
    json.loads((VECTORS / f"{name}.json").read_text("ascii")) for name in ("keys", "message", "statements")
)
# The protocol's own header member: it is understood, it is protected, it may stand in `crit`.
WCX = {"wcx": JWSEHeaderParameter("message header", True, True, None)}


def key(name: str) -> dict[str, Any]:
    return dict(KEYS["keys"][name])


def public(name: str) -> JWK:
    return JWK(**{member: value for member, value in key(name)["jwk"].items() if member != "d"})


def decoded(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def test_the_message_opens_with_another_library() -> None:
    envelope = JWE(algs=["ECDH-ES+A256KW", "A256GCM"], header_registry=WCX)
    envelope.deserialize(MESSAGE["jwe"], key=JWK(**key("south-decryption")["jwk"]))
    assert envelope.payload.decode() == MESSAGE["jws"]
    assert json.loads(envelope.objects["protected"]) == MESSAGE["jwe_header"]

    message = JWS(header_registry=WCX)
    message.allowed_algs = ["ES256"]
    message.deserialize(envelope.payload.decode(), key=public("north"))
    assert message.payload.decode() == MESSAGE["view_utf8"]
    header = json.loads(message.objects["protected"])
    assert header == MESSAGE["jws_header"]
    assert header["kid"] == public("north").thumbprint() == key("north")["kid"]
    outer = MESSAGE["jwe_header"]["wcx"]
    assert outer == {name: header["wcx"][name] for name in ("id", "from", "to")}


def test_the_digest_is_sha256_over_header_and_payload_as_they_stand() -> None:
    signing_input = MESSAGE["jws"].rpartition(".")[0]
    assert signing_input == MESSAGE["jws_signing_input"]
    assert hashlib.sha256(signing_input.encode("ascii")).hexdigest() == MESSAGE["digest"] == STATEMENTS["digest"]
    assert hashlib.sha256(MESSAGE["jwe"].encode("ascii")).hexdigest() == MESSAGE["jwe_sha256"]


def test_the_key_encryption_key_follows_from_the_shared_secret_by_concat_kdf() -> None:
    # RFC 7518 §4.6.2 with empty PartyUInfo and PartyVInfo, one round of SHA-256.
    algorithm = b"ECDH-ES+A256KW"
    other_info = len(algorithm).to_bytes(4, "big") + algorithm + bytes(4) + bytes(4) + (256).to_bytes(4, "big")
    kek = hashlib.sha256((1).to_bytes(4, "big") + bytes.fromhex(MESSAGE["z"]) + other_info).hexdigest()
    assert kek == MESSAGE["kek"]


@pytest.mark.parametrize("name", ["accepted", "refused", "problem"])
def test_the_statements_verify_with_another_library(name: str) -> None:
    statement = JWS()
    statement.allowed_algs = ["ES256"]
    statement.deserialize(STATEMENTS["statements"][name]["token"], key=public("south"))
    header, claims = json.loads(statement.objects["protected"]), json.loads(statement.payload)
    assert header == {
        "alg": "ES256",
        "kid": key("south")["kid"],
        "x5t#S256": key("south")["x5t#S256"],
        "typ": "wcx-problem+jws" if name == "problem" else "wcx-receipt+jws",
    }
    assert claims == STATEMENTS["statements"][name]["claims"]
    assert (claims["iss"], claims["aud"]) == (STATEMENTS["issuer"], STATEMENTS["audience"])
    bound = {"envelope_sha256"} if name == "problem" else {"message_id", "digest"}
    assert all(claims[member] == STATEMENTS[member] for member in bound)


def test_a_certificate_is_named_by_its_hash_and_holds_the_key() -> None:
    for signing in (key("north"), key("south")):
        der = b64decode(signing["certificate"])
        assert urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode() == signing["x5t#S256"]
        assert JWK.from_pem(_public_pem(der)).thumbprint() == signing["kid"]


def test_openssl_verifies_the_signature_of_a_receipt(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    assert openssl, "this test needs the openssl command"
    signing_input, _, signature = STATEMENTS["statements"]["accepted"]["token"].rpartition(".")
    raw = decoded(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    (tmp_path / "key.pem").write_bytes(_public_pem(b64decode(key("south")["certificate"])))
    (tmp_path / "signature").write_bytes(der)

    def verified(data: str) -> bool:
        (tmp_path / "data").write_text(data, "ascii")
        command = [openssl, "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "data"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode == 0 and "Verified OK" in done.stdout

    assert verified(signing_input)
    assert not verified(signing_input + "A")


def _public_pem(der: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    certificate = load_der_x509_certificate(der)
    return certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_this_client_shares_no_code_with_the_gateway() -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(Path(__file__).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert not imported & {"gateway", "tests"}
