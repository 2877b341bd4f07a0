"""Documents against code lists: which values are looked at, what is said of them, and what never is."""

from datetime import date
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.document import read
from gateway.domain.ids import CodeListId, SchemaSetId
from gateway.domain.profile import Severity
from gateway.errors import ConfigurationError, Violation
from gateway.schema import Code, CompiledCodeLists, compile_code_lists, join_catalogues, list_findings, read_catalogue
from tests.unit.schema.sets import DATA, DEC, LIMITS, MD, bundled
from tests.unit.schema.test_code_lists import BUNDLED, FILES

CATALOGUE = join_catalogues([read_catalogue(BUNDLED)])
DECLARATION = SchemaSetId("dms-declaration")
TODAY = date(2026, 11, 22)
COUNTRIES, CURRENCIES, PACKAGES = CodeListId("iso-3166-1"), CodeListId("iso-4217"), CodeListId("un-ece-rec-21")
EXTENSION = CodeListId("customs-countries")


@cache
def compiled(*chosen: str, set_id: str = DECLARATION) -> CompiledCodeLists:
    lists = [CodeListId(one) for one in chosen] or None
    return compile_code_lists(CATALOGUE, bundled(set_id).tree, SchemaSetId(set_id), lists)


def declaration(shipment: str) -> etree._Element:
    body = f"<Declaration xmlns='{DEC}'><GoodsShipment>{shipment}</GoodsShipment></Declaration>"
    return read(f"<MetaData xmlns='{MD}'>{body}</MetaData>".encode(), LIMITS).root


def destination(code: str) -> etree._Element:
    return declaration(f"<Destination><CountryCode>{code}</CountryCode></Destination>")


def packaging(code: str) -> etree._Element:
    item = f"<Packaging><TypeCode>{code}</TypeCode></Packaging>"
    return declaration(f"<GovernmentAgencyGoodsItem>{item}</GovernmentAgencyGoodsItem>")


def amount(currency: str) -> etree._Element:
    value = f"<StatisticalValueAmount currencyID='{currency}'>1</StatisticalValueAmount>"
    return declaration(f"<GovernmentAgencyGoodsItem/><GovernmentAgencyGoodsItem>{value}</GovernmentAgencyGoodsItem>")


def found(root: etree._Element, *chosen: str, on: date = TODAY) -> tuple[Violation, ...]:
    return compiled(*chosen).violations(root, on)


def test_what_is_in_its_list_is_not_spoken_of() -> None:
    assert found(destination("GB")) == found(packaging("CT")) == found(amount("EUR")) == ()


def test_an_unknown_code_is_named_by_place_and_list_and_never_by_its_value() -> None:
    (violation,) = found(destination("Q7"))
    assert violation.code == "codelist.unknown_code"
    assert violation.rule == "code_list:iso-3166-1"
    assert violation.path == "/MetaData/Declaration/GoodsShipment/Destination/CountryCode"
    assert violation.wco_id == "465"
    assert violation.line == 1
    assert "Countries (ISO 3166-1 alpha-2)" in violation.message
    assert violation.fix == "See what the list holds: gateway codelist show iso-3166-1"
    assert "Q7" not in str(violation)


def test_an_attribute_is_checked_too_and_its_place_has_the_index_of_its_item() -> None:
    (violation,) = found(amount("GPB"))
    place = "/MetaData/Declaration/GoodsShipment/GovernmentAgencyGoodsItem[2]/StatisticalValueAmount/@currencyID"
    assert (violation.path, violation.rule, violation.wco_id) == (place, "code_list:iso-4217", "114")


def test_a_code_that_ended_is_told_from_one_that_never_was() -> None:
    (violation,) = found(amount("HRK"))
    assert violation.code == "codelist.expired_code"
    assert found(amount("HRK"), on=date(2022, 12, 31)) == ()
    assert found(amount("HRK"), on=date(2023, 2, 1)) == (violation,)


