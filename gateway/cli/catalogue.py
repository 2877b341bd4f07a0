"""Schema sets on disk: the bundled ones and the user's own, or those in a folder given with `--catalogue`.

The user's own catalogue is where `gateway schema add` puts sets when no folder is named. A node does not read it: a
node has the bundled sets and those of the folder that its settings name as `schemas`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from gateway.domain.ids import SchemaSetId
    from gateway.schema import CompiledSet, SchemaSet

__all__ = ["CATALOGUE_VARIABLE", "CatalogueFolder", "compiled_set", "own_catalogue", "place_of", "schema_sets"]

CATALOGUE_VARIABLE: Final = "GATEWAY_CATALOGUE"

CatalogueFolder = Annotated[
    Path | None,
    typer.Option(
        "--catalogue",
        help="Folder of schema sets, and no others; without it the bundled ones and those you added.",
        exists=True,
        file_okay=False,
    ),
]


def own_catalogue() -> Path:
    """Return the folder of the user's own sets; it need not exist. `GATEWAY_CATALOGUE` names another."""
    named = os.environ.get(CATALOGUE_VARIABLE, "")
    if named:
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME", "")  # XDG Base Directory Specification: relative paths do not count
    home = Path(data) if data.startswith("/") else Path.home() / ".local" / "share"
    return home / "wco-gateway" / "schema-sets"


def schema_sets(folder: Path | None) -> "Mapping[SchemaSetId, SchemaSet]":
    """Return the sets there are, by id. Raises ConfigurationError with every broken one."""
    from gateway.bundled import schema_folder
    from gateway.settings import load_catalogue, load_catalogues

    if folder is not None:
        return load_catalogue(folder)
    own = own_catalogue()
    return load_catalogues(schema_folder(), own if any(own.glob("*/manifest.toml")) else None)


def place_of(set_id: str, folder: Path | None) -> str:
    """Return where a set of `schema_sets` stands: `bundled`, or its folder."""
    from gateway.bundled import schema_folder

    if folder is not None:
        return str(folder / set_id)
    return "bundled" if (schema_folder() / set_id).is_dir() else str(own_catalogue() / set_id)


def compiled_set(set_id: str, folder: Path | None) -> "CompiledSet":
    """Return the named set, ready to validate. Raises SchemaError; `schema.unknown_set` lists those there are."""
    from gateway.domain.ids import SchemaSetId
    from gateway.errors import SchemaError
    from gateway.schema import compile_set

    sets = schema_sets(folder)
    if SchemaSetId(set_id) not in sets:
        raise SchemaError("schema.unknown_set", f"There is no set of this id; there are {', '.join(sorted(sets))}")
    return compile_set(sets[SchemaSetId(set_id)])
