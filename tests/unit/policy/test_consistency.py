"""What is true in a document is true in its view: it is mended, or the message is refused, as the policy says."""

import time

import pytest
from lxml import etree

from gateway.document import read
from gateway.errors import PolicyError
from gateway.policy import CompiledPolicy, apply_policy, compile_policy, explain
from gateway.policy.consistency.mending import Numbered, Relations, observe
from gateway.schema import CompiledSet, assemble_set, compile_set, validate
from tests.unit.policy.rules import CODES, HEAD, apply, body, compiled, declaration, example, valid
from tests.unit.policy.test_conditions_applied import holds_up
from tests.unit.schema.sets import LIMITS, bundled, files_of

D = "/MetaData/Declaration"
ITEM = f"{D}/GoodsShipment/GovernmentAgencyGoodsItem"
MENDS = "consistency: {sequence: renumber, counts: recount, totals: recompute, pointers: follow}\n"
RULES = f"""{CODES}
  - keep: {D}/GoodsItemQuantity
  - keep: {D}/TotalGrossMassMeasure
    attributes: [unitCode]
  - keep: {D}/TotalPackageQuantity
  - keep: {D}/AdditionalInformation/Pointer
  - keep: {D}/AdditionalInformation/StatementCode
  - keep: {ITEM}
    attributes: [unitCode, formatCode]
  - drop: {ITEM}
    when: {{country-of-origin: [KP]}}
"""


def policy(consistency: str = MENDS, rules: str = RULES) -> CompiledPolicy:
    return compiled(rules, HEAD.replace("rules:\n", f"{consistency}rules:\n"))


def item(number: str, origin: str = "FR", mass: str = "", packages: str = "") -> str:
    measure = f'<GoodsMeasure><GrossMassMeasure unitCode="KGM">{mass}</GrossMassMeasure></GoodsMeasure>' if mass else ""
    packaging = (
        f"<Packaging><SequenceNumeric>1</SequenceNumeric><QuantityQuantity>{packages}</QuantityQuantity></Packaging>"
    )
    return (
        f"<GovernmentAgencyGoodsItem><SequenceNumeric>{number}</SequenceNumeric>"
        f"<Commodity><Description>item {number}</Description>{measure}</Commodity>"
        f"<Origin><CountryCode>{origin}</CountryCode></Origin>{packaging if packages else ''}</GovernmentAgencyGoodsItem>"
    )


def pointing(*steps: tuple[str, str, str]) -> str:
    """Return additional information with a chain of pointers: number, class, tag."""
    chain = ""
    for number, section, tag in steps:
        which = f"<SequenceNumeric>{number}</SequenceNumeric>" if number else ""
        chain += f"<Pointer>{which}<DocumentSectionCode>{section}</DocumentSectionCode>"
        chain += f"<TagID>{tag}</TagID></Pointer>" if tag else "</Pointer>"
    return f"<AdditionalInformation><StatementCode>A</StatementCode>{chain}</AdditionalInformation>"


def shipped(*items: str, before: str = "", info: str = "") -> str:
    return declaration(f"{before}{info}<GoodsShipment>{''.join(items)}</GoodsShipment>")


def refused(raw: str, how: CompiledPolicy) -> tuple[str, object]:
    with pytest.raises(PolicyError) as caught:
        apply(raw, how)
    return caught.value.code, caught.value.facts["paths"]


THREE = (item("1"), item("2", "KP"), item("3"))


def test_items_that_were_in_sequence_are_numbered_anew() -> None:
    view = holds_up(shipped(*THREE), policy())
    assert body(view).count("<dec:SequenceNumeric>") == 2
    assert "<dec:SequenceNumeric>2</dec:SequenceNumeric><dec:Commodity><dec:Description>item 3<" in body(view)
    assert view.changed == 1
    notes = [one.note for one in explain(valid(shipped(*THREE)), policy()) if one.changed]
    assert [note.partition(";")[0] for note in notes] == ["numbered anew"]


