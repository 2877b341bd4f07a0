"""The example settings and agreements are right in every point: only the keys are missing, which nobody can give away."""

import shutil
from pathlib import Path

from gateway.bundled import config_folder
from gateway.errors import ConfigurationError
from gateway.settings import check_configuration, load_configuration, load_node


def missing(path: Path) -> list[Path]:
    """Return the files and folders that the settings name and that do not exist."""
    try:
        load_node(path)
    except ConfigurationError as error:
        found = [one.problem for one in error.findings]
        assert all("does not exist" in problem for problem in found), found
        return [Path(problem.split("(", 1)[1].rstrip(")")) for problem in found]
    return []


def test_the_example_node_needs_nothing_but_its_files(tmp_path: Path) -> None:
    shutil.copytree(config_folder(), tmp_path, dirs_exist_ok=True)
    path = tmp_path / "node.toml"
    absent = missing(path)
    assert absent
    for one in absent:
        if one.parent.name == "partners":
            one.mkdir(parents=True, exist_ok=True)
        else:
            one.parent.mkdir(parents=True, exist_ok=True)
            one.write_bytes(b"-")
    assert check_configuration(path) == ()
    configuration = load_configuration(path)
    assert {one.id for one in configuration.book.agreements} == {"gb-fr", "gb-nl", "gb-no", "gb-ch", "gb-us"}
    assert configuration.node.insecure == ()


def test_the_example_says_what_is_built_in(tmp_path: Path) -> None:
    """Whoever leaves a limit out gets what the example shows."""
    shutil.copytree(config_folder(), tmp_path, dirs_exist_ok=True)
    path = tmp_path / "node.toml"
    for one in missing(path):
        one.parent.mkdir(parents=True, exist_ok=True)
        one.mkdir() if one.parent.name == "partners" else one.write_bytes(b"-")
    shown = load_node(path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("[documents]")], encoding="utf-8")
    built_in = load_node(path)
    assert (shown.documents, shown.timing) == (built_in.documents, built_in.timing)
