"""The two engines select the same: where an expression is called quick, libxml2 and elementpath must agree on it."""

import copy
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.bundled import schema_folder
from gateway.document import read
from gateway.schema import CompiledSet, compile_set
from gateway.schema.rules.compiled import CompiledRules, compile_rules
from gateway.schema.rules.language import Rule, RuleTarget
from gateway.schema.rules.signed import SignedNumbers, may_be_negative
from gateway.settings import load_catalogue
from gateway.settings.rule_file import read_rule_sets
from tests.unit.schema.engines import BothEngines
from tests.unit.schema.sets import LIMITS

CATALOGUE = load_catalogue(schema_folder())
RULE_SETS, _ = read_rule_sets(None)
DECLARATIONS = compile_set(next(one for one in CATALOGUE.values() if one.id == "dms-declaration"))
TODAY = date(2026, 11, 22)
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

LEAVES = ["1", "2", "-3", "0.5", " 7 ", "20260230", "20990101", "XB", "9"]
# However XML Schema lets one write two, or nothing, or less: read as XPath 2.0 reads it.
SPELLINGS = [
    "+2",
    " +2 ",
    "2.",
    "+2.",
    "02",
    "2.000",
    "\n2\t",
    "+0",
    "-0",
    ".0",
    "+.5",
    "-.5",
    "0" * 40 + "2",
    "1" * 15,
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
    "a number of what may be INF": f"{I}/dec:Origin[number(dec:CountryCode) > 1]",
    "a number of what may be half an exponent": "number(dec:FunctionalReferenceID) > 1",
    "a number from the middle of a text": "//decv:DateTimeString[number(substring(., 15, 3)) > 1]",
    "a number of a text put together": "number(concat('+', dec:GoodsItemQuantity)) > 1",
    "a number of a text that stands in the rule": "number('+2') = 2",
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


def by_elementpath_alone(rule: Rule) -> Rule:
    """The same rule in words that only XPath 2.0 has."""
    when = f"some $one in 1 satisfies ({rule.when})" if rule.when else ""
    return replace(rule, when=when, selects=f"for $one in ({rule.selects}) return $one")


DECLARED = RULE_SETS[next(one for one in RULE_SETS if one == "dms-declaration")].rules
RULES = compile_rules(DECLARED, DECLARATIONS)
EXACT = compile_rules(map(by_elementpath_alone, DECLARED), DECLARATIONS)
NUMBERS = [BOTH.parse(text).reading.numbers for text in (*QUICK, *(rule.selects for rule in DECLARED))]
SIGNED = SignedNumbers(frozenset().union(*NUMBERS), DECLARATIONS.tree)


def broken(rules: CompiledRules, raw: bytes, *, told: bool = True) -> set[tuple[str, str]]:
    document = read(raw, LIMITS)
    assert DECLARATIONS.accepts(document.root), "what is no valid document says nothing"
    found = rules.breaches(document.root, document.kind, RuleTarget.DOCUMENT, TODAY, raw if told else b"")
    return {(one.violation.rule, one.violation.path) for one in found}


def spelled(raw: bytes, name: str, number: str) -> bytes:
    """Return the document with another number in the first element of that name."""
    other, count = re.subn(rf"(<(?:\w+:)?{name}(?: [^>]*)?>)[^<]*".encode(), rb"\g<1>" + number.encode(), raw, count=1)
    assert count == 1
    return other


def sample(rule_id: str) -> bytes:
    return (schema_folder() / "rules/dms-declaration" / f"{rule_id}.xml").read_bytes()


def test_the_rules_for_elementpath_alone_are_all_run_by_it() -> None:
    assert set(EXACT.slow) == {rule.id for rule in DECLARED}
    assert RULES.slow == ()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("items-counted.good", "GoodsItemQuantity"),
        ("items-in-sequence.good", "SequenceNumeric"),
        ("gross-mass-summed.good", "GrossMassMeasure"),
        ("invoice-summed.good", "InvoiceAmount"),
    ],
)
def test_a_document_breaks_the_same_rules_however_a_number_is_spelled(file: str, name: str) -> None:
    raw = sample(file)
    valid = [one for one in SPELLINGS if DECLARATIONS.accepts(read(spelled(raw, name, one), LIMITS).root)]
    assert {"+2", " +2 ", "2.", "+2.", "02", "+0"} <= set(valid)
    for spelling in valid:
        one = spelled(raw, name, spelling)
        assert broken(RULES, one) == broken(RULES, one, told=False) == broken(EXACT, one), spelling