def test_a_view_that_would_be_out_of_sequence_is_refused_unless_the_policy_mends() -> None:
    assert refused(shipped(*THREE), policy("")) == ("policy.inconsistent", [f"{ITEM}/SequenceNumeric"])
    notes = [one.note for one in explain(valid(shipped(*THREE)), policy("")) if "refused" in one.note]
    told = "`consistency` lets sequence not be mended: the message is refused"
    assert [note.partition(";")[0] for note in notes] == [told]


@pytest.mark.parametrize(
    "items",
    [(item("1"), item("2"), item("3", "KP")), (item("5", "KP"), item("7")), (item("1"), item("2")), (item("1", "KP"),)],
    ids=["the last goes", "never in sequence", "none goes", "all go"],
)
def test_what_is_still_right_and_what_never_was_is_left(items: tuple[str, ...]) -> None:
    how = policy("", RULES.replace(f"  - keep: {D}/GoodsItemQuantity\n", ""))
    assert holds_up(shipped(*items), how).changed == 0


def test_siblings_of_which_one_has_no_number_are_not_in_sequence() -> None:
    relations = Relations(sequences=(Numbered(parents=(), member="Item", number="SequenceNumeric"),))
    first, second = (f"<Item><SequenceNumeric>{number}</SequenceNumeric></Item>" for number in (1, 2))
    assert len(observe(etree.fromstring(f"<R>{first}{second}</R>"), relations).groups) == 1
    assert observe(etree.fromstring(f"<R>{first}<Item/>{second}</R>"), relations).groups == []


def test_a_right_count_is_counted_anew_and_a_wrong_one_is_the_declarant_s() -> None:
    count = "<GoodsItemQuantity>{}</GoodsItemQuantity>"
    assert "<dec:GoodsItemQuantity>2<" in body(holds_up(shipped(*THREE, before=count.format("3")), policy()))
    assert "<dec:GoodsItemQuantity>5<" in body(holds_up(shipped(*THREE, before=count.format("5")), policy()))
    only = policy("consistency: {sequence: renumber}\n")
    assert refused(shipped(*THREE, before=count.format("3.0")), only) == (
        "policy.inconsistent",
        [f"{D}/GoodsItemQuantity"],
    )


def test_a_count_of_what_a_policy_never_keeps_is_left() -> None:
    how = policy("", f"{CODES}  - keep: {D}/GoodsItemQuantity\n")
    raw = shipped(*THREE, before="<GoodsItemQuantity>3</GoodsItemQuantity>")
    assert "<dec:GoodsItemQuantity>3<" in body(holds_up(raw, how))


MASS = '<TotalGrossMassMeasure unitCode="KGM">{}</TotalGrossMassMeasure>'
WEIGHED = (item("1", mass="10.5"), item("2", "KP", mass="2"), item("3", mass="4.25"))


def test_a_right_total_is_summed_up_anew() -> None:
    text = body(holds_up(shipped(*WEIGHED, before=MASS.format("16.75")), policy()))
    assert '<dec:TotalGrossMassMeasure unitCode="KGM">14.75<' in text
    text = body(holds_up(shipped(*WEIGHED, before=MASS.format("16.755")), policy()))
    assert '<dec:TotalGrossMassMeasure unitCode="KGM">14.75<' in text, "to within 0.01"


@pytest.mark.parametrize(
    ("items", "total"),
    [(WEIGHED, "99"), ((*WEIGHED, item("4")), "16.75"), ((WEIGHED[0], item("2", "KP", mass="0")), "10.5")],
    ids=["another total", "an item without", "it weighed nothing"],
)
def test_a_total_that_is_not_the_sum_or_stays_it_is_left(items: tuple[str, ...], total: str) -> None:
    text = body(holds_up(shipped(*items, before=MASS.format(total)), policy()))
    assert f'<dec:TotalGrossMassMeasure unitCode="KGM">{total}<' in text


def test_packages_are_summed_up_over_all_packagings() -> None:
    raw = shipped(
        item("1", packages="3"),
        item("2", "KP", packages="4"),
        before="<TotalPackageQuantity>7</TotalPackageQuantity>",
    )
    assert "<dec:TotalPackageQuantity>3<" in body(holds_up(raw, policy()))
    how = policy("consistency: {sequence: renumber, counts: recount}\n")
    assert refused(raw, how) == ("policy.inconsistent", [f"{D}/TotalPackageQuantity"])


