"""A message opens only for whom it is meant, from whom it says, unchanged."""

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NoReturn

import pybase64
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import limits
from gateway.domain.message import MessageKind, Terms
from gateway.envelope import (
    DecryptedEnvelope,
    Routing,
    check_times,
    decrypt_envelope,
    encrypt,
    payload_of,
    sign_view,
    verify_message,
)
from gateway.errors import EnvelopeError
from tests.keys import KeyRing, MemorySigner, make_party_keys
from tests.unit.envelope.samples import (
    CREATED,
    EAST,
    HEADER,
    MESSAGE_ID,
    NORTH,
    OTHER_ID,
    RING,
    SOUTH,
    VIEW,
    known_as,
    opened,
    sealed,
    signed,
)

SIGNED = signed()
JWE = sealed(SIGNED).jwe


def code_of(jwe: str, **options: Any) -> str:
    with pytest.raises(EnvelopeError) as caught:
        opened(jwe, **options)
    return caught.value.code


def test_what_was_signed_comes_out() -> None:
    message = opened(JWE)
    assert message.header == HEADER
    assert message.payload == VIEW.xml
    assert message.digest == SIGNED.digest
    assert message.key_id == NORTH.signer.key_id


def test_the_digest_is_over_header_and_payload_as_signed() -> None:
    assert SIGNED.digest == hashlib.sha256(SIGNED.jws.rpartition(b".")[0]).hexdigest()


def test_a_stored_message_gives_its_payload_back() -> None:
    assert payload_of(SIGNED.jws) == VIEW.xml
    with pytest.raises(EnvelopeError):
        payload_of(SIGNED.jws + b"=")


def test_every_envelope_of_one_message_is_new_and_gives_the_same_digest() -> None:
    first, second = sealed(SIGNED), sealed(SIGNED)
    assert len(set(first.jwe.split(".")) & set(second.jwe.split("."))) == 0
    assert opened(first.jwe) == opened(second.jwe)


def test_nothing_of_the_document_stands_in_the_clear() -> None:
    outside = "".join(pybase64.urlsafe_b64decode(part + "==").decode("latin-1") for part in JWE.split("."))
    assert "FunctionCode" not in outside
    assert "Article 7" not in outside


@given(position=st.integers(0, len(JWE) - 1), sign=st.characters(codec="ascii"))
@settings(max_examples=300, deadline=None)
def test_an_envelope_with_any_one_character_changed_is_refused(position: int, sign: str) -> None:
    changed = JWE[:position] + sign + JWE[position + 1 :]
    if changed != JWE:
        with pytest.raises(EnvelopeError):
            opened(changed)


@given(position=st.integers(0, len(SIGNED.jws) - 1), sign=st.characters(codec="ascii"))
@settings(max_examples=300, deadline=None)
def test_a_signed_message_with_any_one_character_changed_is_refused(position: int, sign: str) -> None:
    changed = SIGNED.jws[:position] + sign.encode() + SIGNED.jws[position + 1 :]
    if changed != SIGNED.jws:
        with pytest.raises(EnvelopeError):
            opened(sealed(replace(SIGNED, jws=changed)).jwe)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_bit_flipped_in_any_part_is_refused(data: st.DataObject) -> None:
    segments = JWE.split(".")
    which = data.draw(st.integers(0, 4))
    raw = bytearray(pybase64.urlsafe_b64decode(segments[which] + "=="))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    segments[which] = pybase64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()
    with pytest.raises(EnvelopeError):
        opened(".".join(segments))


