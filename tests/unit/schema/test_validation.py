"""What a set accepts, what it refuses, and what is said about a refusal."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.document import read, serialise
from gateway.domain.limits import DocumentLimits
from gateway.domain.telling import Telling
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
    assert (violation.code, violation.rule, violation.expected) == (
        "schema.root_not_in_set",
        "root",
        "MetaData or Response",
    )


def test_a_root_of_another_namespace_is_told_from_another_root() -> None:
    (found,) = explain("f", b"<MetaData><Declaration/></MetaData>", bundled("dms-declaration"), LIMITS).violations
    assert (found.code, found.rule, found.expected) == (
        "schema.root_not_in_set",
        "wrong_namespace",
        f"MetaData in the namespace {MD}",
    )


def test_a_missing_and_a_second_body_are_told_as_what_they_are() -> None:
    body = f'<Declaration xmlns="{DEC}"><FunctionCode>9</FunctionCode></Declaration>'

    def told(bodies: str) -> tuple[str, str]:
        raw = f'<MetaData xmlns="{MD}">{bodies}</MetaData>'.encode()
        (found,) = explain("f", raw, bundled("dms-declaration"), LIMITS).violations
        return found.rule, found.path

    assert told("") == ("missing", "/MetaData/Declaration")
    assert told(body * 2) == ("two_bodies", "/MetaData/Declaration[2]")


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


def in_short(found: Violation) -> tuple[str, str, str, str, str]:
    path = found.path.removeprefix("/MetaData/Declaration/")
    return (found.rule, path, found.wco_id, found.message, found.expected)


@pytest.mark.parametrize(
    ("inside", "code", "told"),
    [
        ("<TypeCode>LONGER</TypeCode>", "schema.value_not_allowed",
         ("too_long", "TypeCode", "D013", "TypeCode is 3 characters too long", "text of at most 3 characters, not blank")),
        ("<TypeCode> </TypeCode>", "schema.value_not_allowed",
         ("blank", "TypeCode", "D013", "TypeCode is empty, or holds blanks only", "text of at most 3 characters, not blank")),
        ("<ID>I\nM</ID>", "schema.value_not_allowed",
         ("line_break", "ID", "D014", "ID holds a line break", "text of at most 70 characters, not blank")),
        ("<GoodsItemQuantity>two</GoodsItemQuantity>", "schema.value_not_allowed",
         ("not_a_number", "GoodsItemQuantity", "228", "GoodsItemQuantity is not a number", "a number of at most 5 digits, no decimals")),
        ("<GoodsItemQuantity>-0123456789.0</GoodsItemQuantity>", "schema.value_not_allowed",
         ("too_many_digits", "GoodsItemQuantity", "228", "GoodsItemQuantity has 4 digits too many", "a number of at most 5 digits, no decimals")),
        ("<GoodsItemQuantity>1.250</GoodsItemQuantity>", "schema.value_not_allowed",
         ("too_many_decimals", "GoodsItemQuantity", "228", "GoodsItemQuantity has 2 decimals too many", "a number of at most 5 digits, no decimals")),
        ("<InvoiceAmount currencyID='eur'>1</InvoiceAmount>", "schema.value_not_allowed",
         ("pattern", "InvoiceAmount/@currencyID", "109", "currencyID does not have the form that is asked for", "text of at most 3 characters, of the form [A-Z]{3}")),
        ("<InvoiceAmount unit='x'>1</InvoiceAmount>", "schema.attribute_not_allowed",
         ("attribute_not_allowed", "InvoiceAmount", "109", "An attribute stands here that InvoiceAmount does not have", "currencyID")),
        ("<Declarant id='1'/>", "schema.attribute_not_allowed",
         ("attribute_not_allowed", "Declarant", "57B", "An attribute stands here that Declarant does not have", "no attribute")),
        ("<Declarant>x<ID>1</ID></Declarant>", "schema.text_not_allowed",
         ("text_not_allowed", "Declarant", "57B", "Text stands between the elements of Declarant", "elements only")),
        ("<TypeCode>IM<ID/></TypeCode>", "schema.element_not_expected",
         ("elements_in_value", "TypeCode", "D013", "TypeCode holds elements, and should hold a value only", "a value only")),
        ("<PresentationOffice/><Weather/>", "schema.element_not_expected",
         ("unexpected", "*[3]", "", "An element stands here that does not belong in Declaration", "SupervisingOffice")),
        ("<PresentationOffice/><SupervisingOfice/>", "schema.element_not_expected",
         ("misspelt", "SupervisingOffice", "97B", "An element stands here that Declaration does not have; its name is nearly SupervisingOffice", "SupervisingOffice")),
        ("<TypeCode>IMA</TypeCode><ID>1</ID>", "schema.element_not_expected",
         ("out_of_order", "ID", "D014", "ID stands after TypeCode and belongs before it", "ID, before TypeCode")),
        ("<TypeCode>IMA</TypeCode><TypeCode>IMA</TypeCode>", "schema.element_not_expected",
         ("too_many", "TypeCode[2]", "D013", "TypeCode stands in Declaration more often than once", "TypeCode at most once")),
        ("<x:TypeCode xmlns:x='urn:other'>IMA</x:TypeCode>", "schema.element_not_expected",
         ("wrong_namespace", "TypeCode", "D013", "TypeCode stands here in another namespace than the schema set's", f"TypeCode in the namespace {DEC}")),
        ("<GoodsShipment><GovernmentAgencyGoodsItem/></GoodsShipment>", "schema.element_missing",
         ("missing", "GoodsShipment/GovernmentAgencyGoodsItem/SequenceNumeric", "006", "GovernmentAgencyGoodsItem lacks SequenceNumeric", "SequenceNumeric in GovernmentAgencyGoodsItem")),
        ("<IssueDateTime><v:DateTimeString>20260101</v:DateTimeString></IssueDateTime>", "schema.attribute_missing",
         ("attribute_missing", "IssueDateTime/DateTimeString/@formatCode", "D011", "The attribute formatCode is missing", "102 or 304")),
        ("<IssueDateTime><v:DateTimeString formatCode='102'>1 May</v:DateTimeString></IssueDateTime>", "schema.value_not_allowed",
         ("bad_date", "IssueDateTime/DateTimeString", "D011", "DateTimeString is not a date in the form that is asked for", "text of at most 35 characters, a date YYYYMMDD, or with time and zone YYYYMMDDhhmmss and Z or +hh or -hh")),
        (f"<ID {XSI} i:nil='true'/>", "schema.type_override_refused",
         ("nil", "ID", "D014", "ID is marked as empty (xsi:nil), which the schema set does not allow", "the type that the schema set gives ID")),
        (f"<ID {XSI} i:type='nowhere:near'>1</ID>", "schema.type_override_refused",
         ("type_override", "ID", "D014", "ID names a type of its own (xsi:type), which the schema set does not allow", "the type that the schema set gives ID")),
    ],
)  # fmt: skip
def test_a_violation_says_where_what_and_what_was_expected(
    inside: str, code: str, told: tuple[str, str, str, str, str]
) -> None:
    found = violations(inside)
    assert [one.code for one in found if in_short(one) == told] == [code], [in_short(one) for one in found]
    assert {one.line for one in found} == {2}
    assert all(one.fix for one in found)


def test_what_slipped_out_of_a_class_is_told_where_it_belongs() -> None:
    (found,) = violations("<GoodsShipment><GovernmentProcedure/></GoodsShipment>")
    assert found.rule == "unexpected"
    assert found.message == "GovernmentProcedure does not belong in GoodsShipment"
    assert found.expected == "GovernmentProcedure inside GovernmentAgencyGoodsItem"


def test_a_class_goes_by_its_name_an_element_after_its_class_and_a_date_by_what_it_dates() -> None:
    (item,) = violations("<Declarant id='1'/>")
    (leaf,) = violations("<TypeCode>LONGER</TypeCode>")
    (date,) = violations("<IssueDateTime><v:DateTimeString formatCode='1'>20260101</v:DateTimeString></IssueDateTime>")
    assert (item.wco_name, leaf.wco_name, date.wco_name) == (
        "Declarant",
        "Declaration/TypeCode",
        "Declaration/IssueDateTime",
    )


def test_a_line_beyond_65535_is_the_right_one() -> None:
    (found,) = violations("\n" * 70_000 + "<TypeCode>LONGER</TypeCode>")
    assert found.line == 70_002


def test_the_submitter_is_shown_the_value_only_on_asking() -> None:
    raw = f'<MetaData xmlns="{MD}"><Declaration xmlns="{DEC}"><FunctionCode>9</FunctionCode>INSIDE</Declaration></MetaData>'

    def value(inside: str, *, values: bool = True) -> str | None:
        document = raw.replace("INSIDE", inside).encode()
        (found,) = explain("f", document, bundled("dms-declaration"), LIMITS, Telling(values=values)).violations
        return found.value

    assert value("<TypeCode>LONGER</TypeCode>", values=False) is None
    assert value("<TypeCode>LONGER</TypeCode>") == "LONGER"
    assert value("<InvoiceAmount currencyID='EURO'>1</InvoiceAmount>") == "EURO"
    assert value("<InvoiceAmount unit='x'>1</InvoiceAmount>") == "unit"
    assert value("<Declarant>stray<ID>1</ID></Declarant>") == "stray"
    assert value("<Weather/>") == "Weather"
    assert value("<GoodsShipment><GovernmentAgencyGoodsItem/></GoodsShipment>") is None
    assert value("<TypeCode>a\n\u202e\u0085b</TypeCode>") == r"a\u000a\u202e\u0085b"
    assert value(f"<TypeCode>{'x' * 5000}</TypeCode>") == "x" * 200 + "…"


def test_of_a_language_that_is_not_there_english_is_told() -> None:
    raw = f'<MetaData xmlns="{MD}"><Declaration xmlns="{DEC}"><FunctionCode>8</FunctionCode></Declaration></MetaData>'
    told = [
        explain("f", raw.encode(), bundled("dms-declaration"), LIMITS, Telling(language=one)) for one in ("en", "xx")
    ]
    assert told[0] == told[1]


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
    assert (found.rule, found.expected) == ("not_in_code_list", "9, 13 or 14")


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
    assert (found.code, found.rule, found.path, found.line) == ("document.not_well_formed", "not_well_formed", "/", 2)


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


@pytest.mark.parametrize(
    ("raw", "code", "rule"),
    [
        (b"", "document.empty", "empty"),
        (b"<a/>".decode().encode("utf-16"), "document.encoding_refused", "encoding"),
        (b"<!DOCTYPE a []><a/>", "document.doctype_refused", "doctype"),
        (b"<a" + b"".join(b" b%d=''" % number for number in range(65)) + b"/>", "document.too_many_attributes", "too_many_attributes"),
        (b"<a>" * 65 + b"</a>" * 65, "document.too_deep", "too_deep"),
        (b"<a>" + b"<a/>" * 400 + b"</a>", "document.too_many_elements", "too_many_elements"),
        (b"<a>" + b" " * 2000 + b"</a>", "document.too_large", "too_large"),
    ],
)  # fmt: skip
def test_what_the_door_refuses_has_a_rule_what_was_expected_and_a_mend(raw: bytes, code: str, rule: str) -> None:
    limits = DocumentLimits(size_bytes=1800, elements=300)
    (found,) = explain("f", raw, bundled("dms-declaration"), limits).violations
    assert (found.code, found.rule, found.path) == (code, rule, "/")
    assert found.expected
    assert found.fix