def test_pointers_follow_the_items_they_lead_to_and_go_with_those_that_went() -> None:
    to_third = pointing(("", "42A", ""), ("1", "67A", ""), ("3", "68A", "006"))
    to_second = pointing(("", "42A", ""), ("", "67A", ""), ("2", "68A", ""))
    view = holds_up(shipped(*THREE, info=to_third + to_second), policy())
    text = body(view)
    assert text.count("<dec:Pointer>") == 3
    assert "<dec:SequenceNumeric>2</dec:SequenceNumeric><dec:DocumentSectionCode>68A<" in text
    assert text.count("<dec:AdditionalInformation>") == 2, "the second still has its code"
    found = explain(valid(shipped(*THREE, info=to_third + to_second)), policy())
    assert sum("it points to what is withheld" in one.note for one in found) == 4
    assert sum("follows what it points to" in one.note for one in found) == 1


def test_what_a_pointer_alone_filled_goes_with_it() -> None:
    bare = pointing(("", "42A", ""), ("", "67A", ""), ("2", "68A", "")).replace("<StatementCode>A</StatementCode>", "")
    assert "AdditionalInformation" not in body(holds_up(shipped(*THREE, info=bare), policy()))
    how = policy("consistency: {sequence: renumber}\n")
    assert refused(shipped(*THREE, info=bare), how)[0] == "policy.inconsistent"


def test_pointers_to_pointing_information_follow_when_it_moves() -> None:
    gone = pointing(("", "42A", ""), ("", "67A", ""), ("2", "68A", "")).replace("<StatementCode>A</StatementCode>", "")
    to_third_info = pointing(("", "42A", ""), ("3", "03A", ""))
    raw = shipped(*THREE, info=gone + to_third_info + pointing(("", "42A", ""), ("1", "67A", "")))
    assert "<dec:SequenceNumeric>2</dec:SequenceNumeric><dec:DocumentSectionCode>03A<" in body(holds_up(raw, policy()))


@pytest.mark.parametrize(
    "steps",
    [
        [("", "42A", ""), ("1", "67A", ""), ("9", "68A", "")],
        [("", "07B", ""), ("1", "53A", "")],
        [("", "42A", ""), ("1", "67A", ""), ("3", "68A", "Z99")],
        [("", "67A", ""), ("2", "68A", "")],
    ],
    ids=["no such item", "another body", "no such tag", "not from the top"],
)
def test_a_pointer_that_leads_nowhere_in_its_message_is_left(steps: list[tuple[str, str, str]]) -> None:
    assert body(holds_up(shipped(*THREE, info=pointing(*steps)), policy())).count("<dec:Pointer>") == len(steps)


def test_a_pointer_that_could_mean_several_is_left() -> None:
    raw = shipped(
        item("1", "KP"), item("2"), item("3"), info=pointing(("", "42A", ""), ("", "67A", ""), ("", "68A", ""))
    )
    assert body(holds_up(raw, policy())).count("<dec:Pointer>") == 3


def test_zeros_in_front_of_a_number_mean_nothing() -> None:
    first, third = (pointing(("", "42A", ""), ("", "67A", ""), (number, "68A", "")) for number in ("01", "003"))
    view = body(holds_up(shipped(*THREE, info=first + third), policy()))
    assert "<dec:SequenceNumeric>01</dec:SequenceNumeric><dec:DocumentSectionCode>68A<" in view
    assert "<dec:SequenceNumeric>2</dec:SequenceNumeric><dec:DocumentSectionCode>68A<" in view


def test_a_number_that_a_rule_changes_is_not_looked_at() -> None:
    how = policy("", RULES + f'  - replace: {ITEM}/SequenceNumeric\n    with: "1"\n')
    assert [one.member for found in how.relations.values() for one in found.sequences if "Goods" in one.member] == []


def test_policies_that_can_not_lose_an_item_look_for_nothing_but_pointers() -> None:
    for name in ("customs-cooperation", "customs-response"):
        assert not any(one.members for one in example(name).relations.values())


