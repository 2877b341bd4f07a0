"""The secret of a node's pseudonyms, and the keys that come of it."""

import hmac
import json
import pickle
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from gateway.domain.ids import AgreementId
from gateway.errors import ConfigurationError, TrustError
from gateway.trust import FilePseudonymKeys, create_pseudonym_secret

ONE, OTHER = AgreementId("gb-fr"), AgreementId("gb-no")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    create_pseudonym_secret(tmp_path / "pseudonym.key")
    return tmp_path / "pseudonym.key"


def test_a_key_is_the_same_for_the_same_agreement_and_period_in_every_process(secret: Path) -> None:
    first, second = FilePseudonymKeys(secret), FilePseudonymKeys(secret)
    assert first.key(ONE, "2026-Q4") == second.key(ONE, "2026-Q4") == first.key(ONE, "2026-Q4")
    assert len(first.key(ONE, "2026-Q4")) == 32


def test_a_key_is_another_for_each_agreement_period_and_secret(secret: Path, tmp_path: Path) -> None:
    create_pseudonym_secret(tmp_path / "other.key")
    keys, others = FilePseudonymKeys(secret), FilePseudonymKeys(tmp_path / "other.key")
    found = [keys.key(ONE, "2026-Q4"), keys.key(ONE, "2027-Q1"), keys.key(OTHER, "2026-Q4"), keys.key(ONE, "2026")]
    found += [others.key(ONE, "2026-Q4"), keys.key(AgreementId("gb"), "fr\x002026-Q4")]
    assert len(set(found)) == len(found)


def test_a_key_is_derived_as_rfc_5869_says(secret: Path) -> None:
    """Extract with no salt, then expand under what says which key it is."""

    raw = bytes.fromhex(json.loads(secret.read_bytes())["secret"])
    pseudorandom = hmac.digest(bytes(32), raw, "sha256")
    info = b"wco-gateway pseudonyms v1\x005\x00gb-fr\x002026-Q4"
    expected = HKDFExpand(algorithm=SHA256(), length=32, info=info).derive(pseudorandom)
    assert FilePseudonymKeys(secret).key(ONE, "2026-Q4") == expected


def test_the_secret_is_private_and_never_overwritten(secret: Path) -> None:
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    before = secret.read_bytes()
    with pytest.raises(ConfigurationError, match="never overwritten"):
        create_pseudonym_secret(secret)
    assert secret.read_bytes() == before


def test_a_secret_that_others_can_read_is_refused(secret: Path) -> None:
    secret.chmod(0o640)
    with pytest.raises(TrustError) as caught:
        FilePseudonymKeys(secret)
    assert caught.value.code == "trust.key_exposed"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not JSON",
        b"[]",
        b'{"format": "wco-gateway-at-rest-key/1", "secret": "00"}',
        b'{"format": "wco-gateway-pseudonym-secret/1", "secret": "00"}',
        b'{"format": "wco-gateway-pseudonym-secret/1", "secret": "zz"}',
        b'{"format": "wco-gateway-pseudonym-secret/1", "secret": 7}',
    ],
)
def test_what_is_no_secret_is_refused_without_showing_it(secret: Path, content: bytes) -> None:
    secret.write_bytes(content)
    with pytest.raises(TrustError) as caught:
        FilePseudonymKeys(secret)
    assert caught.value.code == "trust.key_unreadable"
    assert caught.value.__context__ is None


def test_the_secret_never_leaves_its_process(secret: Path) -> None:
    keys = FilePseudonymKeys(secret)
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(keys)
    assert json.loads(secret.read_bytes())["secret"] not in repr(keys)
