"""What XSD 1.0 does not know is refused by name: libxml2 passes over some of it without a word."""

import pytest

from gateway.errors import SchemaError
from tests.unit.schema.foreign_sets import element, made, xsd

VC = 'xmlns:vc="http://www.w3.org/2007/XMLSchema-versioning"'
TYPED = "<xs:element name='R'><xs:complexType><xs:sequence/>{}</xs:complexType></xs:element>"
VALUE = "<xs:element name='R'><xs:simpleType><xs:restriction base='{}'>{}</xs:restriction></xs:simpleType></xs:element>"
GROUP = "<xs:element name='R'><xs:complexType><xs:{0}>{1}</xs:{0}></xs:complexType></xs:element>"


@pytest.mark.parametrize(
    ("inside", "named"),
    [
        (TYPED.format("<xs:assert test='false()'/>"), "xs:assert"),
        (VALUE.format("xs:int", "<xs:assertion test='$value > 5'/>"), "xs:assertion"),
        (VALUE.format("xs:date", "<xs:explicitTimezone value='required'/>"), "xs:explicitTimezone"),
        (
            "<xs:element name='R' type='xs:int'><xs:alternative test='@a' type='xs:date'/></xs:element>",
            "xs:alternative",
        ),
        (GROUP.format("openContent", "<xs:any/>"), "xs:openContent"),
        ("<xs:defaultOpenContent><xs:any/></xs:defaultOpenContent>" + element("R"), "xs:defaultOpenContent"),
        ("<xs:override schemaLocation='b.xsd'/>" + element("R"), "xs:override"),
        (element("R", "xs:error"), "xs:error"),
        (element("R", "xs:dateTimeStamp"), "xs:dateTimeStamp"),
        (VALUE.format("xs:yearMonthDuration", ""), "xs:yearMonthDuration"),
        (GROUP.format("sequence", "<xs:any notQName='q'/>"), "notQName"),
        (GROUP.format("sequence", "<xs:any notNamespace='##local'/>"), "notNamespace"),
        (TYPED.format("<xs:attribute name='a' inheritable='true'/>"), "inheritable"),
        (f"<xs:element name='R' type='xs:int' {VC} vc:minVersion='1.1'/>", "vc:minVersion"),
        (f"<xs:element name='R' type='xs:int' {VC} vc:typeAvailable='xs:float'/>", "vc:typeAvailable"),
        (
            "<xs:element name='R'><xs:complexType defaultAttributesApply='false'/></xs:element>",
            "defaultAttributesApply",
        ),
        (GROUP.format("sequence", "<xs:element name='a' targetNamespace='urn:q'/>"), "targetNamespace"),
        (GROUP.format("all", "<xs:element name='a' maxOccurs='2'/>"), "xs:all"),
        (GROUP.format("all", "<xs:element name='a' maxOccurs='unbounded'/>"), "xs:all"),
        (GROUP.format("all", "<xs:any processContents='lax'/>"), "xs:all"),
        ("<xs:element name='R' type='xs:int'><xs:key ref='k'/></xs:element>", "xs:key"),
    ],
)
def test_a_construct_of_xsd_1_1_is_refused_by_name(inside: str, named: str) -> None:
    with pytest.raises(SchemaError) as caught:
        made({"a.xsd": xsd("urn:a", inside)}, "a.xsd")
    assert caught.value.code == "schema.dialect_refused"
    assert named in caught.value.detail
    assert "a.xsd (line 1)" in caught.value.detail


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ('defaultAttributes="g"', "defaultAttributes"),
        ('xpathDefaultNamespace="##local"', "xpathDefaultNamespace"),
        (f'{VC} vc:minVersion="1.1"', "vc:minVersion"),
    ],
)
def test_what_libxml2_would_ignore_on_a_schema_is_refused_in_any_file(attributes: str, named: str) -> None:
    files = {
        "a.xsd": xsd("urn:a", '<xs:include schemaLocation="b.xsd"/>'),
        "b.xsd": xsd("urn:a", element("R"), attributes),
    }
    with pytest.raises(SchemaError) as caught:
        made(files, "a.xsd")
    assert caught.value.code == "schema.dialect_refused"
    assert named in caught.value.detail
    assert "b.xsd" in caught.value.detail


def test_notes_may_speak_of_anything_and_a_version_means_nothing() -> None:
    note = "<xs:annotation><xs:appinfo><xs:assert test='false()'/></xs:appinfo></xs:annotation>"
    own = (
        '<xs:element name="R" type="error"/><xs:simpleType name="error"><xs:restriction base="xs:int"/></xs:simpleType>'
    )
    assert made({"a.xsd": xsd("urn:a", note + own, 'version="1.1"')}).roots == ("{urn:a}R",)
    single = GROUP.format("all", "<xs:element name='a' maxOccurs='1'/>")
    assert made({"a.xsd": xsd("urn:a", single)}).roots == ("{urn:a}R",)


def test_a_pattern_that_can_not_be_evaluated_refuses_the_set() -> None:
    for pattern, is_fine in (("\\p{Lu}*", True), ("\\p{IsBasicLatin}", True), ("\\p{IsNoSuchBlock}", False)):
        files = {"a.xsd": xsd("urn:a", VALUE.format("xs:string", f"<xs:pattern value='{pattern}'/>"))}
        if is_fine:
            assert made(files).entry == "a.xsd"
            continue
        with pytest.raises(SchemaError, match="pattern") as caught:
            made(files)
        assert caught.value.code == "schema.set_broken"


def test_a_block_is_known_or_not_wherever_it_stands_in_a_pattern() -> None:
    for pattern, unknown in (
        ("\\p{IsLatin-1Supplement}+\\p{IsFoo}", "IsFoo"),
        ("b|[\\p{IsLatin-1Supplement}\\P{IsBar}]", "IsBar"),
        ("\\p{IsLatin-1Supplement}+\\P{Lu}", ""),
        ("b\\\\p\\{IsFoo\\}", ""),
    ):
        files = {"a.xsd": xsd("urn:a", VALUE.format("xs:string", f"<xs:pattern value='{pattern}'/>"))}
        if not unknown:
            assert made(files).entry == "a.xsd"
            continue
        with pytest.raises(SchemaError, match=unknown) as caught:
            made(files)
        assert caught.value.code == "schema.set_broken"
