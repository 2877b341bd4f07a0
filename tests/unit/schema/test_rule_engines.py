"""The two engines select the same: where an expression is called quick, libxml2 and elementpath must agree on it."""

import copy
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.bundled import schema_folder
from gateway.document import read
from gateway.schema import CompiledSet, compile_set
from gateway.settings import load_catalogue
from gateway.settings.rule_file import read_rule_sets
from tests.unit.schema.engines import BothEngines
from tests.unit.schema.sets import LIMITS

CATALOGUE = load_catalogue(schema_folder())
RULE_SETS, _ = read_rule_sets(None)
DECLARATIONS = compile_set(next(one for one in CATALOGUE.values() if one.id == "dms-declaration"))
BOTH = BothEngines(DECLARATIONS)
I = "dec:GoodsShipment/dec:GovernmentAgencyGoodsItem"  # noqa: E741  the item, in expressions

QUICK = [
    f"count({I}) > 1",
    f"{I}[2]",
    f"{I}[last()]",
    f"({I}/dec:Packaging)[1]",
    f"{I}[dec:SequenceNumeric != position()]",
    f"{I}[position() mod number(2) = 1]/dec:SequenceNumeric",
    f"sum({I}/dec:StatisticalValueAmount) - number(dec:InvoiceAmount) > 0.01",
    f"not({I}/dec:Commodity) or boolean(dec:InvoiceAmount)",
    "//decv:DateTimeString[not(wcx:is-date(.))]",
    "//decv:DateTimeString[number(substring(normalize-space(.), 1, 4)) * 10000 > $today - 10000]",
    f"{I}/dec:Commodity/dec:GoodsMeasure/*[. > 100]",
    f"wcx:repeated({I}/dec:Origin/dec:CountryCode)",
    f"wcx:not-among({I}/dec:SequenceNumeric, {I}[1]/dec:SequenceNumeric)",
    "dec:FunctionCode[. = '9']/../dec:TypeCode[starts-with(., 'IM')]",
    "//dec:ItemChargeAmount[@currencyID = 'EUR'][. < 50000]",
    "dec:Declarant/dec:ID | dec:Exporter/dec:ID | //dec:Importer/dec:ID",
    "self::dec:Declaration[dec:FunctionalReferenceID != dec:TypeCode]",
    "string-length(normalize-space(dec:FunctionalReferenceID)) > 5",
    "concat(dec:TypeCode, '-', dec:FunctionCode) = 'IMA-9'",
    "translate(dec:TypeCode, 'AIM', 'aim') = 'ima'",
    "descendant::dec:SequenceNumeric[. = 2]/parent::*",
    f"floor(number(dec:TotalGrossMassMeasure)) = ceiling(sum({I}/dec:Commodity/dec:GoodsMeasure/dec:GrossMassMeasure))",
]

FOREIGN = {
    "numbers of what may be text": "//dec:ID[. > 5]",
    "order of texts": "dec:TypeCode[. < 'M']",
    "order of nodes": f"{I}[dec:SequenceNumeric < dec:StatisticalValueAmount]",
    "a text of several nodes": f"starts-with({I}/dec:SequenceNumeric, '1')",
    "arithmetic on nodes": f"{I}[dec:SequenceNumeric + 1 > 1]",
    "a sequence in a path": f"{I}/(dec:Origin | dec:Packaging)",
    "a conditional": "if (dec:TypeCode = 'IMA') then dec:TypeCode else dec:FunctionCode",
    "a quantifier": f"some $x in {I} satisfies $x/dec:SequenceNumeric = 2",
    "a function of XPath 2.0": f"{I}[abs(number(dec:SequenceNumeric)) = 1]",
    "value comparison": "dec:TypeCode[. eq 'IMA']",
    "decimals": "count(dec:TypeCode) * 0.1 = 0.1",
    "another axis": f"{I}[preceding-sibling::*]",
    "a sum of texts": "sum(dec:TypeCode) > 1",
    "truth against nodes": "dec:TypeCode = true()",
    "exact division": "count(dec:TypeCode) div 3 = 1",
}


def bodies(root: etree._Element) -> list[etree._Element]:
    return [child for child in root if len(child)] or [root]


