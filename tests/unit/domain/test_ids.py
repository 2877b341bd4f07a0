"""Identifiers: what may name a party, an agreement, a message."""

import uuid

import pytest
import uuid_utils
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.ids import is_name, is_uuid, party_id


@pytest.mark.parametrize("text", ["GB-HMRC", "FR-DGDDI", "EU-27", "NL-DOUANE2026ABCDEF"[:19]])
def test_a_party_is_a_country_and_a_short_name(text: str) -> None:
    assert party_id(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "GB", "GB-", "GB-H", "gb-HMRC", "GB-hmrc", "GBR-HMRC", "GB_HMRC", "GB-HMRC ", "GB-HMRC\n", "GB-" + "A" * 17,
     "ГБ-HMRC", "GB-HM/RC", "GB-..", "GB-٣٣"],
)  # fmt: skip
def test_what_is_no_party_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="such as GB-HMRC") as caught:
        party_id(text)
    assert str(caught.value) == _always_the_same()


def _always_the_same() -> str:
    with pytest.raises(ValueError, match="party id") as caught:
        party_id("?")
    return str(caught.value)


@pytest.mark.parametrize("text", ["a", "gb-fr-exports", "dms-declaration", "v1.2", "0", "a" * 64])
def test_a_name_is_lower_case_and_short(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize("text", ["", "-a", "a-", ".", "..", "a/b", "../a", "A", "a b", "a\n", "a" * 65, "ä", "a_b"])
def test_what_could_be_a_path_or_a_trick_is_no_name(text: str) -> None:
    assert not is_name(text)


@given(st.text(alphabet="az09.-", max_size=70) | st.text(alphabet="az09.-/\\:_A \n", max_size=5) | st.text(max_size=70))
def test_a_name_can_always_be_a_file_name(text: str) -> None:
    if is_name(text):
        assert text.isascii()
        assert text == text.lower()
        assert not set(text) & set("/\\\0 \n:")
        assert 1 <= len(text) <= 64
        assert text[0] not in ".-"


@given(st.one_of(st.uuids(version=1), st.uuids(version=4), st.uuids(version=5)))
def test_a_uuid_in_canonical_form_is_one(value: uuid.UUID) -> None:
    assert is_uuid(str(value))


def test_a_uuid7_is_one() -> None:
    assert is_uuid(str(uuid_utils.uuid7()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "0190A5F2-7C3B-7D4E-8F00-0123456789AB",
        "0190a5f27c3b7d4e8f000123456789ab",
        "{0190a5f2-7c3b-7d4e-8f00-0123456789ab}",
        "0190a5f2-7c3b-7d4e-8f00-0123456789ab\n",
        "0190a5f2-7c3b-7d4e-cf00-0123456789ab",
        "urn:uuid:0190a5f2-7c3b-7d4e-8f00-0123456789ab",
    ],
)
def test_any_other_form_of_a_uuid_is_none(text: str) -> None:
    assert not is_uuid(text)
