"""A view holds what the policy keeps and nothing else, with exact texts, in one form, valid under the set."""

from pathlib import Path

import pytest

from gateway.document import read
from gateway.errors import PolicyError
from gateway.policy import apply_policy
from tests.unit.policy.rules import (
    CODES,
    HEAD,
    SAMPLES,
    XSI,
    apply,
    body,
    compiled,
    declaration,
    example,
    fitting,
    sample,
    valid,
)
from tests.unit.schema.sets import DEC, LIMITS, bundled

D = "/MetaData/Declaration"
CONSIGNEE = (
    "<GoodsShipment><Consignee><Name>N</Name><ID>I</ID><Address><CityName>C</CityName>"
    "<CountryCode>XA</CountryCode></Address></Consignee></GoodsShipment>"
)
RES = "urn:wco:datamodel:WCO:RES-DMS:2"
RESPONSE_HEAD = HEAD.replace("dms-declaration", "dms-response")


def response(inside: str) -> str:
    return f'<Response xmlns="{RES}"><FunctionCode>01</FunctionCode>{inside}</Response>'


ANSWER = "  - keep: /MetaData/Response/FunctionCode\n"


def code_of(raw: str, rules: str, head: str = HEAD) -> str:
    with pytest.raises(PolicyError) as caught:
        apply(raw, compiled(rules, head))
    return caught.value.code


def inside(xml: str, rules: str) -> str:
    return body(apply(declaration(xml), compiled(CODES + rules)))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_has_a_view_under_every_policy_that_covers_it(path: Path) -> None:
    raw = path.read_bytes()
    for name in fitting(path):
        view = apply(raw, example(name))
        again = read(view.xml, LIMITS)
        assert again.kind is read(raw, LIMITS).kind
        assert view.kind is again.facts.kind
        assert (view.policy_sha256, view.schema_set) == (example(name).sha256, example(name).schema_set)
        assert apply(view.xml, example(name)).withheld == 0


def test_what_no_rule_names_does_not_leave() -> None:
    assert inside("<DeclarationOfficeID>secret</DeclarationOfficeID>" + CONSIGNEE, "") == ""


def test_a_kept_leaf_brings_its_bare_ancestors() -> None:
    xml = inside(CONSIGNEE, f"  - keep: {D}/GoodsShipment/Consignee/ID\n")
    assert xml == ("<dec:GoodsShipment><dec:Consignee><dec:ID>I</dec:ID></dec:Consignee></dec:GoodsShipment>")


def test_a_kept_class_is_kept_with_all_below() -> None:
    xml = inside(CONSIGNEE, f"  - keep: {D}/GoodsShipment/Consignee\n")
    assert [word in xml for word in ("Name", "ID", "CityName", "CountryCode")] == [True] * 4


def test_the_rule_on_the_longest_path_decides() -> None:
    rules = (
        f"  - keep: {D}/GoodsShipment/Consignee\n  - drop: {D}/GoodsShipment/Consignee/Address\n"
        f"  - keep: {D}/GoodsShipment/Consignee/Address/CountryCode\n"
    )
    xml = inside(CONSIGNEE, rules)
    assert "<dec:Name>N</dec:Name>" in xml
    assert "<dec:Address><dec:CountryCode>XA</dec:CountryCode></dec:Address>" in xml
    assert "CityName" not in xml


def test_an_element_of_which_nothing_is_kept_is_not_written() -> None:
    rules = f"  - keep: {D}/GoodsShipment/Consignee/Name\n"
    assert inside("<GoodsShipment><Consignee><ID>I</ID></Consignee></GoodsShipment>", rules) == ""
    assert (
        inside(
            "<GoodsShipment><Consignee/></GoodsShipment>", f"  - keep: {D}/GoodsShipment\n    attributes: required\n"
        )
        == ""
    )


MASS = '<TotalGrossMassMeasure unitCode="KGM">1</TotalGrossMassMeasure>'


def test_no_attribute_leaves_unless_it_is_named() -> None:
    rule = f"  - keep: {D}/TotalGrossMassMeasure\n"
    assert inside(MASS, rule) == "<dec:TotalGrossMassMeasure>1</dec:TotalGrossMassMeasure>"
    named = inside(MASS, rule + "    attributes: [unitCode]\n")
    assert named == '<dec:TotalGrossMassMeasure unitCode="KGM">1</dec:TotalGrossMassMeasure>'


OFFICE = f"  - keep: {D}/DeclarationOfficeID\n"


