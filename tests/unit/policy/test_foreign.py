"""A release of another administration, as `gateway schema add` takes it: filtered and written like the bundled ones."""

from dataclasses import replace

from gateway.document import in_fixed_form, read
from gateway.domain.message import MessageKind
from gateway.policy import apply_policy, check_policy, compile_policy, explain
from gateway.schema import CompiledSet, compile_set, validate
from tests.unit.policy.rules import HEAD, policy
from tests.unit.schema.foreign_sets import bring, envelope, made, of_any, xsd
from tests.unit.schema.sets import LIMITS

BODY = """<xs:element name="Declaration"><xs:complexType><xs:sequence>
  <xs:element name="FunctionCode" type="t:Code"/><xs:element name="FunctionalReferenceID" type="t:Code"/>
  <xs:element name="TypeCode" type="t:Code" minOccurs="0"/><xs:element name="Remarks" type="t:Code" minOccurs="0"/>
  </xs:sequence></xs:complexType></xs:element>"""
TYPES = '<xs:simpleType name="Code"><xs:restriction base="xs:string"><xs:maxLength value="9"/></xs:restriction></xs:simpleType>'
FILES = {
    "in/MetaData.xsd": xsd("urn:example:md:4", envelope(of_any("urn:example:dec:4"))),
    "in/Declaration.xsd": xsd(
        "urn:example:dec:4", bring("urn:example:t:4", "../t.xsd") + BODY, 'xmlns:t="urn:example:t:4"'
    ),
    "t.xsd": xsd("urn:example:t:4", TYPES),
}
RAW = (
    b'<x:MetaData xmlns:x="urn:example:md:4"><Declaration xmlns="urn:example:dec:4"><FunctionCode>13</FunctionCode>'
    b"<FunctionalReferenceID>L1</FunctionalReferenceID><TypeCode>INV</TypeCode><Remarks>secret</Remarks>"
    b"</Declaration></x:MetaData>"
)
RULES = "  - keep: /MetaData/Declaration\n  - drop: /MetaData/Declaration/Remarks\n    reason: of no use\n"


def foreign_set() -> CompiledSet:
    return compile_set(replace(made(FILES, "in/MetaData.xsd"), kinds=(MessageKind.CANCELLATION,)))


def test_a_message_of_another_release_is_filtered_and_its_view_read_again() -> None:
    compiled = foreign_set()
    asked = policy(RULES, HEAD.replace("dms-declaration", "foreign"))
    assert not [one for one in check_policy(asked, compiled) if one.is_error]
    document = validate(read(RAW, LIMITS), compiled)
    how = compile_policy(asked, compiled)
    view = apply_policy(document, how, compiled)
    assert view.xml == (
        b'<?xml version="1.0" encoding="UTF-8"?><n1:MetaData xmlns:n1="urn:example:md:4" xmlns:n2="urn:example:dec:4">'
        b"<n2:Declaration><n2:FunctionCode>13</n2:FunctionCode><n2:FunctionalReferenceID>L1</n2:FunctionalReferenceID>"
        b"<n2:TypeCode>INV</n2:TypeCode></n2:Declaration></n1:MetaData>"
    )
    again = read(view.xml, LIMITS)
    assert (view.kind, again.facts.kind, again.facts.lrn) == (*[MessageKind.CANCELLATION] * 2, "L1")
    assert in_fixed_form(again, compiled.prefixes)
    assert [one.path for one in explain(document, how) if not one.kept] == ["/MetaData/Declaration/Remarks"]


def test_without_the_codes_that_tell_its_kind_a_message_of_another_release_is_no_use() -> None:
    several = compile_set(made(FILES, "in/MetaData.xsd"))
    rules = RULES + "  - drop: /MetaData/Declaration/TypeCode\n    reason: of no use\n"
    findings = check_policy(policy(rules, HEAD.replace("dms-declaration", "foreign")), several)
    assert any("tell the kind" in one.problem for one in findings)


def test_a_class_that_is_left_with_fewer_of_what_the_schema_requires_twice_is_not_written() -> None:
    masses_of = '<xs:sequence><xs:element name="Mass" minOccurs="2" maxOccurs="3" type="xs:decimal"/></xs:sequence>'
    pair = (
        f'<xs:element name="Pair" minOccurs="0"><xs:complexType>{masses_of}</xs:complexType></xs:element></xs:sequence>'
    )
    body = BODY.replace("</xs:sequence>", pair)
    files = {name: raw.replace(BODY.encode(), body.encode()) for name, raw in FILES.items()}
    compiled = compile_set(replace(made(files, "in/MetaData.xsd"), kinds=(MessageKind.CANCELLATION,)))
    rules = f"{RULES}  - generalise: /MetaData/Declaration/Pair/Mass\n    bands: [5, 10]\n"
    how = compile_policy(policy(rules, HEAD.replace("dms-declaration", "foreign")), compiled)

    def masses(*values: str) -> int:
        inside = "".join(f"<Mass>{value}</Mass>" for value in values)
        raw = RAW.replace(b"</Declaration>", f"<Pair>{inside}</Pair></Declaration>".encode())
        return apply_policy(validate(read(raw, LIMITS), compiled), how, compiled).xml.count(b"<n2:Mass>")

    assert masses("7", "11") == 2
    assert masses("7", "11", "1") == 2, "what is below each band is withheld"
    assert masses("7", "1") == 0
