"""What a policy keeps may still not stand alone: then there is no view, and the refusal names places only.

The bundled sets leave little room for this, so the sets here are made for it.
"""

from dataclasses import replace

import pytest

from gateway.document import read
from gateway.document.names import DECLARATION
from gateway.errors import PolicyError
from gateway.policy import apply_policy, check_policy, compile_policy, explain, inspect
from gateway.schema import CompiledSet, assemble_set, compile_set, validate
from tests.unit.policy.rules import HEAD, declaration, example, policy, sample, valid
from tests.unit.schema.sets import LIMITS, bundled

PLACES = """
    <xs:element name="FunctionCode" type="xs:string" minOccurs="0"/>
    <xs:element name="TypeCode" type="xs:string" minOccurs="0"/>
    <xs:choice><xs:element name="Left" type="xs:string"/><xs:element name="Right" type="xs:string"/></xs:choice>
    <xs:element name="Note" type="xs:string" minOccurs="0"/>"""


def made(places: str, kinds: list[str]) -> CompiledSet:
    xsd = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{DECLARATION}"
      elementFormDefault="qualified"><xs:element name="Declaration"><xs:complexType><xs:sequence>{places}
      </xs:sequence></xs:complexType></xs:element></xs:schema>"""
    return compile_set(
        assemble_set(
            {"m.xsd": xsd.encode()},
            set_id="made",
            release="1",
            title="A set made for a test",
            entry="m.xsd",
            kinds=kinds,
            roots=[f"{{{DECLARATION}}}Declaration"],
            namespaces=[DECLARATION],
        )
    )


ONE_KIND = made(PLACES, ["amendment"])
LOOSE = made(PLACES.replace("<xs:choice>", '<xs:choice minOccurs="0">'), ["amendment"])
AMENDMENT = "<FunctionCode>13</FunctionCode>"


def refusal(rules: str, inside: str, under: CompiledSet) -> PolicyError:
    how = compile_policy(policy(rules, HEAD.replace("dms-declaration", "made")), under)
    raw = f'<Declaration xmlns="{DECLARATION}">{inside}</Declaration>'
    with pytest.raises(PolicyError) as caught:
        apply_policy(validate(read(raw.encode(), LIMITS), under), how, under)
    assert "CANARY" not in f"{caught.value} {dict(caught.value.facts)}"
    return caught.value


def test_a_view_that_breaks_the_schema_set_is_refused_with_its_places() -> None:
    """The schema asks for one of two; the policy keeps only the other."""
    rules = "  - keep: /Declaration/FunctionCode\n  - keep: /Declaration/Left\n"
    found = refusal(rules, f"{AMENDMENT}<Right>CANARY</Right>", ONE_KIND)
    assert found.code == "policy.view_invalid"
    assert found.facts["paths"] == ["/Declaration"]


def test_a_view_of_another_kind_is_refused() -> None:
    found = refusal("  - keep: /Declaration/Note\n", f"{AMENDMENT}<Note>CANARY</Note>", LOOSE)
    assert found.code == "policy.view_invalid"


def test_a_document_of_which_nothing_is_kept_is_refused() -> None:
    found = refusal("  - keep: /Declaration/Note\n", f"{AMENDMENT}<Left>CANARY</Left>", LOOSE)
    assert found.code == "policy.nothing_kept"


def test_a_view_too_large_for_any_door_is_refused() -> None:
    rules = "  - keep: /Declaration/FunctionCode\n  - keep: /Declaration/Note\n"
    found = refusal(rules, f"{AMENDMENT}<Note><![CDATA[{'&' * 1_000_000}]]></Note>", LOOSE)
    assert found.code == "policy.view_invalid"
    assert "document.too_large" in found.detail


def test_a_root_of_which_the_policy_keeps_nothing_is_refused() -> None:
    two = {
        "m.xsd": f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{DECLARATION}"
          elementFormDefault="qualified"><xs:element name="Declaration"><xs:complexType><xs:sequence>
          <xs:element name="Note" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
          <xs:element name="Other"><xs:complexType><xs:sequence><xs:element name="Note" type="xs:string"/>
          </xs:sequence></xs:complexType></xs:element></xs:schema>""".encode()
    }
    under = compile_set(
        assemble_set(
            two,
            set_id="made",
            release="1",
            title="A set with two roots",
            entry="m.xsd",
            kinds=["declaration"],
            roots=[f"{{{DECLARATION}}}Declaration", f"{{{DECLARATION}}}Other"],
            namespaces=[DECLARATION],
        )
    )
    assert refusal("  - keep: /Other/Note\n", "<Note>CANARY</Note>", under).code == "policy.nothing_kept"
    how = compile_policy(policy("  - keep: /Other/Note\n", HEAD.replace("dms-declaration", "made")), under)
    found = validate(read(f'<Declaration xmlns="{DECLARATION}"><Note>x</Note></Declaration>'.encode(), LIMITS), under)
    assert [(one.path, one.kept) for one in explain(found, how)] == [("/Declaration/Note", False)]


