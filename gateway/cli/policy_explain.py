"""`gateway policy explain`: by which rule each value of a document leaves or stays, and why. Needs no node."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.catalogue import CatalogueFolder
from gateway.cli.output import AsJson, print_json, reporting, terminal_width
from gateway.cli.policy_choice import AgreementFile, DocumentFile, PolicyFile, Recipient, open_document
from gateway.cli.policy_telling import SIGNS, Columns, outcome_members, say_outcome, why
from gateway.cli.side_by_side import Row, print_columns

if TYPE_CHECKING:
    from gateway.policy import Explained

__all__ = ["explain_document"]


def explain_document(
    document: DocumentFile,
    policy_file: PolicyFile = None,
    agreement: AgreementFile = None,
    to: Recipient = "",
    only: Annotated[str, typer.Option(help="Show only `kept`, `changed` or `withheld` places.")] = "all",
    width: Columns = None,
    catalogue: CatalogueFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show for every value of a document whether it would leave, as it is or changed, by which rule, and why. Shows no
    value.

    Says last what becomes of the whole message: what is counted is what a diff counts.
    """
    from dataclasses import asdict

    from gateway.policy.telling.diff import explain_outcome

    if only not in {"all", "kept", "changed", "withheld"}:
        raise typer.BadParameter("write kept, changed, withheld or all", param_hint="--only")
    with reporting(as_json=as_json):
        opened = open_document(document, policy=policy_file, agreement=agreement, to=to, catalogue=catalogue)
        outcome, found = explain_outcome(opened.document, opened.policy, opened.compiled)
    shown = [one for one in found if _is_wanted(one, only)]
    counts = _counts(found)
    if as_json:
        for one in shown:
            print_json(asdict(one))
        print_json({"summary": [outcome_members(outcome, counts)]})
        return
    policy = opened.policy.policy
    heads = (f"Place{f' in the view for {to}' if to else ''}", f"Why, under {policy.id} version {policy.version}")
    print_columns(heads, [_row(one) for one in shown], width or terminal_width())
    say_outcome(outcome, counts)


def _is_wanted(one: "Explained", only: str) -> bool:
    return {"kept": one.kept, "changed": one.changed, "withheld": not one.kept}.get(only, True)


def _counts(found: "list[Explained]") -> dict[str, Any]:
    """Return how many values there are of each mark, as a diff counts them."""
    full = [one for one in found if not one.is_empty]
    kept, changed = sum(one.kept for one in full), sum(one.changed for one in full)
    return {"kept": kept - changed, "changed": changed, "withheld": len(full) - kept}


def _row(one: "Explained") -> Row:
    mark = "changed" if one.changed else "kept" if one.kept else "withheld"
    return Row(path=one.path, cells=((SIGNS[mark], ""), (None, why(one.rule, one.reason, one.legal, one.note))))
