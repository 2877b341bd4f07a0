"""What the tree of a set says about its places, with xmlschema as the oracle."""

from dataclasses import replace
from typing import Any

import pytest
import xmlschema

from gateway.errors import SchemaError
from gateway.schema import SchemaNode, ValueFacts, assemble_set, compile_set, expectation, read_tree
from tests.unit.schema.sets import DATA, FOREIGN, SET_IDS, bundled, foreign


def node(set_id: str, path: str) -> SchemaNode:
    found = bundled(set_id).tree.node(path)
    assert found is not None, path
    return found


def test_a_leaf_has_its_wco_id_cardinality_value_and_attributes() -> None:
    leaf = node("dms-declaration", "/MetaData/Declaration/GoodsShipment/UCR/TraderAssignedReferenceID")
    assert (leaf.name, leaf.wco_id, leaf.least, leaf.most) == ("TraderAssignedReferenceID", "009", 0, 1)
    assert leaf.value == ValueFacts(base="string", max_length=35, patterns=(r".*[^\s].*",))
    assert leaf.is_leaf
    assert "schemeAgencyID" in leaf.attributes


def test_a_class_has_its_children_in_document_order() -> None:
    address = node("dms-declaration", "/MetaData/Declaration/Exporter/Address")
    assert not address.is_leaf
    assert [child.name for child in address.children] == [
        "CityName",
        "CountryCode",
        "CountrySubDivisionCode",
        "CountrySubDivisionName",
        "Line",
        "PostcodeID",
    ]


def test_a_required_attribute_is_told_from_an_optional_one() -> None:
    when = node("dms-declaration", "/MetaData/Declaration/AcceptanceDateTime/DateTimeString")
    assert when.namespace.endswith("Declaration_DS:DMS:2")
    assert when.attributes["formatCode"].required
    assert when.attributes["formatCode"].value.one_of == ("102", "304")
    assert not node("dms-declaration", "/MetaData/Declaration/InvoiceAmount").attributes["currencyID"].required


def test_both_roots_of_a_set_are_there() -> None:
    assert [root.path for root in bundled("dms-declaration").tree.roots] == ["/MetaData", "/Declaration"]
    assert node("dms-declaration", "/Declaration/ID").wco_id == "D014"


def test_a_response_has_its_own_declaration_and_a_whole_one() -> None:
    own = node("dms-response", "/MetaData/Response/Declaration/VersionID")
    whole = node("dms-response", "/MetaData/Response/dec:Declaration/FunctionCode")
    assert own.namespace.endswith("RES-DMS:2")
    assert whole.namespace.endswith("DEC-DMS:2")
    assert node("dms-response", "/MetaData/Response").most is None


def test_the_bounds_of_a_model_are_those_of_the_outline() -> None:
    assert node("dms-declaration", "/MetaData/Declaration/GoodsShipment/GovernmentAgencyGoodsItem").most == 999
    assert node("dms-declaration", "/MetaData/Declaration/FunctionCode").least == 1
    assert node("dms-cancellation", "/MetaData/Declaration/Amendment").least == 1
    assert node("dms-declaration", "/MetaData/Declaration/Amendment").least == 0


def _oracle(element: Any, path: str, places: dict[str, tuple[int, int | None, bool, frozenset[str]]]) -> None:
    leaf = element.type.has_simple_content() or element.type.is_simple()
    attributes = frozenset(name for name in element.attributes if name is not None)
    places[path] = (element.min_occurs, element.max_occurs, leaf, attributes)
    if leaf:
        return
    for child in element.type.content.iter_elements():
        if child.name is None:
            continue
        inside_response = element.target_namespace.endswith("RES-DMS:2") and "DEC-DMS" in (child.name or "")
        _oracle(child, f"{path}/{'dec:' if inside_response else ''}{child.local_name}", places)


@pytest.mark.parametrize(
    ("set_id", "file", "root"),
    [
        ("dms-declaration", "Declaration.xsd", "Declaration"),
        ("dms-response", "Response.xsd", "Response"),
        ("dms-cancellation", "Declaration.xsd", "Declaration"),
    ],
)
def test_the_tree_agrees_with_xmlschema_at_every_place(set_id: str, file: str, root: str) -> None:
    schema = xmlschema.XMLSchema10(str(DATA / set_id / file))
    places: dict[str, tuple[int, int | None, bool, frozenset[str]]] = {}
    _oracle(schema.elements[root], f"/{root}", places)
    ours = {
        path: (place.least, place.most, place.is_leaf, frozenset(place.attributes))
        for path, place in bundled(set_id).tree.nodes.items()
        if path == f"/{root}" or path.startswith(f"/{root}/")
    }
    assert ours == places
    assert len(places) > 15


def test_choice_group_wildcard_include_and_derivation_are_understood() -> None:
    tree = read_tree(foreign())
    assert [(place.name, place.least, place.most) for place in tree.roots[0].children] == [
        ("Code", 1, 1),
        ("Left", 0, 2),
        ("Right", 0, 2),
        ("Note", 0, 2),
        ("Tail", 0, None),
        ("Extra", 0, None),
    ]
    assert tree.nodes["/Report/Code"].namespace == "urn:f"
    assert tree.nodes["/Report/Extra"].namespace == "urn:t"
    left = tree.nodes["/Report/Left"]
    assert left.value == ValueFacts(base="string", max_length=4, patterns=("[a-z]*", "(?:x.*)|(?:y.*)"))
    assert set(left.attributes) == {"{urn:t}mark", "unit"}
    report = tree.nodes["/Report"]
    assert report.attributes["mode"].value.one_of == ("a", "b")
    assert report.attributes["{urn:t}mark"].value == ValueFacts(
        base="decimal", total_digits=4, fraction_digits=1, least="0", most="9"
    )
    assert tree.nodes["/Report/Tail"].value is None


