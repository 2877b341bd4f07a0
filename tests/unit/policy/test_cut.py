"""A copy that is cut comes to the same bytes as a view written anew, by names as by places."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.document.names import DECLARATION
from gateway.errors import PolicyError
from gateway.policy import CompiledPolicy, Policy, apply_policy, compile_policy
from gateway.policy.consistency.mending import Relations
from gateway.schema import ValidDocument, assemble_set, compile_set
from tests.oracle.writing import written_view
from tests.unit.policy.random_policies import SETS, compiled, documents, policies
from tests.unit.policy.rules import CODES, HEAD, SAMPLES, XSI, declaration, example, fitting, policy, valid
from tests.unit.policy.rules import compiled as compiled_rules
from tests.unit.policy.test_nil import HOW as NILLABLE
from tests.unit.schema.sets import bundled

D = "/MetaData/Declaration"
Made = tuple[bytes, int, int] | None
LAW = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
cases = st.sampled_from(SETS).flatmap(lambda set_id: st.tuples(policies(set_id), documents(set_id)))


def cut(document: ValidDocument, how: CompiledPolicy) -> Made:
    try:
        view = apply_policy(document, how, bundled(how.schema_set))
    except PolicyError:
        return None
    return view.xml, view.kept, view.withheld


def ways(document: ValidDocument, how: CompiledPolicy) -> Iterator[Made]:
    yield cut(document, how)
    yield cut(document, replace(how, quick=None))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_is_cut_as_it_was_once_written(path: Path) -> None:
    # Rules with conditions and rules that change values are for the oracle alone (test_oracle.py).
    for name in ("customs-cooperation", "customs-cancellation", "customs-response", "safety-response"):
        if name not in fitting(path):
            continue
        how = example(name)
        # What is mended after the cut is another matter (test_consistency.py).
        how = replace(how, relations=dict.fromkeys(how.relations, Relations()))
        document = valid(path.read_bytes(), how.schema_set)
        assert set(ways(document, how)) == {written_view(document.root, how)}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_names_and_places_mend_alike(path: Path) -> None:
    for name in fitting(path):
        how = example(name)
        document = valid(path.read_bytes(), how.schema_set)
        assert len(set(ways(document, how))) == 1


@LAW
@given(cases)
def test_random_documents_are_cut_as_they_were_once_written(case: tuple[Policy, ValidDocument]) -> None:
    found, document = case
    how = compiled(found)
    how = replace(how, relations=dict.fromkeys(how.relations, Relations()))
    before = etree.tostring(document.root)
    assert set(ways(document, how)) == {written_view(document.root, how)}
    assert etree.tostring(document.root) == before


CONSIGNEE = f"{CODES}  - keep: {D}/GoodsShipment/Consignee\n    attributes: [schemeName]\n"
ODD = {
    "empty class": "<GoodsShipment><Consignee/></GoodsShipment>",
    "blank class": "<GoodsShipment><Consignee> \n </Consignee><Consignor><Name>x</Name></Consignor></GoodsShipment>",
    "blank by reference": "<GoodsShipment>&#32;<Consignee><Name>x</Name>&#13;</Consignee></GoodsShipment>",
    "blank in CDATA": "<GoodsShipment><![CDATA[ ]]><Consignee><Name>x</Name></Consignee></GoodsShipment>",
    "comments around a value": "<GoodsShipment><Consignee><Name>a<!-- b -->c<?d e?>f</Name></Consignee></GoodsShipment>",
    "empties its parents": "<GoodsShipment><Consignor><Address><CityName>x</CityName></Address></Consignor></GoodsShipment>",
    "odd prefixes": '<GoodsShipment><q:Consignee xmlns:q="urn:wco:datamodel:WCO:DEC-DMS:2" xmlns:r="urn:r"><q:Name>x</q:Name></q:Consignee></GoodsShipment>',
    "attributes in another order": '<GoodsShipment><Consignee><ID schemeName="a &quot;&#10;&#9;&lt;" schemeID="b">1</ID></Consignee></GoodsShipment>',
    "type said": f'<GoodsShipment><Consignee><ID xmlns:xsi="{XSI}" xsi:type="IdAn17">1</ID></Consignee></GoodsShipment>',
    "hint at a kept leaf": f'<DeclarationOfficeID xmlns:i="{XSI}" i:schemaLocation="a b">1</DeclarationOfficeID>',
}


@pytest.mark.parametrize("name", ODD)
def test_odd_documents_are_cut_as_they_were_once_written(name: str) -> None:
    document = valid(declaration(ODD[name]))
    for rules in (
        CONSIGNEE,
        f"{CODES}  - keep: {D}\n    attributes: [schemeID, schemeName, formatCode, unitCode, currencyID]\n",
        f"{CODES}  - keep: {D}/GoodsShipment/Consignee/Name\n",
        CODES,
    ):
        how = compiled_rules(rules)
        assert how.quick is not None
        assert set(ways(document, how)) == {written_view(document.root, how)}


def test_names_are_enough_for_the_bundled_sets() -> None:
    assert all(example(name).quick is not None for name in ("customs-cooperation", "safety-response"))
    assert NILLABLE.quick is not None


BODY = '<xs:element name="Declaration"><xs:complexType><xs:sequence>{}</xs:sequence></xs:complexType></xs:element>'
LEAF = '<xs:element name="FunctionCode" type="xs:string"/>'
PART = '<xs:element name="Part" minOccurs="0">{}</xs:element>'
NOT_BY_NAMES = {
    "wildcard below the root": PART.format(
        '<xs:complexType><xs:sequence><xs:any namespace="##targetNamespace" minOccurs="0"/></xs:sequence></xs:complexType>'
    ),
    "substitution group": PART.format(
        '<xs:complexType><xs:sequence><xs:element ref="Head" minOccurs="0"/></xs:sequence></xs:complexType>'
    ),
    "mixed content": PART.format(f'<xs:complexType mixed="true"><xs:sequence>{LEAF}</xs:sequence></xs:complexType>'),
    "any attribute": PART.format(
        f"<xs:complexType><xs:sequence>{LEAF}</xs:sequence><xs:anyAttribute/></xs:complexType>"
    ),
}


@pytest.mark.parametrize("name", NOT_BY_NAMES)
def test_places_decide_where_a_set_may_hold_what_names_do_not_tell(name: str) -> None:
    xsd = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="{DECLARATION}"
      targetNamespace="{DECLARATION}" elementFormDefault="qualified">
      {BODY.format(LEAF + NOT_BY_NAMES[name])}
      <xs:element name="Head" type="xs:string"/>
      <xs:element name="Other" type="xs:string" substitutionGroup="Head"/>
      </xs:schema>"""
    roots = [f"{{{DECLARATION}}}Declaration"]
    made = assemble_set(
        {"m.xsd": xsd.encode()},
        set_id="made",
        release="1",
        title="A set made for a test",
        entry="m.xsd",
        kinds=["declaration"],
        roots=roots,
        namespaces=[DECLARATION],
    )
    how = compile_policy(policy("  - keep: /Declaration\n", HEAD.replace("dms-declaration", "made")), compile_set(made))
    assert how.quick is None
