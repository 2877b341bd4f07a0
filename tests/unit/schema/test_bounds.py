"""What a set's files say about the depth and the width of the documents that it accepts, and what a verdict proves."""

import pytest
from lxml import etree

from gateway.document import read, read_unmeasured
from gateway.domain.limits import DocumentLimits
from gateway.errors import DocumentError, SchemaError
from gateway.schema import CompiledSet, assemble_set, compile_set, validate
from gateway.schema.bounds import Bounds, read_bounds
from gateway.schema.sets import check_files
from tests.unit.document.messages import SAMPLES
from tests.unit.schema.sets import DEC, SET_IDS, bundled

HEAD = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:t" targetNamespace="urn:t" elementFormDefault="qualified">'
LEAF = '<xs:element name="leaf" type="xs:string"/>'


def bounds(inside: str, *others: str) -> Bounds | None:
    files = [f"{HEAD}{inside}</xs:schema>", *others]
    return read_bounds({f"{number}.xsd": etree.fromstring(text) for number, text in enumerate(files)})


def depth(inside: str) -> int | None:
    found = bounds(inside)
    etree.XMLSchema(etree.fromstring(f"{HEAD}{inside}</xs:schema>"))  # what is asked about is a schema
    return None if found is None else found.depth


def complex_type(name: str, inside: str) -> str:
    return f'<xs:complexType name="{name}"><xs:sequence>{inside}</xs:sequence></xs:complexType>'


@pytest.mark.parametrize("set_id", SET_IDS)
def test_the_bounds_of_a_bundled_set_are_those_of_its_tree(set_id: str) -> None:
    schema_set = bundled(set_id).schema_set
    found = read_bounds(check_files(schema_set.files, schema_set.entry))
    nodes = bundled(set_id).tree.nodes.values()
    assert found is not None
    assert found.depth == max(node.path.count("/") for node in nodes)
    assert found.attributes >= 4 + max(len(node.attributes) for node in nodes)
    assert found.within(DocumentLimits())


A_OF_T = '<xs:element name="a" type="T"/>' + complex_type("T", LEAF)
DEEPER = complex_type("U", LEAF) + (
    '<xs:complexType name="D"><xs:complexContent><xs:extension base="T"><xs:sequence>'
    '<xs:element name="deep" type="U"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>'
)
INLINE = '<xs:complexType><xs:sequence><xs:element ref="a"/></xs:sequence></xs:complexType>'
MEMBER = (
    complex_type("R", '<xs:element ref="h"/>')
    + '<xs:element name="r" type="R"/><xs:element name="h" type="T"/><xs:element name="m" type="D" substitutionGroup="h"/>'
)
WAYS = {
    "a leaf": (LEAF, 1),
    "a type": (A_OF_T, 2),
    "a type in place": (A_OF_T + f'<xs:element name="b">{INLINE}</xs:element>', 3),
    "a group": (A_OF_T + complex_type("V", "<xs:group ref='g'/>") + '<xs:element name="b" type="V"/>'
                '<xs:group name="g"><xs:choice><xs:element ref="a"/></xs:choice></xs:group>', 3),
    "an extension": (A_OF_T + '<xs:element name="b" type="E"/><xs:complexType name="E"><xs:complexContent>'
                     '<xs:extension base="T"/></xs:complexContent></xs:complexType>', 2),
    "xsi:type, by which a document may hold D where T is asked for": (A_OF_T + DEEPER, 3),
    "a member that stands for the head of its group": (A_OF_T + DEEPER + MEMBER, 4),
    "a wildcard of a namespace that the set does not have": (
        '<xs:element name="a" type="T"/>' + complex_type("T", "<xs:any namespace='urn:u'/>"), 1),
}  # fmt: skip


@pytest.mark.parametrize(("inside", "expected"), WAYS.values(), ids=WAYS)
def test_the_depth_counts_every_way_down(inside: str, expected: int) -> None:
    assert depth(inside) == expected


