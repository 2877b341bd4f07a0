"""Folders of code lists: the bundled one, and those beside it."""

import shutil
from pathlib import Path

import pytest

from gateway.bundled import code_list_folder, config_folder, schema_folder
from gateway.domain.ids import CodeListId
from gateway.errors import ConfigurationError
from gateway.settings import load_agreements, load_catalogue
from gateway.settings.code_lists import load_code_lists
from tests.unit.schema.test_code_lists import FILES


def test_the_bundled_lists_load_beside_those_of_a_folder(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "README.txt").write_text("not a list")
    catalogue = load_code_lists(code_list_folder(), tmp_path)
    assert {CodeListId("colours"), CodeListId("iso-4217")} <= set(catalogue.lists)
    assert catalogue.bindings == load_code_lists(code_list_folder()).bindings


def test_a_copy_of_the_bundled_lists_is_not_taken_for_other_lists() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_code_lists(code_list_folder(), code_list_folder())
    assert caught.value.code == "codelist.broken"
    assert "iso-4217" in {one.key for one in caught.value.findings}


def test_a_folder_that_is_not_there_or_is_no_folder_of_lists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_code_lists(tmp_path / "nowhere")
    assert (caught.value.code, caught.value.findings[0].file) == ("config.invalid", str(tmp_path / "nowhere"))
    with (tmp_path / "huge.csv").open("wb") as stream:
        stream.truncate(17 * 1024 * 1024)
    with pytest.raises(ConfigurationError) as caught:
        load_code_lists(tmp_path)
    assert caught.value.findings[0].problem == "holds more than code lists can"


@pytest.mark.parametrize(
    ("old", "new", "key", "problem"),
    [
        ("iso-4217: reject", "iso-4127: reject", "iso-4127", "is no code list"),
        ("iso-4217: reject", "wco-function-code: reject", "wco-function-code", "is a selection of codes"),
        ("customs-countries: warn", "customs-countries: reject", "customs-countries", "extends iso-3166-1"),
        ("iso-4217: reject", "dms-response-code: warn", "dms-response-code", "is bound to no place"),
    ],
)
def test_lists_that_an_agreement_can_not_choose_are_told_with_their_line(
    tmp_path: Path, old: str, new: str, key: str, problem: str
) -> None:
    shutil.copytree(config_folder() / "policies", tmp_path / "policies")
    (tmp_path / "agreements").mkdir()
    file = tmp_path / "agreements" / "gb-fr.yaml"
    text = (config_folder() / "agreements" / "gb-fr.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_agreements([file.parent], load_catalogue(schema_folder()))
    (finding,) = caught.value.findings
    line = 1 + text.splitlines().index("      code_lists:")
    assert (finding.file, finding.line, finding.key) == (str(file), line, f"flows[1].profile.code_lists.{key}")
    assert finding.problem.startswith(problem)
    assert finding.fix
