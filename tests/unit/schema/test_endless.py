"""An expression that could run without end is refused before anything of it runs; what rules need is not."""

import pytest

from gateway.schema.rules.check import BrokenExpressionError, RuleParser
from tests.unit.schema.sets import bundled

SET = bundled("dms-declaration")
PARSER = RuleParser(SET.tree, SET.prefixes)
ITEM = "dec:GoodsShipment/dec:GovernmentAgencyGoodsItem"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("for $i in 1 to 1000000000 return dec:ID", "a range"),
        ("count(1 to 1000000000) = 3", "a range"),
        ("count(1 to 10000 * 10000) = 3", "a range"),
        ("count(1 to number(dec:GoodsItemQuantity)) = 3", "a range"),
        ("count((1 to 9)[. = count((1 to 9)[. = count(1 to 9)])]) = 3", "more than 2 ranges"),
        (f"for $a in {ITEM}, $b in {ITEM}, $c in {ITEM} return $a", "3 loops"),
        (f"some $a in {ITEM} satisfies some $b in {ITEM} satisfies every $c in {ITEM} satisfies $a = $b", "3 loops"),
        ("dec:ID[matches(., '(a+)+$')]", "repeats a group"),
        ("dec:ID[matches(., '(a+) +$', 'x')]", "repeats a group"),
        ("dec:ID[matches(., '(a|aa)*$')]", "repeats a group"),
        ("dec:ID[matches(., '(a|a){2,}$')]", "repeats a group"),
        ("dec:ID[matches(., 'a*a*a*b')]", "more than 2 repeats"),
        ("dec:ID[matches(., 'a{1,}a{2,}a+b')]", "more than 2 repeats"),
        ("dec:ID[matches(., 'a{5000}')]", "more than 1000 times"),
        (r"dec:ID[matches(., '(a)\1')]", "refers back"),
        ("dec:ID[matches(., dec:TypeCode)]", "not written there"),
        ("dec:ID[matches(., concat('(a+)', '+'))]", "not written there"),
        ("dec:ID[replace(., '(a*)*', '') = 'b']", "repeats a group"),
        ("dec:ID[count(tokenize(., '(a*)*')) = 2]", "repeats a group"),
    ],
)
def test_what_could_run_without_end_is_refused(expression: str, words: str) -> None:
    with pytest.raises(BrokenExpressionError, match=words):
        PARSER.parse(expression)


@pytest.mark.parametrize(
    "expression",
    [
        f"for $i in 1 to count({ITEM}) return {ITEM}[$i]",
        f"for $i in (1 to 999) return {ITEM}[$i]",
        f"for $a in {ITEM}, $b in {ITEM} return $a",
        r"dec:ID[matches(., '^[0-9]{2}[A-Z]{2}[^)(]+\+[(*+]*(X|Y)?$')]",
        "dec:ID[replace(., '[ -]+', '') = 'A1']",
        "dec:ID[not(matches(normalize-space(.), '\\d{1,17}'))]",
    ],
)
def test_what_ends_is_not(expression: str) -> None:
    assert PARSER.parse(expression).text == expression
