"""Prints one document in five views, side by side, and what became of a message that held too much."""

from typing import Final

from rich.console import Console
from rich.text import Text

from gateway.demo.history import History
from gateway.demo.show import table_of
from gateway.demo.stage import FR, GB
from gateway.demo.views import SHOWN, FiveViews

_SAME: Final = "="
_STAYS: Final = "–"


def show_views(console: Console, found: FiveViews) -> None:
    """Print who would get how much of the document, under what law, and what it looks like at telling places."""
    if not found.views:
        return
    table = table_of(
        f"One document, five partners: {found.document}", ("to", "policy", ">leave", ">changed", ">stay", "legal basis")
    )
    for one in found.views:
        cells = (one.partner, one.title, str(one.kept), str(one.changed), str(one.withheld), one.legal_basis)
        table.add_row(*map(Text, cells))
    console.print(table)
    table = table_of(
        "The same, value by value", ("value", "held", *(one.partner.partition("-")[0] for one in found.views))
    )
    for number, name in enumerate(SHOWN):
        held = found.held[number]
        gets = [_cell(held, one.shown[number]) for one in found.views]
        table.add_row(Text(name), Text(held), *gets)
    console.print(table)
    console.print(
        Text(f"{_SAME} leaves as it is, {_STAYS} stays. Pseudonyms are shown under a key that everybody knows.")
    )
    console.print()


def _cell(held: str, got: str | None) -> Text:
    if got is None:
        return Text(_STAYS, style="bold")
    return Text(_SAME if got == held else got)


def show_over_shared(console: Console, history: History) -> None:
    """Print what the receiver said to a message that was not cut."""
    one = history.played.over_shared
    if one is None:
        return
    answered = "a signed refusal, policy.over_shared" if not one.refusal else f"NOT REFUSED: {one.refusal}"
    told = f"{GB} sent {FR} all of {one.document.name}, {one.document.withheld} values too many: {answered}."
    console.print(Text(f"{told}\n"))
