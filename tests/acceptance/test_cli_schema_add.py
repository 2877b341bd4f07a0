"""`gateway schema add`, as a customs engineer types it."""

import zipfile
from pathlib import Path

import pytest

from tests.acceptance.commands import gateway
from tests.unit.schema.foreign_sets import APART, element, written, xsd

DOCUMENT = '<m:MetaData xmlns:m="urn:m"><Declaration xmlns="urn:d">{}</Declaration></m:MetaData>'


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return written(APART, tmp_path / "release")


def test_a_release_is_added_listed_and_judges_documents(release: Path, tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    add = ("schema", "add", release, "--id", "own-3", "--entry", "envelope/MetaData.xsd", "--catalogue", catalogue)
    added = gateway(*add, "--valid-from", "2026-01-01", "--valid-until", "2027-01-01", "--json")
    (made,) = added.json
    assert (added.code, made["added"], made["generated"]) == (0, True, ["gateway-entry.xsd"])
    (listed,) = gateway("schema", "list", "--catalogue", catalogue, "--json").json
    assert listed == {name: value for name, value in made.items() if name != "added"}
    assert (listed["valid_from"], listed["valid_until"]) == ("2026-01-01", "2027-01-01")
    for number, text in enumerate(("1", "x")):
        (tmp_path / f"{number}.xml").write_text(DOCUMENT.format(text))
    (tmp_path / "2.xml").write_text("<Invoice/>")
    judged = gateway(
        *("schema", "validate", "--set", "own-3", "--catalogue", catalogue, "--json"),
        *(tmp_path / f"{number}.xml" for number in range(3)),
    )
    assert [one["valid"] for one in judged.json] == [True, False, False]
    assert judged.json[2]["violations"][0]["code"] == "schema.root_not_in_set"


def test_without_a_folder_a_set_goes_to_the_users_own_catalogue(release: Path, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path / "home"), "GATEWAY_CATALOGUE": "", "XDG_DATA_HOME": ""}
    place = tmp_path / "home/.local/share/wco-gateway/schema-sets/own-3"
    shown = gateway("schema", "add", release, "--id", "own-3", "--entry", "envelope/MetaData.xsd", env=home)
    assert (shown.code, (place / "manifest.toml").is_file()) == (0, True)
    listed = gateway("schema", "list", "--json", env=home).json
    assert {one["id"]: one["place"] for one in listed} == {
        **dict.fromkeys(("dms-cancellation", "dms-declaration", "dms-response"), "bundled"),
        "own-3": str(place),
    }
    (tmp_path / "a.xml").write_text(DOCUMENT.format("1"))
    assert gateway("schema", "validate", "--set", "own-3", tmp_path / "a.xml", env=home).code == 0
    assert "own-3" in gateway("schema", "list", env=home).out
    elsewhere = {**home, "XDG_DATA_HOME": str(tmp_path / "data")}
    assert "own-3" not in gateway("schema", "list", env=elsewhere).out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--id", "own-3"), "schema.choice_needed"),
        (("--id", "own-3", "--entry", "MetaData.xsd"), "schema.choice_needed"),
        (("--id", "own-3", "--entry", "n" * 5000), "schema.choice_needed"),
        (("--id", "dms-response", "--entry", "body/unrelated.xsd"), "schema.id_taken"),
        (("--id", "Own 3", "--entry", "body/unrelated.xsd"), "schema.set_broken"),
        (("--id", "a" * 300, "--entry", "body/unrelated.xsd"), "schema.set_broken"),
        (("--id", "../own", "--entry", "body/unrelated.xsd"), "schema.set_broken"),
        (("--id", "own-3", "--entry", "body/unrelated.xsd", "--kind", "letter"), "schema.set_broken"),
        (("--id", "own-3", "--entry", "body/unrelated.xsd", "--release", "two\nlines"), "schema.set_broken"),
        (
            (
                "--id",
                "own-3",
                "--entry",
                "body/unrelated.xsd",
                "--valid-from",
                "2026-02-01",
                "--valid-until",
                "2026-01-01",
            ),
            "schema.set_broken",
        ),
    ],
)
def test_what_can_not_be_added_is_told_and_leaves_nothing(
    arguments: tuple[str, ...], code: str, release: Path, tmp_path: Path
) -> None:
    catalogue = tmp_path / "catalogue"
    refused = gateway("schema", "add", release, *arguments, "--catalogue", catalogue, "--json")
    assert (refused.code, refused.problem["code"]) == (1, code)
    assert refused.problem["detail"]
    assert not catalogue.exists()


