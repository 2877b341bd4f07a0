"""Schema sets on disk: the bundled ones, or those in a folder given with `--catalogue`, one sub-folder a set."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.domain.ids import SchemaSetId
    from gateway.schema import CompiledSet, SchemaSet

__all__ = ["CatalogueFolder", "compiled_set", "schema_sets"]

CatalogueFolder = Annotated[
    Path | None,
    typer.Option(
        "--catalogue", help="Folder of schema sets; the bundled ones otherwise.", exists=True, file_okay=False
    ),
]


def schema_sets(folder: Path | None) -> "Mapping[SchemaSetId, SchemaSet]":
    """Return the sets there are, by id. Raises ConfigurationError with every broken one."""
    from gateway.bundled import schema_folder
    from gateway.settings import load_catalogue

    return load_catalogue(folder or schema_folder())


def compiled_set(set_id: str, folder: Path | None) -> "CompiledSet":
    """Return the named set, ready to validate. Raises SchemaError; `schema.unknown_set` lists those there are."""
    from gateway.domain.ids import SchemaSetId
    from gateway.errors import SchemaError
    from gateway.schema import compile_set

    sets = schema_sets(folder)
    if SchemaSetId(set_id) not in sets:
        raise SchemaError("schema.unknown_set", f"There is no set of this id; there are {', '.join(sorted(sets))}")
    return compile_set(sets[SchemaSetId(set_id)])
