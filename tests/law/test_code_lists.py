"""The data of the bundled code lists: sorted, unique, dated, and each with its origin."""

import csv
import io
from pathlib import Path

import pytest

from gateway.domain.ids import CodeListId
from gateway.schema import join_catalogues, read_catalogue
from tests.law.source import ROOT

FOLDER = ROOT / "wco_schemas" / "code_lists"
FILES = sorted(FOLDER.glob("*.csv"))
CATALOGUE = join_catalogues([read_catalogue({path.name: path.read_bytes() for path in FOLDER.iterdir()})])
TAKEN = {"iso-3166-1": 249, "iso-4217": 170, "un-ece-rec-20": 1700, "un-ece-rec-21": 400}
"""Lists that packages keep, and how many codes each has at least: a file cut short must not pass as a complete list."""


def test_the_lists_that_must_come_with_the_gateway_are_there() -> None:
    wanted = {*TAKEN, "un-ece-rec-19", "wco-function-code", "dms-response-code", "incoterms"}
    assert wanted <= set(CATALOGUE.lists)
    assert {path.name for path in FILES} == {f"{list_id}.csv" for list_id in CATALOGUE.lists}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.stem))
def test_a_list_is_sorted_by_code_and_has_each_once(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    codes = [row["code"] for row in csv.DictReader(io.StringIO(text))]
    assert codes == sorted(set(codes))
    assert "\r" not in text
    assert text.endswith("\n")


@pytest.mark.parametrize("list_id", sorted(TAKEN))
def test_a_complete_list_has_not_been_cut_short(list_id: str) -> None:
    known = CATALOGUE.lists[CodeListId(list_id)]
    assert known.complete
    assert sum(1 for one in known.codes.values() if one.valid_until is None) >= TAKEN[list_id]


def test_withdrawn_countries_and_currencies_have_their_last_day() -> None:
    ends = {
        **{code: CATALOGUE.lists[CodeListId("iso-3166-1")].codes[code].valid_until for code in ("AN", "CS", "SU")},
        **{code: CATALOGUE.lists[CodeListId("iso-4217")].codes[code].valid_until for code in ("HRK", "DEM", "ZWL")},
    }
    assert {code: str(day) for code, day in ends.items()} == {
        "AN": "2010-12-15",
        "CS": "2006-09-26",
        "SU": "1992-08-30",
        "HRK": "2023-01-31",
        "DEM": "2002-03-31",
        "ZWL": "2024-09-30",
    }


def test_what_we_wrote_ourselves_from_what_was_seen_is_never_called_complete() -> None:
    selections = {list_id for list_id, one in CATALOGUE.lists.items() if not one.complete}
    assert selections == {"customs-countries", "dms-response-code", "eu-transaction-nature", "wco-function-code"}
