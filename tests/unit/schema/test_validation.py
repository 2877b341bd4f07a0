"""What a set accepts, what it refuses, and what is said about a refusal."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.document import read, serialise
from gateway.errors import SchemaError, Violation
from gateway.schema import ValidDocument, compile_set, explain, validate, validate_view_root
from tests.unit.schema.sets import DATA, DEC, DECV, LIMITS, MD, SET_IDS, bundled, foreign

VALID = sorted((DATA / "samples/valid").glob("*.xml"))
XSI = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'
CANARY = "canary-77"


def set_for(raw: bytes) -> str:
    kind = read(raw, LIMITS).kind
    return next(set_id for set_id in SET_IDS if kind in bundled(set_id).schema_set.kinds)


def violations(inside: str, function: str = "<FunctionCode>9</FunctionCode>") -> list[Violation]:
    """What `dms-declaration` says of a declaration with `inside` on its line 2."""
    raw = f'<m:MetaData xmlns:m="{MD}"><Declaration xmlns="{DEC}" xmlns:v="{DECV}">{function}\n{inside}</Declaration></m:MetaData>'
    return list(explain("f", raw.encode(), bundled("dms-declaration"), LIMITS).violations)


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_every_valid_sample_is_accepted_by_the_set_of_its_kind(path: Path) -> None:
    raw = path.read_bytes()
    compiled = bundled(set_for(raw))
    valid = validate(read(raw, LIMITS), compiled)
    assert (valid.schema_set, valid.schema_set_sha256) == (compiled.id, compiled.sha256)
    assert valid.root is valid.document.root
    assert valid.facts == valid.document.facts


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_the_fixed_form_of_a_valid_sample_is_valid(path: Path) -> None:
    raw = path.read_bytes()
    compiled = bundled(set_for(raw))
    document = read(serialise(copy.deepcopy(read(raw, LIMITS).root)), LIMITS)
    validate_view_root(document.root, compiled)
    assert validate(document, compiled).document is document


@pytest.mark.parametrize("set_id", SET_IDS)
@pytest.mark.parametrize("path", sorted((DATA / "samples/invalid").glob("*.xml")), ids=lambda path: path.stem)
def test_the_invalid_samples_are_refused_by_every_set(path: Path, set_id: str) -> None:
    explanation = explain(path.name, path.read_bytes(), bundled(set_id), LIMITS)
    assert not explanation.valid
    assert explanation.violations


def test_a_set_that_is_not_for_the_kind_is_an_error_of_its_own() -> None:
    document = read((DATA / "samples/valid/cancellation.xml").read_bytes(), LIMITS)
    with pytest.raises(SchemaError) as caught:
        validate(document, bundled("dms-declaration"))
    assert caught.value.code == "schema.kind_not_in_set"


def test_a_root_that_the_files_know_but_the_set_does_not_allow_is_refused() -> None:
    raw = (DATA / "samples/valid/transit-bare-declaration.xml").read_bytes()
    (violation,) = explain("f", raw, bundled("dms-response"), LIMITS).violations
    assert (violation.code, violation.message) == (
        "schema.root_not_in_set",
        "The set allows as root only MetaData or Response",
    )


def test_metadata_holds_one_declaration_or_any_number_of_responses_and_never_both() -> None:
    declaration = f'<Declaration xmlns="{DEC}"><FunctionCode>9</FunctionCode></Declaration>'
    res = "urn:wco:datamodel:WCO:RES-DMS:2"
    response = f'<Response xmlns="{res}"><FunctionCode>01</FunctionCode><Declaration/></Response>'

    def accepted(set_id: str, bodies: str) -> bool:
        raw = f'<MetaData xmlns="{MD}">{bodies}</MetaData>'.encode()
        return explain("f", raw, bundled(set_id), LIMITS).valid

    assert accepted("dms-declaration", declaration)
    assert not accepted("dms-declaration", declaration * 2)
    assert accepted("dms-response", response)
    assert accepted("dms-response", response * 5)
    assert not accepted("dms-response", response + declaration)
    assert not accepted("dms-response", declaration)
    assert not accepted("dms-declaration", response)


@pytest.mark.parametrize(
    ("inside", "code", "path", "wco_id", "message"),
    [
        ("<TypeCode>LONGER</TypeCode>", "schema.value_not_allowed", "TypeCode", "D013", "TypeCode must be text of at most 3 characters, not blank"),
        ("<TypeCode> </TypeCode>", "schema.value_not_allowed", "TypeCode", "D013", "TypeCode must be text of at most 3 characters, not blank"),
        ("<GoodsItemQuantity>two</GoodsItemQuantity>", "schema.value_not_allowed", "GoodsItemQuantity", "228", "GoodsItemQuantity must be a number of at most 5 digits, no decimals"),
        ("<InvoiceAmount currencyID='eur'>1</InvoiceAmount>", "schema.value_not_allowed", "InvoiceAmount", "109", "The attribute currencyID must be text of at most 3 characters, of the form [A-Z]{3}"),
        ("<InvoiceAmount unit='x'>1</InvoiceAmount>", "schema.attribute_not_allowed", "InvoiceAmount", "109", "An attribute is not allowed here; allowed: currencyID"),
        ("<Declarant id='1'/>", "schema.attribute_not_allowed", "Declarant", "57B", "An attribute is not allowed here; Declarant takes none"),
        ("<Declarant>x<ID>1</ID></Declarant>", "schema.text_not_allowed", "Declarant", "57B", "Declarant holds elements; text may not stand between them"),
        ("<TypeCode>IM<ID/></TypeCode>", "schema.element_not_expected", "TypeCode", "D013", "TypeCode holds a value and no elements"),
        ("<PresentationOffice/><Weather/>", "schema.element_not_expected", "*[3]", "", "This element may not stand here; expected: SupervisingOffice"),
        ("<TypeCode>IMA</TypeCode><ID>1</ID>", "schema.element_not_expected", "ID", "D014", "This element may not stand here; expected: GoodsItemQuantity, DeclarationOfficeID, InvoiceAmount, LoadingListQuantity, TotalGrossMassMeasure, TotalPackageQuantity, …"),
        ("<GoodsShipment><GovernmentAgencyGoodsItem/></GoodsShipment>", "schema.element_missing", "GoodsShipment/GovernmentAgencyGoodsItem", "68A", "GovernmentAgencyGoodsItem lacks a required element; expected: CustomsValueAmount or SequenceNumeric"),
        ("<IssueDateTime><v:DateTimeString>20260101</v:DateTimeString></IssueDateTime>", "schema.attribute_missing", "IssueDateTime/DateTimeString", "", "The attribute formatCode is required"),
        (f"<ID {XSI} i:nil='true'/>", "schema.type_override_refused", "ID", "D014", "A document may neither choose another type (xsi:type) nor leave an element empty (xsi:nil) here"),
        (f"<ID {XSI} i:type='nowhere:near'>1</ID>", "schema.type_override_refused", "ID", "D014", "A document may neither choose another type (xsi:type) nor leave an element empty (xsi:nil) here"),
    ],
)  # fmt: skip
def test_a_violation_says_where_and_what_was_expected(
    inside: str, code: str, path: str, wco_id: str, message: str
) -> None:
    found = violations(inside)
    expected = Violation(code=code, path=f"/MetaData/Declaration/{path}", line=2, wco_id=wco_id, message=message)
    assert expected in found, found


def test_a_violation_in_the_second_item_names_the_second_item() -> None:
    item = "<GovernmentAgencyGoodsItem><SequenceNumeric>{}</SequenceNumeric></GovernmentAgencyGoodsItem>"
    (found,) = violations(f"<GoodsShipment>{item.format(1)}{item.format('x')}</GoodsShipment>")
    assert found.path == "/MetaData/Declaration/GoodsShipment/GovernmentAgencyGoodsItem[2]/SequenceNumeric"
    assert found.wco_id == "006"


def test_paths_are_right_whatever_prefixes_the_sender_uses() -> None:
    raw = (
        f'<a:MetaData xmlns:a="{MD}" xmlns:b="{DEC}"><a:WCOTypeName>DEC</a:WCOTypeName><b:Declaration>'
        "<b:FunctionCode>9</b:FunctionCode><b:AdditionalDocument/><b:AdditionalDocument><b:TypeCode>LONG</b:TypeCode>"
        "</b:AdditionalDocument></b:Declaration></a:MetaData>"
    )
    (found,) = explain("f", raw.encode(), bundled("dms-declaration"), LIMITS).violations
    assert found.path == "/MetaData/Declaration/AdditionalDocument[2]/TypeCode"


def test_the_function_code_names_its_only_values() -> None:
    (found,) = violations("", "<FunctionCode>8</FunctionCode>")
    assert found.message == "FunctionCode must be 9, 13 or 14"


def test_violations_are_bounded_and_none_comes_twice() -> None:
    item = "<GovernmentAgencyGoodsItem><SequenceNumeric>x</SequenceNumeric></GovernmentAgencyGoodsItem>"
    found = violations(f"<GoodsShipment>{item * 400}</GoodsShipment>")
    assert len(found) == 50
    assert len(set(found)) == 50


@pytest.mark.parametrize(
    "inside",
    [
        f"<TypeCode>{CANARY}</TypeCode>",
        f"<GoodsItemQuantity>{CANARY}</GoodsItemQuantity>",
        f"<InvoiceAmount currencyID='{CANARY}'>{CANARY}</InvoiceAmount>",
        f"<InvoiceAmount {CANARY}='1'>1</InvoiceAmount>",
        f"<Declarant>{CANARY}</Declarant>",
        f"<{CANARY}>{CANARY}</{CANARY}>",
        f"<Declarant><{CANARY}/></Declarant>",
        f"<ID {XSI} i:type='{CANARY}'>{CANARY}</ID>",
        f"<ID {XSI} i:nil='{CANARY}'>{CANARY}</ID>",
        f"<x:ID xmlns:x='urn:{CANARY}'>{CANARY}</x:ID>",
        f"<AcceptanceDateTime><v:DateTimeString formatCode='{CANARY}'>{CANARY}</v:DateTimeString></AcceptanceDateTime>",
    ],
)
def test_no_violation_repeats_a_value_or_a_name_of_the_senders(inside: str) -> None:
    found = violations(inside)
    assert found
    assert CANARY not in json.dumps([violation.as_json() for violation in found])


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_sample_is_explained_and_never_quoted(data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from(VALID)).read_bytes()
    start = data.draw(st.integers(100, len(raw) - 1))
    word = data.draw(st.sampled_from([b"canary77", b"<canary77/>", b" canary77='canary77'", b"<", b"</", b"1", b""]))
    damaged = raw[:start] + word + raw[start + data.draw(st.integers(0, 40)) :]
    for set_id in SET_IDS:
        explanation = explain("f", damaged, bundled(set_id), LIMITS)
        assert explanation.valid is (not explanation.violations)
        assert "canary77" not in json.dumps(explanation.as_json())


def test_the_result_of_schema_validate_is_one_json_object_with_the_file_as_given() -> None:
    raw = (DATA / "samples/invalid/schema-unknown-element.xml").read_bytes()
    result = explain("./some dir/a.xml", raw, bundled("dms-declaration"), LIMITS).as_json()
    assert list(result) == ["file", "valid", "violations"]
    assert result["file"] == "./some dir/a.xml"
    assert [list(violation) for violation in result["violations"]] == [
        ["code", "rule", "path", "line", "wco_id", "wco_name", "message", "expected", "fix"]
    ] * 2
    assert [violation["line"] for violation in result["violations"]] == [8, 9]


def test_a_refusal_at_the_door_is_explained_like_any_other() -> None:
    (found,) = explain("f", b"<a>\n<b>", bundled("dms-declaration"), LIMITS).violations
    assert (found.code, found.path, found.line) == ("document.not_well_formed", "/", 2)


def test_a_foreign_set_validates_its_own_documents() -> None:
    compiled = compile_set(foreign())
    assert compiled.prefixes["n1"] == "urn:f"
    good = b'<Report xmlns="urn:f" mode="a"><Code>abc</Code><Left>xyz</Left></Report>'
    validate_view_root(etree.fromstring(good), compiled)
    with pytest.raises(SchemaError) as caught:
        validate_view_root(etree.fromstring(good.replace(b"xyz", b"toolong")), compiled)
    assert "/Report/Left" in {violation.path for violation in caught.value.violations}


def test_only_validate_makes_a_valid_document() -> None:
    raw = (DATA / "samples/valid/arrival.xml").read_bytes()
    with pytest.raises(TypeError, match="only"):
        ValidDocument(read(raw, LIMITS), bundled("dms-declaration"), None)


def test_nine_hundred_and_ninety_nine_items_are_accepted_and_a_thousand_are_not() -> None:
    raw = (DATA / "samples/valid/import-24-items.xml").read_bytes()
    start = raw.index(b"<GovernmentAgencyGoodsItem>")
    end = raw.index(b"</GovernmentAgencyGoodsItem>") + len(b"</GovernmentAgencyGoodsItem>")
    tail = raw.rindex(b"</GovernmentAgencyGoodsItem>") + len(b"</GovernmentAgencyGoodsItem>")

    def with_items(number: int) -> bytes:
        return raw[:start] + raw[start:end] * number + raw[tail:]

    assert explain("f", with_items(999), bundled("dms-declaration"), LIMITS).valid
    assert not explain("f", with_items(1000), bundled("dms-declaration"), LIMITS).valid
