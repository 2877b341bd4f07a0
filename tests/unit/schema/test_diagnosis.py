"""Which rule of a type a value breaks, and by how much: the cases that no bundled set has."""

import pytest

from gateway.document import as_compiled
from gateway.schema import ValueFacts
from gateway.schema.telling.diagnosis import value_breach

PAIR = ValueFacts(base="string", min_length=2, max_length=4)
NUMBER = ValueFacts(base="decimal", total_digits=5, fraction_digits=2)


def broken(clause: str, text: str, facts: ValueFacts, said: str = "", name: str = "Leaf") -> tuple[str, int]:
    breach, count = value_breach(clause, text, facts, name=name, said=said)
    return str(breach), count


@pytest.mark.parametrize(
    ("clause", "text", "facts", "expected"),
    [
        ("CVC_MAXLENGTH_VALID", "abcdef", PAIR, ("too_long", 2)),
        ("CVC_LENGTH_VALID", "a", PAIR, ("too_short", 1)),
        ("CVC_MINLENGTH_VALID", "", PAIR, ("blank", 0)),
        ("CVC_MAXLENGTH_VALID", "  a  b  cd ", ValueFacts(base="token", max_length=4), ("too_long", 2)),
        ("CVC_MAXLENGTH_VALID", "abcd\u00a0", ValueFacts(base="token", max_length=4), ("too_long", 1)),
        ("CVC_MAXLENGTH_VALID", "abc", PAIR, ("bad_value", 0)),
        ("CVC_TOTALDIGITS_VALID", "-00123456.0", NUMBER, ("too_many_digits", 1)),
        ("CVC_FRACTIONDIGITS_VALID", "1.23450", NUMBER, ("too_many_decimals", 2)),
        ("CVC_MAXINCLUSIVE_VALID", "11", NUMBER, ("out_of_range", 0)),
        ("CVC_MINEXCLUSIVE_VALID", "-1", NUMBER, ("out_of_range", 0)),
        ("CVC_DATATYPE_VALID_1_2_1", "x", NUMBER, ("not_a_number", 0)),
        ("CVC_DATATYPE_VALID_1_2_1", "x", ValueFacts(base="positiveInteger"), ("not_a_number", 0)),
        ("CVC_DATATYPE_VALID_1_2_1", "x", ValueFacts(base="dateTime"), ("bad_date", 0)),
        ("CVC_DATATYPE_VALID_1_2_1", "x", ValueFacts(base="gYear"), ("bad_date", 0)),
        ("CVC_DATATYPE_VALID_1_2_1", "x", ValueFacts(base="boolean"), ("bad_value", 0)),
    ],
)
def test_a_value_breaks_the_rule_that_a_person_would_name(
    clause: str, text: str, facts: ValueFacts, expected: tuple[str, int]
) -> None:
    assert broken(clause, text, facts) == expected


@pytest.mark.parametrize(
    ("pattern", "text", "name", "expected"),
    [
        ("([0-9])*", "12a", "ModeCode", ("bad_characters", 0)),
        ("[A-Z]{3}", "eur", "currencyID", ("pattern", 0)),
        (".{1,3}", "abcd", "TypeCode", ("too_long", 1)),
        (".{1,3}", "a\nb", "TypeCode", ("line_break", 0)),
        (r".*[^\s].*", "a\nb", "ID", ("line_break", 0)),
        ("[0-9]{8}", "1 May", "IssueDateTime", ("bad_date", 0)),
        ("13", "12", "FunctionCode", ("pattern", 0)),
    ],
)
def test_a_pattern_is_told_by_what_it_is_for(pattern: str, text: str, name: str, expected: tuple[str, int]) -> None:
    facts = ValueFacts(base="string", patterns=("other", pattern))
    said = f"Element 'x': [facet 'pattern'] The value '{text}' is not accepted by the pattern '{as_compiled(pattern)}'."
    assert broken("CVC_PATTERN_VALID", text, facts, said, name) == expected


def test_a_code_for_the_format_of_a_date_is_told_from_other_codes() -> None:
    facts = ValueFacts(base="token", one_of=("102", "304"))
    assert broken("CVC_ENUMERATION_VALID", "9", facts, name="formatCode") == ("bad_format_code", 0)
    assert broken("CVC_ENUMERATION_VALID", "9", facts, name="FunctionCode") == ("not_in_code_list", 0)
    assert broken("CVC_ENUMERATION_VALID", "\t ", facts, name="FunctionCode") == ("blank", 0)