def test_rarer_constructs_are_understood() -> None:
    schema = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:f" targetNamespace="urn:f">
      <xs:attribute name="global" type="xs:int"/>
      <xs:complexType name="Wide"><xs:sequence><xs:element name="Bare" type="Several" form="unqualified"/></xs:sequence>
        <xs:attribute name="gone"/><xs:attribute ref="global"/><xs:attribute name="stays"/></xs:complexType>
      <xs:simpleType name="Several"><xs:list itemType="xs:int"/></xs:simpleType>
      <xs:simpleType name="Either"><xs:union memberTypes="xs:int xs:date"/></xs:simpleType>
      <xs:element name="Report"><xs:complexType><xs:complexContent><xs:restriction base="Wide">
        <xs:sequence>
          <xs:element name="Bare" type="Several" form="unqualified"/>
        </xs:sequence>
        <xs:attribute name="gone" use="prohibited"/><xs:attribute ref="global" use="prohibited"/>
      </xs:restriction></xs:complexContent></xs:complexType></xs:element>
      <xs:element name="Value"><xs:complexType><xs:simpleContent><xs:restriction base="Priced">
        <xs:minExclusive value="1"/><xs:maxExclusive value="5"/></xs:restriction></xs:simpleContent>
      </xs:complexType></xs:element>
      <xs:complexType name="Priced"><xs:simpleContent><xs:extension base="xs:decimal"/></xs:simpleContent></xs:complexType>
      <xs:element name="Inline"><xs:simpleType><xs:restriction><xs:simpleType><xs:restriction base="xs:string">
        <xs:maxLength value="7"/></xs:restriction></xs:simpleType><xs:minLength value="2"/></xs:restriction>
      </xs:simpleType></xs:element>
      <xs:element name="Any"/>
      <xs:element name="Sum" type="Either"/>
    </xs:schema>"""
    loaded = assemble_set(
        {"entry.xsd": schema},
        set_id="rare",
        release="1",
        title="t",
        entry="entry.xsd",
        kinds=["response"],
        roots=[f"{{urn:f}}{name}" for name in ("Report", "Value", "Inline", "Any", "Sum")],
        namespaces=["urn:f"],
    )
    nodes = compile_set(loaded).tree.nodes
    assert nodes["/Report/Bare"].namespace == ""
    assert nodes["/Report/Bare"].qualified == "Bare"
    assert nodes["/Report/Bare"].value == ValueFacts(base="string")
    assert list(nodes["/Report"].attributes) == ["stays"]
    assert nodes["/Value"].value == ValueFacts(base="decimal", least="1", most="5")
    assert nodes["/Inline"].value == ValueFacts(base="string", min_length=2, max_length=7)
    assert nodes["/Any"].value == ValueFacts(base="anySimpleType")
    assert nodes["/Sum"].value == ValueFacts(base="string")
    assert nodes["/Report"].qualified == "{urn:f}Report"


def test_a_root_that_no_file_declares_refuses_the_tree() -> None:
    loaded = replace(foreign(), roots=("{urn:f}Nowhere",))
    with pytest.raises(SchemaError, match="declares the element Nowhere"):
        read_tree(loaded)


def test_a_set_that_nests_without_end_is_refused() -> None:
    loop = FOREIGN["main/part.xsd"].replace(
        b'<xs:element name="Note" type="xs:string"/>',
        b'<xs:element name="Note"><xs:complexType><xs:sequence><xs:element ref="Note" minOccurs="0"/></xs:sequence>'
        b"</xs:complexType></xs:element>",
    )
    compiled = compile_set(foreign(FOREIGN | {"main/part.xsd": loop}))
    with pytest.raises(SchemaError, match="nesting deeper"):
        _ = compiled.tree


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (ValueFacts(base="string", max_length=35, patterns=(r".*[^\s].*",)), "text of at most 35 characters, not blank"),
        (ValueFacts(base="token", min_length=2, max_length=2, patterns=("([a-zA-Z])*",)), "text of exactly 2 characters, letters only"),
        (ValueFacts(base="token", min_length=1, max_length=1), "text of exactly 1 character"),
        (ValueFacts(base="string", min_length=1, max_length=5), "text of 1 to 5 characters"),
        (ValueFacts(base="string", min_length=1), "text of at least 1 characters"),
        (ValueFacts(base="decimal", total_digits=16, fraction_digits=3), "a number of at most 16 digits, at most 3 of them decimals"),
        (ValueFacts(base="decimal", total_digits=5, fraction_digits=0), "a number of at most 5 digits, no decimals"),
        (ValueFacts(base="decimal", least="0", most="9"), "a number, at least 0, at most 9"),
        (ValueFacts(base="token", one_of=("9", "13", "14")), "9, 13 or 14"),
        (ValueFacts(base="string", patterns=("[A-Z]{3}",)), "text, of the form [A-Z]{3}"),
    ],
)  # fmt: skip
def test_a_value_is_described_in_words(value: ValueFacts, words: str) -> None:
    assert expectation(value) == words


@pytest.mark.parametrize("set_id", SET_IDS)
def test_parents_come_before_children(set_id: str) -> None:
    seen: set[str] = {""}
    for path in bundled(set_id).tree.nodes:
        assert path.rpartition("/")[0] in seen
        seen.add(path)