def test_the_day_decides_anew_in_the_same_compiled_lists() -> None:
    lists, root = compiled(), amount("HRK")
    days = [date(2022, 1, 1), TODAY, date(2022, 1, 1)]
    assert [len(lists.violations(root, day)) for day in days] == [0, 1, 0]


def test_a_name_that_is_bound_in_one_place_is_free_in_another() -> None:
    free = "<PreviousDocument><TypeCode>355</TypeCode></PreviousDocument><Warehouse><TypeCode>R</TypeCode></Warehouse>"
    assert found(declaration(free)) == ()
    (violation,) = found(packaging("??"))
    assert violation.rule == "code_list:un-ece-rec-21"


def test_blanks_around_a_code_are_no_part_of_it_and_an_empty_value_is_no_code() -> None:
    assert found(destination(" GB\n")) == found(destination("")) == found(destination("  ")) == ()
    assert found(destination("<!-- a -->G<!-- b -->B")) == ()


def test_only_the_lists_that_were_chosen_are_looked_at() -> None:
    root = destination("Q7")
    assert found(root, CURRENCIES) == ()
    assert found(root, COUNTRIES) != ()


def test_an_extension_counts_only_where_it_is_chosen() -> None:
    root = destination("XI")
    (violation,) = found(root, COUNTRIES)
    assert "customs-countries" not in violation.expected
    assert found(root, COUNTRIES, EXTENSION) == ()
    (of_both,) = found(destination("Q7"), COUNTRIES, EXTENSION)
    assert "customs-countries" in of_both.expected
    (too_early,) = found(root, COUNTRIES, EXTENSION, on=date(2020, 12, 31))
    assert too_early.code == "codelist.expired_code"


def test_however_much_is_wrong_the_answer_stays_short() -> None:
    items = (
        "<GovernmentAgencyGoodsItem><Packaging><TypeCode>??</TypeCode></Packaging></GovernmentAgencyGoodsItem>" * 200
    )
    assert len(found(declaration(items))) == 50


@given(st.sampled_from(list(CATALOGUE.lists[CURRENCIES].codes.values())), st.dates())
def test_the_verdict_on_a_currency_is_that_of_the_list_on_that_day(entry: Code, day: date) -> None:
    assert (found(amount(entry.code), CURRENCIES, on=day) == ()) == entry.is_valid(day)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="<&\0'\r\n\t ", exclude_categories=["C"])))
def test_the_quick_look_and_the_list_agree_on_every_text(text: str) -> None:
    codes = CATALOGUE.lists[PACKAGES].codes
    assert (found(packaging(text), PACKAGES) == ()) == (not text.strip(" ") or text.strip(" ") in codes)


@pytest.mark.parametrize("set_id", ["dms-declaration", "dms-response", "dms-cancellation"])
def test_every_value_of_our_own_samples_is_known(set_id: str) -> None:
    lists, checked = compiled(set_id=set_id), 0
    for path in sorted((DATA / "samples" / "valid").glob("*.xml")):
        root = read(path.read_bytes(), LIMITS).root
        if bundled(set_id).accepts(root):
            assert lists.violations(root, TODAY) == (), path.name
            checked += sum(len(values) for values in lists.checked(root).values())
    assert checked


def test_every_bundled_binding_names_a_place_of_a_bundled_set() -> None:
    trees = [bundled(one).tree for one in ("dms-declaration", "dms-response", "dms-cancellation")]
    assert [binding for binding in CATALOGUE.bindings if not any(binding.places(tree) for tree in trees)] == []
    used = {binding.list for binding in CATALOGUE.bindings}
    assert {one.extends or one.id for one in CATALOGUE.lists.values()} == used


def bound(binding: str) -> CompiledCodeLists:
    own = read_catalogue(FILES | {"bindings.toml": f"[[binding]]\nlist = 'colours'\n{binding}\n".encode()})
    catalogue = join_catalogues([read_catalogue(BUNDLED), own])
    return compile_code_lists(catalogue, bundled(DECLARATION).tree, DECLARATION)


