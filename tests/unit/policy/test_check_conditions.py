"""The static check finds what leaves under conditions, however many there are, and questions that a view answers
otherwise than its document."""

from dataclasses import replace

import pytest

from gateway.errors import Finding
from gateway.policy import check_policy
from gateway.schema import assemble_set, compile_set
from gateway.schema.facts.privacy_file import parse_privacy
from tests.unit.policy.rules import CODES, policy, reviewed

D = "/MetaData/Declaration"
ITEM = f"{D}/GoodsShipment/GovernmentAgencyGoodsItem"
ACCESS = f"{D}/ObligationGuarantee/AccessCode"
HEAD = """policy: p
version: 1
schema_set: dms-declaration
consistency: {sequence: renumber, counts: recount, totals: recompute, pointers: follow}
"""
# Each alone is two worlds; together far more than are looked at.
MANY = "".join(f"  - keep: {D}/ID\n    when: {{type-code: [Z{number}]}}\n" for number in range(70))


def findings(rules: str, head: str = HEAD) -> tuple[Finding, ...]:
    return check_policy(policy(rules, f"{head}rules:\n"), reviewed("dms-declaration"))


def is_given_away(rules: str) -> bool:
    return any("a credential" in one.problem for one in findings(CODES + rules))


def test_a_credential_that_leaves_under_two_of_many_conditions_is_found() -> None:
    assert is_given_away(f"{MANY}  - keep: {ACCESS}\n    when: {{type-code: QQ*, kind: declaration}}\n")


def test_a_credential_that_leaves_where_one_of_three_rules_falls_silent_is_found() -> None:
    drops = f"  - drop: {ACCESS}\n    when: {{type-code: [IMA]}}\n  - drop: {ACCESS}\n    when: {{type-code: [IMD]}}\n"
    assert is_given_away(f"{drops}  - keep: {ACCESS}\n")
    assert not is_given_away(f"{drops}  - drop: {ACCESS}\n")


@pytest.mark.parametrize(
    ("dropped", "kept"),
    [
        ("{type-code: IM*}", "{type-code: [IMA, IMD]}"),
        ("{type-code: IM*}", "{type-code: IMA, kind: declaration}"),
        ("{kind: [declaration, amendment, arrival]}", "{type-code: IMA}"),
    ],
)
def test_what_is_dropped_wherever_it_would_be_kept_is_not_given_away(dropped: str, kept: str) -> None:
    # The class is kept; the rule on the leaf stands deeper, so it goes first.
    rules = f"  - drop: {ACCESS}\n    when: {dropped}\n  - keep: {D}/ObligationGuarantee\n    attributes: required\n"
    assert not is_given_away(f"{rules}    when: {kept}\n")


# A set of another maker, whose attribute is a secret.
TOKENS = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:n" elementFormDefault="qualified">
  <xs:element name="R"><xs:complexType><xs:simpleContent><xs:extension base="xs:string">
    <xs:attribute name="accessToken" type="xs:string"/></xs:extension></xs:simpleContent></xs:complexType></xs:element>
