"""`gateway schema facts`: what a schema set says about its places, and what a value there could do in wrong hands."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from gateway.cli.catalogue import CatalogueFolder, schema_sets
from gateway.cli.output import AsJson, print_json, reporting, say, terminal_width

if TYPE_CHECKING:
    from gateway.schema import AttributeFacts, Classed, PrivacyClass, SchemaNode, SchemaSet, SchemaTree, ValueFacts

__all__ = ["Row", "lines", "often", "show_facts"]

_GUESSED: Final = "?"
_STEP: Final = "  "
_RIGHT: Final = 26
"""Columns for WCO id, how often, and class."""


def show_facts(
    set_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the schema set, such as dms-declaration.")],
    path: Annotated[
        str, typer.Option(help="Only this place and what it holds: a path, a WCO id such as 68A, or a name.")
    ] = "",
    only: Annotated[str, typer.Option("--class", help="Only places of this privacy class, such as personal.")] = "",
    depth: Annotated[int | None, typer.Option(min=0, help="How many levels below each place to show.")] = None,
    details: Annotated[bool, typer.Option("--details", help="Show why each class, and every attribute.")] = False,
    privacy: Annotated[
        Path | None,
        typer.Option("--privacy", help="File with privacy classes that differ here.", exists=True, dir_okay=False),
    ] = None,
    catalogue: CatalogueFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show the places of a schema set: how often, what value, WCO id, attributes, privacy class.

    A body that may also come without its envelope is shown once, within it. With --json one object a place, in the
    order of the tree.
    """
    from gateway.schema import read_tree

    with reporting(as_json=as_json):
        chosen = _set(set_id, catalogue, privacy)
        tree = read_tree(chosen)
        wanted = _privacy_class(only) if only else None
        tops = _tops(tree, path)
    rows = [row for top in tops for row in _below(top, 0, depth) if wanted is None or row.node.privacy is wanted]
    if as_json:
        for row in rows:
            print_json(_json(row.node))
        return
    for line in _heading(chosen, tree):
        say(line)
    for line in lines(rows, terminal_width(), is_flat=wanted is not None, details=details or len(rows) == 1):
        say(line)


def _set(set_id: str, catalogue: Path | None, privacy: Path | None) -> "SchemaSet":
    from gateway.domain.ids import SchemaSetId
    from gateway.errors import SchemaError
    from gateway.settings import override_privacy

    sets = schema_sets(catalogue)
    if SchemaSetId(set_id) not in sets:
        raise SchemaError("schema.unknown_set", f"There is no set of this id; there are {', '.join(sorted(sets))}")
    chosen = sets[SchemaSetId(set_id)]
    return chosen if privacy is None else override_privacy(chosen, privacy)


def _privacy_class(word: str) -> "PrivacyClass":
    from gateway.schema import PrivacyClass

    if word not in frozenset(PrivacyClass):
        raise typer.BadParameter(f"write one of {', '.join(PrivacyClass)}", param_hint="--class")
    return PrivacyClass(word)


# ── which places ─────────────────────────────────────────────────────────────────────────────────────────────────


def _tops(tree: "SchemaTree", asked: str) -> "tuple[SchemaNode, ...]":
    """The places that were asked for: everything, one path, or every place of a WCO id or a name."""
    return (tree.find(asked) or _unknown(tree, asked)) if asked else tree.homes


def _unknown(tree: "SchemaTree", wanted: str) -> NoReturn:
    from difflib import get_close_matches

    from gateway.errors import SchemaError

    words = tree.nodes if "/" in wanted else {*tree.names, *(one.wco_id for one in tree.nodes.values() if one.wco_id)}
    other_case = [word for word in sorted(words) if word.lower() == wanted.lower()]
    near = other_case or get_close_matches(wanted, sorted(words), n=3, cutoff=0.6)
    hint = f"; nearest: {', '.join(near)}" if near else "; without --path all places are shown"
    raise SchemaError("schema.path_unknown", f"The set has no such path, WCO id or name{hint}")


@dataclass(frozen=True, slots=True)
class Row:
    """One place to be shown, and how deep it lies below the one that was asked for."""

    node: "SchemaNode"
    level: int


def _below(node: "SchemaNode", level: int, depth: int | None) -> Iterator[Row]:
    yield Row(node, level)
    if depth is None or level < depth:
        for child in node.children:
            yield from _below(child, level + 1, depth)


# ── for people ───────────────────────────────────────────────────────────────────────────────────────────────────