def office(text: str, attributes: str = "") -> str:
    return f"<DeclarationOfficeID {attributes}>{text}</DeclarationOfficeID>"


def test_attributes_named_at_a_class_are_kept_below_it_unless_another_rule_speaks() -> None:
    rules = f"  - keep: {D}\n    attributes: [unitCode, formatCode]\n"
    document = declaration(office("L", 'schemeName="free words"') + MASS)
    assert body(apply(document, compiled(rules))) == (
        "<dec:DeclarationOfficeID>L</dec:DeclarationOfficeID>"
        '<dec:TotalGrossMassMeasure unitCode="KGM">1</dec:TotalGrossMassMeasure>'
    )
    spoken = f"{rules}  - keep: {D}/TotalGrossMassMeasure\n"
    assert "unitCode" not in body(apply(document, compiled(spoken)))


def test_required_attributes_can_be_kept_without_naming_them() -> None:
    when = (
        '<GoodsShipment><ExitDateTime><v:DateTimeString xmlns:v="urn:wco:datamodel:WCO:Declaration_DS:DMS:2" '
        'formatCode="102">20260131</v:DateTimeString></ExitDateTime></GoodsShipment>'
    )
    xml = inside(when, f"  - keep: {D}/GoodsShipment/ExitDateTime\n    attributes: required\n")
    assert '<decv:DateTimeString formatCode="102">20260131</decv:DateTimeString>' in xml


def test_comments_instructions_and_blanks_do_not_leave() -> None:
    raw = declaration(f"\n  {office('A<!-- c -->B<?p i?>C')}\n  <!-- d -->\n  ", head="<!-- e --><?q j?>\n")
    view = apply(raw, compiled(CODES + OFFICE))
    assert body(view) == "<dec:DeclarationOfficeID>ABC</dec:DeclarationOfficeID>"
    assert b"<!--" not in view.xml
    assert b"<?" not in view.xml[5:]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("a &amp; b &lt;c&gt; &#13;&#10;&#9;d", "a & b <c> \r\n\td"),
        ("<![CDATA[<a> & ]]>tail", "<a> & tail"),
        ("  two  blanks  ", "  two  blanks  "),
        (" ", " "),
        ("Ünïcödé \U0001f6a2 \u200e\u0301", "Ünïcödé \U0001f6a2 \u200e\u0301"),
    ],
)
def test_texts_are_exact(written: str, text: str) -> None:
    raw = response(f"<Error><Description>{written}</Description></Error><Declaration/>")
    rules = f"{ANSWER}  - keep: /MetaData/Response/Error\n  - keep: /MetaData/Response/Declaration\n    attributes: required\n"
    view = apply(raw, compiled(rules, RESPONSE_HEAD))
    assert read(view.xml, LIMITS).root.findtext(f"{{{RES}}}Error/{{{RES}}}Description") == text


def test_attribute_values_are_exact() -> None:
    raw = declaration(office("i", 'schemeName="a&#10;&quot;b&lt;"'))
    view = apply(raw, compiled(f"{CODES}{OFFICE}    attributes: [schemeName]\n"))
    found = read(view.xml, LIMITS).root.find(f"*/{{{DEC}}}DeclarationOfficeID")
    assert found is not None
    assert found.get("schemeName") == 'a\n"b<'


def test_only_namespaces_in_use_are_declared_under_fixed_prefixes() -> None:
    raw = declaration(office("i"), attributes='xmlns:zz="urn:secret" xmlns:dec="urn:other"')
    view = apply(raw, compiled(CODES + OFFICE))
    assert view.xml.startswith(
        b'<?xml version="1.0" encoding="UTF-8"?><md:MetaData '
        b'xmlns:md="urn:wco:datamodel:WCO:DocumentMetaData-DMS:2" xmlns:dec="urn:wco:datamodel:WCO:DEC-DMS:2"><dec:D'
    )
    assert view.xml.count(b"xmlns") == 2


def test_schema_hints_and_types_do_not_leave() -> None:
    hints = f'xmlns:xsi="{XSI}" xsi:schemaLocation="urn:a secret.xsd"'
    raw = declaration(office("i", 'xsi:type="IdAn17"'), attributes=hints)
    view = apply(raw, compiled(f"{CODES}{OFFICE}    attributes: [schemeName]\n"))
    assert body(view) == "<dec:DeclarationOfficeID>i</dec:DeclarationOfficeID>"
    assert b"xsi" not in view.xml
    assert b"secret" not in view.xml


