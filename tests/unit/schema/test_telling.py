"""What is said of documents of foreign sets: of choices and wildcards, empty types, keys, and sets too large to list."""

import pytest

from gateway.document import read_root
from gateway.errors import SchemaError, Violation
from gateway.schema import CompiledSet, compile_set, explain
from tests.unit.schema.foreign_sets import element, made, xsd
from tests.unit.schema.sets import LIMITS

Told = list[tuple[str, str, str, str]]


def one_file(inside: str) -> CompiledSet:
    return compile_set(made({"e.xsd": xsd("urn:d", inside)}, "e.xsd"))


def declaration(model: str, more: str = "") -> str:
    return f'<xs:element name="Declaration"><xs:complexType>{model}</xs:complexType>{more}</xs:element>'


def violations(compiled: CompiledSet, inside: str, attributes: str = "") -> tuple[Violation, ...]:
    raw = f'<Declaration xmlns="urn:d" xmlns:o="urn:o" {attributes}>{inside}</Declaration>'.encode()
    found = explain("f", raw, compiled, LIMITS)
    assert not found.valid
    assert found.violations == explain("f", raw, compiled, LIMITS).violations
    return found.violations


def told(compiled: CompiledSet, inside: str, attributes: str = "") -> Told:
    return [(str(one.rule), one.path, one.message, one.expected) for one in violations(compiled, inside, attributes)]


# ── a set that is too large to list ──────────────────────────────────────────────────────────────────────────────

DOUBLING = "".join(
    f"""<xs:complexType name="T{n}"><xs:sequence><xs:element name="A" type="T{n + 1}" minOccurs="0"/>
    <xs:element name="B" type="T{n + 1}" minOccurs="0"/></xs:sequence></xs:complexType>"""
    for n in range(17)
)
LEAF = """<xs:complexType name="T17"><xs:sequence><xs:element name="N" type="xs:int"/>
<xs:element name="S" minOccurs="0"><xs:simpleType><xs:restriction base="xs:string"><xs:maxLength value="2"/>
</xs:restriction></xs:simpleType></xs:element></xs:sequence><xs:attribute name="k" use="required" type="xs:int"/>
</xs:complexType><xs:element name="Leaf" type="T17"/>"""
LARGE = declaration(
    """<xs:sequence><xs:element name="Deep" type="T0" minOccurs="0"/>
    <xs:element ref="Leaf" minOccurs="0"/></xs:sequence>"""
)


@pytest.fixture(scope="module")
def large() -> CompiledSet:
    return one_file(DOUBLING + LEAF + LARGE)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (
            "<Deep><SECRET/></Deep>",
            ("unexpected", "/Declaration/Deep/*[1]", "An element stands here that does not belong in Deep", "A or B"),
        ),
        ('<Leaf k="1"/>', ("missing", "/Declaration/Leaf", "Leaf lacks N", "N")),
        ('<Leaf k="1"><N>SECRET</N></Leaf>', ("not_a_number", "/Declaration/Leaf/N", "N is not a number", "a number")),
        (
            '<Leaf k="1"><N>1</N><S>SECRET</S></Leaf>',
            ("bad_value", "/Declaration/Leaf/S", "S is not a value of its type", ""),
        ),
        ('<Leaf k="SECRET"><N>1</N></Leaf>', ("not_a_number", "/Declaration/Leaf/@k", "k is not a number", "a number")),
        (
            '<Leaf k="1" SECRET="1"><N>1</N></Leaf>',
            ("attribute_not_allowed", "/Declaration/Leaf", "An attribute stands here that Leaf does not have", ""),
        ),
        (
            "<Deep>SECRET</Deep>",
            ("text_not_allowed", "/Declaration/Deep", "Text stands between the elements of Deep", "elements only"),
        ),
    ],
)
def test_a_set_too_large_to_list_tells_what_libxml2_tells(
    large: CompiledSet, inside: str, expected: tuple[str, str, str, str]
) -> None:
    assert told(large, inside) == [expected]
    assert violations(large, inside)[0].line == 1


def test_a_root_that_a_set_too_large_to_list_does_not_have_is_refused_as_one(large: CompiledSet) -> None:
    (one,) = explain("f", b'<SECRET xmlns="urn:d"/>', large, LIMITS).violations
    assert (one.rule, one.path, one.expected) == ("root", "/*", "Leaf or Declaration")


def test_that_a_set_can_not_be_listed_is_found_out_once(large: CompiledSet) -> None:
    with pytest.raises(SchemaError, match="more than 100,000 places") as first:
        _ = large.tree
    with pytest.raises(SchemaError, match="more than 100,000 places") as second:
        _ = large.tree
    assert first.value is second.value
    root = read_root(b'<Declaration xmlns="urn:d"><X/></Declaration>', LIMITS)
    assert not large.accepts(root)
    assert large.refusal(root).code == "schema.invalid"


def test_a_set_too_large_to_list_is_added_with_a_note() -> None:
    (note,) = made({"e.xsd": xsd("urn:d", DOUBLING + LEAF + LARGE)}, "e.xsd").notes
    assert "more than 100,000 places" in note
    assert "explained less" in note


# ── what is a body ───────────────────────────────────────────────────────────────────────────────────────────────

GLOBALS = "".join(map(element, "ABC")) + element("Item", "xs:string")
SALAMI = declaration(
    """<xs:sequence><xs:element ref="A"/><xs:element ref="B" minOccurs="0"/><xs:element ref="C" maxOccurs="2"/>
    <xs:element ref="Item" minOccurs="0" maxOccurs="3"/></xs:sequence>"""
)