def test_many_items_and_pointers_take_time_in_proportion() -> None:
    def seconds(many: int) -> float:
        items = [item(str(at), "KP" if at % 3 == 0 else "FR", "1", "1") for at in range(1, many + 1)]
        info = "".join(
            pointing(("", "42A", ""), ("1", "67A", ""), (str(at), "68A", "006")) for at in range(1, many + 1)
        )
        document, how = valid(shipped(*items, info=info)), policy()
        started = time.process_time()
        for _ in range(3):
            apply_policy(document, how, bundled(how.schema_set))
        return time.process_time() - started

    few, many = seconds(60), seconds(480)
    assert many < few * 8 * 4, "eight times as much, with room for a busy machine"


def test_a_total_follows_when_a_part_goes_of_an_item_that_stays() -> None:
    """A number that can not be made coarser takes its packaging with it, and what that held of the packages."""
    packaging = "<Packaging><SequenceNumeric>{}</SequenceNumeric><QuantityQuantity>{}</QuantityQuantity></Packaging>"
    two = f"{packaging.format(1, 3)}{packaging.format(9, 4)}</GovernmentAgencyGoodsItem>"
    only = item("1").replace("</GovernmentAgencyGoodsItem>", two)
    raw = shipped(only, before="<TotalPackageQuantity>7</TotalPackageQuantity>")
    coarser = f"{RULES.partition(f'  - drop: {ITEM}')[0]}  - generalise: {ITEM}/Packaging/SequenceNumeric\n    bands: [5, 9]\n"
    assert "<dec:TotalPackageQuantity>4<" in body(holds_up(raw, policy(rules=coarser)))
    assert refused(raw, policy("", coarser)) == ("policy.inconsistent", [f"{D}/TotalPackageQuantity"])


def test_a_count_follows_when_the_whole_shipment_goes() -> None:
    raw = shipped(item("1"), item("2"), before="<GoodsItemQuantity>2</GoodsItemQuantity>")
    sometimes = f"  - keep: {D}/GoodsShipment\n    attributes: [unitCode, formatCode]\n    when: {{type-code: [EX*]}}\n"
    how = policy(rules=f"{CODES}  - keep: {D}/GoodsItemQuantity\n{sometimes}")
    assert "<dec:GoodsItemQuantity>0</dec:GoodsItemQuantity>" in body(holds_up(raw, how))


# ── what a set requires ──────────────────────────────────────────────────────────────────────────────────────────────


def pointers_required() -> CompiledSet:
    """Return the declaration set in which additional information has a pointer, and declarations have such."""
    files = {name: raw for name, raw in files_of("dms-declaration").items() if name.endswith(".xsd")}
    optional = b'<xs:element name="Pointer" type="dec:Pointer" minOccurs="0"'
    assert optional in files["Declaration.xsd"]
    files["Declaration.xsd"] = files["Declaration.xsd"].replace(optional, optional.removesuffix(b' minOccurs="0"'))
    like = bundled("dms-declaration").schema_set
    made = assemble_set(
        files,
        set_id="dms-declaration",
        release="1",
        title="Pointers required",
        entry=like.entry,
        kinds=[kind.value for kind in like.kinds],
        roots=list(like.roots),
        namespaces=list(like.namespaces),
    )
    return compile_set(made)


def test_a_pointer_that_the_set_requires_goes_with_what_it_stands_in() -> None:
    """An element that would lack what the schema requires is not written, whatever took that out."""
    compiled_set = pointers_required()
    how = compile_policy(policy().policy, compiled_set)
    to_first, to_second = (
        pointing(("", "42A", ""), ("", "67A", ""), ("1", "68A", "")),
        pointing(("", "42A", ""), ("", "67A", ""), ("2", "68A", "")),
    )
    raw = shipped(item("1", "KP"), item("2"), info=to_first + to_second)
    view = apply_policy(validate(read(raw.encode(), LIMITS), compiled_set), how, compiled_set)
    assert view.xml.count(b"<dec:AdditionalInformation>") == 1
    assert view.xml.count(b"<dec:Pointer>") == 3
