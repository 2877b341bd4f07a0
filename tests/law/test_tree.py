"""What may not stand in the repository at all, and what every folder of tests is run by."""

import re
import tomllib
from pathlib import Path

from tests.law.source import ROOT, tree_files

MAX_FILE_BYTES = 1_000_000
BY_OTHER_TARGETS = {"material", "benchmarks"}
"""Folders of tests that have a make target of their own."""

PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/]{20}")
PRIVATE_JWK = re.compile(r'"d"\s*:\s*"[A-Za-z0-9_-]{40,}"')
MACHINE_PATH = re.compile(r"(?<![\w.<])/(?:work|farm|root|home|Users)/\w")
REGISTRY = re.compile(r"--(?:extra-)?index-url|registry\s*=\s*[\"']?https?:|pythonhosted\.org/|pypi\.org/simple")


def _texts() -> dict[str, str]:
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8", errors="ignore") for path in tree_files()
    }


def _holding(pattern: re.Pattern[str], *, but: str = "") -> list[str]:
    return [place for place, text in _texts().items() if pattern.search(text) and not (but and place.startswith(but))]


def test_the_tree_is_read() -> None:
    assert {"README.md", "gateway/errors.py", "tests/law/test_tree.py"} <= set(_texts())


def test_no_private_key_is_kept_but_the_published_test_vectors() -> None:
    assert _holding(PRIVATE_KEY, but="docs/vectors/") == []
    assert _holding(PRIVATE_JWK, but="docs/vectors/") == []


def test_no_path_of_one_machine_is_kept() -> None:
    assert _holding(MACHINE_PATH) == []


def test_no_package_registry_is_named() -> None:
    assert _holding(REGISTRY, but="tests/law/test_tree.py") == []


def test_no_file_is_large() -> None:
    assert [path.name for path in tree_files() if path.stat().st_size > MAX_FILE_BYTES] == []


def test_every_package_is_locked_by_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert len(entries) > 40
    assert [entry.splitlines()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_every_dependency_has_a_floor() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    assert [one for one in wanted if ">=" not in one] == []


def test_every_folder_of_tests_is_run_by_something() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    run = {Path(path).name for path in config["tool"]["pytest"]["ini_options"]["testpaths"]}
    holding_tests = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
    assert holding_tests - run - BY_OTHER_TARGETS == set()
