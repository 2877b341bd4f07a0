"""A document that is made to hold errors without end is refused and explained in a moment, and like any other."""

import contextlib
import re
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from lxml import etree

from gateway.document import first_breach, is_crowded, read_root, read_start
from gateway.document.door import parser_options
from gateway.domain.telling import PLAIN
from gateway.errors import Violation
from gateway.schema import explain
from gateway.schema.telling.refusal import violations
from tests.unit.schema.sets import DATA, DEC, LIMITS, MD, bundled

SET = bundled("dms-declaration")
BODY = "MetaData/Declaration"
GOOD = "<AdditionalDocument><TypeCode>380</TypeCode></AdditionalDocument>"
BAD = GOOD.replace("380", "N-380-X")
WIDE = "<AdditionalDocument " + " ".join(f"a{number}=''" for number in range(60)) + "/>"
BARE_ITEM = "<GovernmentAgencyGoodsItem/>"


def declaration(inside: str) -> bytes:
    return f'<m:MetaData xmlns:m="{MD}"><Declaration xmlns="{DEC}"><FunctionCode>9</FunctionCode>\n{inside}</Declaration></m:MetaData>'.encode()


@pytest.mark.parametrize(
    ("inside", "rule", "path"),
    [
        (BAD * 90_000, "too_long", "AdditionalDocument[1]/TypeCode"),
        (GOOD * 80_000 + BAD * 8_000, "too_long", "AdditionalDocument[80001]/TypeCode"),
        (WIDE * 3_300, "attribute_not_allowed", "AdditionalDocument[1]"),
        (GOOD * 90_000 + "<Weather/>", "unexpected", "*[90002]"),
        (f"<GoodsShipment>{BARE_ITEM * 100_000}</GoodsShipment>", "missing", "GoodsShipment/GovernmentAgencyGoodsItem[1]/SequenceNumeric"),
        (GOOD * 90_000 + "<GoodsShipment>x</GoodsShipment>", "text_not_allowed", "GoodsShipment"),
    ],
    ids=["errors", "late errors", "attributes", "last", "items", "text at the end"],
)  # fmt: skip
def test_what_holds_errors_without_end_is_explained_in_a_moment(inside: str, rule: str, path: str) -> None:
    raw = declaration(inside)
    start = time.perf_counter()
    explanation = explain("f", raw, SET, LIMITS)
    took = time.perf_counter() - start
    assert not explanation.valid
    assert len(explanation.violations) <= 50
    assert (explanation.violations[0].rule, explanation.violations[0].path) == (rule, f"/MetaData/Declaration/{path}")
    assert {one.line for one in explanation.violations} == {2}
    # Two seconds on an idle machine, where it took minutes; twenty keep the test honest on a busy one.
    assert took < 20


def test_a_crowded_document_that_is_valid_is_valid() -> None:
    raw = declaration(GOOD * 5_000)
    assert is_crowded(raw, read_root(raw, LIMITS))
    assert first_breach(raw, SET._xsd) is None
    assert explain("f", raw, SET, LIMITS).valid


def nested(levels: str, inside: str) -> str:
    return "".join(f"<{name}>" for name in levels) + inside + "".join(f"</{name}>" for name in reversed(levels))


@pytest.mark.parametrize(
    ("inside", "crowded"),
    [
        ("<a/>" * 9_900, False),  # too few tags for it to matter
        ("<a/>" * 10_100, True),
        ("<a><b/></a>" * 1_101 + nested("cde", "<f/>" * 8_000), True),
        (nested("abcdefgh", "<i/>" * 1_101) + nested("jk", "<l><m/><m/></l>" * 1_000) * 9, True),
        (nested("abcdefgh", "<i/>" * 1_100) + nested("jk", "<l><m/><m/></l>" * 1_100) * 9, False),
        (nested("a", "<b/>" * 1_000) * 11, False),
    ],
)
def test_siblings_count_wherever_they_stand(inside: str, *, crowded: bool) -> None:
    raw = f"<r>{inside}</r>".encode()
    assert is_crowded(raw, etree.fromstring(raw)) is crowded


