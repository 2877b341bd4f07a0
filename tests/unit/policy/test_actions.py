"""What changing a value makes of it: coarser, its own fixed point, and never more than was asked for."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.changing.actions import changed, is_changed
from gateway.policy.changing.pseudonyms import Pseudonyms
from gateway.policy.language.changes import Change, ChangeKind
from gateway.schema.facts.nodes import ValueFacts

TEXT = ValueFacts(base="string", max_length=70)
TOKEN = ValueFacts(base="token")
KEY = Pseudonyms(key=bytes(range(32)))

YEAR, MONTH, COUNTRY = (Change(kind=kind) for kind in (ChangeKind.YEAR, ChangeKind.MONTH, ChangeKind.COUNTRY))
BANDS = Change(kind=ChangeKind.BANDS, bands=(Decimal(0), Decimal(1000), Decimal("10000.50")))
PSEUDONYM = Change(kind=ChangeKind.PSEUDONYM)


def digits(number: int) -> Change:
    return Change(kind=ChangeKind.DIGITS, number=number)


def prefix(number: int) -> Change:
    return Change(kind=ChangeKind.PREFIX, number=number)


def truncate(number: int) -> Change:
    return Change(kind=ChangeKind.TRUNCATE, number=number)


CHANGES = (
    YEAR,
    MONTH,
    COUNTRY,
    BANDS,
    PSEUDONYM,
    digits(2),
    digits(6),
    prefix(1),
    prefix(4),
    truncate(3),
    truncate(20),
)


@pytest.mark.parametrize(
    ("change", "value", "result"),
    [
        # Dates keep their form; the format code beside them stays true.
        (MONTH, "20260115", "20260101"),
        (YEAR, "20260915", "20260101"),
        (MONTH, "20260115093042Z", "20260101000000Z"),
        (MONTH, "20260329013000+01", "20260301000000+00"),
        (MONTH, "20260329033000-05", "20260301000000+00"),
        (MONTH, "202601150930", "202601010000"),
        (MONTH, "2026-01-15", "2026-01-01"),
        (YEAR, "2026-09-15+02:00", "2026-01-01+00:00"),
        (MONTH, "2026-09-15T09:30:42.125Z", "2026-09-01T00:00:00Z"),
        (YEAR, "2026-09", "2026-01"),
        (MONTH, " 20260115 ", "20260101"),
        # What is no date of the calendar, or could be read in two ways, is withheld.
        (MONTH, "20260231", None),
        (MONTH, "202601", None),
        (MONTH, "2026", None),
        (MONTH, "20261301", None),
        (MONTH, "2026-01-15 09:30", None),
        (MONTH, "00000101", None),
        (MONTH, "next week", None),
        # Places.
        (COUNTRY, "FRPAR", "FR"),
        (COUNTRY, "FR", "FR"),
        (COUNTRY, "fr", "FR"),
        (COUNTRY, "GB-ENG", "GB"),
        (COUNTRY, "GB000060", "GB"),
        (COUNTRY, "GB123456789000", "GB"),
        (COUNTRY, "Paris", None),
        (COUNTRY, "MARSEILLE", None),
        (COUNTRY, "1A", None),
        # Amounts go to the lower bound of their band.
        (BANDS, "999.99", "0"),
        (BANDS, "1000", "1000"),
        (BANDS, "10000.5", "10000.5"),
        (BANDS, "123456789", "10000.5"),
        (BANDS, "-1", None),
        (BANDS, "many", None),
        # Codes and postcodes.
        (digits(6), "8703231910", "870323"),
        (digits(4), "8703.23.19", "8703"),
        (digits(2), "87", "87"),
        (digits(4), "87", None),
        (digits(4), "87A3", None),
        (digits(2), "٨٧٠٣", None),
        (prefix(3), "SW1A 1AA", "SW1"),
        (prefix(3), "N1 9GU", "N1 9"),
        (prefix(2), "75001", "75"),
        (prefix(4), "750", None),
        # Texts.
        (truncate(6), "Electric bicycles", "Electr"),
        (truncate(9), "Electric bicycles", "Electric"),
        (truncate(20), "Bicycles", "Bicycles"),
        (Change(kind=ChangeKind.REPLACE, text="0"), "1HGCM82633A004352", "0"),
        (Change(kind=ChangeKind.REPLACE, text="0"), "", "0"),
    ],
)
def test_a_value_is_made_coarser_or_withheld(change: Change, value: str, result: str | None) -> None:
    assert changed(change, value, TEXT, KEY) == result


@pytest.mark.parametrize("change", CHANGES)
def test_an_empty_value_stays_empty(change: Change) -> None:
    assert changed(change, "", TEXT, KEY) == ""
    assert is_changed(change, "", TEXT)


@pytest.mark.parametrize("change", CHANGES)
def test_a_value_of_white_space_is_withheld_where_white_space_counts(change: Change) -> None:
    assert changed(change, " \n ", TEXT, KEY) is None
    assert changed(change, " \n ", TOKEN, KEY) == ""


_FORMS: tuple[Callable[[datetime], str], ...] = (
    lambda at: f"{at:%Y%m%d}".rjust(8, "0"),
    lambda at: f"{at:%Y%m%d%H%M%S}Z".rjust(15, "0"),
    lambda at: f"{at:%Y%m%d%H%M%S}+02".rjust(17, "0"),
    lambda at: at.isoformat(),
    lambda at: at.date().isoformat(),
)
_DATES = st.builds(lambda at, form: form(at), st.datetimes(), st.sampled_from(_FORMS))
# XML 1.0 §2.2: no other control characters, no surrogates, and neither of the last two.
_OF_XML = st.sampled_from("\t\n\r") | st.characters(
    min_codepoint=0x20, exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"
)
_VALUES = st.one_of(
    st.text(_OF_XML, max_size=40),
    st.from_regex(r"[A-Z]{2}[0-9]{3,15}", fullmatch=True),
    st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,3})?", fullmatch=True),
    st.from_regex(r"[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}", fullmatch=True),
    _DATES,
)
_FACTS = st.sampled_from([TEXT, TOKEN, ValueFacts(base="decimal"), ValueFacts(base="string", max_length=17)])


@given(st.sampled_from(CHANGES), _VALUES, _FACTS)
def test_a_changed_value_is_left_as_it_is_and_the_receiver_takes_it(
    change: Change, value: str, facts: ValueFacts
) -> None:
    result = changed(change, value, facts, KEY)
    if result is not None:
        assert changed(change, result, facts, KEY) == result
        assert is_changed(change, result, facts)


@given(st.datetimes(), st.datetimes(), st.sampled_from(_FORMS))
def test_two_dates_of_one_month_and_form_can_not_be_told_apart(
    at: datetime, other: datetime, form: Callable[[datetime], str]
) -> None:
    beside = other.replace(year=at.year, month=at.month, day=min(other.day, 28))
    first, second = (changed(MONTH, form(one.replace(microsecond=0)), TEXT, None) for one in (at, beside))
    assert first == second
    assert first is not None


@pytest.mark.parametrize(
    ("change", "value"),
    [
        (MONTH, "20260115"),
        (MONTH, "20260101093000Z"),
        (MONTH, "20260101000000+02"),
        (COUNTRY, "FRPAR"),
        (COUNTRY, "fr"),
        (BANDS, "999.99"),
        (BANDS, "1000.0"),
        (digits(4), "870323"),
        (digits(4), "87.03"),
        (prefix(2), "750"),
        (prefix(2), " 75"),
        (truncate(3), "Bicycle"),
        (PSEUDONYM, "FR12345678900012"),
        (PSEUDONYM, "GB123456789000"),
        (Change(kind=ChangeKind.REPLACE, text="0"), "1"),
    ],
)
def test_what_says_more_than_agreed_is_no_possible_result(change: Change, value: str) -> None:
    assert not is_changed(change, value, TEXT)


def test_without_a_key_nothing_is_pseudonymised() -> None:
    assert changed(PSEUDONYM, "GB123456789000", TEXT, None) is None


def test_a_text_cut_to_less_than_the_type_takes_is_withheld() -> None:
    facts = ValueFacts(base="string", min_length=3)
    assert changed(truncate(3), "a  b", facts, None) is None
