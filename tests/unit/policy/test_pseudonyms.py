"""Pseudonyms: equal for equal values under one key, nothing under another, and no way back without it."""

import hashlib
import hmac
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.changing.pseudonyms import Pseudonyms, shape_of
from gateway.schema.facts.nodes import ValueFacts

ONE = Pseudonyms(key=bytes(range(32)))
OTHER = Pseudonyms(key=bytes(range(1, 33)))
ID17 = ValueFacts(base="string", max_length=17, patterns=(r".*[^\s].*",))
ID70 = ValueFacts(base="string", max_length=70, patterns=(r".*[^\s].*",))
ID12 = ValueFacts(base="string", max_length=12)
DIGITS = ValueFacts(base="token", max_length=30, patterns=(r"([0-9])*",))
CAPITALS = ValueFacts(base="token", max_length=14, patterns=("[A-Z]*",))
ALL = (ID17, ID70, ID12, DIGITS, CAPITALS)
values = st.text(min_size=1, max_size=30).filter(lambda one: one.strip(" \t\r\n"))


@given(values, st.sampled_from(ALL))
def test_a_value_has_one_pseudonym_and_it_is_its_own(value: str, facts: ValueFacts) -> None:
    found = ONE.pseudonym(value, facts)
    assert found is not None
    assert found == ONE.pseudonym(f" {value}\n", facts)
    assert ONE.pseudonym(found, facts) == found


@given(values, values)
def test_values_that_differ_have_pseudonyms_that_differ(one: str, other: str) -> None:
    differ = one.strip(" \t\r\n") != other.strip(" \t\r\n")
    assert (ONE.pseudonym(one, ID17) != ONE.pseudonym(other, ID17)) == differ


@given(values, st.sampled_from(ALL))
def test_another_key_gives_another_pseudonym(value: str, facts: ValueFacts) -> None:
    found = ONE.pseudonym(value, facts)
    assert found is not None
    assert OTHER.pseudonym(value, facts) != found
    # What one agreement calls a trader is an ordinary value to another, which changes it once more.
    assert OTHER.pseudonym(found, facts) != found


def test_a_value_has_the_same_pseudonym_wherever_there_is_room_for_the_usual_length() -> None:
    value = "GB123456789000"
    assert ONE.pseudonym(value, ID17) == ONE.pseudonym(value, ID70) == ONE.pseudonym(value, ValueFacts(base="token"))


@pytest.mark.parametrize(
    ("facts", "form"),
    [
        (ID17, "[A-Z2-7]{16}"),
        (ID12, "[A-Z2-7]{12}"),
        (DIGITS, "[0-9]{24}"),
        (CAPITALS, "[A-Z]{14}"),
        (ValueFacts(base="string", patterns=("[0-9a-f]{32}",)), "[0-9a-f]{32}"),
        (ValueFacts(base="string", min_length=40, max_length=40), "[A-Z2-7]{40}"),
    ],
)
def test_a_pseudonym_has_the_form_of_its_type(facts: ValueFacts, form: str) -> None:
    assert re.fullmatch(form, ONE.pseudonym("GB123456789000", facts) or "")


@pytest.mark.parametrize(
    "facts",
    [
        ValueFacts(base="string", max_length=11),
        ValueFacts(base="token", max_length=18, patterns=("[0-9]*",)),
        ValueFacts(base="string", patterns=(r"GB\d{12}",)),
        ValueFacts(base="string", one_of=("ABCDEFGHIJKLMNOP",)),
        ValueFacts(base="decimal"),
        ValueFacts(base="string", item=ValueFacts(base="string")),
    ],
)
def test_a_type_without_room_for_sixty_bits_has_no_pseudonym(facts: ValueFacts) -> None:
    assert shape_of(facts) is None
    assert ONE.pseudonym("GB123456789000", facts) is None


def test_no_original_is_found_by_hashing_the_likeliest_values_without_the_key() -> None:
    """Whoever guesses 1,000 traders and hashes each in every usual way meets none of their pseudonyms."""
    likely = [f"GB{number:012}" for number in range(1000)]
    shape = shape_of(ID17)
    assert shape is not None
    pseudonyms = {ONE.pseudonym(value, ID17) for value in likely}
    assert len(pseudonyms) == 1000
    public_keys = (b"", bytes(32), b"agreement", b"gb-fr")
    for value in likely:
        raw = value.encode()
        guesses = [hashlib.new(name, raw).digest() for name in ("sha256", "sha1", "md5", "sha512", "sha3_256")]
        guesses += [hmac.digest(key, text, "sha256") for key in public_keys for text in (raw, b"body\x00" + raw)]
        for digest in guesses:
            number, letters = int.from_bytes(digest), []
            for _ in range(shape.length - shape.check):
                number, rest = divmod(number, len(shape.letters))
                letters.append(shape.letters[rest])
            body = "".join(letters)
            assert not any(one is not None and one.startswith(body) for one in (ONE.pseudonym(value, ID17),))


def test_the_same_guesses_find_them_with_the_key() -> None:
    """So the test above could fail."""
    assert Pseudonyms(key=bytes(range(32))).pseudonym("GB000000000007", ID17) == ONE.pseudonym("GB000000000007", ID17)


def test_a_value_that_only_looks_like_a_pseudonym_is_changed_all_the_same() -> None:
    looks = "ABCDEFGHIJKLMNOP"
    shape = shape_of(ID17)
    assert shape is not None
    assert shape.fits(looks)
    assert ONE.pseudonym(looks, ID17) != looks


def test_the_key_is_never_shown_and_never_pickled() -> None:
    assert "key" not in repr(ONE)
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(ONE)
    with pytest.raises(ValueError, match="32 bytes"):
        Pseudonyms(key=b"short")
