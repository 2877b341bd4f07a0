"""`gateway policy diff`: a document beside the view a partner would get, or beside two views. Needs no node."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.catalogue import CatalogueFolder
from gateway.cli.output import AsJson, print_json, reporting, terminal_width
from gateway.cli.policy_choice import (
    AgreementFile,
    DocumentFile,
    PolicyFile,
    Recipient,
    check_same_set,
    open_document,
)
from gateway.cli.policy_telling import SIGNS, Columns, outcome_members, say_outcome, why
from gateway.cli.side_by_side import Row, print_columns

if TYPE_CHECKING:
    from gateway.policy.telling.diff import Diff, DiffPlace, Outcome, Side

__all__ = ["diff_document"]

_SHOWN: Final = ("all", "kept", "changed", "withheld", "different")


def diff_document(
    document: DocumentFile,
    policy_file: PolicyFile = None,
    agreement: AgreementFile = None,
    to: Recipient = "",
    between: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--between", help="Two policy files: what each leaves.", exists=True, dir_okay=False),
    ] = None,
    only: Annotated[
        str, typer.Option(help="Show only `kept`, `changed` or `withheld` values, or, of two policies, `different`.")
    ] = "all",
    width: Columns = None,
    catalogue: CatalogueFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show a document and what would leave of it side by side: kept, changed, withheld, and by which rule.

    This shows the document's values. With --between, exit code 1 when the two policies leave something different.
    """
    from gateway.policy import compile_policy
    from gateway.policy.telling.diff import diff
    from gateway.settings import read_policy_file

    if only not in _SHOWN:
        raise typer.BadParameter(f"write one of {', '.join(_SHOWN)}", param_hint="--only")
    if between is not None and (policy_file or agreement or to):
        raise typer.BadParameter("names the policies; leave out --policy, --agreement and --to", param_hint="--between")
    if between is None and only == "different":
        raise typer.BadParameter("`different` is between two policies: give --between", param_hint="--only")
    with reporting(as_json=as_json):
        if between is None:
            opened = open_document(document, policy=policy_file, agreement=agreement, to=to, catalogue=catalogue)
            policies = [opened.policy]
        else:
            opened = open_document(document, policy=between[0], agreement=None, to="", catalogue=catalogue)
            other = read_policy_file(between[1])
            check_same_set(opened.policy.policy, other)
            policies = [opened.policy, compile_policy(other, opened.compiled)]
        found = diff(opened.document, policies, opened.compiled)
    shown = [place for place in found.places if _is_shown(place, only)]
    if as_json:
        for place in shown:
            print_json(_place_json(place, found))
        print_json({"summary": [outcome_members(*one) for one in _counted(found)]})
    else:
        _print(found, shown, to, width or terminal_width())
    differs = any(place.differs for place in found.places) or len({bool(one.view) for one in found.outcomes}) > 1
    if between is not None and differs:
        raise typer.Exit(1)


def _is_shown(place: "DiffPlace", only: str) -> bool:
    if only == "different":
        return place.differs
    return only == "all" or any(side.mark == only for side in place.sides)


def _place_json(place: "DiffPlace", found: "Diff") -> dict[str, Any]:
    sides = [_side_json(side) for side in place.sides]
    if len(found.outcomes) == 1:
        return {"path": place.path, "value": place.value, **sides[0]}
    return {"path": place.path, "value": place.value, "differs": place.differs, "a": sides[0], "b": sides[1]}


def _side_json(side: "Side") -> dict[str, Any]:
    return {
        "mark": side.mark.value,
        "leaves": side.value,
        "rule": side.rule,
        "reason": side.reason,
        "legal": side.legal,
        "note": side.note,
    }


def _counted(found: "Diff") -> "Iterator[tuple[Outcome, dict[str, int]]]":
    """Yield what became of the whole document under each policy, and of how many values what."""
    from gateway.policy.telling.diff import Mark

    for side, outcome in enumerate(found.outcomes):
        yield outcome, {mark.value: found.count(mark, side) for mark in Mark}


def _print(found: "Diff", shown: "Sequence[DiffPlace]", to: str, width: int) -> None:
    names = [f"{one.policy.policy.id} version {one.policy.policy.version}" for one in found.outcomes]
    if len(names) == 1:
        heads = ["Document", f"View{f' for {to}' if to else ''} under {names[0]}"]
        rows = [_row(place, (("", place.value),), place.sides) for place in shown]
    else:
        heads = names
        rows = [_row(place, (), place.sides) for place in shown]
    print_columns(heads, rows, width)
    for outcome, counts in _counted(found):
        say_outcome(outcome, counts)


def _row(place: "DiffPlace", first: "Sequence[tuple[str, str]]", sides: "Sequence[Side]") -> Row:
    cells = [*first, *((SIGNS[side.mark.value], _told(side)) for side in sides)]
    return Row(path=place.path, cells=tuple(cells))


def _told(side: "Side") -> str:
    """Return what a side says in the terminal: the value, and unless it is kept as it was, why."""
    if side.value is not None and side.mark.value == "kept":
        return side.value
    told = why(side.rule, side.reason, side.legal, side.note)
    return f"({told})" if side.value is None else f"{side.value} ({told})"
