"""What is sealed comes back byte for byte, in less room if it can, and never in more room than is allowed."""

import base64
import threading
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import TrustError
from gateway.trust import packing
from gateway.trust.packing import FORMS, MAX_PLAIN_BYTES, PLAIN, SMALL_BYTES, TOKEN, ZSTD, pack, unpack
from tests.samples import FOLDER

HEADER = b'{"alg":"ES256","kid":"' + b"k" * 43 + b'","typ":"wcx-message+jws"}'


def segment(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def token(payload: bytes, header: bytes = HEADER, signature: bytes = bytes(range(64))) -> bytes:
    return b".".join(map(segment, (header, payload, signature)))


@settings(deadline=None)  # other work shares the machine
@given(plaintext=st.binary(max_size=600) | st.text("ab.=_-+/\n", min_size=250, max_size=600).map(str.encode))
@example(plaintext=b".." * 200)
@example(plaintext=b"=" * 200 + b".=." + b"=" * 200)
def test_whatever_was_packed_comes_back_and_is_never_longer(plaintext: bytes) -> None:
    form, packed = pack(plaintext)
    assert unpack(form, packed) == plaintext
    assert len(packed) <= len(plaintext)


@settings(deadline=None)  # other work shares the machine
@given(header=st.binary(max_size=80), payload=st.binary(min_size=300, max_size=900), signature=st.binary(max_size=80))
def test_every_token_comes_back_byte_for_byte(header: bytes, payload: bytes, signature: bytes) -> None:
    made = token(payload * 3, header, signature)
    form, packed = pack(made)
    assert form == TOKEN
    assert unpack(form, packed) == made


@pytest.mark.parametrize("size", [SMALL_BYTES - 1, SMALL_BYTES, SMALL_BYTES + 1, 4 * SMALL_BYTES])
def test_small_and_large_are_packed_unlike_and_read_alike_in_as_good_as_the_same_room(size: int) -> None:
    texts = b"".join(path.read_bytes() for path in sorted((FOLDER / "valid").glob("*.xml")))
    plaintext = texts[:size]
    form, packed = pack(plaintext)
    assert form == ZSTD
    assert len(plaintext) == size
    assert unpack(form, packed) == plaintext
    assert len(packed) <= 1.05 * len(zstandard.compress(plaintext, level=1))


def test_a_signed_message_takes_less_room_than_its_token_compressed() -> None:
    payload = (FOLDER / "valid" / "import-two-items.xml").read_bytes()
    made = token(payload)
    form, packed = pack(made)
    assert form == TOKEN
    assert len(packed) < len(zstandard.compress(made, level=1)) * 0.8
    assert unpack(form, packed) == made


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda made: made + b"=", id="padded"),
        pytest.param(lambda made: made + b".", id="four segments"),
        pytest.param(lambda made: made[:-1] + b"B", id="a last character with bits that do not count"),
        pytest.param(lambda made: made.replace(b".", b".\n", 1), id="a line break"),
        pytest.param(lambda made: made + b"A" * 400_000, id="a signature beyond two bytes of length"),
    ],
)
def test_what_is_not_exactly_a_token_is_compressed_as_it_is(changed: Callable[[bytes], bytes]) -> None:
    made = changed(token(b"<Declaration/>" * 100, signature=bytes(64)))
    form, packed = pack(made)
    assert form == ZSTD
    assert unpack(form, packed) == made


def test_what_is_short_or_can_not_shrink_stays_as_it_is() -> None:
    assert pack(b"26GB123") == (PLAIN, b"26GB123")
    noise = bytes((number * number * 2_654_435_761 >> 13) & 0xFF for number in range(300))
    assert pack(noise)[0] in {PLAIN, ZSTD}
    assert unpack(*pack(noise)) == noise


@pytest.mark.parametrize("form", sorted(FORMS - {PLAIN}))
def test_what_says_that_it_is_too_large_is_refused_before_it_is_unpacked(
    form: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "MAX_PLAIN_BYTES", 1_000)
    with pytest.raises(TrustError, match="unsealing_failed"):
        unpack(form, zstandard.compress(bytes(1_001)))
    unpack(form, zstandard.compress(bytes(1_000)))


@pytest.mark.parametrize("packed", [b"", b"no frame", zstandard.compress(bytes(2_000))[:-3]])
def test_what_is_no_frame_is_refused(packed: bytes) -> None:
    with pytest.raises(TrustError, match="unsealing_failed"):
        unpack(ZSTD, packed)


def test_a_frame_that_does_not_say_how_large_it_is_is_refused() -> None:
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(2_000))
    with pytest.raises(TrustError, match="unsealing_failed"):
        unpack(ZSTD, frame)


def test_the_largest_envelope_that_settings_allow_fits() -> None:
    assert MAX_PLAIN_BYTES > 32 * 1024 * 1024 * 4 // 3


def test_threads_do_not_share_what_they_pack_with() -> None:
    made = [token(bytes([number]) * 50_000) for number in range(8)]
    found: dict[int, bool] = {}

    def work(number: int) -> None:
        found[number] = all(unpack(*pack(made[number])) == made[number] for _ in range(50))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(8), True)
