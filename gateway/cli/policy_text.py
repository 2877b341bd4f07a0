"""`gateway policy show`, `gateway policy schema`: a policy as it counts, and the form of policy files for editors."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.output import AsJson, print_json, reporting, say

if TYPE_CHECKING:
    from gateway.policy import Condition, Demand, Policy, Rule

__all__ = ["print_schema", "show_policy"]


def show_policy(
    file: Annotated[Path, typer.Argument(help="Policy file (YAML).", exists=True, dir_okay=False)],
    flat: Annotated[
        bool, typer.Option("--flat", help="Print the policy as one file without includes, which hashes the same.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a policy with what it includes: every rule and demand with the file and line where it stands."""
    from dataclasses import asdict

    from gateway.policy import flatten
    from gateway.settings import read_policy_file

    with reporting(as_json=as_json):
        policy = read_policy_file(file)
    text = flatten(policy)
    if as_json:
        named = {"policy": policy.id, "version": policy.version, "sha256": policy.sha256}
        print_json({**named, "files": list(policy.files), "text": text})
    elif flat:
        typer.echo(text, nl=False)
    else:
        for name in policy.files:
            say(name)
            for line, words in sorted(_lines(policy, name)):
                say(f"{line:5}  {words}")
        mended = ", ".join(f"{part} {word}" for part, word in asdict(policy.consistency).items())
        say(f"consistency: {mended}")
        count = len(policy.files)
        say(f"{policy.id} version {policy.version}, from {count} file{'s' if count != 1 else ''}")
        say(f"SHA-256 {policy.sha256}")


def _lines(policy: "Policy", file: str) -> "Iterator[tuple[int, str]]":
    """Yield what stands in one file of a policy: the line, and a rule or a demand in words."""
    from gateway.policy.language.changes import told

    for rule in policy.rules:
        if rule.file == file:
            change = told(rule.change) if rule.change is not None else ""
            yield rule.line, _told(f"{rule.action} {rule.path}", change, _asked(rule.conditions), rule)
    for word, demands in (("require", policy.require), ("hold", policy.hold)):
        for demand in demands:
            if demand.file == file:
                yield demand.line, _told(f"{word} {_asked(demand.conditions)}", "", "", demand)


def _told(what: str, change: str, asked: str, why: "Rule | Demand") -> str:
    words = " · ".join(filter(None, (change, asked, why.reason, why.legal)))
    return f"{what}  ({words})" if words else what


def _asked(conditions: "tuple[Condition, ...]") -> str:
    return ", ".join(one.text for one in conditions)


def print_schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema of policy files (2020-12), with which editors help to write them."""
    from json import dumps

    from gateway.policy import policy_file_schema

    if as_json:
        print_json(policy_file_schema())
    else:
        typer.echo(dumps(policy_file_schema(), indent=2, ensure_ascii=False))
