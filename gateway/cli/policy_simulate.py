"""`gateway policy simulate`: what a new policy would mean for documents of yesterday. Needs no node."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.catalogue import CatalogueFolder, compiled_set
from gateway.cli.documents import document_bytes, document_files
from gateway.cli.output import AsJson, print_json, print_table, reporting, say
from gateway.cli.policy_choice import check_same_set

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
    paths: Annotated[
        list[Path], typer.Argument(help="Documents (XML), and folders of them (*.xml).", exists=True, metavar="PATH…")
    ],
    against: Annotated[
        Path, typer.Option("--against", help="The policy in force (YAML).", exists=True, dir_okay=False, metavar="OLD")
    ],
    catalogue: CatalogueFolder = None,
    as_json: AsJson = False,
) -> None:
    """Tell of documents which would change, gain, lose, or be refused under a new policy.

    Shows places and counts, no values. Documents that can not be told of, such as those for another schema set, are
    listed with the reason and left out. Exit code 1 when a document that is sent today would be refused, or when there
    is none to tell of.
    """
    from gateway.errors import RequestError
    from gateway.policy import compile_policy
    from gateway.settings import read_policy_file

    effects: list[Effect] = []
    left_out: Counter[str] = Counter()
    with reporting(as_json=as_json):
        old, other = read_policy_file(against), read_policy_file(new)
        check_same_set(old, other)
        compiled = compiled_set(old.schema_set, catalogue)
        policies = [compile_policy(old, compiled), compile_policy(other, compiled)]
        for name, found in _effects(paths, policies, compiled):
            if isinstance(found, str):
                left_out[found] += 1
            else:
                effects.append(found)
            _show(name, found, as_json=as_json)
        if not effects and not left_out:
            raise RequestError("request.not_found", "There is no document (*.xml) in that folder or below")
    turns = Counter(one.turn.value for one in effects)
    if as_json:
        print_json({"summary": {**turns, "left_out": left_out.total(), "places": _places(effects)}})
    else:
        _summarise(effects, turns, left_out)
    if turns["now_refused"] or turns["now_invalid"] or not effects:
        raise typer.Exit(1)


def _effects(
    paths: "list[Path]", policies: "list[CompiledPolicy]", compiled: "CompiledSet"
) -> "Iterator[tuple[str, Effect | str]]":
    """Yield for every document how the policies differ on it, or the code of why it can not be told."""
    from gateway.document import read
    from gateway.domain.limits import DocumentLimits
    from gateway.errors import DocumentError, SchemaError
    from gateway.policy.telling.diff import diff
    from gateway.policy.telling.simulation import effect
    from gateway.schema import validate

    for name, file in document_files(paths):
        try:
            document = validate(read(document_bytes(file), DocumentLimits()), compiled)
        except (DocumentError, SchemaError) as error:
            yield name, error.code
        except OSError:
            yield name, "system.refused"
        else:
            yield name, effect(diff(document, policies, compiled))


def _show(file: str, found: "Effect | str", *, as_json: bool) -> None:
    if isinstance(found, str):
        if as_json:
            print_json({"file": file, "turn": None, "code": found})
        else:
            say(f"left out: {file} ({found})")
        return
    if as_json:
        told = {"file": file, "turn": found.turn.value, "old_code": found.old_code, "code": found.new_code}
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


def _summarise(effects: "list[Effect]", turns: "Counter[str]", left_out: "Counter[str]") -> None:
    rows: list[tuple[Any, ...]] = [
        (word, path, number) for word, places in _places(effects).items() for path, number in places.items()
    ]
    if rows:
        print_table("", ("", "Place", "Documents"), rows)
    for turn, words in _TURNS.items():
        if turns[turn]:
            say(f"{turns[turn]:6}  {words}")
    if left_out:
        codes = ", ".join(f"{number} {code}" for code, number in sorted(left_out.items()))
        say(f"{left_out.total():6}  left out: no valid documents of this schema set ({codes})")
