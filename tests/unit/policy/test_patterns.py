"""Patterns of XML Schema as automata: they match what other engines match, and say so when they are not read."""

import re
from itertools import product

import pytest
from elementpath.regex import translate_pattern
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.policy.changing.characters import representatives
from gateway.policy.changing.patterns import PatternError, automaton
from gateway.policy.changing.walks import holds, positions

XS = "http://www.w3.org/2001/XMLSchema"


def libxml2(pattern: str, texts: list[str]) -> list[bool]:
    schema = etree.Element(f"{{{XS}}}schema")
    element = etree.SubElement(schema, f"{{{XS}}}element", name="e")
    kind = etree.SubElement(etree.SubElement(element, f"{{{XS}}}simpleType"), f"{{{XS}}}restriction", base="xs:string")
    etree.SubElement(kind, f"{{{XS}}}pattern", value=pattern)
    schema = etree.fromstring(etree.tostring(schema).replace(b"<ns0:schema", f'<ns0:schema xmlns:xs="{XS}"'.encode()))
    verdict = etree.XMLSchema(schema)
    found = []
    for text in texts:
        one = etree.Element("e")
        one.text = text
        found.append(verdict.validate(one))
    return found


_ATOMS = ("a", "b", ".", "[ab]", "[^a]", "[a-c-[b]]", r"\d", r"\s", r"\S", r"\-", r"[\d\-]", r"\p{L}", "[+-]")
_atoms = st.sampled_from(_ATOMS)
_quantities = st.sampled_from(("", "", "?", "*", "+", "{2}", "{1,3}", "{0,2}", "{2,}"))
_pieces = st.recursive(
    st.tuples(_atoms, _quantities).map("".join),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})"),
        st.tuples(inner, _quantities).map(lambda two: f"({two[0]}){two[1]}"),
    ),
    max_leaves=5,
)
_TEXTS = ["".join(one) for length in range(4) for one in product("ab1- ", repeat=length)] + ["é", "aé", "\n", "a+", "c"]


@settings(max_examples=60, deadline=None)
@given(_pieces)
def test_a_pattern_matches_what_a_regular_expression_made_of_it_matches(pattern: str) -> None:
    found, expression = automaton(pattern), re.compile(translate_pattern(pattern))
    assert [found.matches(text) for text in _TEXTS] == [expression.fullmatch(text) is not None for text in _TEXTS]


@pytest.mark.parametrize(
    "pattern",
    [
        r".*[^\s].*",
        "([a-zA-Z])*",
        r"(20\d{6})(\d{6}(Z|[-+]\d\d))?",
        "(a|b)+",
        ".{1,3}",
        r"[a-c-[b]]\d?",
        r"\S+( \S+)*",
        r"[\d\-]{2}",
    ],
)
def test_a_pattern_as_sets_have_them_matches_what_libxml2_matches(pattern: str) -> None:
    texts = [*_TEXTS, "20260101", "20260101000000Z", "20260101000000+01", "a b a"]
    assert [automaton(pattern).matches(text) for text in texts] == libxml2(pattern, texts)


UNREAD = {
    "(a": "lacks a closing bracket",
    "a)": "has a bracket too many",
    "[a": "ends too early",
    "\\": "ends too early",
    "a{": "has a quantity that is not read",
    "a{3,1}": "has a quantity of less than nothing",
    "*": "has a sign where a character should be",
    r"\p{IsGreek}": "names a block of characters",
    r"\q": "has an escape that is not read",
    "a{9999}": "is too large",
    "(" * 60 + ")" * 60: "is nested too deep",
    "[z-a]": "has a range that does not rise",
}
"""A pattern that is not read → why, as the static check says it."""
TOO_MANY = "has too many states to follow"


@pytest.mark.parametrize("pattern", UNREAD)
def test_what_is_not_read_is_said_to_be_so(pattern: str) -> None:
    with pytest.raises(PatternError) as raised:
        automaton(pattern)
    assert str(raised.value) == UNREAD[pattern]


def test_what_takes_too_long_to_follow_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.policy.changing.walks._MOST_LOOKS", 3)
    with pytest.raises(PatternError) as raised:
        holds(positions([("AB", None)] * 3), ("[A-Z]*",))
    assert str(raised.value) == TOO_MANY


def test_each_kind_of_character_that_sets_tell_apart_has_one_that_stands_for_it() -> None:
    found = representatives(iter(automaton(r"[a-f]\d.").characters()))
    kinds = {(one in "abcdef", one.isdecimal(), one in "\r\n", one in " \t") for one in found}
    assert kinds >= {(True, False, False, False), (False, True, False, False), (False, False, True, False)}
    assert (False, False, False, False) in kinds
    assert (False, False, False, True) in kinds


def test_a_walk_tells_whether_all_none_or_nothing_matches() -> None:
    two_letters = positions([("AB", None), ("AB", None)])
    assert holds(two_letters, ("[A-Z]{2}",)) is True
    assert holds(two_letters, ("[A-Z]{2}", "A."), of_values=False) is False
    assert holds(two_letters, ("[A-Z]{3}",)) is None
    second_blanked = positions([("AB", None), ("AB", "A")])
    assert holds(second_blanked, (".A|.B",)) is True
    assert holds(second_blanked, (".B",)) is False
