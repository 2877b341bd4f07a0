"""`gateway policy simulate`: what a new policy would mean for documents of yesterday. Needs no node."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.catalogue import CatalogueFolder, compiled_set
from gateway.cli.output import AsJson, print_json, print_table, reporting, say

if TYPE_CHECKING:
    from gateway.policy import CompiledPolicy
    from gateway.policy.telling.simulation import Effect
    from gateway.schema import CompiledSet

__all__ = ["simulate"]

_INDEX: Final = re.compile(r"\[\d+\]")
_TURNS: Final = {
    "same": "nothing changes",
    "different": "something else leaves",
    "now_refused": "WOULD BE REFUSED",
    "now_invalid": "WOULD BE INVALID",
    "now_sent": "would be sent",
    "still_refused": "refused as before",
}


def simulate(
    new: Annotated[Path, typer.Argument(help="The new policy (YAML).", exists=True, dir_okay=False, metavar="NEW")],
    folder: Annotated[Path, typer.Argument(help="Folder of documents (*.xml).", exists=True, file_okay=False)],
    against: Annotated[
        Path, typer.Option("--against", help="The policy in force (YAML).", exists=True, dir_okay=False, metavar="OLD")
    ],
    catalogue: CatalogueFolder = None,
    as_json: AsJson = False,
) -> None:
    """Tell for a folder of documents which would change, gain, lose, or be refused under a new policy.

    Shows places and counts, no values. Documents that are not for the schema set are counted and left out. Exit code 1
    when a document that is sent today would be refused.
    """
    from gateway.policy import compile_policy
    from gateway.settings import read_policy_file

    effects: list[Effect] = []
    left_out = 0
    with reporting(as_json=as_json):
        old = read_policy_file(against)
        compiled = compiled_set(old.schema_set, catalogue)
        policies = [compile_policy(old, compiled), compile_policy(read_policy_file(new), compiled)]
        for file, found in _effects(folder, policies, compiled):
            if isinstance(found, str):
                left_out += 1
            else:
                effects.append(found)
            _show(file.relative_to(folder), found, as_json=as_json)
    turns = Counter(one.turn.value for one in effects)
    if as_json:
        print_json({"summary": {**turns, "left_out": left_out, "places": _places(effects)}})
    else:
        _summarise(effects, turns, left_out)
    if turns["now_refused"] or turns["now_invalid"]:
        raise typer.Exit(1)


def _effects(
    folder: Path, policies: "list[CompiledPolicy]", compiled: "CompiledSet"
) -> "Iterator[tuple[Path, Effect | str]]":
    """Yield for every document how the policies differ on it, or the code of why it can not be told."""
    from gateway.document import read
    from gateway.domain.limits import DocumentLimits
    from gateway.errors import DocumentError, SchemaError
    from gateway.policy.telling.diff import diff
    from gateway.policy.telling.simulation import effect
    from gateway.schema import validate

    for file in sorted(folder.rglob("*.xml")):
        try:
            document = validate(read(file.read_bytes(), DocumentLimits()), compiled)
        except (DocumentError, SchemaError) as error:
            yield file, error.code
        else:
            yield file, effect(diff(document, policies, compiled))


def _show(file: Path, found: "Effect | str", *, as_json: bool) -> None:
    if isinstance(found, str):
        if as_json:
            print_json({"file": str(file), "turn": None, "code": found})
        return
    if as_json:
        told = {"file": str(file), "turn": found.turn.value, "old_code": found.old_code, "code": found.new_code}
        print_json({**told, "gained": found.gained, "lost": found.lost, "altered": found.altered})
        return
    counts = ((len(found.gained), "gained"), (len(found.lost), "lost"), (len(found.altered), "altered"))
    more = [f"{number} {word}" for number, word in counts if number]
    codes = [code for code in (found.old_code, found.new_code) if code]
    why = ", ".join([*more, *dict.fromkeys(codes)])
    say(f"{_TURNS[found.turn.value]}: {file}{f' ({why})' if why else ''}")


def _places(effects: "list[Effect]") -> dict[str, dict[str, int]]:
    """Return in how many documents each place, without indexes, is gained, lost or altered."""
    found: dict[str, Counter[str]] = {"gained": Counter(), "lost": Counter(), "altered": Counter()}
    for one in effects:
        for word, counter in found.items():
            counter.update({_INDEX.sub("", path) for path in getattr(one, word)})
    return {word: dict(sorted(counter.items())) for word, counter in found.items()}


def _summarise(effects: "list[Effect]", turns: "Counter[str]", left_out: int) -> None:
    rows: list[tuple[Any, ...]] = [
        (word, path, number) for word, places in _places(effects).items() for path, number in places.items()
    ]
    if rows:
        print_table("", ("", "Place", "Documents"), rows)
    for turn, words in _TURNS.items():
        if turns[turn]:
            say(f"{turns[turn]:6}  {words}")
    if left_out:
        say(f"{left_out:6}  left out: no valid documents of this schema set")