@given(st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
@settings(deadline=None)
def test_no_content_of_a_right_envelope_crashes_the_reader(content: bytes) -> None:
    with pytest.raises(EnvelopeError):
        opened(sealed(replace(SIGNED, jws=content)).jwe)


def test_an_envelope_over_the_size_limit_is_refused_before_it_is_parsed() -> None:
    assert opened(JWE, max_bytes=len(JWE)).header == HEADER
    assert code_of(JWE, max_bytes=len(JWE) - 1) == "envelope.malformed"


def test_the_largest_document_fits_the_envelope_limit() -> None:
    large = signed(view=replace(VIEW, xml=b"x" * 100_000))
    assert len(sealed(large).jwe) <= limits.max_envelope_bytes(100_000)


# ── parties ──


def test_an_envelope_to_somebody_else_is_refused() -> None:
    header = replace(HEADER, recipient=EAST.party)
    assert code_of(sealed(signed(header), EAST).jwe) == "envelope.recipient_mismatch"


def test_an_envelope_to_a_key_we_do_not_have_asks_for_fresh_keys() -> None:
    stranger = replace(make_party_keys("XB-SOUTH"))
    with pytest.raises(EnvelopeError) as caught:
        opened(sealed(SIGNED, stranger).jwe)
    assert caught.value.public_code == "envelope.key_unknown"
    assert caught.value.retryable


def test_a_message_through_another_partys_channel_is_refused() -> None:
    assert code_of(JWE, channel=EAST.party) == "envelope.sender_mismatch"


def test_a_message_signed_by_another_partys_key_is_refused() -> None:
    assert code_of(sealed(signed(keys=EAST)).jwe) == "envelope.sender_mismatch"


def test_a_message_signed_and_sent_by_one_party_in_the_name_of_another_is_refused() -> None:
    assert code_of(sealed(signed(keys=EAST)).jwe, channel=EAST.party) == "envelope.sender_mismatch"


def test_a_message_re_encrypted_to_another_recipient_is_refused() -> None:
    # Its first reader passes it on in an envelope of its own making (surreptitious forwarding).
    forwarded = encrypt(
        SIGNED.jws, message_id=MESSAGE_ID, sender=NORTH.party, recipient=EAST.party, wrapping_key=EAST.wrapping
    )
    decrypted = decrypt_envelope(forwarded.jwe, ours={EAST.party}, unwrapper=RING.unwrapper)
    with pytest.raises(EnvelopeError, match="recipient_mismatch"):
        verify_message(decrypted, channel_party=NORTH.party, verification_key=RING.verification_key)


@pytest.mark.parametrize(
    ("routing", "code"),
    [
        ({"message_id": OTHER_ID}, "envelope.header_refused"),
        ({"sender": EAST.party}, "envelope.sender_mismatch"),
        ({"recipient": EAST.party}, "envelope.recipient_mismatch"),
    ],
)
def test_what_the_outside_says_is_what_is_signed(routing: dict[str, Any], code: str) -> None:
    outside = replace(
        Routing(message_id=MESSAGE_ID, sender=NORTH.party, recipient=SOUTH.party),
        **routing,
    )
    with pytest.raises(EnvelopeError) as caught:
        verify_message(
            DecryptedEnvelope(jws=SIGNED.jws, routing=outside),
            channel_party=NORTH.party,
            verification_key=RING.verification_key,
        )
    assert caught.value.code == code


# ── keys ──


def test_a_retired_key_verifies_what_was_made_in_its_time() -> None:
    assert opened(JWE, ring=known_as(NORTH, not_after=CREATED)).header == HEADER
    assert opened(JWE, ring=known_as(NORTH, not_before=CREATED)).header == HEADER


@pytest.mark.parametrize(
    "changes",
    [{"not_after": CREATED - timedelta(seconds=1)}, {"not_before": CREATED + timedelta(seconds=1)}],
    ids=["retired", "not yet valid"],
)
def test_a_key_does_not_verify_what_was_made_outside_its_time(changes: dict[str, datetime]) -> None:
    assert code_of(JWE, ring=known_as(NORTH, **changes)) == "envelope.key_not_valid"


def test_a_revoked_key_verifies_nothing() -> None:
    assert code_of(JWE, ring=known_as(NORTH, revoked=True)) == "envelope.key_revoked"


def test_a_key_with_another_certificate_than_known_is_unknown() -> None:
    ring = known_as(NORTH, certificate_sha256=EAST.signer.certificate_sha256)
    assert code_of(JWE, ring=ring) == "envelope.key_unknown"


def test_a_directory_that_answers_with_another_key_is_not_believed() -> None:
    decrypted = decrypt_envelope(JWE, ours={SOUTH.party}, unwrapper=RING.unwrapper)
    other = replace(NORTH.verification, key_id=EAST.verification.key_id)
    with pytest.raises(EnvelopeError, match="key_unknown"):
        verify_message(decrypted, channel_party=NORTH.party, verification_key=lambda _: other)


def looked_up(*_: object) -> NoReturn:
    pytest.fail("a key was looked up")


def test_no_key_is_looked_up_for_a_signature_that_can_not_be_one() -> None:
    header, payload, _ = SIGNED.jws.decode().split(".")
    decrypted = decrypt_envelope(JWE, ours={SOUTH.party}, unwrapper=RING.unwrapper)
    for signature in ("", "A" * 86, "A" * 88):
        psychic = replace(decrypted, jws=f"{header}.{payload}.{signature}".encode())
        with pytest.raises(EnvelopeError, match="signature_invalid"):
            verify_message(psychic, channel_party=NORTH.party, verification_key=looked_up)


@pytest.mark.parametrize("member", ["alg", "enc", "typ", "cty", "crit", "epk", "wcx", "kid"])
def test_no_key_is_looked_up_for_a_header_that_is_not_the_profiles(member: str) -> None:
    header, rest = JWE.split(".", 1)
    changed = json.loads(pybase64.urlsafe_b64decode(header + "==")) | {member: "none"}
    other = pybase64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
    with pytest.raises(EnvelopeError, match="refused"):
        decrypt_envelope(f"{other}.{rest}", ours={SOUTH.party}, unwrapper=looked_up)


def test_an_unknown_signing_key_asks_for_fresh_keys() -> None:
    assert code_of(JWE, ring=KeyRing((SOUTH,))) == "envelope.key_unknown"


def test_a_signature_by_another_key_than_named_is_refused() -> None:
    liar = MemorySigner(
        private_key=EAST.signer.private_key,
        key_id=NORTH.signer.key_id,
        certificate_sha256=NORTH.signer.certificate_sha256,
    )
    assert code_of(sealed(sign_view(VIEW, HEADER, liar)).jwe) == "envelope.signature_invalid"


@pytest.mark.parametrize(
    "code", ["decryption_failed", "signature_invalid", "malformed", "key_revoked", "key_not_valid"]
)
def test_all_failures_of_cryptography_look_the_same_from_outside(code: str) -> None:
    assert EnvelopeError(f"envelope.{code}").public_code == "envelope.rejected"


# ── our own faults ──


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": MessageKind.ARRIVAL},
        {"schema_set": "dms-response"},
        {"schema_set_sha256": "00" * 32},
        {"policy_sha256": "00" * 32},
    ],
    ids=str,
)
def test_a_view_is_not_signed_under_a_header_that_describes_another(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="describe"):
        sign_view(VIEW, replace(HEADER, **changes), NORTH.signer)


