"""A token has one reading or none."""

import base64
import binascii
import contextlib
import itertools
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.domain import limits
from gateway.envelope import compact
from gateway.errors import EnvelopeError

BIG = 1_000_000


def refused(token: str, *, max_bytes: int = BIG) -> None:
    with pytest.raises(EnvelopeError) as caught:
        compact.parse_jws(token, max_bytes=max_bytes)
    assert caught.value.code == "envelope.malformed"
    assert caught.value.public_code == "envelope.rejected"


def token(header: bytes = b'{"alg":"ES256"}', payload: bytes = b"payload", signature: bytes = b"\0" * 64) -> str:
    return ".".join(compact.encode(part).decode() for part in (header, payload, signature))


def test_a_canonical_token_is_read() -> None:
    parsed = compact.parse_jws(token(), max_bytes=BIG)
    assert parsed.header == {"alg": "ES256"}
    assert parsed.payload == b"payload"
    assert parsed.signature == b"\0" * 64
    assert parsed.signing_input.decode() == token().rpartition(".")[0]


def test_a_token_at_the_size_limit_is_read_and_one_over_it_is_not() -> None:
    text = token()
    assert compact.parse_jws(text, max_bytes=len(text)).payload == b"payload"
    refused(text, max_bytes=len(text) - 1)


@pytest.mark.parametrize("segments", [0, 1, 2, 4, 5, 1000])
def test_a_signed_token_has_three_segments(segments: int) -> None:
    refused(".".join(["e30"] * segments))


@pytest.mark.parametrize("segments", [3, 4, 6])
def test_an_encrypted_token_has_five_segments(segments: int) -> None:
    with pytest.raises(EnvelopeError):
        compact.parse_jwe(".".join(["e30"] * segments), max_bytes=BIG)
    assert compact.parse_jwe(".".join(["e30"] * 5), max_bytes=BIG).tag == b"{}"


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_encoding_and_decoding_are_inverse(data: bytes) -> None:
    encoded = compact.encode(data)
    assert b"=" not in encoded
    assert compact.decode(encoded) == data


@given(st.text(st.sampled_from("AQgwEIMUYckos048-_+/= \n\t.Bz9"), max_size=12).map(str.encode))
@settings(deadline=None)
def test_a_segment_is_read_if_and_only_if_it_is_the_one_spelling_of_its_bytes(segment: bytes) -> None:
    try:
        data: bytes | None = compact.decode(segment)
    except EnvelopeError:
        data = None
    assert data == the_one_reading(segment)


def test_of_all_segments_of_two_bytes_those_are_read_that_spell_one_byte() -> None:
    read = set()
    for segment in map(bytes, itertools.product(range(256), repeat=2)):
        with contextlib.suppress(EnvelopeError):
            compact.decode(segment)
            read.add(segment)
    assert read == {compact.encode(bytes([value])) for value in range(256)}


def the_one_reading(segment: bytes) -> bytes | None:
    """Return what the standard library reads, if it would write the very same again."""
    try:
        data = base64.b64decode(segment + b"=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    return data if base64.urlsafe_b64encode(data).rstrip(b"=") == segment else None


@pytest.mark.parametrize(
    "segment", ["A", "AA=", "AA==", "AB", "AAB", "A+", "A/", "A A", "AA\n", "AAAA\n\n\n\n", "AAAA===="]
)
def test_other_spellings_are_refused(segment: str) -> None:
    with pytest.raises(EnvelopeError):
        compact.decode(segment.encode())


def test_a_token_is_ascii() -> None:
    refused("é" + token())


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"null",
        b"[]",
        b'"alg"',
        b"{",
        b'{"a":1,}',
        b'{"a":1}{"b":2}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":"\n"}',
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":1}',
        b'{"a":{"b":[{"c":1,"c":2}]}}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":9007199254740992}',
        b'{"a":-9007199254740992}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 8 + b"]" * 8 + b"}",
        b'{"a":' + b'{"a":' * 8 + b"1" + b"}" * 8 + b"}",
        b"{" + b"[" * 8000,
    ],
)
def test_a_header_is_one_strict_json_object(header: bytes) -> None:
    refused(token(header))


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (b'{"a":9007199254740991}', 2**53 - 1),
        (b'{"a":-9007199254740991}', 1 - 2**53),
        (b'{"a":"\\ud83d\\ude00"}', "\U0001f600"),
        (b'{"a":"[[[[[[[[[[[{{{{{{"}', "[[[[[[[[[[[{{{{{{"),
        (b'{"a":"\\"[[[[[[[[[[["}', '"[[[[[[[[[[['),
        (b'{"a":[[],[],[],[],[],[],[],[],[]]}', [[]] * 9),
        (b'{"a":' + b"[" * 7 + b"]" * 7 + b"}", [[[[[[[]]]]]]]),
    ],
)
def test_what_is_at_the_limit_or_only_looks_odd_is_read(header: bytes, value: object) -> None:
    assert compact.parse_jws(token(header), max_bytes=BIG).header == {"a": value}


