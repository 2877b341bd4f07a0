"""`gateway schema add`: takes an administration's XSD files into a catalogue, as one pinned set."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.catalogue import own_catalogue
from gateway.cli.output import AsJson, plain, print_json, print_lines, reporting, say

if TYPE_CHECKING:
    from gateway.schema import SchemaSet, Wish

__all__ = ["add_set", "facts_of", "validity"]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("write a day such as 2026-01-31") from None


def add_set(
    source: Annotated[
        Path, typer.Argument(metavar="DIR_OR_ZIP", help="Folder or zip file that holds the XSD files.", exists=True)
    ],
    set_id: Annotated[str, typer.Option("--id", help="What the set is to be called, such as gb-2.1-declaration.")],
    entry: Annotated[
        str, typer.Option(metavar="FILE", help="XSD file to start from, a path within DIR; needed if several could be.")
    ] = "",
    body: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="XSD file of a body that MetaData is to carry; needed if several could be."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Message kind the set is for; else told from its root elements."),
    ] = None,
    release: Annotated[str, typer.Option(help="Release, for people; else the `version` in the schema.")] = "",
    title: Annotated[str, typer.Option(help="Title, for people; else the names of the root elements.")] = "",
    valid_from: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="YYYY-MM-DD", help="First day on which messages may be sent under it."),
    ] = None,
    valid_until: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="YYYY-MM-DD", help="First day on which none may be sent any more."),
    ] = None,
    catalogue: Annotated[
        Path | None,
        typer.Option(
            "--catalogue",
            help="Folder to add the set to, made when absent; without it, your own catalogue.",
            file_okay=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add an administration's schemas to a catalogue, as one pinned set.

    Takes the XSD files as they were published and copies those that the entry reaches, byte for byte. All must lie
    within DIR: where files refer to `../other/X.xsd`, name the folder above. Where MetaData takes its body by a
    wildcard, an entry that brings both together is written. Nothing is added unless the whole set compiles.
    """
    from gateway.schema import Wish

    wish = Wish(
        set_id=set_id,
        entry=_within(source, entry),
        bodies=tuple(_within(source, one) for one in body or ()),
        release=release,
        title=title,
        kinds=tuple(kind or ()),
        valid_from=valid_from,
        valid_until=valid_until,
    )
    folder = catalogue if catalogue is not None else own_catalogue()
    with reporting(as_json=as_json):
        made, is_new = _add(source, wish, folder)
    if as_json:
        print_json({**facts_of(made, str(folder / made.id)), "added": is_new})
        return
    _show(made, folder, is_new=is_new, in_own=catalogue is None)


def facts_of(one: "SchemaSet", place: str) -> dict[str, Any]:
    """Return what there is to say about a set, for programs. `place`: `bundled`, or its folder."""
    return {
        "id": one.id,
        "release": one.release,
        "title": one.title,
        "kinds": [str(kind) for kind in one.kinds],
        "roots": list(one.roots),
        "namespaces": list(one.namespaces),
        "entry": one.entry,
        "files": sorted(one.files),
        "generated": list(one.generated),
        "notes": list(one.notes),
        "valid_from": one.valid_from and one.valid_from.isoformat(),
        "valid_until": one.valid_until and one.valid_until.isoformat(),
        "sha256": one.sha256,
        "place": place,
    }


def _within(source: Path, name: str) -> str:
    """Return the path within the folder, also when a person gave it from where they stand, as shells complete it."""
    try:
        is_path_within = not Path(name).is_absolute() and (source / name).is_file()
        if not name or not source.is_dir() or is_path_within or not Path(name).is_file():
            return name
    except (OSError, ValueError):  # longer than a path can be, or no name of a file at all
        return name
    given, folder = Path(name).resolve(), source.resolve()
    return given.relative_to(folder).as_posix() if given.is_relative_to(folder) else name


def _add(source: Path, wish: "Wish", folder: Path) -> "tuple[SchemaSet, bool]":
    from gateway.bundled import schema_folder
    from gateway.errors import SchemaError
    from gateway.schema import check_id, make_set
    from gateway.settings import open_source, store_set

    check_id(wish.set_id)
    if (schema_folder() / wish.set_id / "manifest.toml").is_file():
        problem = f"{wish.set_id} is the id of a set that comes with the gateway; give this one another --id"
        raise SchemaError("schema.id_taken", problem, facts={"schema_set": wish.set_id})
    made = make_set(open_source(source), wish)
    return made, store_set(folder, made)


def _show(one: "SchemaSet", folder: Path, *, is_new: bool, in_own: bool) -> None:
    say(f"{'Added' if is_new else 'There already:'} {one.id}, {len(one.files)} files, in {folder / one.id}")
    written = f" (written: {', '.join(one.generated)})" if one.generated else ""
    pairs: list[tuple[str, object]] = [
        ("release", one.release),
        ("title", one.title),
        ("entry", f"{one.entry}{written}"),
        ("roots", ", ".join(one.roots)),
        ("kinds", ", ".join(one.kinds) or "none; name them with --kind before an agreement can use the set"),
        ("valid", validity(one)),
        ("sha256", one.sha256),
    ]
    print_lines(pairs)
    for note in one.notes:
        say(f"Note: {plain(note)}")
    if in_own:
        say("That is your own catalogue, which commands read. A node reads the folder in its setting `schemas`.")


def validity(one: "SchemaSet") -> str:
    """Return between which days a set may be sent under, for people."""
    start = f"from {one.valid_from} " if one.valid_from else ""
    end = f"until {one.valid_until}" if one.valid_until else ""
    return f"{start}{end}".strip() or "always"
