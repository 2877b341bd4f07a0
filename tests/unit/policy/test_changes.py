"""What a change says of itself to a person."""

from decimal import Decimal

import pytest

from gateway.policy.language.changes import Change, ChangeKind, told

_TOLD = [
    (Change(kind=ChangeKind.YEAR), "generalised to the year"),
    (Change(kind=ChangeKind.MONTH), "generalised to the month"),
    (Change(kind=ChangeKind.COUNTRY), "generalised to the country"),
    (Change(kind=ChangeKind.DIGITS, number=4), "generalised to 4 digits"),
    (Change(kind=ChangeKind.PREFIX, number=1), "generalised to its first one character"),
    (Change(kind=ChangeKind.BANDS, bands=(Decimal(0),)), "generalised to the lower bound of its band"),
    (Change(kind=ChangeKind.PSEUDONYM), "replaced by a pseudonym"),
    (Change(kind=ChangeKind.TRUNCATE, number=20), "cut to 20 characters"),
    (Change(kind=ChangeKind.REPLACE, text="0"), "replaced by a fixed value"),
]


@pytest.mark.parametrize(("change", "words"), _TOLD)
def test_every_kind_of_change_is_told_in_words_and_no_value_stands_in_them(change: Change, words: str) -> None:
    assert told(change) == words


def test_no_kind_of_change_is_left_out_above() -> None:
    assert {change.kind for change, _ in _TOLD} == set(ChangeKind)
