"""`gateway schema facts`: what stands where in a schema set, readable by people at any width and by programs."""

import json
from pathlib import Path

import pytest

from gateway.bundled import schema_folder
from gateway.cli.schema_facts import Row, lines
from gateway.domain.ids import SchemaSetId
from gateway.schema import read_tree
from gateway.settings import load_catalogue
from tests.acceptance.commands import gateway

PACKAGING = "/MetaData/Declaration/GoodsShipment/GovernmentAgencyGoodsItem/Packaging"

AT_80 = """\
/MetaData/Declaration/ObligationGuarantee 90A   0..*
  AmountAmount                            492   0..1     commercial
      a number of at most 16 digits, at most 3 of them decimals
      and 1 optional attribute
  ID                                      D014  0..1     commercial
      text of at most 70 characters, not blank
      and 7 optional attributes
  ReferenceID                             100   0..1     commercial
      text of at most 35 characters, not blank
      and 7 optional attributes
  SecurityDetailsCode                     101   0..1     commercial
      text of at most 3 characters, not blank
      and 9 optional attributes
  AccessCode                              499   0..1     credential
      text of at most 4 characters, not blank
      and 9 optional attributes
  GuaranteeOffice                         14C   0..1
    ID                                    G014  0..1     neutral
        text of at most 17 characters, not blank
        and 7 optional attributes
"""
FLAT_AT_80 = """\
/MetaData/Declaration/GoodsShipment
  /GovernmentAgencyGoodsItem/Packaging/MarksNumbersID 142   0..1     personal
    text of at most 512 characters, not blank
    personal: Shipping marks are free text and often show who the goods are for
    @schemeAgencyID: text of at most 3 characters, of the form .{1,3} (neutral)
    @schemeAgencyName: text (personal)
    @schemeDataURI: a URI (personal)
    @schemeID: text (personal)
    @schemeName: text (personal)
    @schemeURI: a URI (personal)
    @schemeVersionID: text (personal)
"""
FLAT_AT_120 = """\
/MetaData/Declaration/GoodsShipment/GovernmentAgencyGoodsItem/Packaging/MarksNumbersID 142   0..1     personal
    text of at most 512 characters, not blank
    and 7 optional attributes
"""


def shown(path: str, width: int, *, is_flat: bool, details: bool) -> str:
    tree = read_tree(load_catalogue(schema_folder())[SchemaSetId("dms-declaration")])

    def rows(at: str, level: int) -> list[Row]:
        node = tree.nodes[at]
        return [Row(node, level), *(row for child in node.children for row in rows(child.path, level + 1))]

    told = lines(rows(path, 0), width, is_flat=is_flat, details=details)
    return "".join(f"{line}\n" for line in told)


def test_a_class_is_a_tree_that_fits_eighty_columns() -> None:
    assert shown("/MetaData/Declaration/ObligationGuarantee", 80, is_flat=False, details=False) == AT_80


@pytest.mark.parametrize(
    ("width", "details", "golden"), [(80, True, FLAT_AT_80), (120, False, FLAT_AT_120)], ids=["80", "120"]
)
def test_a_long_path_is_cut_before_a_slash_when_it_does_not_fit(width: int, details: bool, golden: str) -> None:
    assert shown(f"{PACKAGING}/MarksNumbersID", width, is_flat=True, details=details) == golden


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for is_flat in (False, True):
        told = shown("/MetaData", width, is_flat=is_flat, details=True).splitlines()
        assert max(len(line) for line in told) <= width
        assert len(told) > 1000


def test_a_set_is_shown_with_its_counts_and_a_bare_body_once() -> None:
    ran = gateway("schema", "facts", "dms-cancellation", "--depth", "0")
    assert ran.out == (
        "dms-cancellation, DMS 2, first edition: Cancellation request (MetaData with one DEC body of type INV)\n"
        "22 places, 16 of them values: 14 neutral, 2 personal\n"
        "/Declaration may stand alone too: as /MetaData/Declaration\n"
        "\n"
        "/MetaData -     1\n"
    )


@pytest.mark.parametrize(
    ("asked", "paths"),
    [
        ("/MetaData/Declaration/ObligationGuarantee[2]/AccessCode", ["/MetaData/Declaration/ObligationGuarantee/AccessCode"]),
        ("499", ["/MetaData/Declaration/ObligationGuarantee/AccessCode"]),
        ("AccessCode", ["/MetaData/Declaration/ObligationGuarantee/AccessCode"]),
        ("/Declaration/ID", ["/Declaration/ID"]),
    ],
)  # fmt: skip
def test_a_place_is_found_by_path_with_or_without_index_by_wco_id_and_by_name(asked: str, paths: list[str]) -> None:
    ran = gateway("schema", "facts", "dms-declaration", "--path", asked, "--json")
    assert [json.loads(line)["path"] for line in ran.out.splitlines()] == paths


