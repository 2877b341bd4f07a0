"""A selector stands on the places it says, and on no other."""

import pytest

from gateway.policy import Anchor, SelectorKind
from gateway.policy.language.selectors import Selector, SelectorError, parse_selector
from gateway.schema import PrivacyClass
from tests.unit.policy.rules import reviewed

D = "/MetaData/Declaration"
DECLARATION = reviewed("dms-declaration").tree
RESPONSE = reviewed("dms-response").tree


def stands_on(text: str) -> list[str]:
    return [anchor.text for anchor in parse_selector(text).matches(DECLARATION)]


def test_a_path_stands_on_its_place_alone() -> None:
    assert stands_on(f"{D}/GoodsShipment/Consignee") == [f"{D}/GoodsShipment/Consignee"]
    assert stands_on(f"{D}/GoodsShipment/Consigne") == []


def test_a_star_is_one_step() -> None:
    assert stands_on("/MetaData/*/TypeCode") == [f"{D}/TypeCode"]
    assert stands_on("/*/TypeCode") == []
    assert len(stands_on(f"{D}/*")) == len(DECLARATION.nodes[D].children)


def test_two_slashes_are_any_number_of_steps() -> None:
    consignees = stands_on("//Consignee")
    assert f"{D}/GoodsShipment/Consignee" in consignees
    assert f"{D}/GoodsShipment/GovernmentAgencyGoodsItem/Consignee" in consignees
    assert all(path.endswith("/Consignee") for path in consignees)
    assert stands_on(f"{D}/GoodsShipment//Consignee/Name") == [f"{path}/Name" for path in consignees]
    assert stands_on(f"{D}//TypeCode")[0] == f"{D}/TypeCode"  # none in between, too
    assert stands_on("//MetaData") == ["/MetaData"]


def test_a_bare_body_is_no_place_of_its_own() -> None:
    assert stands_on("//Declaration") == [D]
    assert stands_on("/Declaration/ID") == []


def test_after_two_slashes_a_name_without_a_prefix_is_of_any_namespace() -> None:
    def found(text: str) -> list[str]:
        return [anchor.path for anchor in parse_selector(text).matches(RESPONSE)]

    assert found("//Declaration") == ["/MetaData/Response/Declaration", "/MetaData/Response/dec:Declaration"]
    assert found("//dec:Declaration") == ["/MetaData/Response/dec:Declaration"]
    assert found("/MetaData/Response/Declaration") == ["/MetaData/Response/Declaration"]


def test_an_attribute_stands_where_elements_take_it() -> None:
    mass = f"{D}/TotalGrossMassMeasure"
    assert parse_selector(f"{mass}/@unitCode").matches(DECLARATION) == (Anchor(mass, "unitCode"),)
    assert parse_selector(f"{mass}/@currencyID").matches(DECLARATION) == ()
    everywhere = parse_selector("//@unitCode").matches(DECLARATION)
    assert Anchor(mass, "unitCode") in everywhere
    takers = [path for path, node in DECLARATION.nodes.items() if "unitCode" in node.attributes]
    assert [one.path for one in everywhere] == [path for path in takers if path.startswith("/MetaData")]


def test_a_wco_id_stands_on_every_place_that_has_it() -> None:
    found = stands_on("wco:R037")
    assert found
    assert all(DECLARATION.nodes[path].wco_id == "R037" for path in found)
    with_id = [path for path, node in DECLARATION.nodes.items() if node.wco_id == "R037"]
    assert found == [path for path in with_id if path.startswith("/MetaData")]


def test_a_privacy_class_stands_on_leaves_and_attributes_and_never_on_a_class() -> None:
    found = parse_selector("privacy:personal").matches(DECLARATION)
    assert Anchor(f"{D}/GoodsShipment/Consignee/Name") in found
    for anchor in found:
        node = DECLARATION.nodes[anchor.path]
        facts = node.attributes[anchor.attribute] if anchor.attribute else node
        assert facts.privacy is PrivacyClass.PERSONAL


def test_a_set_stands_on_what_its_members_do_each_place_once() -> None:
    members = tuple(map(parse_selector, ("//Consignee/Name", "//Name")))
    found = Selector(text="set:names", kind=SelectorKind.SET, members=members).matches(DECLARATION)
    assert len(set(found)) == len(found)
    assert {one.text for one in found} == set(stands_on("//Name"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("/A/B", SelectorKind.PLAIN),
        ("/A/p:B/@c", SelectorKind.PLAIN),
        ("/A/*/B", SelectorKind.WILDCARD),
        ("/A//B", SelectorKind.ANYWHERE),
        ("//*/B", SelectorKind.ANYWHERE),
        ("//@c", SelectorKind.ANYWHERE),
        ("wco:R037", SelectorKind.WCO),
        ("set:contact-data", SelectorKind.SET),
        ("privacy:credential", SelectorKind.PRIVACY),
    ],
)
def test_kinds_are_told_apart(text: str, kind: SelectorKind) -> None:
    found = parse_selector(text)
    assert (found.kind, found.text) == (kind, text)


def test_precision_goes_down_from_path_to_privacy_class() -> None:
    order = ["plain", "wildcard", "anywhere", "wco", "set", "privacy"]
    assert sorted(SelectorKind, key=lambda kind: -kind.precision) == order


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "A/B", "/A/", "/A///B", "/@a", "/A/@a/B", "/A/@p:a", "/A[1]", "/A/..", "wco:", "wco:a b"),
        *("set:A", "privacy:secret", "//A//B//C//D//E", "/A" * 65, "/A\n/B"),
    ],
)
def test_what_is_no_selector_says_what_to_write(text: str) -> None:
    with pytest.raises(SelectorError, match="Write"):
        parse_selector(text)
