"""Explain says of every leaf and attribute whether it leaves and which rule decided, and agrees with apply."""

from pathlib import Path

import pytest

from gateway.document import read
from gateway.policy import Explained, apply_policy, explain
from tests.unit.policy.rules import (
    CODES,
    HEAD,
    SAMPLES,
    XSI,
    apply,
    compiled,
    declaration,
    example,
    fitting,
    valid,
)
from tests.unit.policy.test_apply import ANSWER, RES
from tests.unit.schema.sets import LIMITS, bundled

D = "/MetaData/Declaration"


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_explain_counts_what_apply_counts_and_names_every_leaf(path: Path) -> None:
    raw = path.read_bytes()
    for name in fitting(path):
        how = example(name)
        view, found = apply(raw, how), explain(valid(raw, how.schema_set), how)
        counted = [one for one in found if not one.is_empty]
        assert (view.kept, view.withheld) == (
            sum(one.kept for one in counted),
            sum(not one.kept for one in counted),
        )
        root = read(raw, LIMITS).root
        leaves = sum(1 for element in root.iter() if len(element) == 0)
        attributes = sum(len(element.attrib) for element in root.iter())
        assert len(found) == leaves + attributes
        assert len({one.path for one in found}) == len(found)


def explained(raw: str, rules: str, head: str = HEAD) -> dict[str, Explained]:
    how = compiled(rules, head)
    return {one.path: one for one in explain(valid(raw, how.schema_set), how)}


def test_each_entry_names_the_rule_its_reason_and_its_law() -> None:
    rules = f"{CODES}  - keep: {D}/TotalGrossMassMeasure\n    reason: weight\n    legal: article 3\n"
    mass = '<TotalGrossMassMeasure unitCode="KGM">1</TotalGrossMassMeasure>'
    found = explained(declaration(f"<DeclarationOfficeID>GB1</DeclarationOfficeID>{mass}"), rules)
    kept = found[f"{D}/TotalGrossMassMeasure"]
    assert (kept.kept, kept.rule, kept.reason, kept.legal) == (True, "p.yaml:7", "weight", "article 3")
    unit = found[f"{D}/TotalGrossMassMeasure/@unitCode"]
    assert (unit.kept, unit.rule, unit.note) == (False, "p.yaml:7", "the rule does not name this attribute")
    office = found[f"{D}/DeclarationOfficeID"]
    assert (office.kept, office.rule, office.reason) == (False, "p.yaml", "no rule keeps it")


def test_siblings_of_one_name_are_told_apart() -> None:
    documents = "".join(f"<AdditionalDocument><ID>{number}</ID></AdditionalDocument>" for number in range(2))
    found = explained(declaration(documents), CODES)
    assert {f"{D}/AdditionalDocument[1]/ID", f"{D}/AdditionalDocument[2]/ID"} <= set(found)


def test_a_bare_body_is_shown_as_it_stands_and_ruled_as_in_the_envelope() -> None:
    bare = declaration("").split(">", 1)[1].removesuffix("</md:MetaData>")
    found = explained(bare.replace("<Declaration>", '<Declaration xmlns="urn:wco:datamodel:WCO:DEC-DMS:2">'), CODES)
    assert {path: one.kept for path, one in found.items()} == {
        "/Declaration/FunctionCode": True,
        "/Declaration/TypeCode": True,
    }


def test_what_falls_with_its_parent_says_so() -> None:
    rules = f"{ANSWER}  - keep: /MetaData/Response/Declaration/ID\n"
    head = HEAD.replace("dms-declaration", "dms-response")
    raw = (
        f'<MetaData xmlns="urn:wco:datamodel:WCO:DocumentMetaData-DMS:2">'
        f'<Response xmlns="{RES}"><FunctionCode>01</FunctionCode><Declaration><VersionID>1</VersionID></Declaration>'
        f'</Response><Response xmlns="{RES}"><FunctionCode>02</FunctionCode><Declaration><ID>1</ID></Declaration>'
        "</Response></MetaData>"
    )
    found = explained(raw, rules, head)
    lost, kept = found["/MetaData/Response[1]/FunctionCode"], found["/MetaData/Response[2]/FunctionCode"]
    assert (lost.kept, kept.kept) == (False, True)
    assert "would lack what the schema requires" in lost.note
    assert not kept.note


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_white_space_in_an_empty_class_is_counted_as_it_is_explained(blank: str) -> None:
    how = compiled(
        "  - keep: /MetaData/Response\n    attributes: required\n", HEAD.replace("dms-declaration", "dms-response")
    )
    raw = (
        '<MetaData xmlns="urn:wco:datamodel:WCO:DocumentMetaData-DMS:2">'
        f'<Response xmlns="{RES}"><FunctionCode>01</FunctionCode><Declaration>{blank}</Declaration></Response></MetaData>'
    )
    document = valid(raw, "dms-response")
    view = apply_policy(document, how, bundled("dms-response"))
    withheld = [one.path for one in explain(document, how) if not one.kept]
    assert (view.withheld, withheld) == ((1, ["/MetaData/Response/Declaration"]) if blank else (0, []))
    assert b"<res:Declaration/>" in view.xml


def test_hints_to_schemas_are_listed_as_withheld() -> None:
    hints = f'xmlns:xsi="{XSI}" xsi:schemaLocation="urn:a a.xsd"'
    found = explained(declaration("", attributes=hints), CODES)
    assert not found["/MetaData/@schemaLocation"].kept


def test_no_value_of_the_document_is_in_an_explanation() -> None:
    office = '<DeclarationOfficeID schemeName="CANARY2">CANARY1</DeclarationOfficeID>'
    assert "CANARY" not in str(explained(declaration(office), CODES))
