"""Rules with conditions decide in each class on their own; values leave changed or not at all; whole messages are asked."""

import pytest

from gateway.domain.message import View
from gateway.errors import PolicyError
from gateway.policy import CompiledPolicy, apply_policy, demands, explain, inspect
from gateway.policy.changing.pseudonyms import Pseudonyms
from tests.unit.policy.rules import CODES, HEAD, apply, body, compiled, declaration, valid
from tests.unit.schema.sets import bundled

D = "/MetaData/Declaration"
ITEM = f"{D}/GoodsShipment/GovernmentAgencyGoodsItem"
COMMODITY = f"  - keep: {ITEM}/Commodity/Classification\n  - keep: {ITEM}/SequenceNumeric\n"


def item(number: int, commodity: str, description: str = "", destination: str = "") -> str:
    told = f"<Description>{description}</Description>" if description else ""
    code = f"<Classification><ID>{commodity}</ID></Classification>" if commodity else ""
    where = f"<Destination><CountryCode>{destination}</CountryCode></Destination>" if destination else ""
    inside = f"<Commodity>{told}{code}</Commodity>" if told or code else ""
    return f"<GovernmentAgencyGoodsItem><SequenceNumeric>{number}</SequenceNumeric>{inside}{where}</GovernmentAgencyGoodsItem>"


def shipment(*items: str, destination: str = "") -> str:
    where = f"<Destination><CountryCode>{destination}</CountryCode></Destination>" if destination else ""
    return f"<GoodsShipment>{where}{''.join(items)}</GoodsShipment>"


def holds_up(raw: str, how: CompiledPolicy) -> View:
    """Return the view, after the receiver passed it, it was applied to again, and explain was asked."""
    view, again = apply(raw, how), None
    received = valid(view.xml, how.schema_set)
    inspect(received, how)
    again = apply(view.xml, how)
    assert (again.xml, again.changed, again.withheld) == (view.xml, 0, 0)
    lines = [one for one in explain(valid(raw), how) if not one.is_empty]
    told = [sum(one.kept for one in lines), sum(one.changed for one in lines), sum(not one.kept for one in lines)]
    assert told == [view.kept, view.changed, view.withheld]
    return view


# ── where a condition is asked ───────────────────────────────────────────────────────────────────────────────────────


def test_a_rule_inside_an_item_asks_that_item() -> None:
    how = compiled(
        f"{CODES}{COMMODITY}  - keep: {ITEM}/Commodity/Description\n    when: {{commodity: ['01*', '0203']}}\n"
    )
    raw = declaration(
        shipment(item(1, "0101", "horses"), item(2, "9301", "guns"), item(3, "0203", "pork"), item(4, "02031"))
    )
    text = body(holds_up(raw, how))
    assert ("horses" in text, "guns" in text, "pork" in text) == (True, False, True)


def test_a_rule_on_the_header_asks_any_item() -> None:
    how = compiled(f"{CODES}{COMMODITY}  - keep: {D}/DeclarationOfficeID\n    unless: {{commodity: ['93*']}}\n")
    office = "<DeclarationOfficeID>GB1</DeclarationOfficeID>"
    assert "GB1" in body(holds_up(declaration(office + shipment(item(1, "01"), item(2, "02"))), how))
    assert "GB1" not in body(holds_up(declaration(office + shipment(item(1, "01"), item(2, "9301"))), how))


def test_the_item_s_own_destination_counts_before_that_of_the_shipment() -> None:
    how = compiled(
        f"{CODES}{COMMODITY}  - keep: //Destination/CountryCode\n"
        f"  - keep: {ITEM}/Commodity/Description\n    when: {{country-of-destination: [FR]}}\n"
    )
    raw = declaration(
        shipment(item(1, "01", "one", "FR"), item(2, "02", "two", "DE"), item(3, "03", "three"), destination="FR")
    )
    text = body(holds_up(raw, how))
    assert ("one" in text, "two" in text, "three" in text) == (True, False, False)


def test_the_kind_of_message_is_asked_of_a_bare_body_too() -> None:
    how = compiled(f"{CODES}  - keep: {D}/DeclarationOfficeID\n    when: {{kind: [declaration], type-code: [IM*]}}\n")
    raw = declaration("<DeclarationOfficeID>GB1</DeclarationOfficeID>")
    assert "GB1" in body(holds_up(raw, how))
    bare = raw.replace("<Declaration>", '<Declaration xmlns="urn:wco:datamodel:WCO:DEC-DMS:2">')
    bare = bare[bare.index("<Declaration") : bare.index("</md:MetaData>")]
    assert b"GB1" in holds_up(bare, how).xml
    amended = raw.replace("<FunctionCode>9<", "<FunctionCode>13<")
    assert "GB1" not in body(holds_up(amended, how))


def test_all_conditions_of_a_rule_must_hold() -> None:
    how = compiled(
        f"{CODES}{COMMODITY}  - keep: {ITEM}/Destination\n  - keep: {ITEM}/Commodity/Description\n"
        "    when: {commodity: ['01*'], country-of-destination: [FR]}\n"
    )
    raw = declaration(shipment(item(1, "01", "one", "FR"), item(2, "01", "two", "DE"), item(3, "02", "three", "FR")))
    text = body(holds_up(raw, how))
    assert ("one" in text, "two" in text, "three" in text) == (True, False, False)


def test_explain_names_the_rules_whose_conditions_do_not_hold() -> None:
    how = compiled(f"{CODES}{COMMODITY}  - keep: {ITEM}/Commodity/Description\n    when: {{commodity: ['01*']}}\n")
    found = {one.path: one for one in explain(valid(declaration(shipment(item(1, "02", "x")))), how)}
    line = found[f"{ITEM}/Commodity/Description"]
    assert (line.kept, line.rule, line.note) == (False, "p.yaml", "the conditions of p.yaml:9 do not hold")