@pytest.mark.parametrize(
    "inside",
    [
        '<xs:element name="a" type="T"/>' + complex_type("T", '<xs:element name="b" type="T" minOccurs="0"/>'),
        '<xs:element name="a" type="T"/>' + complex_type("T", '<xs:element ref="a" minOccurs="0"/>'),
        '<xs:element name="a" type="T"/>' + complex_type("T", '<xs:any namespace="urn:t" minOccurs="0"/>'),
        '<xs:element name="a" type="T"/>' + complex_type("T", "<xs:any/>"),
        '<xs:element name="a" type="T"/>' + complex_type("T", '<xs:any processContents="lax"/>'),
        '<xs:element name="a" type="T"/>' + complex_type("T", '<xs:any namespace="urn:u" processContents="skip"/>'),
        '<xs:element name="a"/>',
        '<xs:element name="a" type="xs:anyType"/>',
        '<xs:element name="a"><xs:complexType><xs:anyAttribute/></xs:complexType></xs:element>',
    ],
)
def test_a_set_that_allows_anything_has_no_bounds(inside: str) -> None:
    assert depth(inside) is None


def test_what_is_not_followed_has_no_bounds() -> None:
    bare = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{}</xs:schema>'
    assert bounds(LEAF, bare.format("")) is not None
    assert bounds(LEAF, bare.format(LEAF)) is None
    assert bounds(LEAF + '<xs:redefine schemaLocation="1.xsd"/>') is None
    assert read_bounds({"0.xsd": etree.fromstring(bare.format(LEAF))}) == Bounds(depth=1, attributes=4)


SHALLOW = complex_type("T", LEAF)
DEEP = complex_type(
    "T", '<xs:element name="x">' + INLINE.replace('ref="a"', 'name="y" type="xs:int"') + "</xs:element>"
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (DEEP, SHALLOW),
        (SHALLOW, DEEP),
        (SHALLOW, '<xs:simpleType name="T"><xs:restriction base="xs:int"/></xs:simpleType>'),
        (LEAF, LEAF),
        ('<xs:group name="g"><xs:sequence/></xs:group>', '<xs:group name="g"><xs:sequence/></xs:group>'),
    ],
)
def test_a_name_declared_twice_has_no_bounds_since_either_may_be_the_one_that_is_taken(one: str, other: str) -> None:
    assert bounds(one, f"{HEAD}{other}</xs:schema>") is None
    assert bounds(one, f"{HEAD.replace('urn:t', 'urn:u')}{other}</xs:schema>") is not None


def test_a_type_and_an_element_of_one_name_are_two_things() -> None:
    assert bounds('<xs:element name="T" type="T"/>' + SHALLOW) == Bounds(depth=2, attributes=4)


def test_a_chain_longer_than_python_can_follow_has_no_bounds() -> None:
    chain = "".join(complex_type(f"T{n}", f'<xs:element name="e" type="T{n + 1}"/>') for n in range(2000))
    assert bounds(f'<xs:element name="a" type="T0"/>{chain}{complex_type("T2000", LEAF)}') is None


def test_attributes_of_one_name_are_counted_once_and_those_of_xml_schema_are_added() -> None:
    pair = '<xs:attribute name="x"/><xs:attribute name="{}"/>'
    types = [f'<xs:complexType name="T{name}">{pair.format(name)}</xs:complexType>' for name in "abc"]
    assert bounds("".join(types)) == Bounds(depth=0, attributes=4 + 4)


# ── what a verdict proves ──

NESTING = (
    HEAD.replace("urn:t", DEC) + '<xs:element name="Declaration" type="T"/>'
    '<xs:complexType name="T"><xs:sequence><xs:element name="Declaration" type="T" minOccurs="0"/></xs:sequence>'
    '<xs:anyAttribute processContents="skip"/></xs:complexType></xs:schema>'
)


def nesting_set() -> CompiledSet:
    return compiled("nesting", {"a.xsd": NESTING.encode()}, "a.xsd")


def compiled(set_id: str, files: dict[str, bytes], entry: str) -> CompiledSet:
    return compile_set(
        assemble_set(
            files,
            set_id=set_id,
            release="1",
            title="A set of this test",
            entry=entry,
            kinds=["declaration"],
            roots=[f"{{{DEC}}}Declaration"],
            namespaces=[DEC],
        )
    )


def nested(levels: int) -> bytes:
    return f'<Declaration xmlns="{DEC}">'.encode() * levels + b"</Declaration>" * levels