def test_a_header_too_large_to_be_accepted_is_not_signed() -> None:
    longest = "\U0001f6a2" * 500
    terms = Terms(legal_basis=longest, purpose=longest, onward_use=longest, retention_days=90)
    large = replace(HEADER, terms=terms)
    assert opened(sealed(signed(large)).jwe).header == large
    long_party = MemorySigner(
        private_key=NORTH.signer.private_key, key_id=NORTH.signer.key_id, certificate_sha256="A" * 3000
    )
    with pytest.raises(ValueError, match="limit"):
        sign_view(VIEW, large, long_party)


def test_a_message_is_not_encrypted_to_another_party_than_named() -> None:
    with pytest.raises(ValueError, match="recipient"):
        encrypt(
            SIGNED.jws, message_id=MESSAGE_ID, sender=NORTH.party, recipient=SOUTH.party, wrapping_key=EAST.wrapping
        )


def test_neither_keys_nor_payload_show_in_a_representation() -> None:
    message = opened(JWE)
    assert "Declaration>" not in repr(message)
    assert SIGNED.jws.decode() not in repr(SIGNED)
    assert JWE not in repr(sealed(SIGNED))


# ── time ──


def refusal_at(now: datetime) -> tuple[str, str] | None:
    """Return the code and the public code of what speaks against the message at this time, or None."""
    try:
        check_times(HEADER, now=now)
    except EnvelopeError as error:
        return error.code, error.public_code
    return None


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (CREATED - limits.MAX_CLOCK_SKEW - timedelta(seconds=1), "envelope.created_in_future"),
        (CREATED - limits.MAX_CLOCK_SKEW, None),
        (CREATED, None),
        (HEADER.expires - timedelta(seconds=1), None),
        (HEADER.expires, "envelope.expired"),
        (HEADER.expires + timedelta(days=30), "envelope.expired"),
    ],
    ids=str,
)
def test_a_message_is_good_from_its_making_to_its_expiry_and_the_sender_is_told(
    now: datetime, code: str | None
) -> None:
    assert refusal_at(now) == (None if code is None else (code, code))