def test_heads_of_the_envelope_are_subject_to_the_policy() -> None:
    view = apply(sample("import-two-items"), compiled(f"{CODES}  - keep: /MetaData/WCOTypeName\n"))
    assert b"<md:WCOTypeName>DEC</md:WCOTypeName>" in view.xml
    assert b"ResponsibleAgencyName" not in view.xml


def test_a_bare_body_is_under_the_rules_of_its_place_in_the_envelope() -> None:
    bare = declaration(CONSIGNEE).split("<Declaration>", 1)[1].rsplit("</md:MetaData>", 1)[0]
    view = apply(f'<Declaration xmlns="{DEC}">{bare}', compiled(f"{CODES}  - keep: {D}/GoodsShipment/Consignee/ID\n"))
    assert b"<dec:Declaration xmlns:dec=" in view.xml
    assert body(view) == ("<dec:GoodsShipment><dec:Consignee><dec:ID>I</dec:ID></dec:Consignee></dec:GoodsShipment>")


def test_the_order_and_number_of_elements_stay() -> None:
    documents = "".join(f"<AdditionalDocument><ID>{number}</ID></AdditionalDocument>" for number in (3, 1, 2))
    xml = inside(documents, f"  - keep: {D}/AdditionalDocument\n")
    assert [xml.index(f"<dec:ID>{number}<") for number in (3, 1, 2)] == sorted(
        xml.index(f"<dec:ID>{number}<") for number in (3, 1, 2)
    )


def test_kept_and_withheld_count_leaves_and_attributes_with_content() -> None:
    view = apply(declaration(CONSIGNEE + ""), compiled(f"{CODES}  - keep: {D}/GoodsShipment/Consignee/Address\n"))
    assert (view.kept, view.withheld) == (4, 2)
    mass = apply(declaration(MASS), compiled(f"{CODES}  - keep: {D}/TotalGrossMassMeasure\n"))
    assert (mass.kept, mass.withheld) == (3, 1)


# ── what the schema requires ─────────────────────────────────────────────────────────────────────────────────────


def test_a_required_class_that_was_empty_and_is_kept_stays_empty() -> None:
    rules = f"{ANSWER}  - keep: /MetaData/Response/Declaration\n    attributes: required\n"
    view = apply(response("<Declaration/>"), compiled(rules, RESPONSE_HEAD))
    assert view.xml.endswith(b"<res:FunctionCode>01</res:FunctionCode><res:Declaration/></res:Response>")


def test_without_what_the_schema_requires_there_is_no_view() -> None:
    rules = f"{ANSWER}  - keep: /MetaData/Response/Declaration/ID\n"
    no_id = response("<Declaration><VersionID>1</VersionID></Declaration>")
    assert code_of(no_id, rules, RESPONSE_HEAD) == "policy.view_invalid"


def test_dropping_a_required_child_drops_its_optional_parent() -> None:
    """Two responses: one keeps what it must, the other is left out as a whole."""
    rules = f"{ANSWER}  - keep: /MetaData/Response/Declaration/ID\n"
    md = "urn:wco:datamodel:WCO:DocumentMetaData-DMS:2"
    good = response("<Declaration><ID>26XA1</ID></Declaration>")
    lost = response("<Declaration><VersionID>1</VersionID></Declaration>")
    view = apply(f'<MetaData xmlns="{md}">{lost}{good}</MetaData>', compiled(rules, RESPONSE_HEAD))
    assert view.xml.count(b"<res:Response") == 1
    assert b"26XA1" in view.xml


def test_a_document_of_which_nothing_is_kept_is_refused() -> None:
    rules = f"{ANSWER}  - keep: /MetaData/Response/Declaration/ID\n"
    how = compiled(rules, RESPONSE_HEAD)
    other = valid(declaration(""))
    with pytest.raises(PolicyError) as caught:
        apply_policy(other, how, bundled("dms-response"))
    assert caught.value.code == "policy.view_invalid"


def test_a_document_valid_under_another_set_is_refused() -> None:
    with pytest.raises(PolicyError, match="is valid under dms-declaration"):
        apply_policy(valid(declaration("")), example("customs-response"), bundled("dms-declaration"))


def test_refusals_say_nothing_of_the_document() -> None:
    rules = f"{ANSWER}  - keep: /MetaData/Response/Declaration/ID\n"
    with pytest.raises(PolicyError) as caught:
        apply(response("<Declaration><VersionID>CANARY</VersionID></Declaration>"), compiled(rules, RESPONSE_HEAD))
    assert "CANARY" not in f"{caught.value} {dict(caught.value.facts)}"