def test_another_content_under_a_known_id_is_refused(release: Path, tmp_path: Path) -> None:
    add = ("schema", "add", release, "--id", "a", "--entry", "body/unrelated.xsd", "--catalogue", tmp_path / "c")
    assert [gateway(*add, "--json").json[0]["added"] for _ in range(2)] == [True, False]
    written({"body/unrelated.xsd": xsd("urn:u", element("Changed"))}, release)
    again = gateway(*add, "--json")
    assert (again.code, again.problem["code"]) == (1, "schema.id_taken")


def test_the_entry_may_be_named_from_where_one_stands(release: Path, tmp_path: Path) -> None:
    add = ("schema", "add", "release", "--catalogue", tmp_path / "c", "--json")
    names = ("envelope/MetaData.xsd", "release/envelope/MetaData.xsd", release / "envelope/MetaData.xsd")
    made = [gateway(*add, "--id", "a", "--entry", name, cwd=tmp_path) for name in names]
    assert [one.json[0]["added"] for one in made] == [True, False, False]
    outside = gateway(*add, "--id", "b", "--entry", "../outside.xsd", cwd=tmp_path)
    assert outside.problem["code"] == "schema.choice_needed"


def test_a_bad_day_or_a_folder_that_is_not_there_is_a_matter_of_usage(release: Path, tmp_path: Path) -> None:
    add = ("schema", "add", "--id", "a", "--entry", "body/unrelated.xsd", "--catalogue", tmp_path / "c")
    assert gateway(*add, release, "--valid-from", "soon").code == 2
    assert gateway(*add, tmp_path / "nowhere").code == 2


def test_a_file_that_can_not_be_judged_is_invalid_and_the_next_is_judged(tmp_path: Path) -> None:
    ways = '<xs:restriction base="xs:string"><xs:pattern value="(a|a|aa)*b"/></xs:restriction>'
    folder = written(
        {"r.xsd": xsd("", f'<xs:element name="R"><xs:simpleType>{ways}</xs:simpleType></xs:element>')}, tmp_path
    )
    assert gateway("schema", "add", folder, "--id", "ways", "--catalogue", tmp_path / "own").code == 0
    (tmp_path / "1.xml").write_text(f"<R>{'a' * 3_000}</R>")
    (tmp_path / "2.xml").write_text("<R>ab</R>")
    files = (tmp_path / "1.xml", tmp_path / "2.xml")
    judged = gateway("schema", "validate", "--set", "ways", "--catalogue", tmp_path / "own", "--json", *files)
    assert (judged.code, [one["valid"] for one in judged.json]) == (1, [False, True])
    assert judged.json[0]["violations"][0]["rule"] == "other"


def test_a_damaged_file_of_a_zip_that_could_be_a_body_refuses_the_set(tmp_path: Path) -> None:
    archive = tmp_path / "release.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in {**APART, "body/Second.xsd": xsd("urn:d", element("Declaration", "xs:date"))}.items():
            packed.writestr(name, content)
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace(b'"xs:date"', b'"xs:dote"', 1))
    add = ("schema", "add", archive, "--id", "own-3", "--entry", "envelope/MetaData.xsd", "--json")
    shown = gateway(*add, "--catalogue", tmp_path / "own")
    assert (shown.code, "schema.set_broken" in shown.out + shown.err) == (1, True)
    assert "body/Second.xsd" in shown.out + shown.err
    assert gateway(*add, "--catalogue", tmp_path / "own", "--body", "body/Declaration.xsd").code == 0
