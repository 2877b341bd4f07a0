"""Folders of code lists: the bundled one, and those beside it."""

from pathlib import Path

import pytest

from gateway.bundled import code_list_folder
from gateway.domain.ids import CodeListId
from gateway.errors import ConfigurationError
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
