"""What the tree of a set says about its places. test_facts_hold.py holds it against libxml2's verdicts."""

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from gateway.domain.ids import SchemaSetId
from gateway.errors import SchemaError
from gateway.schema import SchemaNode, SchemaSet, ValueFacts, assemble_set, compile_set, expectation, read_tree
from gateway.schema.facts.privacy_file import PrivacyFile
from tests.unit.schema.sets import FOREIGN, SET_IDS, bundled, foreign


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
    assert nodes["/Report/Bare"].value == ValueFacts(base="string", item=ValueFacts(base="int"))
    assert list(nodes["/Report"].attributes) == ["stays"]
    assert nodes["/Value"].value == ValueFacts(base="decimal", above="1", below="5")
    assert nodes["/Inline"].value == ValueFacts(base="string", min_length=2, max_length=7)
    assert nodes["/Any"].value == ValueFacts(base="anySimpleType")
    assert nodes["/Sum"].value == ValueFacts(base="string", either=(ValueFacts(base="int"), ValueFacts(base="date")))
    assert nodes["/Report"].qualified == "{urn:f}Report"


def test_a_root_that_no_file_declares_refuses_the_tree() -> None:
    loaded = replace(foreign(), roots=("{urn:f}Nowhere",))
    with pytest.raises(SchemaError, match="declares the element Nowhere"):
        read_tree(loaded)


def test_a_set_that_nests_without_end_is_listed_to_where_it_repeats() -> None:
    loop = FOREIGN["main/part.xsd"].replace(
        b'<xs:element name="Note" type="xs:string"/>',
        b'<xs:element name="Note"><xs:complexType><xs:sequence><xs:element name="Text" type="xs:string"/>'
        b'<xs:element ref="Note" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>',
    )
    nodes = compile_set(foreign(FOREIGN | {"main/part.xsd": loop})).tree.nodes
    again = nodes["/Report/Note/Note"]
    assert (again.repeats, again.children, again.is_leaf) == ("/Report/Note", (), False)
    assert [child.name for child in nodes["/Report/Note"].children] == ["Text", "Note"]
    assert nodes["/Report/Note"].repeats == ""


def _one_file(body: str, roots: tuple[str, ...], head: str = 'targetNamespace="urn:f" xmlns="urn:f"') -> SchemaSet:
    """Return a set of one file; without a namespace when `head` is empty."""
    text = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified" {head}>{body}</xs:schema>'
    prefix = "{urn:f}" if head else ""
    return assemble_set(
        {"entry.xsd": text.encode()},
        set_id="one",
        release="1",
        title="t",
        entry="entry.xsd",
        kinds=["response"],
        roots=[f"{prefix}{name}" for name in roots],
        namespaces=["urn:f"],
    )


def test_the_members_of_a_substitution_group_stand_beside_their_head() -> None:
    body = """<xs:element name="Head" type="xs:string"/><xs:element name="First" substitutionGroup="Head"/>
      <xs:element name="Second" type="xs:token" substitutionGroup="First"/>
      <xs:element name="Sketch" type="xs:string" abstract="true"/>
      <xs:element name="Real" type="xs:token" substitutionGroup="Sketch"/>
      <xs:element name="R"><xs:complexType><xs:sequence>
        <xs:element ref="Head" maxOccurs="3"/><xs:element ref="Sketch"/></xs:sequence></xs:complexType></xs:element>"""
    compiled = compile_set(_one_file(body, ("R",)))
    assert [(one.name, one.least, one.most) for one in compiled.tree.roots[0].children] == [
        ("Head", 0, 3),
        ("First", 0, 3),
        ("Second", 0, 3),
        ("Real", 1, 1),
    ]
    assert compiled.tree.nodes["/R/First"].value == ValueFacts(base="string")
    assert compiled.accepts(etree.fromstring('<R xmlns="urn:f"><First/><Second/><Head/><Real/></R>'))


