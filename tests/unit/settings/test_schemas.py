"""How a set gets into a catalogue, and what a catalogue of several folders holds."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.bundled import schema_folder
from gateway.domain.ids import SchemaSetId
from gateway.errors import ConfigurationError, SchemaError
from gateway.schema import SchemaSet, Wish, make_set
from gateway.settings import load_catalogue, load_catalogues, store_set
from tests.unit.schema.foreign_sets import APART, element, xsd

ENTRY = "envelope/MetaData.xsd"


def foreign(set_id: str = "foreign", title: str = "") -> SchemaSet:
    return make_set(APART, Wish(set_id=set_id, entry=ENTRY, title=title))


def test_a_set_that_is_stored_is_read_back_the_same(tmp_path: Path) -> None:
    catalogue = tmp_path / "not" / "there" / "yet"
    assert store_set(catalogue, foreign()) is True
    assert load_catalogue(catalogue) == {"foreign": foreign()}
    assert sorted(path.name for path in catalogue.iterdir()) == ["foreign"]


def test_storing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    store_set(tmp_path, foreign())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert store_set(tmp_path, foreign()) is False
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (make_set({"a.xsd": xsd("urn:a", element("A"))}, Wish(set_id="foreign")), "another --id"),
        (foreign(title="Renamed"), "title"),
        (replace(foreign(), kinds=()), "kinds"),
    ],
)
def test_another_set_under_a_known_id_is_refused_and_changes_nothing(
    other: SchemaSet, told: str, tmp_path: Path
) -> None:
    store_set(tmp_path, foreign())
    with pytest.raises(SchemaError, match=told) as caught:
        store_set(tmp_path, other)
    assert caught.value.code == "schema.id_taken"
    assert load_catalogue(tmp_path) == {"foreign": foreign()}


def test_what_is_no_sound_set_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    with pytest.raises(SchemaError, match="remove that folder"):
        store_set(tmp_path, foreign())


def test_of_many_who_add_the_same_at_once_one_adds_it(tmp_path: Path) -> None:
    one = foreign()
    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(lambda _: store_set(tmp_path, one), range(16)))
    assert sorted(added) == [False] * 15 + [True]
    assert load_catalogue(tmp_path) == {"foreign": one}


def test_what_a_killed_add_left_is_not_a_set(tmp_path: Path) -> None:
    store_set(tmp_path, foreign())
    shutil.copytree(tmp_path / "foreign", tmp_path / ".unfinished-abc")
    assert list(load_catalogue(tmp_path)) == ["foreign"]


def test_own_sets_stand_beside_the_bundled_ones(tmp_path: Path) -> None:
    store_set(tmp_path, foreign())
    found = load_catalogues(schema_folder(), tmp_path)
    assert set(found) == {"dms-cancellation", "dms-declaration", "dms-response", "foreign"}
    assert set(load_catalogues(schema_folder(), None)) == set(found) - {"foreign"}


@pytest.mark.parametrize("name", ["rules", "code_lists"])
def test_a_folder_of_rules_or_code_lists_alone_needs_no_set(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no schema set"):
        load_catalogues(schema_folder(), tmp_path)
    (tmp_path / name).mkdir()
    assert len(load_catalogues(schema_folder(), tmp_path)) == 3


def test_an_own_set_may_be_the_bundled_one_but_not_another_of_its_name(tmp_path: Path) -> None:
    shutil.copytree(schema_folder() / "dms-response", tmp_path / "dms-response")
    assert SchemaSetId("dms-response") in load_catalogues(schema_folder(), tmp_path)
    shutil.rmtree(tmp_path / "dms-response")
    store_set(tmp_path, foreign("dms-response"))
    with pytest.raises(ConfigurationError) as caught:
        load_catalogues(schema_folder(), tmp_path)
    (finding,) = caught.value.findings
    assert "bundled" in finding.problem