def test_a_header_over_the_size_limit_is_refused() -> None:
    room = limits.MAX_PROTECTED_HEADER_BYTES - len('{"a":""}')
    fits = compact.parse_jws(token(json.dumps({"a": "x" * room}, separators=(",", ":")).encode()), max_bytes=BIG)
    assert fits.header == {"a": "x" * room}
    refused(token(json.dumps({"a": "x" * (room + 1)}, separators=(",", ":")).encode()))


@given(st.text(max_size=200) | st.lists(st.binary(max_size=60), max_size=6).map(lambda parts: b".".join(parts).hex()))
@settings(deadline=None)
def test_no_text_crashes_the_parser(text: str) -> None:
    for parse in (compact.parse_jws, compact.parse_jwe):
        with pytest.raises(EnvelopeError):
            parse(text, max_bytes=BIG)


PLAIN_PARTS = st.sampled_from(
    [
        '{"a":',
        '"b":',
        ",",
        "}",
        "{",
        "[",
        "]",
        "1",
        "-0",
        "1.5",
        "1e3",
        "9" * 17,
        '"x"',
        "true",
        "null",
        '"\\u0061"',
        " ",
    ]
)


@given(st.binary(max_size=200) | st.lists(PLAIN_PARTS, max_size=9).map(lambda parts: "".join(parts).encode()))
@example(b'{"a":1}')
@settings(deadline=None)
def test_a_header_is_read_as_it_is_or_refused_as_malformed(header: bytes) -> None:
    try:
        found = compact.parse_jws(token(header), max_bytes=BIG).header
    except EnvelopeError:
        refused(token(header))
    else:
        assert found == json.loads(header)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4), st.booleans(), st.booleans())
@settings(deadline=None)
def test_every_object_within_the_limits_is_read_as_it_is(
    value: dict[str, object], ascii_only: bool, with_blanks: bool
) -> None:
    separators = None if with_blanks else (",", ":")
    data = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode("utf-8")
    if depth(value) <= compact.MAX_JSON_DEPTH:
        assert compact.parse_json(data) == value
    else:
        with pytest.raises(EnvelopeError):
            compact.parse_json(data)


@given(st.lists(PLAIN_PARTS, max_size=9).map(lambda parts: ('{"a":' + "".join(parts)).encode()))
@example(b'{"a":1}')
@settings(deadline=None, max_examples=300)
def test_the_short_way_says_nothing_that_the_strict_reader_does_not(data: bytes) -> None:
    plain = compact._read_plainly(data)
    if plain is not None:
        assert compact._STRICT_JSON.decode(data.decode()) == plain


def test_the_short_way_is_taken_by_what_is_plain() -> None:
    assert compact._read_plainly(b'{"a":"x"}') == {"a": "x"}


def test_the_refusal_quotes_nothing_of_the_token() -> None:
    with pytest.raises(EnvelopeError) as caught:
        compact.parse_json(b'{"secret-value"')
    assert "secret" not in str(caught.value)
