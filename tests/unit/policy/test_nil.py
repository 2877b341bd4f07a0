"""An element that says `xsi:nil` has no value: it is not written, and must not turn into an empty value."""

import pytest

from gateway.document import read
from gateway.document.names import DECLARATION
from gateway.errors import PolicyError
from gateway.policy import CompiledPolicy, apply_policy, compile_policy, explain
from gateway.schema import CompiledSet, ValidDocument, assemble_set, compile_set, validate
from tests.unit.policy.grown import NILLABLE, compiled_set
from tests.unit.policy.rules import HEAD, XSI, declaration, policy
from tests.unit.schema.sets import LIMITS

XSD = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{DECLARATION}"
  elementFormDefault="qualified">
  <xs:element name="Declaration"><xs:complexType><xs:sequence>
    <xs:element name="FunctionCode" type="xs:string"/>
    <xs:element name="TypeCode" type="xs:string" nillable="true" minOccurs="0"/>
    <xs:element name="Part" nillable="true" minOccurs="0"><xs:complexType><xs:sequence>
      <xs:element name="ID" type="xs:string" nillable="true"/></xs:sequence></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element></xs:schema>"""


def nillable_set() -> CompiledSet:
    made = assemble_set(
        {"n.xsd": XSD.encode()},
        set_id="nillable",
        release="1",
        title="A set with values that may be nil",
        entry="n.xsd",
        kinds=["declaration"],
        roots=[f"{{{DECLARATION}}}Declaration"],
        namespaces=[DECLARATION],
    )
    return compile_set(made)


SET = nillable_set()
HOW: CompiledPolicy = compile_policy(
    policy("  - keep: /Declaration\n", HEAD.replace("dms-declaration", "nillable")), SET
)


def document(inside: str) -> ValidDocument:
    raw = f'<Declaration xmlns="{DECLARATION}" xmlns:xsi="{XSI}"><FunctionCode>9</FunctionCode>{inside}</Declaration>'
    return validate(read(raw.encode(), LIMITS), SET)


@pytest.mark.parametrize("nil", ["true", "1", " true "])
def test_a_nil_leaf_and_a_nil_class_are_not_written(nil: str) -> None:
    found = document(f'<TypeCode xsi:nil="{nil}"/><Part xsi:nil="{nil}"/>')
    view = apply_policy(found, HOW, SET)
    assert view.xml.endswith(b"<dec:FunctionCode>9</dec:FunctionCode></dec:Declaration>")
    assert [one.note for one in explain(found, HOW) if one.path.endswith("/TypeCode")] == [
        "it says that it has no value"
    ]


def test_a_nil_that_is_false_changes_nothing() -> None:
    view = apply_policy(document('<TypeCode xsi:nil="false">A</TypeCode>'), HOW, SET)
    assert b"<dec:TypeCode>A</dec:TypeCode>" in view.xml
    assert b"nil" not in view.xml


def test_a_required_child_that_is_nil_takes_its_optional_parent_along() -> None:
    found = document('<Part><ID xsi:nil="true"/></Part>')
    assert b"Part" not in apply_policy(found, HOW, SET).xml
    assert not [one for one in explain(found, HOW) if "Part" in one.path and one.kept]


def test_goods_items_that_are_nil_are_counted_no_longer() -> None:
    """Every item is kept, and yet one can go: the count would say one too many."""
    places, compiled_nil = "/MetaData/Declaration", compiled_set(NILLABLE)
    head = HEAD.replace("dms-declaration", NILLABLE) + f"  - keep: {places}\n    attributes: required\n"
    raw = declaration(
        "<GoodsItemQuantity>1</GoodsItemQuantity><GoodsShipment>"
        f'<GovernmentAgencyGoodsItem xmlns:xsi="{XSI}" xsi:nil="true"/></GoodsShipment>'
    )
    found = validate(read(raw.encode(), LIMITS), compiled_nil)
    with pytest.raises(PolicyError, match=r"policy.inconsistent"):
        apply_policy(found, compile_policy(policy("", head), compiled_nil), compiled_nil)
    mending = compile_policy(policy("consistency: {counts: recount}\n", head), compiled_nil)
    assert b"<dec:GoodsItemQuantity>0</dec:GoodsItemQuantity>" in apply_policy(found, mending, compiled_nil).xml