def test_the_receiver_refuses_what_a_condition_keeps_back() -> None:
    how = compiled(f"{CODES}{COMMODITY}  - keep: {ITEM}/Commodity/Description\n    when: {{commodity: ['01*']}}\n")
    arrived = declaration(shipment(item(1, "01", "one"), item(2, "02", "two")))
    with pytest.raises(PolicyError) as caught:
        inspect(valid(arrived), how)
    assert caught.value.code == "policy.over_shared"
    assert caught.value.facts["paths"] == [f"{ITEM}[2]/Commodity/Description"]


def test_each_of_many_questions_to_one_class_decides_about_its_own_place() -> None:
    leaves = {"DeclarationOfficeID": "GB1", "LoadingListQuantity": "7", "SpecificCircumstancesCodeCode": "A"}
    how = compiled(
        CODES
        + COMMODITY
        + "".join(f"  - keep: {D}/{name}\n    when: {{commodity: ['{at:02}*']}}\n" for at, name in enumerate(leaves))
    )
    header = "".join(f"<{name}>{value}</{name}>" for name, value in leaves.items())
    for number in range(8):
        items = [item(1, f"{at:02}") for at in range(3) if number >> at & 1] or [item(1, "99")]
        text = body(holds_up(declaration(header + shipment(*items)), how))
        assert [f"<dec:{name}>" in text for name in leaves] == [bool(number >> at & 1) for at in range(3)]


# ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_changed_value_leaves_with_its_attributes_and_one_that_can_not_be_changed_does_not() -> None:
    how = compiled(
        f"{CODES}{COMMODITY}  - generalise: //Classification/ID\n    digits: 4\n    attributes: [schemeID]\n"
        f"  - truncate: {ITEM}/Commodity/Description\n    length: 5\n"
    )
    raw = declaration(shipment(item(1, "87032319", "cars of steel"), item(2, "12", "tiny"))).replace(
        "<ID>8", '<ID schemeID="S">8'
    )
    view = holds_up(raw, how)
    text = body(view)
    assert '<dec:ID schemeID="S">8703</dec:ID>' in text
    assert "<dec:ID>" not in text
    assert "<dec:Description>cars</dec:Description>" in text
    assert "<dec:Description>tiny</dec:Description>" in text
    assert view.changed == 2
    found = {one.path: one for one in explain(valid(raw), how)}
    assert found[f"{ITEM}[1]/Commodity/Classification/ID"].note == "generalised to 4 digits"
    assert found[f"{ITEM}[2]/Commodity/Classification/ID"].note == "it can not be generalised to 4 digits"


def test_an_attribute_has_rules_of_its_own() -> None:
    mass = '<TotalGrossMassMeasure unitCode="KGM">1</TotalGrossMassMeasure>'
    rules = f"{CODES}  - keep: {D}/TotalGrossMassMeasure\n    attributes: [unitCode]\n"
    assert 'unitCode="KGM"' in body(holds_up(declaration(mass), compiled(rules)))
    replaced = (
        f"{CODES}  - keep: {D}/TotalGrossMassMeasure\n  - replace: {D}/TotalGrossMassMeasure/@unitCode\n    with: TNE\n"
    )
    assert 'unitCode="TNE"' in body(holds_up(declaration(mass), compiled(replaced)))


def test_pseudonyms_need_the_key_of_the_agreement() -> None:
    how = compiled(f"{CODES}  - pseudonymise: {D}/GoodsShipment/Consignee/ID\n")
    raw = declaration("<GoodsShipment><Consignee><ID>GB123456789000</ID></Consignee></GoodsShipment>")
    document, keys = valid(raw), Pseudonyms(key=bytes(range(32)))
    view = apply_policy(document, how, bundled(how.schema_set), pseudonyms=keys)
    assert b"GB123456789000" not in view.xml
    assert b"<dec:Consignee><dec:ID>" in view.xml
    inspect(valid(view.xml), how)
    assert apply_policy(valid(view.xml), how, bundled(how.schema_set), pseudonyms=keys).xml == view.xml
    assert b"Consignee" not in apply_policy(document, how, bundled(how.schema_set)).xml
    assert [one.changed for one in explain(document, how)] == [False, False, True]


def test_the_receiver_refuses_a_value_that_no_change_makes() -> None:
    how = compiled(f"{CODES}{COMMODITY}  - generalise: //Classification/ID\n    digits: 4\n")
    with pytest.raises(PolicyError) as caught:
        inspect(valid(declaration(shipment(item(1, "870323")))), how)
    assert caught.value.facts["paths"] == [f"{ITEM}/Commodity/Classification/ID"]


# ── demands ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_demands_ask_the_whole_message() -> None:
    head = HEAD.replace(
        "rules:\n",
        "require:\n  - when: {type-code: [IM*]}\n    reason: imports only\n"
        "hold:\n  - when: {commodity: ['93*']}\n    reason: arms\n  - unless: {country-of-destination: [FR]}\n    reason: abroad\nrules:\n",
    )
    how = compiled(CODES, head)
    arms = demands(valid(declaration(shipment(item(1, "01"), item(2, "9301"), destination="FR"))), how)
    assert (arms.refused, [one.reason for one in arms.held]) == (None, ["arms"])
    export = demands(valid(declaration("").replace("IMA", "EXA")), how)
    assert export.refused is not None
    assert export.refused.reason == "imports only"
    assert [one.reason for one in export.held] == ["abroad"]
