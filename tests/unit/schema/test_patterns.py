"""Patterns that libxml2 would be held up with are compiled as others that accept the very same texts."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from gateway.document import as_compiled
from gateway.schema import explain
from gateway.schema.telling.breach import Breach
from tests.unit.schema.foreign_sets import XS
from tests.unit.schema.sets import DEC, LIMITS, MD, bundled

SLOW = [r".*[^\s].*", r".*\S.*"]


def value(pattern: str) -> etree.XMLSchema:
    restriction = f'<xs:restriction base="xs:string"><xs:pattern value="{pattern}"/></xs:restriction>'
    declared = f'<xs:element name="a"><xs:simpleType>{restriction}</xs:simpleType></xs:element>'
    return etree.XMLSchema(etree.fromstring(f"<xs:schema {XS}>{declared}</xs:schema>"))


def leaf(text: str) -> etree._Element:
    element = etree.Element("a")
    element.text = text
    return element


@pytest.mark.parametrize("slow", SLOW)
def test_the_other_pattern_accepts_the_very_same_texts(slow: str) -> None:
    assert as_compiled(slow) != slow
    published, compiled = value(slow), value(as_compiled(slow))

    @given(st.text(st.sampled_from(" \t\n\rx0é-\u0085\u00a0\u2028\u3000"), max_size=8))
    @example("x\n")
    @example("\t x")
    def agree(text: str) -> None:
        assert published(leaf(text)) is compiled(leaf(text))

    agree()


def test_every_other_pattern_is_compiled_as_it_stands() -> None:
    assert as_compiled("[0-9]{8}") == "[0-9]{8}"


@pytest.mark.parametrize("after", ["\n", "\nx", "\n" * 50, " \n "])
def test_a_long_line_with_a_break_holds_nobody_up(after: str) -> None:
    text = "x" * 50_000 + after
    raw = f'<m:MetaData xmlns:m="{MD}"><Declaration xmlns="{DEC}"><FunctionCode>9</FunctionCode><ID>{text}</ID></Declaration></m:MetaData>'
    started = time.process_time()
    explanation = explain("f", raw.encode(), bundled("dms-declaration"), LIMITS)
    assert time.process_time() - started < 1  # a hundredth of it; without the other pattern fifteen seconds
    assert [one.rule for one in explanation.violations] == [Breach.TOO_LONG]


def test_what_breaks_the_other_pattern_is_told_of_the_published_one() -> None:
    raw = f'<m:MetaData xmlns:m="{MD}"><Declaration xmlns="{DEC}"><FunctionCode>9</FunctionCode><ID>x\ny</ID></Declaration></m:MetaData>'
    (found,) = explain("f", raw.encode(), bundled("dms-declaration"), LIMITS).violations
    assert found.rule is Breach.LINE_BREAK
