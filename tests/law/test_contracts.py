"""The import contracts of pyproject.toml hold, and each of them can be broken.

A contract that nothing can break proves nothing. So violations are planted in a copy of the tree, and import-linter
must name every one.
"""

import itertools
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.law.source import CORE, ROOT

DOWNWARDS = "Rooms import downwards, and adapters never each other"
CORE_IS_PURE = "The core knows no event loop, no socket, no TLS, no database"
USE_CASES = "Of the adapters only web and workers know the use cases"
POLICIES = "The rooms of policies import downwards"
BUNDLED = "The bundled data files know nothing of ours"

ADAPTERS = (
    "settings",
    "web",
    "channels",
    "storage",
    "trust",
    "workers",
    "client",
    "logs",
    "system",
    "failpoints",
)
POLICY_LAYERS = ("telling", "views", "checking", "consistency", "ruling", "changing", "language")
LAYERS = ("cli", "demo", "app", "settings", "exchange", "ports", "policy", "schema", "document", "domain", "errors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One forbidden import: which contract it breaks, who imports, what."""

    contract: str
    importer: str
    imported: str

    def __str__(self) -> str:
        return f"{self.importer} -> {self.imported}"


def _plants() -> list[Plant]:
    upwards = [
        Plant(contract=DOWNWARDS, importer=f"gateway.{low}", imported=f"gateway.{high}")
        for high, low in itertools.pairwise(LAYERS)
    ]
    sideways = [
        Plant(contract=DOWNWARDS, importer=f"gateway.{one}", imported=f"gateway.{other}")
        for one in ADAPTERS
        for other in ADAPTERS
        if one != other
    ]
    siblings = [
        Plant(contract=DOWNWARDS, importer=f"gateway.{one}", imported=f"gateway.{other}")
        for one, other in [("document", "envelope"), ("envelope", "audit"), ("audit", "document")]
    ]
    policies = [
        Plant(contract=POLICIES, importer=f"gateway.policy.{low}", imported=f"gateway.policy.{high}")
        for high, low in itertools.pairwise(POLICY_LAYERS)
    ]
    impure = [
        Plant(contract=CORE_IS_PURE, importer=room, imported=module)
        for room in CORE
        for module in ("asyncio", "aiohttp", "socket", "ssl", "sqlite3")
    ]
    use_cases = [
        Plant(contract=USE_CASES, importer=f"gateway.{one}", imported="gateway.exchange")
        for one in ADAPTERS
        if one not in {"web", "workers"}
    ]
    bundled = [
        Plant(contract=BUNDLED, importer="gateway.bundled", imported=f"gateway.{one}")
        for one in ("errors", "domain", "document", "exchange")
    ]
    return upwards + sideways + siblings + policies + impure + use_cases + bundled


PLANTS = _plants()


def _copy(tmp: Path) -> Path:
    shutil.copytree(ROOT / "gateway", tmp / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp)
    return tmp


def _plant(tree: Path, plant: Plant) -> None:
    """Append the import to the importing room, in its `__init__` or in its one file."""
    place = tree / plant.importer.replace(".", "/")
    module = place.with_suffix(".py")
    if not module.exists():
        place.mkdir(exist_ok=True)
        module = place / "__init__.py"
    with module.open("a", encoding="utf-8") as file:
        file.write(f"\nimport {plant.imported}\n")


def _lint(tree: Path) -> subprocess.CompletedProcess[str]:
    # import-linter puts the working directory first on the path, so that it reads the copy.
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-cache"], cwd=tree, capture_output=True, check=False, text=True
    )


def _verdicts(output: str) -> dict[str, str]:
    return dict(re.findall(r"^(\S.*) (KEPT|BROKEN)\b", output, flags=re.MULTILINE))


def test_the_tree_keeps_every_contract(tmp_path: Path) -> None:
    result = _lint(_copy(tmp_path))
    assert _verdicts(result.stdout) == dict.fromkeys([DOWNWARDS, POLICIES, CORE_IS_PURE, USE_CASES, BUNDLED], "KEPT"), (
        result.stdout
    )
    assert result.returncode == 0


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What import-linter says, by contract, of a tree that holds every plant."""
    tree = _copy(tmp_path_factory.mktemp("planted"))
    for plant in PLANTS:
        _plant(tree, plant)
    result = _lint(tree)
    assert result.returncode == 1, result.stdout + result.stderr
    *_, broken = result.stdout.partition("Broken contracts")
    sections = re.split(r"^(.+)\n-+\n", broken, flags=re.MULTILINE)
    return dict(zip(sections[1::2], sections[2::2], strict=True))


@pytest.mark.parametrize("plant", PLANTS, ids=str)
def test_a_forbidden_import_is_found(plant: Plant, found: dict[str, str]) -> None:
    assert re.search(rf"{re.escape(str(plant))}(?:\.\w+)* \(", found[plant.contract]), found[plant.contract][:2000]


def test_a_room_without_a_place_is_refused(tmp_path: Path) -> None:
    tree = _copy(tmp_path)
    (tree / "gateway" / "attic.py").write_text('"""No one said where this belongs."""\n', encoding="utf-8")
    result = _lint(tree)
    assert result.returncode != 0
    assert "attic" in result.stdout