def wide(attributes: int) -> bytes:
    names = " ".join(f'a{n}=""' for n in range(attributes))
    return f'<Declaration xmlns="{DEC}" {names}/>'.encode()


@pytest.mark.parametrize(
    ("within", "beyond", "code"),
    [(nested(64), nested(65), "document.too_deep"), (wide(64), wide(65), "document.too_many_attributes")],
)
def test_a_set_without_bounds_proves_nothing_so_the_tree_is_measured(within: bytes, beyond: bytes, code: str) -> None:
    anything = nesting_set()
    validate(read_unmeasured(within, DocumentLimits()), anything)
    with pytest.raises(DocumentError, match=code):
        validate(read_unmeasured(beyond, DocumentLimits()), anything)


def test_a_type_declared_twice_lets_nothing_by_that_is_too_deep() -> None:
    levels = 70
    deep = LEAF
    for _ in range(levels):
        deep = f'<xs:element name="x"><xs:complexType><xs:sequence>{deep}</xs:sequence></xs:complexType></xs:element>'
    head = HEAD.replace('"urn:t"', f'"{DEC}"')
    bring = '<xs:import namespace="urn:{0}" schemaLocation="{0}{1}.xsd"/>'
    files = {  # as libxml2 takes them: the first of two files that declare urn:t T counts, whatever the other holds
        "entry.xsd": f"{head}{bring.format('t', 1)}{bring.format('u', '')}"
        '<xs:element name="Declaration" type="t:T" xmlns:t="urn:t"/></xs:schema>',
        "u.xsd": f"{HEAD.replace('urn:t', 'urn:u')}{bring.format('t', 2)}</xs:schema>",
        "t1.xsd": f"{HEAD}{complex_type('T', deep)}</xs:schema>",
        "t2.xsd": f"{HEAD}{SHALLOW}</xs:schema>",
    }
    twice = compiled("twice", {name: text.encode() for name, text in files.items()}, "entry.xsd")
    inside = '<x xmlns="urn:t">' + "<x>" * (levels - 1) + "<leaf/>" + "</x>" * levels
    raw = f'<Declaration xmlns="{DEC}">{inside}</Declaration>'.encode()
    assert twice.accepts(etree.fromstring(raw))
    with pytest.raises(DocumentError, match=r"document\.too_deep"):
        validate(read_unmeasured(raw, DocumentLimits()), twice)


@pytest.mark.parametrize(
    ("raw", "code"), [(nested(65), "document.too_deep"), (wide(65), "document.too_many_attributes")]
)
def test_a_refusal_for_depth_or_width_comes_before_any_other(raw: bytes, code: str) -> None:
    for set_id in ("dms-declaration", "dms-response"):  # of its kind, and not of its kind
        with pytest.raises(DocumentError, match=code):
            validate(read_unmeasured(raw, DocumentLimits()), bundled(set_id))


def test_limits_tighter_than_the_bounds_of_the_set_are_measured_too() -> None:
    raw = (SAMPLES / "valid" / "import-two-items.xml").read_bytes()
    validate(read_unmeasured(raw, DocumentLimits(depth=8)), bundled("dms-declaration"))
    with pytest.raises(DocumentError, match=r"document\.too_deep"):
        validate(read_unmeasured(raw, DocumentLimits(depth=5)), bundled("dms-declaration"))


def test_a_document_is_measured_once_and_knows_it() -> None:
    raw = (SAMPLES / "valid" / "import-two-items.xml").read_bytes()
    assert read(raw, DocumentLimits()).unmeasured is None
    document = read_unmeasured(raw, DocumentLimits())
    assert document.unmeasured == DocumentLimits()
    document.measure()
    assert document.unmeasured is None


def test_a_refused_document_is_measured_before_it_is_explained() -> None:
    raw = (SAMPLES / "valid" / "import-two-items.xml").read_bytes().replace(b"<FunctionCode>9<", b"<FunctionCode>x<")
    document = read_unmeasured(raw, DocumentLimits())
    with pytest.raises(SchemaError, match=r"schema\.invalid"):
        validate(document, bundled("dms-declaration"))
    assert document.unmeasured is None
