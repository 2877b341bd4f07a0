"""What is read of a folder and of a zip file, and which tricks refuse a zip file."""

import io
import random
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.errors import SchemaError
from gateway.schema import Wish, make_set
from gateway.settings import open_source
from tests.unit.schema.foreign_sets import APART, bring, element, include, written, xsd

ENTRY = "envelope/MetaData.xsd"
PLAIN = xsd("urn:a", element("A"))


def archive(place: Path, entries: Sequence[tuple[zipfile.ZipInfo | str, bytes]]) -> Path:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries:
            made.writestr(name, content, zipfile.ZIP_DEFLATED)
    return place


def refused(place: Path) -> str:
    with pytest.raises(SchemaError) as caught:
        open_source(place)
    assert caught.value.code == "schema.archive_refused"
    return caught.value.detail


def test_a_folder_and_a_zip_file_of_it_make_the_same_set(tmp_path: Path) -> None:
    folder = written(APART, tmp_path / "folder")
    whole = archive(tmp_path / "a.zip", [(f"release-3/{path}", content) for path, content in APART.items()])
    from_folder = make_set(open_source(folder), Wish(set_id="a", entry=ENTRY))
    from_zip = make_set(open_source(whole), Wish(set_id="a", entry=f"release-3/{ENTRY}"))
    assert from_folder == from_zip


@pytest.mark.parametrize(
    "name",
    [
        "../a.xsd",
        "a/../../b.xsd",
        "/etc/a.xsd",
        "C:/a.xsd",
        "a\\b.xsd",
        "..\\a.xsd",
        "a//b.xsd",
        "./a.xsd",
        "a\n.xsd",
        "..",
    ],
)
def test_a_zip_file_with_a_name_that_is_no_plain_path_is_refused(name: str, tmp_path: Path) -> None:
    refused(archive(tmp_path / "a.zip", [("a.xsd", PLAIN), (name, PLAIN)]))