@pytest.mark.parametrize(
    ("inside", "rule", "path", "expected"),
    [
        ("<A>1</A><C>1</C><B>1</B>", "out_of_order", "/Declaration/B", "B, before C"),
        ("<A>1</A><C>1</C><C>2</C><C>3</C>", "too_many", "/Declaration/C[3]", "C at most 2 times"),
        ("<A>1</A><A>2</A><C>1</C>", "too_many", "/Declaration/A[2]", "A at most once"),
        ("<A>1</A><Item>x</Item>", "missing", "/Declaration/C", "C, before Item"),
    ],
)
def test_global_elements_of_a_sequence_are_no_bodies(inside: str, rule: str, path: str, expected: str) -> None:
    ((found, at, _, what),) = told(one_file(GLOBALS + SALAMI), inside)
    assert (found, at, what) == (rule, path, expected)


# ── choices, wildcards, empty types, keys ────────────────────────────────────────────────────────────────────────

CHOICE = declaration(
    """<xs:sequence><xs:element name="A" type="xs:int"/><xs:element name="o" type="xs:int" minOccurs="0"/><xs:choice>
    <xs:element name="c1" type="xs:date"/><xs:element name="c2" type="xs:boolean"/></xs:choice></xs:sequence>"""
)
KEYED = declaration(
    """<xs:sequence><xs:element name="I" maxOccurs="9"><xs:complexType><xs:attribute name="k"/>
    <xs:attribute name="id" type="xs:ID"/><xs:attribute name="f" fixed="v"/></xs:complexType></xs:element>
    <xs:element name="F" type="xs:int" fixed="7" minOccurs="0"/>
    <xs:element name="E" minOccurs="0"><xs:complexType/></xs:element></xs:sequence>
    <xs:anyAttribute namespace="##other" processContents="strict"/>""",
    """<xs:key name="K"><xs:selector xpath="d:I" xmlns:d="urn:d"/><xs:field xpath="@k"/></xs:key>""",
)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (
            '<I k="1"/><E>SECRET</E>',
            ("text_not_allowed", "/Declaration/E", "E holds text, and should hold nothing", "nothing inside E"),
        ),
        (
            '<I k="1"/><E><SECRET/></E>',
            (
                *("unexpected", "/Declaration/E/*[1]", "An element stands here that does not belong in E"),
                "no further element here",
            ),
        ),
        (
            '<I k="1"/><F>8</F>',
            ("bad_value", "/Declaration/F", "F is not the one value that is allowed", "7"),
        ),
        (
            '<I k="1" f="SECRET"/>',
            ("bad_value", "/Declaration/I/@f", "f is not the one value that is allowed", "v"),
        ),
        (
            '<I k="SECRET"/><I k="SECRET"/>',
            ("other", "/Declaration/I[2]", "I breaks a rule of the schema set", "a key that no other element has"),
        ),
        (
            "<I/>",
            (
                *("other", "/Declaration/I", "I breaks a rule of the schema set"),
                "every part of the key that the schema set asks for",
            ),
        ),
        (
            '<I k="1" id="a"/><I k="2" id="a"/>',
            (
                *("bad_value", "/Declaration/I[2]/@id", "id is not a value of its type"),
                "a name without colon that no other xs:ID of the document has",
            ),
        ),
    ],
)
def test_what_breaks_an_empty_type_a_fixed_value_or_a_key_says_what_is_expected(
    inside: str, expected: tuple[str, str, str, str]
) -> None:
    assert told(one_file(KEYED), inside) == [expected]


def test_an_attribute_that_a_strict_wildcard_refuses_is_told_as_an_attribute() -> None:
    ((rule, path, message, _),) = told(one_file(KEYED), '<I k="1"/>', 'o:a="1"')
    assert (rule, path) == ("attribute_not_allowed", "/Declaration")
    assert message == "An attribute stands here that Declaration does not have"


def test_of_a_required_choice_its_members_are_named() -> None:
    found = told(one_file(CHOICE), "<A>1</A>")
    assert found == [
        ("missing", "/Declaration", "Declaration lacks one of: c1 or c2", "one of: c1 or c2"),
    ]


def test_of_a_required_wildcard_the_elements_are_named_that_may_stand_there() -> None:
    bodies = element("Response") + element("Cancel")
    wild = '<xs:any namespace="urn:d" processContents="strict"/>'
    files = {
        "e.xsd": xsd(
            "urn:m",
            """<xs:import namespace="urn:d" schemaLocation="d.xsd"/><xs:element name="MetaData"><xs:complexType>
            <xs:sequence><xs:element name="Name" type="xs:string" minOccurs="0"/>"""
            f"{wild}</xs:sequence></xs:complexType></xs:element>",
        ),
        "d.xsd": xsd("urn:d", bodies),
    }
    compiled = compile_set(made(files, "e.xsd"))
    (empty,) = explain("f", b'<MetaData xmlns="urn:m"/>', compiled, LIMITS).violations
    assert (empty.rule, empty.message) == ("missing", "MetaData lacks one of: Response or Cancel")
    assert empty.fix == "Add one of: Response or Cancel"
    two = b'<MetaData xmlns="urn:m"><d:Response xmlns:d="urn:d">1</d:Response><d:Cancel xmlns:d="urn:d">1</d:Cancel></MetaData>'
    (second,) = explain("f", two, compiled, LIMITS).violations
    assert (second.rule, second.path) == ("two_bodies", "/MetaData/Cancel")


def test_an_element_without_a_name_is_written_small_inside_a_sentence() -> None:
    wild = '<xs:sequence><xs:any namespace="##other" processContents="lax"/></xs:sequence>'
    (one,) = violations(one_file(declaration(wild)), "")
    assert one.message == "Declaration lacks an element that the schema set asks for"
    assert one.fix == "Add what Declaration lacks"
