"""Which header facts are read, by qualified name and never by prefix."""

import pytest

import gateway.document.facts as facts_of_door
from gateway.document import read
from gateway.domain.message import DocumentFacts, MessageKind
from tests.unit.document.messages import DEC, LIMITS, RES, SAMPLES, declaration


def facts(raw: bytes) -> DocumentFacts:
    document = read(raw, LIMITS)
    assert document.kind is document.facts.kind
    return document.facts


def test_the_facts_of_an_import_are_read() -> None:
    assert facts((SAMPLES / "valid/import-two-items.xml").read_bytes()) == DocumentFacts(
        kind=MessageKind.DECLARATION,
        lrn="SAMPLE-IM-0001",
        ucr="6XA900000000003-COCOA-1",
        function_code="9",
        type_code="IMA",
        item_count=2,
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("amendment", MessageKind.AMENDMENT),
        ("arrival", MessageKind.ARRIVAL),
        ("cancellation", MessageKind.CANCELLATION),
        ("export-one-item", MessageKind.DECLARATION),
        ("transit-bare-declaration", MessageKind.DECLARATION),
        ("import-24-items", MessageKind.DECLARATION),
        ("response-accepted", MessageKind.RESPONSE),
        ("responses-tax-and-error", MessageKind.RESPONSE),
    ],
)
def test_the_kind_of_every_sample_is_told(name: str, kind: MessageKind) -> None:
    assert facts((SAMPLES / f"valid/{name}.xml").read_bytes()).kind is kind


@pytest.mark.parametrize(
    ("function", "type_code", "kind"),
    [
        ("9", "IMA", MessageKind.DECLARATION),
        ("9", "INV", MessageKind.DECLARATION),
        ("14", "COR", MessageKind.DECLARATION),
        ("13", "COR", MessageKind.AMENDMENT),
        ("13", "XYZ", MessageKind.AMENDMENT),
        (" 13 ", " GPR\n", MessageKind.ARRIVAL),
        ("13", "INV", MessageKind.CANCELLATION),
        ("99", "IMA", MessageKind.DECLARATION),
    ],
)
def test_the_kind_follows_from_function_and_type_code(function: str, type_code: str, kind: MessageKind) -> None:
    raw = declaration(f"<FunctionCode>{function}</FunctionCode><TypeCode>{type_code}</TypeCode>")
    assert facts(raw).kind is kind


def test_the_response_names_the_declaration_it_answers() -> None:
    found = facts((SAMPLES / "valid/responses-tax-and-error.xml").read_bytes())
    assert (found.lrn, found.mrn, found.function_code) == ("SAMPLE-IM-0001", "26XA00000000000001", "13")
    assert found.item_count == 1


def test_a_bare_response_is_a_response() -> None:
    assert facts(f'<Response xmlns="{RES}"/>'.encode()) == DocumentFacts(kind=MessageKind.RESPONSE)


def test_the_prefix_means_nothing_and_the_namespace_everything() -> None:
    odd = f'<md:Declaration xmlns:md="{DEC}"><md:ID>A</md:ID><ID xmlns="urn:example:other">B</ID></md:Declaration>'
    assert facts(odd.encode()).mrn == "A"


@pytest.mark.parametrize(
    ("inside", "ucr"),
    [
        ("<UCR><ID>A</ID><TraderAssignedReferenceID>B</TraderAssignedReferenceID></UCR>", "A"),
        ("<UCR><ID> </ID><TraderAssignedReferenceID>B</TraderAssignedReferenceID></UCR>", "B"),
        ("<GovernmentAgencyGoodsItem><UCR><ID>C</ID></UCR></GovernmentAgencyGoodsItem>", "C"),
        ("<GovernmentAgencyGoodsItem/><UCR><ID>A</ID></UCR>", "A"),
        ("<UCR/>", None),
        ("", None),
    ],
)
def test_the_ucr_is_the_shipments_and_failing_that_the_first_items(inside: str, ucr: str | None) -> None:
    assert facts(declaration(f"<GoodsShipment>{inside}</GoodsShipment>")).ucr == ucr


def test_a_comment_inside_a_reference_does_not_cut_it_short() -> None:
    assert facts(declaration("<ID>26XA<!-- here -->0001</ID>")).mrn == "26XA0001"


# Another release: other namespaces, or none. The body is found by its name; what is below it must share its namespace.
INSIDE = (
    "<FunctionCode>13</FunctionCode><FunctionalReferenceID>L1</FunctionalReferenceID><ID>M1</ID><TypeCode>INV</TypeCode>"
    "<GoodsShipment><GovernmentAgencyGoodsItem/><GovernmentAgencyGoodsItem/><UCR><ID>U1</ID></UCR></GoodsShipment>"
)
FOREIGN = DocumentFacts(
    kind=MessageKind.CANCELLATION, lrn="L1", mrn="M1", ucr="U1", function_code="13", type_code="INV", item_count=2
)


@pytest.mark.parametrize(
    "raw",
    [
        f'<Declaration xmlns="urn:example:dec:4">{INSIDE}</Declaration>',
        f"<Declaration>{INSIDE}</Declaration>",
        f"<MetaData><Declaration>{INSIDE}</Declaration></MetaData>",
        f'<m:MetaData xmlns:m="urn:example:md:4"><Declaration xmlns="urn:example:dec:4">{INSIDE}</Declaration></m:MetaData>',
        f'<m:MetaData xmlns:m="urn:example:md:4"><m:A/><Declaration>{INSIDE}</Declaration></m:MetaData>',
        f"<MetaData>{'<A/>' * 15}<Declaration>{INSIDE}</Declaration><Response/></MetaData>",
        f"<MetaData>{'<A/>' * 16}<Declaration>{INSIDE}</Declaration><Response/></MetaData>",
        f"<MetaData>{'<A/>' * 500}<d:Declaration xmlns:d='urn:x' xmlns='urn:x'>{INSIDE}</d:Declaration></MetaData>",
    ],
)
def test_the_facts_of_a_foreign_release_are_read_in_the_namespace_of_its_body(raw: str) -> None:
    assert facts(raw.encode()) == FOREIGN


def test_a_foreign_response_names_the_declaration_it_answers() -> None:
    inside = f"<FunctionCode>9</FunctionCode><Declaration>{INSIDE}</Declaration>"
    raw = f'<MetaData xmlns="urn:m"><Response xmlns="urn:example:res:4">{inside}</Response></MetaData>'
    assert facts(raw.encode()) == DocumentFacts(
        kind=MessageKind.RESPONSE, lrn="L1", mrn="M1", function_code="9", item_count=2
    )


def test_what_is_in_another_namespace_than_the_body_is_not_its_header() -> None:
    raw = f'<d:Declaration xmlns:d="urn:example:dec:4">{INSIDE}</d:Declaration>'
    assert facts(raw.encode()) == DocumentFacts(kind=MessageKind.DECLARATION)


def test_namespaces_without_number_take_no_memory_without_bound() -> None:
    for number in range(200):
        facts(f'<Declaration xmlns="urn:example:{number}"><ID>A</ID></Declaration>'.encode())
    kept = facts_of_door._names.cache_info()
    assert kept.currsize == kept.maxsize == 64