def samples() -> Iterator[tuple[str, Path]]:
    for folder, name in (("rules/dms-declaration", "*.xml"), ("samples/valid", "*.xml")):
        yield from ((folder, path) for path in sorted((schema_folder() / folder).glob(name)))


ROOTS = [
    root
    for _, path in samples()
    for root in [read(path.read_bytes(), LIMITS).root]
    if path.stat().st_size < 40_000 and DECLARATIONS.accepts(root)
]


@pytest.mark.parametrize("text", QUICK)
def test_an_expression_within_both_languages_is_quick_and_selects_the_same(text: str) -> None:
    parsed = BOTH.parse(text)
    assert (parsed.reading.foreign, parsed.reading.strays) == ("", ())
    assert any(_agree(text, root) for root in ROOTS), "no sample makes it hold, so the agreement says nothing"


@pytest.mark.parametrize(("why", "text"), FOREIGN.items())
def test_an_expression_that_the_languages_could_read_differently_is_left_to_the_slow_engine(
    why: str, text: str
) -> None:
    assert BOTH.parse(text).reading.foreign, why


@pytest.mark.parametrize("rule_set", RULE_SETS.values(), ids=lambda one: one.id)
def test_every_bundled_expression_selects_the_same_in_every_sample(rule_set: object) -> None:
    found = RULE_SETS[rule_set.id]  # type: ignore[attr-defined]  # parametrize knows no types
    compiled = compile_set(CATALOGUE[found.schema_set])
    held = 0
    for path in [*(schema_folder() / "rules" / found.id).glob("*.xml"), *_own(compiled)]:
        root = read(path.read_bytes(), LIMITS).root
        held += _all_agree(BothEngines(compiled), [root], found.rules)
    assert held >= len(found.rules)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), which=st.integers(0, len(ROOTS) - 1))
def test_every_expression_selects_the_same_in_mutants(seed: int, which: int) -> None:
    root = _mutant(ROOTS[which], random.Random(seed))
    if DECLARATIONS.accepts(root):
        for text in QUICK:
            _agree(text, root)
        _all_agree(BOTH, [root], RULE_SETS[next(iter(one for one in RULE_SETS if one == "dms-declaration"))].rules)


def _own(compiled: CompiledSet) -> list[Path]:
    files = sorted((schema_folder() / "samples/valid").glob("*.xml"))
    return [
        path
        for path in files
        if path.stat().st_size < 12_000 and compiled.accepts(read(path.read_bytes(), LIMITS).root)
    ]


def _agree(text: str, root: etree._Element) -> bool:
    """Hold both engines against each other on one document; return whether anything was selected."""
    parsed, quick = BOTH.parse(text), BOTH.quick(text)
    some = False
    for body in bodies(root):
        first, second = BOTH.by_libxml2(quick, body), BOTH.by_elementpath(parsed, body)
        assert first == second, text
        some = some or bool(first)
    return some


def _all_agree(both: BothEngines, roots: list[etree._Element], rules: tuple[object, ...]) -> int:
    held = 0
    for rule in rules:
        for text in filter(None, (rule.when, rule.selects)):  # type: ignore[attr-defined]
            parsed = both.parse(text)
            if parsed.reading.foreign:
                continue
            quick = both.quick(text)
            for body in (body for root in roots for body in bodies(root)):
                first, second = both.by_libxml2(quick, body), both.by_elementpath(parsed, body)
                if isinstance(first, bool) or isinstance(second, bool):
                    first, second = bool(first), bool(second)
                assert first == second, text
                held += bool(first)
    return held


def _mutant(root: etree._Element, chance: random.Random) -> etree._Element:
    """Return a copy with a few elements repeated, removed, or given another number or day."""
    mutant = copy.deepcopy(root)
    for _ in range(chance.randint(1, 4)):
        element = chance.choice([one for one in mutant.iter() if one.getparent() is not None])
        parent = element.getparent()
        match chance.randint(0, 3):
            case 0 if parent is not None and len(parent) > 1:
                parent.remove(element)
            case 1 if parent is not None:
                parent.insert(parent.index(element), copy.deepcopy(element))
            case _ if len(element) == 0:
                element.text = chance.choice(["1", "2", "-3", "0.5", " 7 ", "20260230", "20990101", "XB", "9"])
            case _:
                pass
    return mutant