</xs:schema>"""
SECRET = b'sets = ["tokens"]\n[[rule]]\nclass = "credential"\nreason = "opens it"\nelements = ["@accessToken"]\n'


@pytest.mark.parametrize("action", ["keep: /R", "pseudonymise: /R", "replace: /R, with: x"])
def test_a_change_of_an_element_does_not_hide_its_attributes(action: str) -> None:
    made = assemble_set(
        {"t.xsd": TOKENS},
        set_id="tokens",
        release="1",
        title="A set with a secret in an attribute",
        entry="t.xsd",
        kinds=["declaration"],
        roots=["{urn:n}R"],
        namespaces=["urn:n"],
    )
    compiled = compile_set(replace(made, privacy=(parse_privacy(SECRET, file="privacy.toml"),)))
    head = "policy: p\nversion: 1\nschema_set: tokens\nrules:\n"
    (found,) = (
        one
        for one in check_policy(policy(f"  - {{{action}, attributes: [accessToken]}}\n", head), compiled)
        if one.is_error
    )
    assert "/R/@accessToken, a credential" in found.problem


def asks(criterion: str, rules: str, head: str = HEAD) -> list[str]:
    return [one.problem for one in findings(CODES + rules, f"{head}criteria: {{asked: {criterion}}}\n") if one.is_error]


ITEMS = f"  - keep: {ITEM}\n    attributes: required\n  - drop: privacy:personal\n"


def test_an_item_can_not_be_chosen_by_a_number_that_it_has_anew_in_the_view() -> None:
    rules = f"{ITEMS}  - drop: {ITEM}\n    when: {{asked: 2}}\n"
    (problem,) = asks(f"{ITEM}/SequenceNumeric", rules)
    assert problem == f"asks asked at {ITEM}/SequenceNumeric, which `sequence: renumber` may change"
    assert asks(f"{ITEM}/SequenceNumeric", rules, HEAD.replace("renumber", "refuse")) == []


def test_a_count_that_is_taken_anew_can_not_be_asked() -> None:
    rules = f"{ITEMS}  - keep: {D}/GoodsItemQuantity\n  - drop: {ITEM}\n    when: {{commodity: 93*}}\n"
    rules += f"  - keep: {D}/ID\n    when: {{asked: 3}}\n"
    (problem,) = asks(f"{D}/GoodsItemQuantity", rules)
    assert "which `counts: recount` may change" in problem
    assert asks(f"{D}/GoodsItemQuantity", rules, HEAD.replace("recount", "refuse")) == []


def test_what_stands_in_a_pointer_can_not_be_asked_where_pointers_are_followed() -> None:
    rules = f"  - keep: {D}/Amendment\n  - keep: {D}/ID\n    when: {{asked: 42A}}\n"
    (problem,) = asks(f"{D}/Amendment/Pointer/DocumentSectionCode", rules)
    assert "which `pointers: follow` may change" in problem


# ── what is dropped, and rules inside ────────────────────────────────────────────────────────────────────────────────


def taken_back(rules: str) -> list[str]:
    return [one.problem for one in findings(CODES + rules) if " though " in one.problem or " then too" in one.problem]


CONSIGNEE = f"{D}/GoodsShipment/Consignee"


@pytest.mark.parametrize(
    ("inside", "is_told"),
    [
        (f"  - keep: {CONSIGNEE}/ID\n", True),
        (f"  - keep: {CONSIGNEE}/ID\n    when: {{kind: arrival}}\n", True),
        (f"  - keep: {CONSIGNEE}/ID\n    unless: {{type-code: IM*}}\n", False),
        (f"  - keep: {CONSIGNEE}/ID\n  - drop: {CONSIGNEE}/ID\n    when: {{type-code: IM*}}\n", False),
        (f"  - drop: {CONSIGNEE}/ID\n", False),
    ],
)
def test_a_class_that_goes_under_a_condition_goes_whole_or_it_is_told(inside: str, is_told: bool) -> None:
    rules = f"  - drop: {CONSIGNEE}\n    when: {{type-code: IM*}}\n{inside}"
    assert bool(taken_back(rules)) is is_told


def test_a_leaf_that_is_named_in_a_class_that_is_dropped_is_meant() -> None:
    drop = f"  - drop: {CONSIGNEE}\n  - keep: {D}/GoodsShipment/Consignor/Name\n"
    assert taken_back(f"{drop}  - keep: {CONSIGNEE}/Name\n  - keep: //Consignee/ID\n") == []
    assert len(taken_back(f"{drop}  - keep: privacy:personal\n")) == 1


@pytest.mark.parametrize(
    ("asked", "is_told"),
    [
        ("country-of-destination: FR", False),
        ("country-of-destination: F*", False),
        ("country-of-destination: FRA", True),
        ("country-of-destination: [FR, FRA*]", True),
        ("type-code: IMA", False),
    ],
)
def test_a_condition_on_a_value_that_can_not_be_is_told(asked: str, is_told: bool) -> None:
    rules = f"{CODES}  - keep: [{D}/GoodsShipment/Destination/CountryCode, {ITEM}/Destination/CountryCode]\n"
    rules += f"  - keep: {D}/ID\n    when: {{{asked}}}\n"
    assert any("which no value of" in one.problem for one in findings(rules)) is is_told