def test_a_redefined_type_is_the_redefined_one() -> None:
    files = {
        "base.xsd": b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:f" targetNamespace="urn:f">
          <xs:simpleType name="Code"><xs:restriction base="xs:token"><xs:maxLength value="9"/></xs:restriction>
          </xs:simpleType><xs:complexType name="Pair"><xs:sequence><xs:element name="A" type="Code"/></xs:sequence>
          </xs:complexType><xs:element name="R" type="Pair"/></xs:schema>""",
        "entry.xsd": b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:f" targetNamespace="urn:f">
          <xs:redefine schemaLocation="base.xsd"><xs:simpleType name="Code"><xs:restriction base="Code">
            <xs:maxLength value="4"/></xs:restriction></xs:simpleType>
          <xs:complexType name="Pair"><xs:complexContent><xs:extension base="Pair"><xs:sequence>
            <xs:element name="B" type="xs:int" minOccurs="0"/></xs:sequence></xs:extension></xs:complexContent>
          </xs:complexType></xs:redefine></xs:schema>""",
    }
    loaded = replace(_one_file('<xs:element name="R"/>', ("R",)), files=files)
    nodes = compile_set(loaded).tree.nodes
    assert [child.name for child in nodes["/R"].children] == ["A", "B"]
    assert nodes["/R/A"].value == ValueFacts(base="token", max_length=4)


def test_a_set_without_a_namespace_is_read() -> None:
    body = """<xs:element name="R"><xs:complexType><xs:all><xs:element name="A" type="xs:boolean" minOccurs="0"/>
      </xs:all></xs:complexType></xs:element>"""
    compiled = compile_set(_one_file(body, ("R",), head=""))
    assert {path: node.qualified for path, node in compiled.tree.nodes.items()} == {"/R": "R", "/R/A": "A"}
    assert compiled.accepts(etree.fromstring("<R><A>true</A></R>"))


def test_files_that_include_each_other_are_read_once() -> None:
    part = FOREIGN["main/part.xsd"].replace(
        b'elementFormDefault="qualified">',
        b'elementFormDefault="qualified"><xs:include schemaLocation="entry.xsd"/>',
        1,
    )
    part = part.replace(b"<xs:schema ", b'<xs:schema xmlns="urn:f" targetNamespace="urn:f" ')
    assert list(read_tree(foreign(FOREIGN | {"main/part.xsd": part})).nodes) == list(read_tree(foreign()).nodes)


@pytest.mark.parametrize(
    ("wildcard", "names", "is_open"),
    [
        ('namespace="##targetNamespace"', ["R", "Note"], False),
        ('namespace="##targetNamespace" processContents="lax"', ["R", "Note"], True),
        ('processContents="skip"', [], True),
        ('namespace="##other"', [], False),
    ],
)
def test_a_wildcard_stands_for_what_the_set_declares_and_says_whether_it_takes_more(
    wildcard: str, names: list[str], is_open: bool
) -> None:
    body = f"""<xs:element name="R"><xs:complexType><xs:sequence><xs:any {wildcard} minOccurs="0"/></xs:sequence>
      </xs:complexType></xs:element><xs:element name="Note" type="xs:string"/>"""
    (root,) = compile_set(_one_file(body, ("R",))).tree.roots
    assert ([child.name for child in root.children], root.is_open) == (names, is_open)
    assert [child.repeats for child in root.children if child.name == "R"] == ["/R"] * names.count("R")


def test_what_else_a_declaration_says_is_kept() -> None:
    body = """<xs:element name="R"><xs:complexType mixed="true"><xs:sequence>
        <xs:element name="A" type="xs:token" fixed="yes" nillable="true"/><xs:element name="B" type="xs:int"/>
        <xs:element name="A" type="xs:token" fixed="yes" nillable="true" minOccurs="0"/>
      </xs:sequence><xs:attribute name="v" type="xs:decimal" fixed="2"/><xs:anyAttribute processContents="lax"/>
      </xs:complexType></xs:element>"""
    (root,) = compile_set(_one_file(body, ("R",))).tree.roots
    assert (root.is_mixed, root.is_open, list(root.attributes)) == (True, True, ["v"])
    assert root.attributes["v"].value == ValueFacts(base="decimal", one_of=("2",))
    first, second = root.children
    assert (first.name, first.least, first.most, first.nillable) == ("A", 1, 2, True)
    assert first.value == ValueFacts(base="token", one_of=("yes",))
    assert (second.name, second.nillable) == ("B", False)


def test_a_set_with_more_places_than_anyone_could_rule_is_refused() -> None:
    doubling = "".join(
        f"""<xs:complexType name="T{n}"><xs:sequence><xs:element name="A" type="T{n + 1}"/>
        <xs:element name="B" type="T{n + 1}"/></xs:sequence></xs:complexType>"""
        for n in range(18)
    )
    body = f'{doubling}<xs:complexType name="T18"/><xs:element name="R" type="T0"/>'
    with pytest.raises(SchemaError, match="more than 100,000 places") as caught:
        read_tree(_one_file(body, ("R",)))
    assert caught.value.code == "schema.set_broken"


