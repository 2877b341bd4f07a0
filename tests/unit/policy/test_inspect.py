"""The receiver refuses what holds more than was agreed, naming places only."""

from pathlib import Path

import pytest

from gateway.errors import PolicyError
from gateway.policy import CompiledPolicy, inspect
from tests.unit.policy.rules import CODES, SAMPLES, XSI, apply, compiled, declaration, example, fitting, valid

D = "/MetaData/Declaration"
RULES = f"""{CODES}  - keep: {D}/DeclarationOfficeID
  - keep: {D}/AdditionalDocument/ID
  - keep: {D}/GoodsShipment/Consignee/Name
"""


def over_shared(raw: str, how: CompiledPolicy | None = None) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        inspect(valid(raw), how or compiled(RULES))
    assert caught.value.code == "policy.over_shared"
    assert "CANARY" not in f"{caught.value} {dict(caught.value.facts)}"
    paths = caught.value.facts["paths"]
    assert isinstance(paths, list)
    return paths


def passes(raw: bytes | str, how: CompiledPolicy) -> bool:
    try:
        inspect(valid(raw, how.schema_set), how)
    except PolicyError:
        return False
    return True


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_our_own_views_are_never_over_shared(path: Path) -> None:
    for name in fitting(path):
        how = example(name)
        assert passes(apply(path.read_bytes(), how).xml, how)


def test_other_prefixes_and_white_space_between_elements_pass() -> None:
    assert passes(declaration("\n  <DeclarationOfficeID>GB1</DeclarationOfficeID>\n"), compiled(RULES))


OFFICE = "<DeclarationOfficeID>GB1</DeclarationOfficeID>"


@pytest.mark.parametrize(
    ("raw", "paths"),
    [
        (declaration("<TotalPackageQuantity>1</TotalPackageQuantity>"), [f"{D}/TotalPackageQuantity"]),
        (
            declaration("<AdditionalDocument><ID>CANARY</ID><TypeCode>C</TypeCode></AdditionalDocument>"),
            [f"{D}/AdditionalDocument/TypeCode"],
        ),
        (
            declaration(
                "<AdditionalDocument><ID>1</ID></AdditionalDocument>"
                "<AdditionalDocument><CategoryCode>X</CategoryCode><ID>2</ID></AdditionalDocument>"
            ),
            [f"{D}/AdditionalDocument[2]/CategoryCode"],
        ),
        (
            declaration('<DeclarationOfficeID schemeName="CANARY">GB1</DeclarationOfficeID>'),
            [f"{D}/DeclarationOfficeID/@schemeName"],
        ),
        (declaration(f"{OFFICE}<!-- CANARY -->"), ["comment()"]),
        (declaration(f"{OFFICE}<?CANARY canary?>"), ["processing-instruction()"]),
        (declaration("<DeclarationOfficeID><![CDATA[CANARY]]></DeclarationOfficeID>"), ["cdata()"]),
        (declaration(OFFICE, attributes='xmlns:x="urn:CANARY"'), ["namespace::*"]),
        (declaration(OFFICE, attributes="xmlns:x='urn:CANARY'"), ["namespace::*"]),
        (
            declaration(OFFICE, attributes=f'xmlns:xsi="{XSI}" xsi:schemaLocation="CANARY x"'),
            ["namespace::*", "/MetaData/@schemaLocation"],
        ),
        (declaration("<GoodsShipment><Consignee/></GoodsShipment>"), [f"{D}/GoodsShipment/Consignee"]),
        (
            declaration("<GoodsShipment><Consignee><ID>CANARY</ID></Consignee></GoodsShipment>"),
            [f"{D}/GoodsShipment/Consignee/ID"],
        ),
    ],
)
def test_whatever_the_policy_does_not_keep_is_named_by_its_place(raw: str, paths: list[str]) -> None:
    assert over_shared(raw) == paths


def test_an_attribute_that_should_have_been_changed_is_found_as_it_was() -> None:
    rules = (
        f"{CODES}  - keep: {D}/DeclarationOfficeID\n  - {{truncate: {D}/DeclarationOfficeID/@schemeName, length: 3}}\n"
    )
    how, raw = compiled(rules), declaration('<DeclarationOfficeID schemeName="CANARY">GB1</DeclarationOfficeID>')
    assert over_shared(raw, how) == [f"{D}/DeclarationOfficeID/@schemeName"]
    assert b'schemeName="CAN"' in apply(raw, how).xml
    assert passes(raw.replace("CANARY", "CAN"), how)


def test_heads_of_the_envelope_are_inspected_too() -> None:
    head = '<md:WCOTypeName languageID="en">CANARY</md:WCOTypeName>'
    assert over_shared(declaration(OFFICE, head=head)) == ["/MetaData/WCOTypeName"]


def test_a_text_that_looks_like_a_declared_namespace_is_only_a_text() -> None:
    rules = f"{CODES}  - keep: {D}/Submitter\n"
    text = '<Submitter><Name>xmlns:a="urn:b"</Name></Submitter>'
    assert passes(declaration(text), compiled(rules))


def test_at_most_twenty_places_are_named_and_all_are_counted() -> None:
    many = "<AdditionalDocument><CategoryCode>X</CategoryCode><ID>1</ID></AdditionalDocument>" * 30
    with pytest.raises(PolicyError, match="holds 30 things") as caught:
        inspect(valid(declaration(many)), compiled(RULES))
    assert len(caught.value.facts["paths"]) == 20


def test_a_root_that_the_policy_does_not_know_is_refused() -> None:
    assert over_shared(declaration(OFFICE), example("customs-response")) == ["/MetaData/Declaration"]
