"""Two other JOSE libraries read what we write, and we read what they write."""

import json
from typing import Any

import pytest
from joserfc import jwe as rfc_jwe
from joserfc import jws as rfc_jws
from joserfc.jwk import ECKey
from joserfc.registry import HeaderParameter
from jwcrypto.common import JWSEHeaderParameter
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

from gateway.envelope import sign_receipt, verify_receipt
from gateway.envelope.compact import parse_jwe, parse_jws
from gateway.errors import EnvelopeError
from tests.keys import MemorySigner, MemoryUnwrapper
from tests.unit.envelope.samples import CREATED, HEADER, NORTH, RECEIPT, RING, SOUTH, VIEW, opened, sealed, signed

WCX = {"wcx": JWSEHeaderParameter("message header", True, True, None)}
RFC_WCX = {"wcx": HeaderParameter("message header", lambda _: None)}
MESSAGE = signed()
INNER = parse_jws(MESSAGE.jws, max_bytes=100_000).header
OUTER = parse_jwe(sealed(MESSAGE).jwe, max_bytes=100_000).header


def private(keys: MemorySigner | MemoryUnwrapper) -> JWK:
    return JWK.from_pyca(keys.private_key)


def rfc_key(keys: MemorySigner | MemoryUnwrapper) -> ECKey:
    return ECKey.import_key(json.loads(private(keys).export()))


def jwe_registry() -> rfc_jwe.JWERegistry:
    registry = rfc_jwe.JWERegistry(header_registry=RFC_WCX, algorithms=["ECDH-ES+A256KW", "A256GCM"])
    registry.max_protected_header_length = 8192
    return registry


def jws_registry() -> rfc_jws.JWSRegistry:
    registry = rfc_jws.JWSRegistry(header_registry=RFC_WCX, algorithms=["ES256"])
    registry.max_header_length = 16384
    return registry


def test_jwcrypto_reads_our_message() -> None:
    envelope = JWE(algs=["ECDH-ES+A256KW", "A256GCM"], header_registry=WCX)
    envelope.deserialize(sealed(MESSAGE).jwe, key=private(SOUTH.unwrapper))
    message = JWS(header_registry=WCX)
    message.deserialize(envelope.payload.decode(), key=private(NORTH.signer))
    assert message.payload == VIEW.xml


def test_joserfc_reads_our_message() -> None:
    envelope = rfc_jwe.decrypt_compact(sealed(MESSAGE).jwe, rfc_key(SOUTH.unwrapper), registry=jwe_registry())
    assert envelope.plaintext is not None
    message = rfc_jws.deserialize_compact(envelope.plaintext, rfc_key(NORTH.signer), registry=jws_registry())
    assert message.payload == VIEW.xml


def jwcrypto_signed(header: dict[str, Any], payload: bytes, signer: MemorySigner) -> str:
    token = JWS(payload, header_registry=WCX)
    token.add_signature(private(signer), None, json.dumps(header), None)
    return str(token.serialize(compact=True))


def jwcrypto_encrypted(jws: str) -> str:
    # jwcrypto makes the ephemeral key itself and adds it to the header.
    header = {name: value for name, value in OUTER.items() if name != "epk"}
    token = JWE(jws, json.dumps(header), algs=["ECDH-ES+A256KW", "A256GCM"], header_registry=WCX)
    token.add_recipient(JWK(**json.loads(private(SOUTH.unwrapper).export_public())))
    return str(token.serialize(compact=True))


def joserfc_encrypted(jws: str) -> str:
    header = {name: value for name, value in OUTER.items() if name != "epk"}
    return rfc_jwe.encrypt_compact(header, jws, rfc_key(SOUTH.unwrapper), registry=jwe_registry())


def test_we_open_what_jwcrypto_makes() -> None:
    jws = jwcrypto_signed(INNER, VIEW.xml, NORTH.signer)
    message = opened(jwcrypto_encrypted(jws))
    assert (message.header, message.payload) == (HEADER, VIEW.xml)


def test_we_open_what_joserfc_makes() -> None:
    jws = rfc_jws.serialize_compact(INNER, VIEW.xml, rfc_key(NORTH.signer), registry=jws_registry())
    message = opened(joserfc_encrypted(jws))
    assert (message.header, message.payload) == (HEADER, VIEW.xml)


@pytest.mark.parametrize("library", ["jwcrypto", "joserfc"])
def test_both_verify_our_receipt(library: str) -> None:
    token = sign_receipt(RECEIPT, SOUTH.signer)
    if library == "jwcrypto":
        statement = JWS()
        statement.deserialize(token, key=private(SOUTH.signer))
        payload = statement.payload
    else:
        payload = rfc_jws.deserialize_compact(token, rfc_key(SOUTH.signer), registry=jws_registry()).payload
    assert json.loads(payload)["digest"] == RECEIPT.digest


@pytest.mark.parametrize("library", ["jwcrypto", "joserfc"])
def test_we_verify_the_receipts_of_both(library: str) -> None:
    header, payload, _ = (sign_receipt(RECEIPT, SOUTH.signer)).split(".")
    ours = parse_jws(f"{header}.{payload}.", max_bytes=100_000)
    if library == "jwcrypto":
        token = jwcrypto_signed(ours.header, ours.payload, SOUTH.signer)
    else:
        token = rfc_jws.serialize_compact(ours.header, ours.payload, rfc_key(SOUTH.signer), registry=jws_registry())
    found = verify_receipt(
        token,
        verification_key=RING.verification_key,
        issuer=SOUTH.party,
        audience=NORTH.party,
        message_id=RECEIPT.message_id,
        digest=RECEIPT.digest,
        now=CREATED,
    )
    assert found == RECEIPT


def test_we_refuse_a_spelling_that_a_library_lets_through() -> None:
    # Why the parser is our own: the last character of a signature carries four unused bits.
    token = sign_receipt(RECEIPT, SOUTH.signer)
    other = token[:-1] + chr(ord(token[-1]) + 1)
    statement = JWS()
    statement.deserialize(other, key=private(SOUTH.signer))
    assert statement.is_valid
    with pytest.raises(EnvelopeError, match="malformed"):
        parse_jws(other, max_bytes=100_000)