def test_a_real_declaration_of_many_items_is_not_crowded() -> None:
    raw = (DATA / "samples/valid/import-24-items.xml").read_bytes()
    start = raw.index(b"<GovernmentAgencyGoodsItem>")
    end = raw.rindex(b"</GovernmentAgencyGoodsItem>") + len(b"</GovernmentAgencyGoodsItem>")
    big = raw[:start] + raw[start:end] * 41 + raw[end:]
    assert not is_crowded(big, read_root(big, LIMITS))


@pytest.mark.parametrize("path", sorted((DATA / "samples").rglob("*.xml")), ids=lambda path: path.stem)
def test_both_ways_to_judge_give_the_same_verdict(path: Path) -> None:
    raw = path.read_bytes()
    for set_id in ("dms-declaration", "dms-response", "dms-cancellation"):
        compiled = bundled(set_id)
        explanation = explain("f", raw, compiled, LIMITS)
        if explanation.violations and explanation.violations[0].rule in (
            "root",
            "encoding",
            "doctype",
            "not_well_formed",
        ):
            continue
        assert (first_breach(raw, compiled._xsd) is None) is explanation.valid


def test_of_a_start_only_what_had_not_ended_is_open() -> None:
    raw = declaration(f"<GoodsShipment>{BARE_ITEM}<!-- > --><![CDATA[<a>]]></GoodsShipment>")
    whole = read_root(raw, LIMITS)
    for end, tags, names in (
        (raw.index(b"<Goods") + 5, 3, ["MetaData", "Declaration"]),
        (raw.index(b"<Government") + 20, 4, ["MetaData", "Declaration", "GoodsShipment"]),
        (raw.index(b"<!--") + 6, 5, ["MetaData", "Declaration", "GoodsShipment"]),
        (raw.index(b"<![CDATA") + 12, 5, ["MetaData", "Declaration", "GoodsShipment"]),
        (raw.index(b"</Declaration") - 1, 5, ["MetaData", "Declaration", "GoodsShipment"]),
        (raw.index(b"</Declaration"), 5, ["MetaData", "Declaration"]),
        (len(raw), 5, []),
    ):
        root, unended = read_start(raw, end, whole)
        assert len(list(root.iter())) == tags
        assert [etree.QName(one).localname for one in unended] == names
        assert [one.tag for one in unended] == [one.tag for one in unended.values()]


TWO_ITEMS = (DATA / "samples/valid/import-two-items.xml").read_text()
FIRST = TWO_ITEMS.index("<GovernmentAgencyGoodsItem>")
LAST = TWO_ITEMS.rindex("</GovernmentAgencyGoodsItem>") + len("</GovernmentAgencyGoodsItem>")
DEFECTS = {
    "text in a class": ("<GoodsShipment>", "<GoodsShipment>astray"),
    "text after an item": ("</Destination>", "</Destination>astray"),
    "CDATA in a class": ("</Destination>", "</Destination><![CDATA[<ExportCountry>]]>"),
    "attribute on Declaration": ("<Declaration>", '<Declaration weather="fair">'),
    "attribute on MetaData": ("<md:MetaData ", '<md:MetaData weather="a > b" '),
    "function code missing": ("<FunctionCode>9</FunctionCode>", ""),
    "function code blank": ("<FunctionCode>9</FunctionCode>", "<FunctionCode></FunctionCode>"),
    "function code late": ("<FunctionCode>9</FunctionCode>\n    <FunctionalReferenceID>", "<FunctionalReferenceID>"),
    "sequence missing": ("<SequenceNumeric>1</SequenceNumeric>\n        <Stat", "<Stat"),
    "misspelt": ("<LPCOExemptionCode>AC</LPCOExemptionCode>", "<LPCOExemptionKode>AC</LPCOExemptionKode>"),
    "format code missing": ('<v:DateTimeString formatCode="304">', "<v:DateTimeString>"),
    "currency not in the list": ('<InvoiceAmount currencyID="EUR">', '<InvoiceAmount currencyID="euro-x">'),
}