def test_a_zip_file_that_has_one_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = archive(tmp_path / "a.zip", [("a.xsd", PLAIN), ("a.xsd", PLAIN)])
    assert "twice" in refused(twice)
    assert "case only" in refused(archive(tmp_path / "b.zip", [("a.xsd", PLAIN), ("A.XSD", PLAIN)]))


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_or_a_device_in_a_zip_file_is_refused(mode: int, tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("link.xsd")
    entry.external_attr = (mode | 0o777) << 16
    assert "link.xsd" in refused(archive(tmp_path / "a.zip", [("a.xsd", PLAIN), (entry, b"/etc/passwd")]))


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    raw = bytearray(archive(tmp_path / "a.zip", [("a.xsd", PLAIN)]).read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + offset] |= 1
    (tmp_path / "b.zip").write_bytes(raw)
    assert "encrypted" in refused(tmp_path / "b.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_entry_packed_by_another_method_than_deflate_is_refused(method: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as made:
        made.writestr("a.xsd", PLAIN)
    assert "a.xsd" in refused(tmp_path / "a.zip")


def test_a_zip_file_damaged_anywhere_is_refused_or_its_files_are(tmp_path: Path) -> None:
    entries = [("a.xsd", PLAIN), ("d\u00e9p\u00f4t/b.xsd", xsd("urn:b", element("B" * 300))), ("c.txt", b"c" * 2000)]
    whole = archive(tmp_path / "a.zip", entries).read_bytes()
    chance = random.Random(20260302)
    outcomes = set()
    for _ in range(1200):
        raw = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        (tmp_path / "b.zip").write_bytes(raw[: chance.choice((len(raw), len(raw), chance.randrange(len(raw))))])
        outcomes.add(outcome(tmp_path / "b.zip"))
    assert outcomes == {"schema.archive_refused", "schema.set_broken", "read"}


def outcome(place: Path) -> str:
    """Return what reading every file of a zip file comes to; anything but a SchemaError goes through."""
    try:
        files = open_source(place)
        _ = [files[path] for path in (*files, "c.txt") if path in files]
    except SchemaError as error:
        return error.code
    return "read"


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    assert "200 times" in refused(archive(tmp_path / "a.zip", [("a.xsd", PLAIN), ("zeros.bin", bytes(4 << 20))]))
    many = [(f"{number}.txt", b"") for number in range(10_001)]
    assert "10000 entries" in refused(archive(tmp_path / "b.zip", many))


def test_a_zip_file_that_says_it_is_smaller_than_it_is_can_not_be_read(tmp_path: Path) -> None:
    raw = bytearray(archive(tmp_path / "a.zip", [("a.xsd", PLAIN)]).read_bytes())
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = raw.index(mark) + offset
        raw[place : place + 4] = (10).to_bytes(4, "little")
    (tmp_path / "b.zip").write_bytes(raw)
    with pytest.raises(SchemaError) as caught:
        _ = open_source(tmp_path / "b.zip")["a.xsd"]
    assert caught.value.code == "schema.set_broken"


def test_more_schema_than_a_release_can_have_is_not_read(tmp_path: Path) -> None:
    noise = "".join(f"<!-- {number} {number * 7919 % 104729} -->" for number in range(1_300_000)).encode()
    assert len(noise) < 64 << 20
    files = open_source(written({"a.xsd": noise, "b.xsd": noise, "c.xsd": noise}, tmp_path))
    with pytest.raises(SchemaError, match="64 MiB"):
        _ = [files[path] for path in files]


def test_more_files_than_a_release_can_have_are_not_looked_through_or_read(tmp_path: Path) -> None:
    numbered = {f"{number}.xsd": PLAIN for number in range(2001)}
    folder, whole = written(numbered, tmp_path / "a"), archive(tmp_path / "a.zip", list(numbered.items()))
    for place in (folder, whole):
        files = open_source(place)
        for _ in range(2):
            with pytest.raises(SchemaError, match="2000 schema files"):
                list(files)
        with pytest.raises(SchemaError, match="2000 schema files"):
            _ = [files[path] for path in numbered]


def test_what_is_neither_a_folder_nor_a_zip_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(PLAIN)
    assert "a.zip" in refused(tmp_path / "a.zip")


def test_a_zip_file_within_a_zip_file_is_passed_over(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as made:
        made.writestr("inner.xsd", PLAIN)
    assert list(open_source(archive(tmp_path / "a.zip", [("a.xsd", PLAIN), ("b.zip", inner.getvalue())]))) == ["a.xsd"]


def test_a_name_that_no_file_can_have_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / "circle.xsd").symlink_to(tmp_path / "circle.xsd")
    long = f"{'n' * 300}.xsd"
    for name in (long, "circle.xsd", "a.xsd/b.xsd"):
        written({"a.xsd": xsd("urn:a", include(name) + element("A"))}, tmp_path)
        with pytest.raises(SchemaError, match="refers to") as caught:
            make_set(open_source(tmp_path), Wish(set_id="a"))
        assert caught.value.code == "schema.set_broken"
        assert caught.value.facts["missing"] == name
    with pytest.raises(SchemaError) as caught:
        make_set(open_source(tmp_path), Wish(set_id="a", entry="n" * 5000))
    assert caught.value.code == "schema.choice_needed"


def test_a_folder_that_can_not_be_looked_at_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError):
        open_source(tmp_path / ("n" * 300))


def test_a_link_out_of_the_folder_counts_as_absent(tmp_path: Path) -> None:
    outside = written({"t.xsd": PLAIN}, tmp_path / "outside")
    inside = written({"a.xsd": xsd("urn:a", include("t.xsd"))}, tmp_path / "inside")
    (inside / "t.xsd").symlink_to(outside / "t.xsd")
    (inside / "more").symlink_to(outside)
    (inside / "b.xsd").write_bytes(xsd("urn:b", bring("urn:a", "more/t.xsd")))
    (inside / "c.xsd").symlink_to(inside / "a.xsd")
    assert sorted(open_source(inside)) == ["a.xsd", "b.xsd", "c.xsd"]
    for entry, missing in (("a.xsd", "t.xsd"), ("b.xsd", "more/t.xsd")):
        with pytest.raises(SchemaError, match=missing):
            make_set(open_source(inside), Wish(set_id="a", entry=entry))
    with pytest.raises(SchemaError) as caught:
        make_set(open_source(inside), Wish(set_id="a", entry="../outside/t.xsd"))
    assert caught.value.code == "schema.choice_needed"