def _heading(chosen: "SchemaSet", tree: "SchemaTree") -> Iterator[str]:
    """The set, how many places of which class, and what holds for all of them."""
    nodes = [node for home in tree.homes for node in tree.below(home)]
    classes = Counter(node.privacy for node in nodes if node.privacy is not None)
    counted = ", ".join(f"{count} {word}" for word, count in classes.most_common())
    yield f"{chosen.id}, {chosen.release}: {chosen.title}"
    yield f"{len(nodes)} places, {classes.total()} of them values: {counted}"
    for root in tree.roots:
        if (home := tree.home(root)) != root.path:
            yield f"{root.path} may stand alone too: as {home}"
    if guessed := sum(1 for node in nodes if node.classed is not None and node.classed.guessed):
        yield f"{_GUESSED} marks a guess: nobody has reviewed the class of {guessed} values for this set"
    yield ""


def lines(rows: Sequence[Row], width: int, *, is_flat: bool, details: bool) -> Iterator[str]:
    """Yield the lines for places on a terminal of `width` columns. `is_flat`: whole paths instead of a tree."""
    lefts = [row.node.path if is_flat or not row.level else _STEP * row.level + _last_step(row.node) for row in rows]
    room = min(max((len(left) for left in lefts), default=0), width - _RIGHT - 1)
    for row, left in zip(rows, lefts, strict=True):
        *first, last = _folded(left, room)
        yield from first
        yield f"{last:<{room}} {_right(row.node)}".rstrip()
        indent = _STEP * (row.level + 2 if not is_flat else 2)
        for text in _said(row.node, details=details):
            yield from wrap(text, width, initial_indent=indent, subsequent_indent=indent + _STEP)


def _last_step(node: "SchemaNode") -> str:
    return node.path.rpartition("/")[2]


def _folded(left: str, room: int) -> list[str]:
    """Return a path in pieces that fit, cut before a slash."""
    pieces = [""]
    for step in re.split(r"(?<=.)(?=/)", left):
        if pieces[-1] and len(pieces[-1]) + len(step) > room:
            pieces.append(_STEP)
        pieces[-1] += step
    return pieces


def _right(node: "SchemaNode") -> str:
    return f"{node.wco_id or '-':<5} {often(node):<8} {_class(node.classed)}"


def often(node: "SchemaNode") -> str:
    """Return how often a place may be there, such as `1`, `0..1` or `0..*`."""
    most = "*" if node.most is None else str(node.most)
    return most if most == str(node.least) else f"{node.least}..{most}"


def _class(classed: "Classed | None") -> str:
    return "" if classed is None else f"{classed.privacy}{_GUESSED if classed.guessed else ''}"


def _said(node: "SchemaNode", *, details: bool) -> Iterator[str]:
    from gateway.schema import expectation

    if node.value is not None:
        yield expectation(node.value)
    if node.repeats:
        yield f"holds again what {node.repeats} holds"
    notes = {"takes more than the set lists": node.is_open, "text between its elements": node.is_mixed}
    yield from (note for note, holds in {**notes, "may be nil": node.nillable}.items() if holds)
    if details and node.classed is not None:
        yield f"{_class(node.classed)}: {node.classed.reason}"
    yield from _attributes(list(node.attributes.values()), details=details)


def _attributes(attributes: "list[AttributeFacts]", *, details: bool) -> Iterator[str]:
    from gateway.schema import expectation

    for one in attributes:
        if details or one.required:
            must = ", required" if one.required else ""
            yield f"@{one.name}{must}: {expectation(one.value)}" + (f" ({_class(one.classed)})" if details else "")
    more = sum(1 for one in attributes if not one.required)
    if more and not details:
        yield f"and {more} optional attribute{'s' if more != 1 else ''}"


# ── for programs ─────────────────────────────────────────────────────────────────────────────────────────────────


def _json(node: "SchemaNode") -> dict[str, Any]:
    return {
        "path": node.path,
        "name": node.name,
        "namespace": node.namespace,
        "wco_id": node.wco_id,
        "least": node.least,
        "most": node.most,
        **_value(node.value),
        **_classed(node.classed),
        "attributes": [
            {"name": one.name, "required": one.required, **_value(one.value), **_classed(one.classed)}
            for one in node.attributes.values()
        ],
        "repeats": node.repeats,
        "open": node.is_open,
        "mixed": node.is_mixed,
        "nillable": node.nillable,
    }


def _value(value: "ValueFacts | None") -> dict[str, Any]:
    from gateway.schema import expectation

    return {
        "value": None if value is None else expectation(value),
        "facets": None
        if value is None
        else {name: one for name, one in asdict(value).items() if one not in (None, ())},
    }


def _classed(classed: "Classed | None") -> dict[str, Any]:
    if classed is None:
        return {"privacy": None, "privacy_reason": "", "privacy_guessed": False}
    return {"privacy": classed.privacy, "privacy_reason": classed.reason, "privacy_guessed": classed.guessed}
