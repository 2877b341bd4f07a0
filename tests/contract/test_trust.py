"""What every Trust must do, over each implementation."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.domain.ids import KeyId, PartyId
from gateway.envelope import thumbprint
from gateway.errors import EnvelopeError, TrustError
from gateway.ports import Trust
from tests.pki import make_pki

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE, THERE, NOBODY = PartyId("GB-HMRC"), PartyId("FR-DGDDI"), PartyId("XX-NOBODY")

Pair = tuple[Trust, Trust]


def _files(folder: Path) -> Pair:
    pki = make_pki(folder, [HERE, THERE], NOW)
    return pki[HERE].trust(lambda: NOW), pki[THERE].trust(lambda: NOW)


@pytest.fixture(params=[_files], ids=["files"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    """Two nodes that are each other's partners."""
    build: Callable[[Path], Pair] = request.param
    return build(tmp_path)


def test_what_we_sign_verifies_under_the_key_the_partner_has_of_us(pair: Pair) -> None:
    here, there = pair
    signer = here.signer(HERE, NOW)
    signature = signer.sign_digest(hashlib.sha256(b"data").digest())
    assert len(signature) == 64
    key = there.verification_key(signer.key_id)
    der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    key.public_key.verify(der, b"data", ec.ECDSA(SHA256()))
    assert (key.party, key.revoked, key.certificate_sha256) == (HERE, False, signer.certificate_sha256)


def test_a_key_id_is_the_thumbprint_of_the_key(pair: Pair) -> None:
    here, there = pair
    key = there.verification_key(here.signer(HERE, NOW).key_id)
    assert key.key_id == thumbprint(key.public_key)
    wrapping = here.wrapping_key(THERE, NOW)
    assert wrapping.key_id == thumbprint(wrapping.public_key)


def test_both_ends_agree_on_the_same_secret(pair: Pair) -> None:
    here, there = pair
    wrapping = here.wrapping_key(THERE, NOW)
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    secret = there.unwrapper(THERE, wrapping.key_id).agree(ephemeral.public_key())
    assert secret == ephemeral.exchange(ec.ECDH(), wrapping.public_key)
    assert len(secret) == 32


def test_an_unknown_key_id_is_told_as_such(pair: Pair) -> None:
    here, _ = pair
    for ask in (
        lambda: here.verification_key(KeyId("unknown")),
        lambda: here.unwrapper(HERE, KeyId("unknown")),
        lambda: here.unwrapper(NOBODY, KeyId("unknown")),
    ):
        with pytest.raises(EnvelopeError) as caught:
            ask()
        assert caught.value.code == "envelope.key_unknown"


def test_a_key_opens_only_for_its_own_party(pair: Pair) -> None:
    here, _ = pair
    own = here.wrapping_key(HERE, NOW).key_id
    assert here.unwrapper(HERE, own).key_id == own
    with pytest.raises(EnvelopeError):
        here.unwrapper(THERE, own)


@pytest.mark.parametrize("moment", [NOW - timedelta(days=1), NOW + timedelta(days=3650)])
def test_no_key_is_used_outside_its_validity(pair: Pair, moment: datetime) -> None:
    here, _ = pair
    for ask in (lambda: here.signer(HERE, moment), lambda: here.wrapping_key(THERE, moment)):
        with pytest.raises(TrustError) as caught:
            ask()
        assert caught.value.code == "trust.key_unknown"


def test_nobody_signs_for_a_partner_and_nothing_is_wrapped_for_a_stranger(pair: Pair) -> None:
    here, _ = pair
    for ask in (lambda: here.signer(THERE, NOW), lambda: here.wrapping_key(NOBODY, NOW)):
        with pytest.raises(TrustError) as caught:
            ask()
        assert caught.value.code == "trust.key_unknown"