def test_a_list_of_ones_own_can_be_bound_to_a_place() -> None:
    lists = bound("place = 'GoodsShipment/Warehouse/TypeCode'")
    root = declaration("<Warehouse><TypeCode>RED</TypeCode></Warehouse><Warehouse><TypeCode>R</TypeCode></Warehouse>")
    (violation,) = lists.violations(root, TODAY)
    assert (violation.rule, violation.path.split("/")[-2:]) == ("code_list:colours", ["Warehouse[2]", "TypeCode"])


def test_a_binding_for_a_set_must_name_a_place_of_that_set() -> None:
    with pytest.raises(ConfigurationError) as caught:
        bound("place = 'Nowhere/TypeCode'\nsets = ['dms-declaration']")
    assert caught.value.code == "codelist.broken"
    assert "a place that dms-declaration does not have" in caught.value.findings[0].problem
    assert bound("place = 'Nowhere/TypeCode'\nsets = ['another']").places


def test_a_place_takes_its_values_from_one_list() -> None:
    with pytest.raises(ConfigurationError) as caught:
        bound("place = 'Packaging/TypeCode'")
    assert "un-ece-rec-21 is bound" in caught.value.findings[0].problem


def chosen(set_id: str = "", **lists: Severity) -> list[str]:
    named = {CodeListId(name.replace("_", "-")): severity for name, severity in lists.items()}
    tree = bundled(set_id).tree if set_id else None
    return [
        f"{one.key}: {one.problem}" for one in list_findings(CATALOGUE, named, file="gb-fr.yaml", line=7, tree=tree)
    ]


def test_a_selection_may_only_warn_and_an_extension_stands_beside_what_it_extends() -> None:
    assert chosen(iso_3166_1=Severity.REJECT, customs_countries=Severity.REJECT, wco_function_code=Severity.WARN) == []
    selection = "is a selection of codes, and such a list may only warn"
    assert chosen(wco_function_code=Severity.REJECT) == [f"code_lists.wco-function-code: {selection}"]
    assert chosen(dms_response_code=Severity.HOLD) == [f"code_lists.dms-response-code: {selection}"]
    assert chosen(customs_countries=Severity.WARN) == ["code_lists.customs-countries: extends iso-3166-1"]
    assert chosen(iso_3166_1=Severity.REJECT, customs_countries=Severity.WARN) != []
    assert chosen(nothing=Severity.WARN) == ["code_lists.nothing: is no code list"]


def test_a_list_that_no_place_of_the_set_asks_for_is_not_promised() -> None:
    lists = {"iso_4217": Severity.REJECT, "wco_function_code": Severity.WARN}
    assert chosen("dms-declaration", **lists) == []
    assert chosen("dms-cancellation", **lists) == ["code_lists.iso-4217: is bound to no place of this schema set"]


def test_the_hash_of_an_agreed_list_is_over_its_codes_and_its_places() -> None:
    def pin(codes: bytes, binding: bytes) -> str:
        files = FILES | {"colours.csv": codes, "bindings.toml": b"[[binding]]\nlist = 'colours'\n" + binding}
        return read_catalogue(files).pin(CodeListId("colours"))

    codes = FILES["colours.csv"]
    pins = [
        pin(codes, b"wco_ids = ['242']"),
        pin(codes + b"BLUE,,,\n", b"wco_ids = ['242']"),
        pin(codes, b"place = 'A/B'"),
    ]
    assert len(set(pins)) == 3
    assert pins[0] == pin(codes, b"wco_ids = ['242']\n")
    assert CATALOGUE.pin(EXTENSION) != CATALOGUE.pin(COUNTRIES)


def test_compiled_lists_stay_in_their_process() -> None:
    import pickle

    with pytest.raises(TypeError, match="stay in the process"):
        pickle.dumps(compiled())
