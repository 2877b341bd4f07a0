"""What a schema set leaves open (any elements in a leaf, text between elements) has no place: it never leaves."""

from gateway.document import read
from gateway.document.names import DECLARATION
from gateway.errors import PolicyError
from gateway.policy import CompiledPolicy, apply_policy, compile_policy, explain, inspect
from gateway.schema import CompiledSet, ValidDocument, assemble_set, compile_set, validate
from tests.unit.policy.rules import HEAD, policy
from tests.unit.schema.sets import LIMITS

XSD = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{DECLARATION}"
  elementFormDefault="qualified">
  <xs:element name="Declaration"><xs:complexType><xs:sequence>
    <xs:element name="FunctionCode" type="xs:string"/>
    <xs:element name="Anything" type="xs:anyType" minOccurs="0"/>
    <xs:element name="Letter" minOccurs="0"><xs:complexType mixed="true"><xs:sequence>
      <xs:element name="ID" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element></xs:schema>"""


def open_set() -> CompiledSet:
    made = assemble_set(
        {"o.xsd": XSD.encode()},
        set_id="open",
        release="1",
        title="A set that leaves open what stands in it",
        entry="o.xsd",
        kinds=["declaration"],
        roots=[f"{{{DECLARATION}}}Declaration"],
        namespaces=[DECLARATION],
    )
    return compile_set(made)


SET = open_set()


def compiled(rules: str) -> CompiledPolicy:
    return compile_policy(policy(rules, HEAD.replace("dms-declaration", "open")), SET)


KEPT = compiled("  - keep: /Declaration\n")
REPLACED = compiled('  - keep: /Declaration\n  - replace: /Declaration/Anything\n    with: "0"\n')


def document(inside: str) -> ValidDocument:
    raw = f'<Declaration xmlns="{DECLARATION}"><FunctionCode>9</FunctionCode>{inside}</Declaration>'
    return validate(read(raw.encode(), LIMITS), SET)


def refused(found: ValidDocument, how: CompiledPolicy) -> list[str]:
    try:
        inspect(found, how)
    except PolicyError as error:
        return list(error.facts["paths"])
    return []


def test_elements_in_a_leaf_of_any_type_do_not_leave_be_it_kept_or_changed() -> None:
    found = document('<Anything>a<Name number="7">b</Name></Anything>')
    for how in (KEPT, REPLACED):
        view = apply_policy(found, how, SET)
        assert view.xml.endswith(b"<dec:FunctionCode>9</dec:FunctionCode></dec:Declaration>")
        lines = [one for one in explain(found, how) if not one.is_empty]
        assert (view.kept, view.withheld) == (1, 2) == (1, sum(not one.kept for one in lines))


def test_a_leaf_of_any_type_that_holds_a_value_alone_is_a_leaf() -> None:
    found = document("<Anything>a</Anything>")
    assert b"<dec:Anything>a</dec:Anything>" in apply_policy(found, KEPT, SET).xml
    assert b"<dec:Anything>0</dec:Anything>" in apply_policy(found, REPLACED, SET).xml
    assert refused(found, KEPT) == []


def test_text_between_elements_does_not_leave_with_or_without_white_space_in_the_document() -> None:
    for gap in ("", " "):
        found = document(f"{gap}<Letter>Dear<ID>1</ID>Sir</Letter>")
        view = apply_policy(found, KEPT, SET)
        assert b"<dec:Letter><dec:ID>1</dec:ID></dec:Letter>" in view.xml
        again = validate(read(view.xml, LIMITS), SET)
        assert refused(again, KEPT) == []
        assert apply_policy(again, KEPT, SET).xml == view.xml


def test_a_receiver_finds_what_stands_open_in_a_message() -> None:
    assert refused(document("<Anything><Name>b</Name></Anything>"), KEPT) == ["/Declaration/Anything"]
    assert refused(document("<Letter>Dear<ID>1</ID></Letter>"), KEPT) == ["/Declaration/Letter/text()"]
    assert refused(document("<Letter><ID>1</ID> Sir</Letter>"), KEPT) == ["/Declaration/Letter/text()"]
    assert refused(document("<Letter> <ID>1</ID> </Letter>"), KEPT) == []