def test_not_even_a_policy_past_the_check_can_change_the_kind_of_a_message() -> None:
    how = example("customs-cooperation")
    (root,) = [place for place in how.roots.values() if place.path == "/MetaData"]
    (body,) = [place for place in root.children.values() if place.path == "/MetaData/Declaration"]
    leaves = {tag: place for tag, place in body.children.items() if not place.path.endswith("/TypeCode")}
    spoilt_body = {
        tag: replace(body, children=leaves) if place is body else place for tag, place in root.children.items()
    }
    roots = {tag: replace(root, children=spoilt_body) if place is root else place for tag, place in how.roots.items()}
    with pytest.raises(PolicyError, match="another message kind"):
        apply_policy(valid(sample("arrival")), replace(how, roots=roots, quick=None), bundled("dms-declaration"))


def test_the_receiver_refuses_a_root_that_the_policy_does_not_have() -> None:
    bare = declaration("").split(">", 1)[1].removesuffix("</md:MetaData>").replace(">", f' xmlns="{DECLARATION}">', 1)
    with pytest.raises(PolicyError) as caught:
        inspect(valid(bare), example("customs-response"))
    assert caught.value.facts["paths"] == ["/Declaration"]


# ── what may be empty ────────────────────────────────────────────────────────────────────────────────────────────────

HOLDING = """
    <xs:element name="FunctionCode" type="xs:string"/>
    <xs:element name="TypeCode" type="xs:string"/>
    <xs:element name="Shipment" minOccurs="0"><xs:complexType><xs:sequence>
      <xs:element name="Country" type="xs:string" minOccurs="0"/>
      <xs:element name="Buyer"><xs:complexType><xs:sequence>{}</xs:sequence></xs:complexType></xs:element>
    </xs:sequence></xs:complexType></xs:element>
    <xs:element name="Note" type="xs:string" minOccurs="0"/>"""
NAME = '<xs:element name="Name" type="xs:string"{}/>'
COMMUNICATION = (
    '<xs:element name="Communication"{}><xs:complexType><xs:sequence>{}</xs:sequence></xs:complexType></xs:element>'
)


@pytest.mark.parametrize(
    ("inside", "may_go"),
    [
        (NAME.format(""), False),
        (NAME.format(' minOccurs="0"'), False),
        (COMMUNICATION.format("", NAME.format("")), False),
        (COMMUNICATION.format("", NAME.format(' minOccurs="0"')), True),
        (COMMUNICATION.format(' minOccurs="0"', NAME.format("")), True),
    ],
    ids=["a value", "a value or nothing", "a class with a value", "an empty class", "perhaps an empty class"],
)
def test_no_rule_asks_beside_what_may_hold_nothing_but_empty_classes(inside: str, *, may_go: bool) -> None:
    """Of such nothing is written, and what requires it goes with it: the receiver would find no answer there."""
    holding = made(HOLDING.format(inside), ["declaration"])
    rules = "  - keep: /Declaration\n  - drop: /Declaration/Note\n    when: {country: [FR]}\n"
    head = HEAD.replace("dms-declaration", "made").replace("rules:", "criteria: {country: //Country}\nrules:")
    errors = [one.problem for one in check_policy(policy(rules, head), holding) if one.is_error]
    told = "asks country at /Declaration/Shipment/Country, while /Declaration/Shipment/Buyer may be withheld"
    assert [one[: len(told)] for one in errors] == ([told] if may_go else [])


def test_a_value_that_may_be_all_a_required_class_holds_is_told_where_it_can_not_be_changed() -> None:
    """The class goes without it, and what requires the class with it; beside a value that stays nothing is lost."""
    held = """<xs:element name="FunctionCode" type="xs:string"/>
      <xs:element name="Part"><xs:complexType><xs:sequence>{}<xs:element name="Sum" type="xs:int" minOccurs="0"/>
      </xs:sequence></xs:complexType></xs:element>"""
    rules = "  - keep: /Declaration\n  - generalise: /Declaration/Part/Sum\n    bands: [10, 20]\n"
    alone, beside = made(held.format(""), ["amendment"]), made(held.format(NAME.format("")), ["amendment"])
    assert refusal(rules, f"{AMENDMENT}<Part><Sum>1</Sum></Part>", alone).code == "policy.view_invalid"
    head = HEAD.replace("dms-declaration", "made")
    told = [
        [one for one in check_policy(policy(rules, head), under) if "Sum" in one.problem] for under in (alone, beside)
    ]
    assert [[one.is_error for one in some] for some in told] == [[False], []]