def test_a_wco_id_of_a_class_gives_every_place_of_it_and_what_it_holds() -> None:
    ran = gateway("schema", "facts", "dms-declaration", "--path", "68A", "--depth", "1", "--json")
    first, *rest = [json.loads(line) for line in ran.out.splitlines()]
    assert (first["name"], first["most"]) == ("GovernmentAgencyGoodsItem", 999)
    assert all(one["path"].startswith(first["path"] + "/") for one in rest)


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("accesscode", ["AccessCode"]),
        ("68B", ["68A"]),
        ("/MetaData/Declaration/Exportr/Name", ["/MetaData/Declaration/Exporter/Name"]),
    ],
)
def test_an_unknown_place_is_refused_with_those_nearest_to_it(asked: str, near: list[str]) -> None:
    ran = gateway("schema", "facts", "dms-declaration", "--path", asked, "--json")
    told = ran.problem
    assert (ran.code, told["code"]) == (1, "schema.path_unknown")
    assert all(word in told["detail"] for word in near)
    assert asked not in told["detail"]


def test_only_the_places_of_one_privacy_class_can_be_listed() -> None:
    ran = gateway("schema", "facts", "dms-declaration", "--class", "credential", "--json")
    assert [json.loads(line)["wco_id"] for line in ran.out.splitlines()] == ["104", "499"]
    assert gateway("schema", "facts", "dms-declaration", "--class", "secret").code == 2


def test_a_place_as_json_has_every_fact() -> None:
    ran = gateway("schema", "facts", "dms-declaration", "--path", "109", "--json")
    (told,) = [json.loads(line) for line in ran.out.splitlines()]
    currency = told.pop("attributes")
    assert told == {
        "path": "/MetaData/Declaration/InvoiceAmount",
        "name": "InvoiceAmount",
        "namespace": "urn:wco:datamodel:WCO:DEC-DMS:2",
        "wco_id": "109",
        "least": 0,
        "most": 1,
        "value": "a number of at most 16 digits, at most 3 of them decimals",
        "facets": {"base": "decimal", "total_digits": 16, "fraction_digits": 3},
        "privacy": "commercial",
        "privacy_reason": "What was paid, or what the goods are worth",
        "privacy_guessed": False,
        "repeats": "",
        "open": False,
        "mixed": False,
        "nillable": False,
    }
    assert [(one["name"], one["required"], one["privacy"]) for one in currency] == [("currencyID", False, "neutral")]


def test_differences_of_ones_own_count_and_a_wrong_one_is_told_with_its_line(tmp_path: Path) -> None:
    ours = tmp_path / "ours.toml"
    ours.write_text(
        '[[rule]]\nclass = "neutral"\nreason = "Published here"\nelements = ["R032 Exporter/ID"]\n', encoding="utf-8"
    )
    ask = ("schema", "facts", "dms-declaration", "--path", "R032", "--privacy", ours, "--json")
    told = json.loads(gateway(*ask).out)
    assert (told["privacy"], told["privacy_reason"]) == ("neutral", "Published here")
    ours.write_text(ours.read_text(encoding="utf-8").replace("R032", "R033"), encoding="utf-8")
    problem = gateway(*ask).problem
    assert (problem["code"], problem["findings"][0]["line"]) == ("config.invalid", 4)
    assert problem["findings"][0]["fix"] == "Did you mean `R032 Exporter/ID`?"


def test_a_set_that_nobody_reviewed_shows_its_classes_as_guesses(tmp_path: Path) -> None:
    from tests.unit.schema.sets import FOREIGN, foreign

    folder = tmp_path / "foreign-1"
    for name, content in FOREIGN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    manifest = (
        'id = "foreign-1"\nrelease = "1"\ntitle = "A foreign set"\nentry = "main/entry.xsd"\nkinds = ["declaration"]\n'
        f'roots = ["{{urn:f}}Report"]\nnamespaces = ["urn:f", "urn:t"]\nhash = "{foreign().sha256}"\n'
    )
    (folder / "manifest.toml").write_text(manifest, encoding="utf-8")
    ran = gateway("schema", "facts", "foreign-1", "--catalogue", tmp_path)
    assert "? marks a guess: nobody has reviewed the class of 5 values for this set" in ran.out
    assert "  Code  -     1        neutral?\n" in ran.out
    told = [
        json.loads(line)
        for line in gateway("schema", "facts", "foreign-1", "--catalogue", tmp_path, "--json").out.splitlines()
    ]
    assert all(one["privacy_guessed"] for one in told if one["privacy"])
