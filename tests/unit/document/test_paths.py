"""How places and elements are named."""

import pytest

from gateway.document import indexed_path, prefixes_for, read, split_name, wco_path
from tests.unit.document.messages import LIMITS, SAMPLES, declaration

ITEMS = "<GoodsShipment><GovernmentAgencyGoodsItem/><GovernmentAgencyGoodsItem><UCR/></GovernmentAgencyGoodsItem></GoodsShipment>"


def test_a_path_has_local_names_from_the_root() -> None:
    ucr = read(declaration(ITEMS), LIMITS).body[0][1][0]
    assert wco_path(ucr) == "/MetaData/Declaration/GoodsShipment/GovernmentAgencyGoodsItem/UCR"


def test_an_index_stands_only_where_siblings_share_a_name() -> None:
    shipment = read(declaration(ITEMS), LIMITS).body[0]
    start = "/MetaData/Declaration/GoodsShipment/GovernmentAgencyGoodsItem"
    assert [indexed_path(item) for item in shipment] == [f"{start}[1]", f"{start}[2]"]
    assert indexed_path(shipment[1][0]) == f"{start}[2]/UCR"


def test_a_name_that_is_not_known_is_a_star_with_its_index_among_all_siblings() -> None:
    body = read(declaration("<ID/><Secret/><Other/>"), LIMITS).body
    known = {"MetaData", "Declaration", "ID"}
    assert [indexed_path(child, known.__contains__) for child in body] == [
        "/MetaData/Declaration/ID",
        "/MetaData/Declaration/*[2]",
        "/MetaData/Declaration/*[3]",
    ]


def test_the_declaration_within_a_response_is_told_from_the_responses_own() -> None:
    document = read((SAMPLES / "valid/responses-tax-and-error.xml").read_bytes(), LIMITS)
    own, nested = (child for child in document.body if "}Declaration" in str(child.tag))
    assert wco_path(own) == "/MetaData/Response/Declaration"
    assert wco_path(nested[0]) == "/MetaData/Response/dec:Declaration/FunctionCode"
    assert indexed_path(nested) == "/MetaData/Response[1]/dec:Declaration"


def test_the_declaration_within_a_response_is_told_in_every_release() -> None:
    raw = b'<Response xmlns="urn:r"><Declaration/><d:Declaration xmlns:d="urn:d"><d:ID/></d:Declaration></Response>'
    own, nested = read(raw, LIMITS).body
    assert (wco_path(own), wco_path(nested)) == ("/Response/Declaration", "/Response/dec:Declaration")
    assert wco_path(nested[0]) == "/Response/dec:Declaration/ID"


@pytest.mark.parametrize(("name", "parts"), [("{urn:a}B", ("urn:a", "B")), ("B", ("", "B")), ("{u}}B", ("u}", "B"))])
def test_a_qualified_name_splits_into_namespace_and_local_name(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


def test_other_namespaces_get_prefixes_in_the_order_of_the_set() -> None:
    assert prefixes_for(["urn:b", "urn:wco:datamodel:WCO:DEC-DMS:2", "urn:a", "urn:b"]) | {
        "n1": "urn:b",
        "n2": "urn:a",
    } == (prefixes_for(["urn:b", "urn:a"]))