@pytest.mark.parametrize(
    ("file", "name", "rule"),
    [
        ("gross-mass-summed.bad", "GrossMassMeasure", "gross-mass-summed"),
        ("invoice-summed.bad", "InvoiceAmount", "invoice-summed"),
        ("net-within-gross.bad", "GrossMassMeasure", "net-within-gross"),
        ("items-counted.bad", "GoodsItemQuantity", "items-counted"),
    ],
)
def test_a_plus_before_a_number_breaks_no_rule_and_keeps_none(file: str, name: str, rule: str) -> None:
    for raw in (sample(file), sample(f"{rule}.good")):
        number = re.search(rf"<(?:\w+:)?{name}(?: [^>]*)?>\s*([^<\s]+)".encode(), raw)
        assert number is not None
        signed = broken(RULES, spelled(raw, name, f"+{number[1].decode()}"))
        assert signed == broken(RULES, raw)
        assert (rule in {one for one, _ in signed}) is (raw == sample(file))


def test_a_pointer_to_plus_nought_counts_from_less_than_one() -> None:
    raw = sample("pointers-count-from-one.bad")
    pointed = re.sub(rb"(<Pointer>(?:(?!</Pointer>).)*?<SequenceNumeric>)[^<]*", rb"\g<1>+0", raw, flags=re.DOTALL)
    assert pointed != raw
    assert "pointers-count-from-one" in {rule for rule, _ in broken(RULES, pointed)}


def test_a_date_in_the_digits_of_another_script_is_no_date() -> None:
    raw = sample("dates-real.good")
    other = re.sub(rb'(formatCode="(?:102|304)">20\d)\d', rb"\g<1>" + "\u0666".encode(), raw, count=1)
    assert other != raw
    assert {rule for rule, _ in broken(RULES, other)} == {rule for rule, _ in broken(EXACT, other)} == {"dates-real"}


HIDDEN = {
    "blanks": " \n\t+2",
    "more blanks than anyone writes": " " * 500 + "+2",
    "a reference to a character": "&#43;2",
    "a reference in hexadecimal": "&#x2B;2",
    "a blank that is a reference": "&#32;+2",
    "CDATA": "<![CDATA[+2]]>",
    "CDATA before it": "<![CDATA[]]>+2",
    "a comment": "<!-- one -->+2",
    "a comment that looks like a tag": "<!-- <ID -->+2",
    "a processing instruction": "<?one?>+2",
    "a processing instruction that looks like a tag": "<?one <ID ?>+2",
}


@pytest.mark.parametrize("written", HIDDEN.values(), ids=HIDDEN)
def test_a_plus_is_found_however_it_is_hidden_in_the_bytes(written: str) -> None:
    raw = sample("items-counted.bad")
    signed, plain = (spelled(raw, "GoodsItemQuantity", one) for one in (written, "2"))
    assert broken(RULES, signed) == broken(RULES, plain) == broken(EXACT, signed)


@pytest.mark.parametrize(
    "written",
    [one.replace("+", "-").replace("43;", "45;").replace("2B;", "2D;") for one in HIDDEN.values()],
    ids=HIDDEN,
)
def test_a_minus_is_found_however_it_is_hidden_in_the_bytes(written: str) -> None:
    raw = spelled(sample("items-counted.good"), "GoodsItemQuantity", written)
    assert may_be_negative(raw)
    assert "amounts-not-negative" in {rule for rule, _ in broken(RULES, raw)}
    assert broken(RULES, raw) == broken(EXACT, raw)


@pytest.mark.parametrize("text", ["31-20-5550", "a - b", "GB-1 -x", "2", "- 2", "--2", "<!-- a -->2", "é -1"])
def test_rules_about_numbers_below_zero_are_asked_only_where_one_may_stand(text: str) -> None:
    raw = spelled(sample("items-counted.good"), "FunctionalReferenceID", text)
    assert may_be_negative(raw) is (text in ("--2", "é -1"))  # where in doubt, they are asked
    assert not broken(RULES, raw)


def test_a_plus_elsewhere_keeps_the_document_with_the_quick_engine() -> None:
    raw = sample("items-counted.good")
    root = read(raw, LIMITS).root
    assert SIGNED.may_stand_in(spelled(raw, "GoodsItemQuantity", "+2"))
    for name, text in [("FunctionalReferenceID", text) for text in ("+31 20 5550", "a + b", "1+1 &amp;+")]:
        assert not SIGNED.may_stand_in(spelled(raw, name, text))
        assert not SIGNED.stand_in(root, spelled(raw, name, text))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), which=st.integers(0, len(ROOTS) - 1))
def test_every_expression_selects_the_same_in_mutants(seed: int, which: int) -> None:
    root = _mutant(ROOTS[which], random.Random(seed))
    if not DECLARATIONS.accepts(root):
        return
    raw = etree.tostring(root)
    assert broken(RULES, raw) == broken(EXACT, raw)
    if SIGNED.stand_in(root, raw):
        return  # left to elementpath as a whole
    for text in QUICK:
        _agree(text, root)
    _all_agree(BOTH, [root], DECLARED)


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
                element.text = chance.choice([*LEAVES, *SPELLINGS])
            case _:
                pass
    return mutant
