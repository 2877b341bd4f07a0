"""`gateway schema`: schema sets and validation. Needs no node, no database, no configuration."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.catalogue import CatalogueFolder, compiled_set, schema_sets
from gateway.cli.output import AsJson, plain, print_json, print_table, reporting, say

if TYPE_CHECKING:
    from gateway.schema import Explanation

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Schema sets: list, validate.")


@app.command("list")
def list_sets(catalogue: CatalogueFolder = None, as_json: AsJson = False) -> None:
    """List the schema sets."""
    with reporting(as_json=as_json):
        sets = sorted(schema_sets(catalogue).values(), key=lambda one: one.id)
    if as_json:
        for one in sets:
            kinds = [str(kind) for kind in one.kinds]
            print_json({"id": one.id, "release": one.release, "title": one.title, "kinds": kinds, "sha256": one.sha256})
        return
    rows = [(one.id, one.release, ", ".join(one.kinds), one.sha256[:16]) for one in sets]
    print_table("", ("Set", "Release", "Kinds", "SHA-256 begins"), rows)


@app.command("validate")
def validate_files(
    files: Annotated[list[Path], typer.Argument(help="Documents (XML).", exists=True, dir_okay=False)],
    set_id: Annotated[str, typer.Option("--set", help="Id of the schema set, such as dms-declaration.")],
    catalogue: CatalogueFolder = None,
    as_json: AsJson = False,
) -> None:
    """Validate documents against a schema set.

    Prints one line a file: valid, or every violation with its place. Exit code 1 when any file is invalid.
    """
    from gateway.domain.limits import DocumentLimits
    from gateway.schema import explain

    all_valid = True
    with reporting(as_json=as_json):
        compiled = compiled_set(set_id, catalogue)
        limits = DocumentLimits()
        for file in files:
            with file.open("rb") as stream:
                raw = stream.read(limits.size_bytes + 1)  # one more than the door takes, so that it says so
            found = explain(str(file), raw, compiled, limits)
            all_valid = all_valid and found.valid
            if as_json:
                print_json(found.as_json())
            else:
                _show(found)
    if not all_valid:
        raise typer.Exit(1)


def _show(found: "Explanation") -> None:
    say(f"{'valid  ' if found.valid else 'INVALID'} {found.file}")
    for one in found.violations:
        place = f"line {one.line}, " if one.line is not None else ""
        wco = f" (WCO {one.wco_id})" if one.wco_id else ""
        say(f"        {place}{plain(one.path)}{wco}: {one.message} [{one.code}]")
