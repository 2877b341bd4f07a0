"""`gateway codelist`: which codes there are and whether one is valid. Needs no node, no database, no configuration."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import AsJson, fail, print_json, print_lines, print_table, reporting

if TYPE_CHECKING:
    from gateway.schema import Code, CodeCatalogue, CodeList, CompiledCodeLists, CompiledSet

__all__ = ["app", "catalogue_of", "codes_of_today"]

app = typer.Typer(no_args_is_help=True, help="Code lists: list, show.")

OwnLists = Annotated[
    Path | None,
    typer.Option(
        "--lists", help="Folder with code lists of your own, beside the bundled ones.", exists=True, file_okay=False
    ),
]


def _day(text: str) -> date:
    """Return the day a text names. Raises typer.BadParameter."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is no day of the calendar; write one as 2026-03-31") from None
    if text != day.isoformat():
        raise typer.BadParameter(f"{text} is a day in another form; write {day}")
    return day


@app.command("list")
def list_lists(lists: OwnLists = None, as_json: AsJson = False) -> None:
    """List the code lists."""
    with reporting(as_json=as_json):
        found = sorted(catalogue_of(lists).lists.values(), key=lambda one: one.id)
    if as_json:
        for one in found:
            print_json(_facts(one))
        return
    rows = [(one.id, one.title, len(one.codes), "yes" if one.complete else "selection") for one in found]
    print_table("", ("List", "Title", "Codes", "Complete"), rows)


@app.command("show")
def show_list(
    list_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the list, such as iso-4217.")],
    code: Annotated[str | None, typer.Option("--code", help="Only this code; exit code 1 if it is not valid.")] = None,
    on: Annotated[
        date | None,
        typer.Option("--on", parser=_day, metavar="YYYY-MM-DD", help="The day to ask about; today (UTC) otherwise."),
    ] = None,
    lists: OwnLists = None,
    as_json: AsJson = False,
) -> None:
    """Show a code list, or one code of it: name, from when to when, who says so."""
    from datetime import UTC

    from gateway.schema import find_list

    day = on or datetime.now(UTC).date()
    with reporting(as_json=as_json):
        found = find_list(catalogue_of(lists).lists, list_id)
    if code is not None:
        _show_code(found, code, day, as_json=as_json)
    elif as_json:
        print_json({**_facts(found), "on": day.isoformat(), "entries": [_entry(one, day) for one in _sorted(found)]})
    else:
        _show_list(found, day)


def catalogue_of(own: Path | None) -> "CodeCatalogue":
    """Return the bundled lists and those in the folder. Raises ConfigurationError with everything that is broken."""
    from gateway.bundled import code_list_folder
    from gateway.settings.code_lists import load_code_lists

    return load_code_lists(code_list_folder(), *([own] if own is not None else []))


def codes_of_today(compiled: "CompiledSet") -> "tuple[CompiledCodeLists, date]":
    """Return all bundled lists for the places of a set, and the day (UTC) to ask about."""
    from datetime import UTC

    from gateway.schema import compile_code_lists

    return compile_code_lists(catalogue_of(None), compiled.tree, compiled.id), datetime.now(UTC).date()


def _show_list(found: "CodeList", day: date) -> None:
    print_lines(_about(found))
    rows = [(one.code, one.name, _validity(one), "yes" if one.is_valid(day) else "no") for one in _sorted(found)]
    print_table("", ("Code", "Name", "Valid", f"On {day}"), rows)


def _show_code(found: "CodeList", code: str, day: date, *, as_json: bool) -> None:
    entry = found.codes.get(code)
    if entry is None:
        near = found.near(code)
        likely = ", ".join(f"{one.code} {one.name}".strip() for one in near)
        detail = f"{found.id} has no such code{f'; near it: {likely}' if near else ''}"
        members = {"list": found.id, "near": [_entry(one, day) for one in near]}
        fail("codelist.unknown_code", detail, as_json=as_json, members=members)
        return
    if as_json:
        print_json({"list": found.id, "source": found.source, "on": day.isoformat(), **_entry(entry, day)})
    else:
        valid = f"{'yes' if entry.is_valid(day) else 'NO'}, {_validity(entry)}"
        print_lines([("Code", entry.code), ("Name", entry.name or None), (f"Valid on {day}", valid), *_about(found)])
    if not entry.is_valid(day):
        raise typer.Exit(1)


def _about(found: "CodeList") -> list[tuple[str, object]]:
    return [
        ("List", f"{found.id}: {found.title}"),
        ("Edition", found.edition),
        ("Source", found.source),
        ("Licence", found.licence),
        ("Complete", "yes" if found.complete else "no: a selection, may only warn"),
        *([("Extends", found.extends)] if found.extends else []),
        ("SHA-256", found.sha256),
    ]


def _facts(one: "CodeList") -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "edition": one.edition,
        "source": one.source,
        "licence": one.licence,
        "complete": one.complete,
        "extends": one.extends,
        "codes": len(one.codes),
        "sha256": one.sha256,
    }


def _entry(one: "Code", day: date) -> dict[str, Any]:
    return {**one.as_json(), "valid": one.is_valid(day)}


def _sorted(found: "CodeList") -> "list[Code]":
    return [found.codes[code] for code in sorted(found.codes)]


def _validity(one: "Code") -> str:
    if one.valid_from is None and one.valid_until is None:
        return "always"
    first = "" if one.valid_from is None else f"from {one.valid_from}"
    last = "" if one.valid_until is None else f"until {one.valid_until}"
    return f"{first} {last}".strip()
