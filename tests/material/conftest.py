"""Real messages and public vectors, from the folder that the environment names in GATEWAY_MATERIAL.

They do not live in this repository. Without the folder these tests fail instead of passing empty.
"""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

# The set that judges a kind of the label files. `notification` is a response as published, `amend-other` and
# `dec-other` are DEC bodies of no particular kind, and what is not well-formed no set accepts.
SET_OF_KIND = {
    "declaration": "dms-declaration",
    "amendment": "dms-declaration",
    "arrival": "dms-declaration",
    "amend-other": "dms-declaration",
    "dec-other": "dms-declaration",
    "not-well-formed": "dms-declaration",
    "response": "dms-response",
    "notification": "dms-response",
    "cancellation": "dms-cancellation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One file with the official verdict. `operator`: how a mutant was made, empty for a published message."""

    path: Path
    kind: str
    valid: bool
    operator: str = ""

    @property
    def schema_set(self) -> str:
        return SET_OF_KIND[self.kind]


@pytest.fixture(scope="session")
def material() -> Path:
    folder = os.environ.get("GATEWAY_MATERIAL", "")
    if not folder or not Path(folder).is_dir():
        pytest.fail("GATEWAY_MATERIAL must name the folder with the real messages and vectors")
    return Path(folder)


@pytest.fixture(scope="session")
def published(material: Path) -> list[Labelled]:
    """Every published message with its label."""
    return _labelled(material / "wco", "samples/index.csv")


@pytest.fixture(scope="session")
def mutants(material: Path) -> list[Labelled]:
    """Every mutant with its label."""
    return _labelled(material / "wco", "mutants/labels.csv")


def _labelled(folder: Path, index: str) -> list[Labelled]:
    with (folder / index).open(encoding="utf-8", newline="") as file:
        found = [
            Labelled(
                path=folder / row["file"],
                kind=row["kind"],
                valid=row["label"] == "valid",
                operator=row.get("operator", ""),
            )
            for row in csv.DictReader(file)
        ]
    assert found, f"{index} names no file"
    return found
