"""The primitives refuse what has the wrong form before a key is used."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.envelope import es256
from gateway.errors import EnvelopeError

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def raw(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@pytest.mark.parametrize(("r", "s"), [(1, 1), (1, ORDER - 1), (ORDER - 1, 1), (ORDER - 1, ORDER - 1)], ids=str)
def test_numbers_in_range_are_read(r: int, s: int) -> None:
    assert decode_dss_signature(es256.read_signature(raw(r, s))) == (r, s)


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(64),
        raw(0, 1),
        raw(1, 0),
        raw(ORDER, 1),
        raw(1, ORDER),
        raw(1, 2**256 - 1),
        raw(1, 1)[:-1],
        raw(1, 1) + b"\0",
        b"\0" + raw(1, 1),
        bytes(32) + raw(1, 1) + bytes(32),
    ],
    ids=lambda signature: signature.hex()[:70],
)
def test_numbers_out_of_range_and_other_lengths_are_not(signature: bytes) -> None:
    with pytest.raises(EnvelopeError) as caught:
        es256.read_signature(signature)
    assert caught.value.code == "envelope.signature_invalid"


def test_no_two_encryptions_share_a_secret() -> None:
    drawn = [es256.fresh_secrets() for _ in range(8)]
    assert len({one.cek for one in drawn}) == len({one.iv for one in drawn}) == 8
    assert len({one.ephemeral.private_numbers().private_value for one in drawn}) == 8
    assert {(len(one.cek), len(one.iv)) for one in drawn} == {(32, 12)}
    assert all(isinstance(one.ephemeral.curve, ec.SECP256R1) for one in drawn)