def test_a_set_deeper_than_any_document_is_refused() -> None:
    deep = "".join(
        f"""<xs:complexType name="T{n}"><xs:sequence><xs:element name="A" type="T{n + 1}"/></xs:sequence>
        </xs:complexType>"""
        for n in range(70)
    )
    with pytest.raises(SchemaError, match="nesting deeper than 64"):
        read_tree(_one_file(f'{deep}<xs:complexType name="T70"/><xs:element name="R" type="T0"/>', ("R",)))


def test_models_within_models_are_read_however_deep() -> None:
    nested = "<xs:sequence>" * 40 + '<xs:element name="A"/>' + "</xs:sequence>" * 40
    loaded = _one_file(f'<xs:element name="R"><xs:complexType>{nested}</xs:complexType></xs:element>', ("R",))
    assert list(compile_set(loaded).tree.nodes) == ["/R", "/R/A"]


def test_a_set_that_xmlschema_can_not_take_is_refused_and_not_a_crash() -> None:
    with pytest.raises(SchemaError, match="can not be listed") as caught:
        read_tree(_one_file('<xs:element name="R" substitutionGroup="R"/>', ("R",)))
    assert caught.value.code == "schema.set_broken"


READ_UNDER_WATCH = """
import os, pickle, sys
from dataclasses import replace
from pathlib import Path
from gateway.schema import read_tree
sets = pickle.loads(Path(sys.argv[1]).read_bytes())
read_tree(replace(sets[-1], id="another"))  # the first run imports modules
seen = []
sys.addaudithook(lambda event, args: seen.append(event) if watching else None)
watching = True
read = sum(len(read_tree(one).nodes) for one in sets)
quiet = list(seen)
os.stat(os.devnull), open(os.devnull).close()
watching = False
print(read > 2000, quiet, "open" in seen)
"""


def test_reading_a_tree_opens_no_file_and_no_socket(tmp_path: Path) -> None:
    packed = tmp_path / "sets.pickle"
    packed.write_bytes(pickle.dumps([*(bundled(set_id).schema_set for set_id in SET_IDS), foreign()]))
    run = subprocess.run(
        [sys.executable, "-c", READ_UNDER_WATCH, str(packed)], capture_output=True, text=True, check=True
    )
    assert run.stdout == "True [] True\n"


def test_a_set_that_was_just_read_is_not_read_again_and_another_is() -> None:
    one = bundled("dms-cancellation").schema_set
    tree = read_tree(one)
    assert read_tree(replace(one, files=dict(one.files), title="the same by another title")) is tree
    classed = PrivacyFile(file="other.toml", sets=(), entries=(), names=())
    others = (
        replace(one, id=SchemaSetId("another")),
        replace(one, roots=one.roots[:1]),
        replace(one, privacy=(classed,)),
    )
    assert all(read_tree(other) is not tree for other in others)
    assert set(read_tree(others[1]).nodes) < set(tree.nodes)


@pytest.mark.parametrize("set_id", SET_IDS)
def test_a_tree_travels_to_a_worker_as_it_is(set_id: str) -> None:
    tree = bundled(set_id).tree
    assert pickle.loads(pickle.dumps(tree)).nodes == tree.nodes
    assert compile_set(bundled(set_id).schema_set, tree).tree is tree


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (ValueFacts(base="string", max_length=35, patterns=(r".*[^\s].*",)), "text of at most 35 characters, not blank"),
        (ValueFacts(base="token", min_length=2, max_length=2, patterns=("([a-zA-Z])*",)), "text of exactly 2 characters, letters only"),
        (ValueFacts(base="token", min_length=1, max_length=1), "text of exactly 1 character"),
        (ValueFacts(base="string", min_length=1, max_length=5), "text of 1 to 5 characters"),
        (ValueFacts(base="string", min_length=1), "text of at least 1 character"),
        (ValueFacts(base="decimal", total_digits=16, fraction_digits=3), "a number of at most 16 digits, at most 3 of them decimals"),
        (ValueFacts(base="decimal", total_digits=5, fraction_digits=0), "a number of at most 5 digits, no decimals"),
        (ValueFacts(base="decimal", least="0", most="9"), "a number, at least 0, at most 9"),
        (ValueFacts(base="decimal", above="0", below="9"), "a number, more than 0, less than 9"),
        (ValueFacts(base="string", item=ValueFacts(base="decimal"), max_length=3), "a list of at most 3 values, each a number"),
        (ValueFacts(base="string", either=(ValueFacts(base="decimal"), ValueFacts(base="boolean"))), "either a number, or a boolean"),
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
