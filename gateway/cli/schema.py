"""`gateway schema`: schema sets and validation. Needs no node, no database, no configuration."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.catalogue import CatalogueFolder, compiled_set, place_of, schema_sets
from gateway.cli.output import AsJson, Language, print_json, print_table, reporting, say, violation_lines
from gateway.cli.schema_add import add_set, facts_of, validity
from gateway.cli.schema_facts import show_facts

if TYPE_CHECKING:
    from gateway.schema import Explanation

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Schema sets: add, list, facts, validate.")
app.command("add")(add_set)
app.command("facts")(show_facts)


@app.command("list")
def list_sets(catalogue: CatalogueFolder = None, as_json: AsJson = False) -> None:
    """List the schema sets: the bundled ones and those you added, or those of one folder."""
    with reporting(as_json=as_json):
        sets = sorted(schema_sets(catalogue).values(), key=lambda one: one.id)
    if as_json:
        for one in sets:
            print_json(facts_of(one, place_of(one.id, catalogue)))
        return
    rows = [
        (one.id, one.release, validity(one), ", ".join(one.kinds) or "–", _place(one.id, catalogue), one.sha256[:12])
        for one in sets
    ]
    print_table("", ("Set", "Release", "Valid", "Kinds", "From", "SHA-256 begins"), rows)


@app.command("validate")
def validate_files(
    files: Annotated[list[Path], typer.Argument(help="Documents (XML).", exists=True, dir_okay=False)],
    set_id: Annotated[str, typer.Option("--set", help="Id of the schema set, such as dms-declaration.")],
    values: Annotated[
        bool, typer.Option("--values", help="Show what stands in the document beside what is wrong with it.")
    ] = False,
    code_lists: Annotated[
        bool, typer.Option("--code-lists", help="Warn of codes that are in none of the code lists today.")
    ] = False,
    lang: Language = "",
    catalogue: CatalogueFolder = None,
    as_json: AsJson = False,
) -> None:
    """Validate documents against a schema set.

    Prints one line a file: valid, or every violation with its place, what was expected and what to do. Exit code 1
    when any file is invalid.
    """
    from gateway.cli.codelist import codes_of_today
    from gateway.domain.limits import DocumentLimits
    from gateway.domain.telling import Telling
    from gateway.schema import explain
    from gateway.schema.telling.texts import choose

    all_valid = True
    telling = Telling(language=choose([lang]), values=values)
    with reporting(as_json=as_json):
        compiled = compiled_set(set_id, catalogue)
        limits = DocumentLimits()
        codes = codes_of_today(compiled) if code_lists else None
        for file in files:
            with file.open("rb") as stream:
                raw = stream.read(limits.size_bytes + 1)  # one more than the door takes, so that it says so
            found = explain(str(file), raw, compiled, limits, telling, codes)
            all_valid = all_valid and found.valid
            if as_json:
                print_json(found.as_json())
            else:
                _show(found)
    if not all_valid:
        raise typer.Exit(1)


def _place(set_id: str, folder: Path | None) -> str:
    place = place_of(set_id, folder)
    return place if place == "bundled" else "own" if folder is None else "folder"


def _show(found: "Explanation") -> None:
    say(f"{'valid  ' if found.valid else 'INVALID'} {found.file}")
    for one in found.violations:
        for line in violation_lines(one.as_json()):
            say(f"        {line}")
    for one in found.warnings or ():
        for line in violation_lines(one.as_json()):
            say(f"        warning: {line}")
