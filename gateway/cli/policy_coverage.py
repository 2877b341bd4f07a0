"""`gateway policy coverage`: what may leave of a whole schema set, under policies or for the partners of agreements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.catalogue import CatalogueFolder, compiled_set, schema_sets
from gateway.cli.output import AsJson, print_json, print_table, reporting, say

if TYPE_CHECKING:
    from gateway.policy import Policy
    from gateway.policy.telling.coverage import CoveredNode

__all__ = ["cover"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One policy, and for whom: empty texts where a policy file was named."""

    policy: "Policy"
    sender: str = ""
    recipient: str = ""
    agreement: str = ""
    kinds: tuple[str, ...] = ()
    nodes: "Sequence[CoveredNode]" = field(default=(), repr=False)

    @property
    def title(self) -> str:
        """What stands in the list of columns."""
        named = f"{self.policy.id} version {self.policy.version}"
        if not self.recipient:
            return named
        return f"{self.sender} → {self.recipient}, {', '.join(self.kinds)} ({self.agreement}): {named}"


def cover(
    paths: Annotated[
        list[Path], typer.Argument(help="Policy files (YAML), or folders of agreements.", exists=True, metavar="PATH…")
    ],
    to: Annotated[str, typer.Option("--to", help="Of agreements, only what this party gets.")] = "",
    set_id: Annotated[str, typer.Option("--set", help="Only this schema set.", metavar="ID")] = "",
    tree: Annotated[bool, typer.Option("--tree", help="Show the schema set as a tree too.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Fold nothing in the tree.")] = False,
    catalogue: CatalogueFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show what may leave of all that a schema set has, by privacy class, with counts; for each partner or policy."""
    with reporting(as_json=as_json):
        columns = _columns(paths, to, set_id, catalogue)
    for one, group in columns.items():
        if as_json:
            for column in group:
                print_json(_json(column))
        else:
            _print(one, group, tree=tree or full, full=full)


def _columns(paths: Sequence[Path], to: str, set_id: str, catalogue: Path | None) -> Mapping[str, list[_Column]]:
    """Return the columns asked for, by schema set."""
    from dataclasses import replace

    from gateway.errors import RequestError
    from gateway.policy.telling.coverage import coverage
    from gateway.settings import read_policy_file

    found: dict[str, list[_Column]] = {}
    for path in paths:
        for column in _of_agreements(path, catalogue) if path.is_dir() else [_Column(policy=read_policy_file(path))]:
            if to in ("", column.recipient) and set_id in ("", column.policy.schema_set):
                found.setdefault(column.policy.schema_set, []).append(column)
    if not found:
        raise RequestError("request.not_found", "Nothing there is for that party and schema set")
    trees = {one: compiled_set(one, catalogue).tree for one in found}
    return {
        one: [replace(column, nodes=coverage(column.policy, trees[one])) for column in group]
        for one, group in sorted(found.items())
    }


def _of_agreements(folder: Path, catalogue: Path | None) -> list[_Column]:
    from gateway.settings import load_agreements

    book = load_agreements([folder], schema_sets(catalogue))
    return [
        _Column(
            policy=book.policies[flow.policy_sha256],
            sender=flow.sender,
            recipient=flow.recipient,
            agreement=f"{one.id} version {one.version}",
            kinds=tuple(sorted(flow.kinds)),
        )
        for one in book.agreements
        for flow in one.flows
    ]


def _print(set_id: str, columns: Sequence[_Column], *, tree: bool, full: bool) -> None:
    from gateway.policy.telling.coverage_text import by_class, tree_lines

    say(set_id)
    for number, column in enumerate(columns, start=1):
        say(f"  [{number}] {column.title}")
    heads = [f"[{number}]" for number in range(1, len(columns) + 1)]
    covered = [column.nodes for column in columns]
    print_table("", ("May leave of", *heads), [(name, *cells) for name, cells in by_class(covered)])
    if tree:
        say("= leaves   ~ leaves changed   ? at times   - does not leave")
        for cells, name in tree_lines(covered, full=full):
            say(" ".join(cell.ljust(8) for cell in cells) + f" {name}")


def _json(column: _Column) -> dict[str, Any]:
    counts: dict[str, dict[str, int]] = {}
    places: list[dict[str, Any]] = []
    for node in column.nodes:
        for place in node.places():
            privacy = "" if place.privacy is None else place.privacy.value
            places.append(
                {
                    "path": place.path,
                    "class": privacy,
                    "fate": place.fate.value,
                    "rule": place.rule,
                    "reason": place.reason,
                    "legal": place.legal,
                    "how": place.how,
                }
            )
            if not place.is_attribute:
                of_class = counts.setdefault(privacy, {})
                of_class[place.fate.value] = of_class.get(place.fate.value, 0) + 1
    return {
        "policy": column.policy.id,
        "version": column.policy.version,
        "sha256": column.policy.sha256,
        "schema_set": column.policy.schema_set,
        "agreement": column.agreement,
        "from": column.sender,
        "to": column.recipient,
        "kinds": column.kinds,
        "counts": counts,
        "places": places,
    }
