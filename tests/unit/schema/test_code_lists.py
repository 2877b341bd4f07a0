"""Code lists as data: what is read, what is refused and where, what may be used on a day."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.ids import CodeListId
from gateway.errors import ConfigurationError, Finding, SchemaError
from gateway.schema import Code, CodeCatalogue, find_list, join_catalogues, read_catalogue
from tests.unit.schema.sets import DATA

BUNDLED = {path.name: path.read_bytes() for path in (DATA / "code_lists").iterdir()}
LIST = """[[list]]
id = "{id}"
title = "Colours"
file = "{id}.csv"
edition = "1"
source = "a painter"
licence = "facts"
complete = true
"""
CODES = "code,name,valid_from,valid_until\nRED,Red,,\nOLD,Old,2000-01-01,2010-12-31\n"
FILES = {"lists.toml": LIST.format(id="colours").encode(), "colours.csv": CODES.encode()}
COLOURS = CodeListId("colours")


def refused(files: dict[str, bytes], folder: str = "") -> tuple[Finding, ...]:
    with pytest.raises(ConfigurationError) as caught:
        join_catalogues([read_catalogue(files, folder)])
    assert caught.value.code == "codelist.broken"
    return caught.value.findings


def test_a_list_says_what_it_is_where_it_comes_from_and_what_its_bytes_are() -> None:
    read = read_catalogue(FILES).lists[COLOURS]
    assert (read.title, read.source, read.complete, read.extends) == ("Colours", "a painter", True, None)
    assert list(read.codes) == ["RED", "OLD"]
    other = read_catalogue(FILES | {"colours.csv": CODES.replace("Red", "Rot").encode()}).lists[COLOURS]
    assert len(read.sha256) == 64
    assert read.sha256 != other.sha256


def test_a_code_is_valid_from_its_first_day_to_its_last_both_included() -> None:
    code = Code(code="OLD", valid_from=date(2000, 1, 1), valid_until=date(2010, 12, 31))
    days = [date(1999, 12, 31), date(2000, 1, 1), date(2010, 12, 31), date(2011, 1, 1)]
    assert [code.is_valid(day) for day in days] == [False, True, True, False]


def test_every_bundled_code_is_valid_until_its_end_and_never_after() -> None:
    catalogue = read_catalogue(BUNDLED)
    today, ended = date(2026, 11, 22), 0
    for one in catalogue.lists.values():
        valid = one.valid(today)
        for code, entry in one.codes.items():
            assert (code in valid) == entry.is_valid(today)
            if entry.valid_until is not None:
                assert code in one.valid(entry.valid_until)
                assert code not in one.valid(entry.valid_until + timedelta(days=1))
                ended += 1
    assert ended > 100


def test_a_wrong_code_brings_to_mind_the_right_one() -> None:
    currencies = read_catalogue(BUNDLED).lists[CodeListId("iso-4217")]
    assert "GBP" in [one.code for one in currencies.near("GPB")]
    assert "EUR" in [one.code for one in currencies.near("eur")]
    assert currencies.near("€") == ()


def test_an_unknown_list_is_answered_with_those_there_are() -> None:
    with pytest.raises(SchemaError) as caught:
        find_list(read_catalogue(FILES).lists, "tastes")
    assert caught.value.code == "codelist.unknown_list"
    assert "colours" in caught.value.detail


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("RED,Red again,,", "its code stands in the list before"),
        ("BLUE,Blue,", "has 3 values instead of 4"),
        (",Nothing,,", "its code is empty, too long or has a blank in it"),
        ("DARK RED,Dark red,,", "its code is empty, too long or has a blank in it"),
        ("BLUE,Blue,2021-02-29,", "has a day that no calendar has"),
        ("BLUE,Blue,2021,", "has a day that no calendar has"),
        ("BLUE,Blue,2021-01-02,2021-01-01", "ends before it begins"),
    ],
)
def test_a_broken_line_refuses_the_list_with_its_file_and_number(line: str, problem: str) -> None:
    (finding,) = refused(FILES | {"colours.csv": f"{CODES}{line}\n".encode()}, "own")
    assert (finding.file, finding.line, finding.problem) == ("own/colours.csv", 4, problem)
    assert finding.fix


def test_all_broken_lines_are_told_at_once() -> None:
    found = refused(FILES | {"colours.csv": f"{CODES}RED,,,\n,,,\n".encode()})
    assert [one.line for one in found] == [4, 5]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "has another first line"),
        (b"code;name\n", "has another first line"),
        (CODES.splitlines()[0].encode() + b"\n", "holds no code"),
        (b"\xff\xfe", "is not UTF-8"),
        (CODES.encode() + b'"open', "is not CSV"),
    ],
)
def test_what_is_no_list_of_codes_is_refused(content: bytes, problem: str) -> None:
    assert refused(FILES | {"colours.csv": content})[0].problem == problem


@pytest.mark.parametrize(
    ("change", "key", "problem"),
    [
        (("complete = true", "complete = 1"), "complete", "must be true or false"),
        (('title = "Colours"', ""), "title", "must be a text"),
        (('id = "colours"', 'id = "Colours!"'), "id", "is not an id"),
        (("complete = true", 'complete = true\ncolour = "red"'), "colour", "is not known here"),
        (('file = "colours.csv"', 'file = "other.csv"'), "file", "is not in the folder"),
    ],
)
def test_what_describes_a_list_must_be_whole(change: tuple[str, str], key: str, problem: str) -> None:
    text = "# first line\n" + LIST.format(id="colours").replace(*change)
    found = refused(FILES | {"lists.toml": text.encode()}, "own")
    assert (found[0].file, found[0].line, found[0].key, found[0].problem) == ("own/lists.toml", 2, key, problem)


def test_a_manifest_that_is_missing_or_no_toml_is_refused_with_its_line() -> None:
    assert refused({"colours.csv": CODES.encode()})[0].problem == "is missing"
    (broken, *_) = refused(FILES | {"lists.toml": b"[[list]]\nid =\n"})
    assert (broken.file, broken.line) == ("lists.toml", 2)


TOML = st.sampled_from(
    ['id = "colours"', "id = []", 'file = "colours.csv"', "file = {}", "[[list]]", "[list]", "complete = 1"]
)


@given(st.lists(TOML).map("\n".join) | st.text(), st.text(alphabet='ab,"\r\n2021-') | st.text(), st.booleans())
def test_whatever_stands_in_the_files_they_are_read_or_refused_with_findings(text: str, codes: str, bind: bool) -> None:
    files = {"lists.toml": text.encode("utf-8", "replace"), "colours.csv": codes.encode("utf-8", "replace")}
    if bind:
        files["bindings.toml"] = text.replace("[list]", "[binding]").encode("utf-8", "replace")
    findings: tuple[Finding, ...] = ()
    lists = {}
    try:
        lists = dict(read_catalogue(files).lists)
    except ConfigurationError as error:
        findings = error.findings
    assert not lists
    assert all(one.problem and one.fix for one in findings)


def test_a_nesting_without_end_is_refused() -> None:
    assert refused(FILES | {"lists.toml": b"a = " + b"[" * 100_000})[0].problem == "is not TOML in UTF-8"


def test_lines_may_end_as_other_systems_write_them() -> None:
    read = read_catalogue(FILES | {"colours.csv": CODES.replace("\n", "\r\n").encode()}).lists[COLOURS]
    assert read.codes == read_catalogue(FILES).lists[COLOURS].codes


def test_a_file_that_no_list_names_is_found() -> None:
    (finding,) = refused(FILES | {"tastes.csv": CODES.encode()})
    assert (finding.file, finding.problem) == ("tastes.csv", "no list in lists.toml has this file")


def test_an_id_stands_for_one_list_in_one_folder_and_in_all() -> None:
    twice = LIST.format(id="colours") + LIST.format(id="colours")
    assert refused(FILES | {"lists.toml": twice.encode()})[0].problem == "is the id of two lists"
    with pytest.raises(ConfigurationError) as caught:
        join_catalogues([read_catalogue(FILES), read_catalogue(FILES)])
    assert [one.key for one in caught.value.findings] == ["colours"]


def test_a_list_may_extend_only_one_that_is_there_and_extends_none() -> None:
    text = LIST.format(id="colours") + 'extends = "tastes"\n'
    assert "tastes" in refused(FILES | {"lists.toml": text.encode()})[0].problem


@pytest.mark.parametrize(
    ("binding", "problem"),
    [
        ('list = "colours"', "a binding must name a place, by wco_ids, place or attribute"),
        ('wco_ids = ["242"]', "a binding must name its list"),
        ('list = "colours"\nwco_ids = "242"', "wco_ids is a list of texts"),
        ('list = "colours"\nplace = 1', "place and attribute are texts"),
        ('list = "colours"\ncolour = "red"', "colour is not known here"),
    ],
)
def test_a_binding_must_name_a_list_and_a_place(binding: str, problem: str) -> None:
    (finding,) = refused(FILES | {"bindings.toml": f"[[binding]]\n{binding}\n".encode()})
    assert (finding.file, finding.line, finding.problem) == ("bindings.toml", 1, problem)


def test_a_binding_to_a_list_that_is_not_there_is_refused() -> None:
    bindings = b'[[binding]]\nlist = "tastes"\nwco_ids = ["242"]\n'
    (finding,) = refused(FILES | {"bindings.toml": bindings})
    assert (finding.key, finding.problem) == ("tastes", "is bound, and is no list of its own")


def test_own_lists_stand_beside_the_bundled_ones() -> None:
    joined = join_catalogues([read_catalogue(BUNDLED), read_catalogue(FILES)])
    assert isinstance(joined, CodeCatalogue)
    assert {COLOURS, CodeListId("iso-3166-1")} <= set(joined.lists)
