"""A key file is taken only when it is private, fits its certificate and its use, and is no published test key."""

import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.errors import TrustError
from gateway.trust import FileSigner, FileUnwrapper, KeyFiles, Purpose, Use, key_files_in, keys
from gateway.trust.keys import load_own_key, load_private_key
from tests.pki import PkiNode, TestPki


@pytest.fixture
def node(pki: TestPki) -> PkiNode:
    return pki["GB-HMRC"]


def test_our_own_keys_load_for_their_use_only(node: PkiNode) -> None:
    load_own_key(node.signing[0], Purpose.SIGN)
    load_own_key(node.decryption[0], Purpose.DECRYPT)
    load_own_key(node.tls, Purpose.TLS_SERVER)
    load_own_key(node.tls, Purpose.TLS_CLIENT)
    for files, purpose in (
        (node.tls, Purpose.SIGN),
        (node.tls, Purpose.DECRYPT),
        (node.signing[0], Purpose.TLS_CLIENT),
        (node.signing[0], Purpose.DECRYPT),
        (node.decryption[0], Purpose.SIGN),
        (node.decryption[0], Purpose.TLS_SERVER),
    ):
        expect_refusal(files, purpose, "trust.certificate_invalid")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o601])
def test_a_key_that_others_may_touch_is_refused(node: PkiNode, mode: int) -> None:
    node.signing[0].key.chmod(mode)
    error = expect_refusal(node.signing[0], Purpose.SIGN, "trust.key_exposed")
    assert "chmod 600" in error.detail


def test_a_missing_key_or_certificate_is_named(node: PkiNode) -> None:
    files = node.signing[0]
    files.key.rename(files.key.with_suffix(".away"))
    error = expect_refusal(files, Purpose.SIGN, "trust.key_unreadable")
    assert str(files.key) in error.detail


def test_a_key_of_another_certificate_is_refused(node: PkiNode) -> None:
    swapped = KeyFiles(key=node.decryption[0].key, certificate=node.signing[0].certificate)
    expect_refusal(swapped, Purpose.SIGN, "trust.certificate_invalid")


def test_a_published_test_key_is_refused(node: PkiNode, monkeypatch: pytest.MonkeyPatch) -> None:
    key_id = load_own_key(node.signing[0], Purpose.SIGN).key_id
    monkeypatch.setattr(keys, "VECTOR_KEY_IDS", (key_id,))
    error = expect_refusal(node.signing[0], Purpose.SIGN, "trust.key_unreadable")
    assert "published" in error.detail


@pytest.mark.parametrize("kind", ["p384", "rsa", "encrypted", "garbage"])
def test_only_an_open_p256_key_is_read(tmp_path: Path, kind: str) -> None:
    p256 = ec.generate_private_key(ec.SECP256R1())
    p384 = ec.generate_private_key(ec.SECP384R1())
    rsa_key = rsa.generate_private_key(65537, 2048)
    plain = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    content = {
        "p384": p384.private_bytes(*plain),
        "rsa": rsa_key.private_bytes(*plain),
        "encrypted": p256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
        "garbage": b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0IGJ5dGVz\n-----END PRIVATE KEY-----\n",
    }[kind]
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(TrustError) as caught:
        load_private_key(path)
    assert caught.value.code == "trust.key_unreadable"
    assert "c2VjcmV0" not in str(caught.value)


def test_key_files_are_found_by_number(tmp_path: Path) -> None:
    for name in ("sign-2.key.pem", "sign-10.key.pem", "sign-x.key.pem", "tls-1.key.pem", "sign-0.key.pem"):
        (tmp_path / name).touch()
    assert [one.key.name for one in key_files_in(tmp_path, Use.SIGN)] == ["sign-2.key.pem", "sign-10.key.pem"]
    assert [one.certificate.name for one in key_files_in(tmp_path, Use.SIGN)] == ["sign-2.crt.pem", "sign-10.crt.pem"]


def test_private_keys_are_neither_shown_nor_pickled(node: PkiNode) -> None:
    own = load_own_key(node.signing[0], Purpose.SIGN)
    key = load_pem_private_key(node.signing[0].key.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    number = key.private_numbers().private_value
    for holder in (own, FileSigner(own), FileUnwrapper(own)):
        assert str(number) not in repr(holder)
        assert "PrivateKey" not in repr(holder)
        with pytest.raises(TypeError, match="never pickled"):
            pickle.dumps(holder)


def expect_refusal(files: KeyFiles, purpose: Purpose, code: str) -> TrustError:
    with pytest.raises(TrustError) as caught:
        load_own_key(files, purpose)
    assert caught.value.code == code
    return caught.value
