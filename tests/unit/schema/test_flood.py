"""A document that is made to hold errors without end is refused and explained in a moment, and like any other."""

import time
from pathlib import Path

import pytest

from gateway.document import first_breach, is_crowded, read_root, read_start
from gateway.schema import explain
from tests.unit.schema.sets import DATA, DEC, LIMITS, MD, bundled

SET = bundled("dms-declaration")
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
        (WIDE * 23_000, "attribute_not_allowed", "AdditionalDocument[1]"),
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


def test_of_a_start_nothing_is_said_that_its_end_could_mend() -> None:
    raw = declaration(f"<GoodsShipment>{BARE_ITEM}")
    root, unended = read_start(raw, len(raw) - len("</Declaration></m:MetaData>"))
    assert str(list(root.iter())[-1].tag).rpartition("}")[2] == "GovernmentAgencyGoodsItem"
    assert root in unended