def planted(defect: str, items: int, padding: int = 0) -> bytes:
    before, after = DEFECTS.get(defect, ("<Declaration>", "<Declaration>"))
    pair = TWO_ITEMS[FIRST:LAST] + "\n"
    text = TWO_ITEMS[:FIRST] + pair * (items // 2) + TWO_ITEMS[LAST:]
    assert before in text
    text = text.replace(before, f"<!--{'>' * padding}-->{after}" if before != "<md:MetaData " else after, 1)
    if defect == "function code late":
        text = text.replace("</GoodsShipment>", "</GoodsShipment><FunctionCode>9</FunctionCode>")
    return text.encode()


def rules_and_places(found: Iterable[Violation]) -> set[tuple[str, str]]:
    return {(one.rule, re.sub(r"\[\d+\]", "", one.path)) for one in found}


@pytest.mark.parametrize("defect", [*DEFECTS, "too many items"])
def test_a_crowded_document_is_told_only_what_a_small_one_is_told(defect: str) -> None:
    small = explain("f", planted(defect, 1_002 if defect == "too many items" else 2), SET, LIMITS)
    # Too many items are a defect of all crowded documents here.
    true = rules_and_places(small.violations) | {("too_many", f"/{BODY}/GoodsShipment/GovernmentAgencyGoodsItem")}
    for padding in (0, 1, 300, 1_111, 2_222, 3_333):
        raw = planted(defect, 1_500, padding)
        assert is_crowded(raw, read_root(raw, LIMITS))
        told = rules_and_places(explain("f", raw, SET, LIMITS).violations)
        assert told
        assert told <= true
        assert told & rules_and_places(small.violations)


@pytest.mark.parametrize("defect", DEFECTS)
def test_wherever_a_start_ends_it_tells_what_the_whole_tells(defect: str) -> None:
    raw = planted(defect, 2)
    true = {(one.rule, one.path) for one in explain("f", raw, SET, LIMITS).violations}
    whole = read_root(raw, LIMITS)
    breached = False
    parser = etree.XMLPullParser(events=(), schema=SET._xsd, **parser_options())
    for start in range(0, len(raw), 5):
        with contextlib.suppress(etree.XMLSyntaxError):
            parser.feed(raw[start : start + 5])
        breached = breached or bool(len(parser.feed_error_log))
        if not breached:
            continue
        root, unended = read_start(raw, start + 5, whole)
        assert not SET._xsd(root)
        found = violations(SET._xsd.error_log, root, SET.tree, PLAIN, unended=unended)
        assert found
        assert {(one.rule, one.path) for one in found} <= true
    assert breached


def test_a_path_has_the_index_that_it_has_in_the_whole_document() -> None:
    bad = GOOD.replace("<TypeCode>", f"<ID>{'x' * 71}</ID><TypeCode>")
    items = (f"<SequenceNumeric>1</SequenceNumeric>{bad}{GOOD * 3_000}", f"<SequenceNumeric>2</SequenceNumeric>{GOOD}")
    inside = "".join(f"<GovernmentAgencyGoodsItem>{item}</GovernmentAgencyGoodsItem>" for item in items)
    found = explain("f", declaration(f"<GoodsShipment>{inside}</GoodsShipment>"), SET, LIMITS).violations[0]
    assert found.path == f"/{BODY}/GoodsShipment/GovernmentAgencyGoodsItem[1]/AdditionalDocument[1]/ID"


def test_what_comes_too_early_is_told_though_it_has_not_ended() -> None:
    raw = f'<MetaData xmlns="{MD}"><Declaration xmlns="{DEC}"><GoodsShipment>{BARE_ITEM * 3000}</GoodsShipment></Declaration></MetaData>'
    (found,) = explain("f", raw.encode(), SET, LIMITS).violations
    assert (found.rule, found.path) == ("missing", f"/{BODY}/FunctionCode")


def test_a_refusal_of_which_nothing_is_certain_still_tells_something_true() -> None:
    (found,) = violations((), read_root(declaration(""), LIMITS), SET.tree, PLAIN)
    assert (found.rule, found.path) == ("other", "/MetaData")
